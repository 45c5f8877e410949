"""The tables of the thresholds: a fit to made scores gives what the formulas say, and the command writes them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage

from hsad.anomalies.null.bank import BankNull, BankTable
from hsad.bench import calibration, run_calibration
from hsad.bench.calibration import STATED, background_of, fit_table, judge
from hsad.bench.known import KnownScene, as_cube
from hsad.cli import run

GROUNDS = ("one", "two", "three")
SIZE = (150, 160)


def known(name, kind="native", seed=0, bands=6):
    """Return a scene of noise with one object of 3 x 3 pixels."""
    truth = np.zeros(SIZE)
    truth[70:73, 80:83] = 1
    spectra = np.random.default_rng(seed).normal(size=(*SIZE, bands))
    spectra[truth > 0] += 9
    return KnownScene(f"{kind}/{name}", kind, as_cube(spectra), truth, {f"{name}.mat": "0" * 64})


def scores_of(seed, shift=0.0):
    """Return smooth noise, with the object on top."""
    scores = shift + ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SIZE), 1.0)
    scores[70:73, 80:83] += 9
    return scores


def backgrounds(shifts=(0.0, 0.0, 0.0), seeds=(1, 2, 3)):
    return [
        background_of(known(ground), scores_of(seed, shift), ground)
        for ground, seed, shift in zip(GROUNDS, seeds, shifts, strict=True)
    ]


def peaks_by_hand(scores):
    """Return the local maxima within 3 pixels, those near the object left out, largest first."""
    highest = ndimage.maximum_filter(scores, size=2 * calibration.PEAK_REACH + 1, mode="nearest") == scores
    highest[68:75, 78:85] = False
    return np.sort(scores[highest])[::-1]


def test_a_background_has_the_peaks_that_are_not_near_an_object():
    scores = scores_of(1)
    found = background_of(known("one"), scores, "one")
    np.testing.assert_array_equal(found.peaks, peaks_by_hand(scores))
    assert found.units == pytest.approx((scores.size - 7 * 7) / 1e4)


def test_a_height_is_exceeded_by_its_rate_of_peaks():
    """The mean over the three grounds of peaks per 10⁴ pixels, each counted from the level of its own scene."""
    scenes = backgrounds()
    table = fit_table("auto", scenes, 40.0)
    levels = [BankNull(table, scene.tail).level for scene in scenes]
    peaks = [peaks_by_hand(scores_of(seed)) for seed in (1, 2, 3)]
    units = (SIZE[0] * SIZE[1] - 49) / 1e4
    for height, rate in zip(table.heights, table.rates, strict=True):
        counts = [(found - level >= height).sum() for found, level in zip(peaks, levels, strict=True)]
        assert np.mean(counts) / units == pytest.approx(rate, abs=1 / units / 3)  # one peak more or less


def test_a_constant_added_to_scores_changes_no_table():
    table, moved = (fit_table("auto", backgrounds(shifts), 40.0) for shifts in ((0, 0, 0), (5, -3, 8)))
    np.testing.assert_allclose(moved.heights, table.heights, atol=1e-9)
    np.testing.assert_allclose(moved.coefficients, table.coefficients, atol=1e-9)


def test_a_scene_is_judged_by_the_tables_of_other_grounds():
    scenes = backgrounds()
    for row, scene, seed in zip(judge("auto", scenes, [], 40.0), scenes, (1, 2, 3), strict=True):
        assert row.stated == pytest.approx([rate * (SIZE[0] * SIZE[1] - 49) / 1e4 for rate in STATED])
        assert (row.kept, row.objects) == ((1, 1, 1), 1)
        null = BankNull(fit_table("auto", [other for other in scenes if other is not scene], 40.0), scene.tail)
        for rate, delivered in zip(STATED, row.delivered, strict=True):
            # Pixels above the limit that are at most 2 apart are one object; the true one is not false.
            above = scores_of(seed) >= null.threshold(rate)
            labels, number = ndimage.label(ndimage.binary_dilation(above, np.ones((3, 3))), np.ones((3, 3)))
            assert delivered == number - len(set(np.unique(labels[69:74, 79:84])) - {0})


def test_the_command_writes_tables_and_keeps_those_of_others(tmp_path, monkeypatch, capsys):
    scenes = [known(name, seed=seed) for seed, name in enumerate(GROUNDS)]
    monkeypatch.setattr(calibration, "_GROUNDS", {name: name for name in GROUNDS})
    monkeypatch.setattr(calibration, "_SYNTHETIC", ())
    monkeypatch.setattr(calibration, "benchmark_scenes", lambda _: [
        KnownScene(s.name.partition("/")[2], s.family, s.cube, s.truth, s.sha256) for s in scenes
    ])  # fmt: skip
    bank = tmp_path / "bank.json"
    other = fit_table("crd", [background_of(known(g), np.exp(scores_of(i)), g) for i, g in enumerate(GROUNDS)], 20.0)
    calibration.Calibration({"crd": other}, {}).write(bank)
    assert run(["bench", "--calibrate", str(bank), "--data", str(tmp_path), "--only", "rx", "-q"]) == 0
    text = capsys.readouterr().out
    assert "| native/two | " in text
    assert "| binned2 | 3 " in text
    tables = {table["method"]: table for table in json.loads(bank.read_text())["tables"]}
    assert list(tables) == ["crd", "rx"]
    assert BankTable.from_dict(tables["crd"]) == BankTable.from_dict(json.loads(json.dumps(vars(other))))
    assert {source["name"] for source in tables["rx"]["sources"]} == {
        f"{kind}/{name}" for kind in ("native", "binned2") for name in GROUNDS
    }
    assert tables["rx"]["sources"][0]["origin"] == f"one.mat sha256 {'0' * 64}"


def test_scores_are_cached_between_calls(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "_GROUNDS", {name: name for name in GROUNDS})
    monkeypatch.setattr(calibration, "_cases", lambda known, _: [(scene, scene.name[7:], "") for scene in known])
    scenes = [known(name, seed=seed) for seed, name in enumerate(GROUNDS)]
    monkeypatch.setattr(calibration, "benchmark_scenes", lambda _: scenes)
    monkeypatch.setattr(calibration, "_GROUNDS", {})
    first = run_calibration(tmp_path, methods=["rx"], cache=tmp_path / "scores")
    assert len(list((tmp_path / "scores").glob("rx-0-native-*.npy"))) == 3
    monkeypatch.setattr(calibration, "detect", None)
    assert run_calibration(tmp_path, methods=["rx"], cache=tmp_path / "scores").to_dict() == first.to_dict()
