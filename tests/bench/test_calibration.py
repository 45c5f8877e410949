"""The bank of the thresholds: a fit to made scenes gives the law they were drawn from, and the command writes it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from hsad.anomalies.null.posterior import Posterior
from hsad.anomalies.null.prior import Prior, prior_for
from hsad.anomalies.null.tail import PEAK_REACH, Tail
from hsad.bench import run_calibration
from hsad.bench.calibration import fit, pairs, run, scenes
from hsad.bench.calibration.backgrounds import BACKGROUND, LEFT_OUT, OBJECT, Background, background_of
from hsad.bench.calibration.fit import fit_calibration, fit_least, fit_prior
from hsad.bench.calibration.judge import STATED, bank_of, judge
from hsad.bench.calibration.run import Calibration, blank_prior
from hsad.bench.calibration.scenes import Case
from hsad.bench.known import KnownScene, as_cube
from hsad.cli import run as command

NAMES = ("one", "two", "three")
SIZE = (150, 160)


def known(name, seed=0, bands=6):
    """Return a scene of noise with one object of 3 x 3 pixels."""
    truth = np.zeros(SIZE)
    truth[70:73, 80:83] = 1
    spectra = np.random.default_rng(seed).normal(size=(*SIZE, bands)) + 20
    spectra[truth > 0] += 9
    return KnownScene(name, "native", as_cube(spectra), truth, {f"{name}.mat": "0" * 64})


def scores_of(seed, shift=0.0):
    """Return smooth noise, with the object on top."""
    scores = shift + ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SIZE), 1.0)
    scores[70:73, 80:83] += 9
    return 6 * scores


def backgrounds(number=3):
    return [
        background_of(Case(known(f"native/{n}"), f"ground {n}", "made", learned=True), scores_of(n))
        for n in range(1, number + 1)
    ]


def test_peaks_are_background_object_or_left_out():
    scores = scores_of(1)
    case = Case(known("native/one"), "one", "made", learned=True)
    case.scene.truth[10:14, 10:14] = np.nan
    found = background_of(case, scores)
    highest = ndimage.maximum_filter(scores, size=2 * PEAK_REACH + 1, mode="nearest") == scores
    place = np.full(SIZE, BACKGROUND)
    place[8:16, 8:16] = LEFT_OUT
    place[68:75, 78:85] = OBJECT
    for kind in (BACKGROUND, OBJECT, LEFT_OUT):
        expected = np.sort(scores[highest & (place == kind)])[::-1]
        np.testing.assert_array_equal(found.tail.peaks[found.at_peaks == kind], expected)
    assert found.units == pytest.approx((scores.size - 7 * 7 - 8 * 8) / 1e4)


def drawn(rng, theta, knots, units):
    """Return a scene with peaks of a law: those between two heights are a Poisson number, evenly in their rate."""
    fall = np.concatenate([[0], np.cumsum(np.exp(theta[1:-1]) * np.diff(knots))])
    depth = rng.exponential(size=rng.poisson(units * np.exp(theta[0])))
    heights = np.interp(depth, fall, knots) + np.maximum(depth - fall[-1], 0) / np.exp(theta[-1])
    peaks = np.sort(heights)[::-1]
    tail = Tail(int(units * 1e4), np.linspace(-1, 1, 1001), peaks, np.zeros(len(peaks), np.uint8))
    kinds = np.zeros(len(peaks), np.uint8)
    return Background("x", "native", f"{rng.random()}", "", True, np.zeros((1, 1)), np.zeros((1, 1), bool), kinds, tail,
                      kinds, units)  # fmt: skip


def test_a_fit_gives_the_law_of_the_scenes():
    rng = np.random.default_rng(3)
    knots = np.array([1.0, 2.0, 3.5, 5.0])
    rates = blank_prior("auto").rates
    mean = np.log([rates[0], 0.85, 0.73, 0.8, 0.8])
    spread = np.array([0.3, 0.1, 0.1, 0.2, 0.1])
    some = [drawn(rng, mean + spread * rng.normal(size=5), knots, 3.0) for _ in range(40)]
    prior = fit_prior(blank_prior("auto"), some, np.full(40, 1 / 40))
    found = np.exp(prior.expected(prior.mean)[0])
    assert found == pytest.approx(rates[0], rel=0.1)
    # The pooled rate at each knot is what defines it.
    for rate, knot in zip(rates, prior.knots, strict=True):
        assert np.mean([(scene.peaks >= knot).sum() / scene.units for scene in some]) == pytest.approx(rate, rel=0.02)
    assert np.sqrt(prior.covariance[0, 0]) == pytest.approx(0.3, abs=0.1)
    assert (np.linalg.eigvalsh(prior.covariance) > 0).all()


def test_a_calibration_finds_what_was_wrong_with_probabilities():
    rng = np.random.default_rng(5)
    raw = rng.random(40_000) * 0.85
    true = 0.05 + 0.95 / (1 + np.exp(-(0.5 + 1.5 * np.log(raw / (1 - raw)))))
    kinds = np.where(rng.random(len(raw)) < true, BACKGROUND, OBJECT).astype(np.uint8)
    kinds[::7] = LEFT_OUT
    offset, factor, floor = fit_calibration(raw, kinds, np.full(len(raw), "native"), {})
    assert (offset, factor, floor) == (
        pytest.approx(0.5, abs=0.1),
        pytest.approx(1.5, abs=0.15),
        pytest.approx(0.05, abs=0.03),
    )


def test_families_weigh_the_same_in_a_calibration():
    """A hundred times as many peaks of one family say as much as the few of the other."""
    raw = np.full(10_100, 0.5)
    kinds = np.full(10_100, BACKGROUND, dtype=np.uint8)
    kinds[10_000:] = OBJECT
    families = np.where(np.arange(10_100) < 10_000, "faint", "native")
    offset, _, floor = fit_calibration(raw, kinds, families, {})
    assert floor + (1 - floor) / (1 + np.exp(-offset)) == pytest.approx(0.5, abs=0.02)
    offset, _, floor = fit_calibration(raw, kinds, families, {"faint": 3.0})
    assert floor + (1 - floor) / (1 + np.exp(-offset)) == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize(
    "p_false, false, least",
    [
        ([0.1, 0.1, 0.1, 0.5], 1, 1 / 6),  # 3 x + .5 = 1
        ([0.1, 0.2, 0.4], 1, 0.3),  # 2 x + .4 = 1
        ([0.3, 0.4, 0.5], 1, 0.0),  # 1.2 are stated
        ([0.1, 0.2, 0.4], 3, 0.5),  # the most that a listed anomaly has
        ([], 0, 0.0),
    ],
)
def test_a_least_probability_states_as_many_false_anomalies_as_there_are(p_false, false, least):
    assert fit_least(p_false, false) == pytest.approx(least)


def test_spaceborne_scenes_are_judged_with_the_least_probability_of_other_grounds(monkeypatch):
    monkeypatch.setattr(fit, "_DRAWS", 150)
    monkeypatch.setattr("hsad.anomalies.null.posterior.DRAWS", 150)
    some = []
    for number in (1, 2, 3):
        scores = scores_of(number)
        scores[20:140:60, 30] += 12  # false objects
        case = Case(known(f"native/{number}"), f"ground {number}", "made", learned=True)
        some.append(replace(background_of(case, scores), family="space"))
    _, _, plain = judge(blank_prior("auto"), some, some)
    _, coarse, rows = judge(blank_prior("auto"), some, some, coarse=True)
    for number, (row, before) in enumerate(zip(rows, plain, strict=True)):
        others = [other for place, other in enumerate(plain) if place != number]
        least = fit_least([p for other in others for p in other.p_false], sum(sum(other.false) for other in others))
        assert row.p_false == pytest.approx([max(p, least) for p in before.p_false])
        assert row.false == before.false
    assert coarse.least == fit_least([p for row in plain for p in row.p_false], sum(sum(row.false) for row in plain))
    assert coarse.least > 0.3
    false, stated = sum(sum(row.false) for row in rows), sum(sum(row.p_false) for row in rows)
    assert coarse.times == pytest.approx(false / stated, abs=0.005)


def test_a_scene_is_judged_by_the_bank_of_other_grounds():
    some = backgrounds()
    _, coarse, rows = judge(blank_prior("auto"), some, some)
    assert coarse is None
    for row, scene in zip(rows, some, strict=True):
        assert row.stated == pytest.approx([rate * (SIZE[0] * SIZE[1] - 49) / 1e4 for rate in STATED])
        assert (row.kept, row.objects, row.found) == ((1, 1, 1), 1, 1)
        others = [other for other in some if other is not scene]
        null = Posterior(fit_prior(blank_prior("auto"), others, np.full(2, 0.5)), scene.tail)
        for rate, delivered in zip(STATED, row.delivered, strict=True):
            # Pixels above the limit that are at most 2 apart are one object; the true one is not false.
            above = scene.scores >= null.threshold(rate)
            labels, number = ndimage.label(ndimage.binary_dilation(above, np.ones((3, 3))), np.ones((3, 3)))
            assert delivered == number - len(set(np.unique(labels[69:74, 79:84])) - {0})
        assert row.false[0] is False
        assert list(row.p_false) == sorted(row.p_false)


@pytest.mark.long
def test_the_command_writes_priors_and_keeps_those_of_others(tmp_path, monkeypatch, capsys):
    """The calibration in short form: three small scenes."""
    monkeypatch.setattr(fit, "_DRAWS", 150)
    monkeypatch.setattr("hsad.anomalies.null.posterior.DRAWS", 150)
    some = [known(name, seed=seed) for seed, name in enumerate(NAMES)]
    monkeypatch.setattr(run, "GROUNDS", {name: name for name in NAMES})
    monkeypatch.setattr(run, "benchmark_scenes", lambda _: some)
    monkeypatch.setattr(scenes, "GROUNDS", {name: name for name in NAMES})
    monkeypatch.setattr(scenes, "_SYNTHETIC", ())
    bank = tmp_path / "bank.json"
    others = Calibration({"crd": fit_prior(blank_prior("crd"), backgrounds(), np.full(3, 1 / 3))}, {})
    others.write(bank)
    assert command(["bench", "--calibrate", str(bank), "--data", str(tmp_path), "--only", "rx", "-q"]) == 0
    text = capsys.readouterr().out
    assert "| two | 1 | " in text
    for family in ("native", "binned2", "blur", "blurbin", "space", "striped"):
        assert f"| {family} | 3 | " in text
    priors = {prior["method"]: prior for prior in json.loads(bank.read_text())["priors"]}
    assert list(priors) == ["crd", "rx"]
    assert Prior.from_dict(priors["crd"]).to_dict() == others.priors["crd"].to_dict()
    assert priors["rx"]["sources"][0]["origin"] == f"one.mat sha256 {'0' * 64}"
    assert sum(source["weight"] for source in priors["rx"]["sources"]) == pytest.approx(1, abs=1e-3)
    bank.write_text("{}")
    assert command(["bench", "--calibrate", str(bank), "--data", str(tmp_path), "--only", "rx", "-q"]) == 1
    assert "not a bank of priors" in capsys.readouterr().err


def test_scores_are_cached_between_calls(tmp_path, monkeypatch):
    some = [Case(known(f"native/{name}", seed), name, "", learned=True) for seed, name in enumerate(NAMES)]
    monkeypatch.setattr(run, "GROUNDS", {})
    monkeypatch.setattr(run, "benchmark_scenes", lambda _: [])
    monkeypatch.setattr(run, "cases", lambda *_: iter(some))
    first = run_calibration(tmp_path, methods=["rx"], cache=tmp_path / "scores")
    assert len(list((tmp_path / "scores").glob("rx-native-*.npy"))) == 3
    monkeypatch.setattr("hsad.bench.calibration.backgrounds.detect", None)
    assert run_calibration(tmp_path, methods=["rx"], cache=tmp_path / "scores").to_dict() == first.to_dict()


def test_what_is_seen_from_above_is_coarser_noisier_and_the_same_in_each_call(tmp_path):
    scene = known("urban-2", 4)
    first, again = (list(scenes._from_above([scene], tmp_path, 1, learned=True)) for _ in range(2))
    assert [case.scene.name for case in first] == ["space/urban-2-x3@1", "striped/urban-2-x3@1"]
    for case, same in zip(first, again, strict=True):
        assert case.scene.cube.shape == (50, 53, 6)
        np.testing.assert_array_equal(case.scene.cube, same.scene.cube)
        assert case.ground == "urban-2"
        assert 3 <= ndimage.label(np.nan_to_num(case.scene.truth), np.ones((3, 3)))[1] <= 12
    spread = [case.scene.cube.values.std(axis=0).mean() for case in first]
    assert spread[0] < spread[1]


def test_pairs_are_a_scene_split_into_two_dates_and_made_ones_the_same_in_each_call(monkeypatch, tmp_path):
    random = np.random.default_rng(0)
    spectra = random.normal(size=(60, 70, 3)) @ random.normal(size=(3, 40)) + 50 + random.normal(size=(60, 70, 40))
    base = ("field", spectra, np.zeros((60, 70), dtype=bool), "ground", "field.mat sha256 0")
    monkeypatch.setattr(pairs, "bases", lambda *_: [base])
    monkeypatch.setattr(pairs, "_MADE", ({"rows": 60, "cols": 70, "bands": 12, "after_bands": 10, "kept_sizes": (9,)},))
    monkeypatch.setattr(pairs, "LEARNED_DRAWS", (0,))
    first, again = (list(pairs.pair_cases([], tmp_path, (3,))) for _ in range(2))
    assert [case.scene.name for case in first[:6]] == [
        f"split/field-{shift}@{draw}" for draw in (0, 3) for shift in ("0", "0.3", "0.7")
    ]
    assert [case.scene.family for case in first] == ["split"] * 6 + ["made"] * 6
    for case, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(case.scene.cube, same.scene.cube)
        assert case.learned == case.scene.name.endswith("@0")
        assert np.isfinite(case.scene.truth).all()
        assert case.scene.truth.any()
        bands = np.bincount(case.scene.cube.date)
        assert bands.tolist() == ([40, 40] if case.scene.family == "split" else bands.tolist())
    changed = (first[0].scene.truth > 0).sum()
    assert 2 <= len(np.unique(first[0].scene.truth)) - 1 <= 24
    assert changed < 0.2 * first[0].scene.truth.size


def test_a_law_that_is_taken_from_other_detectors_is_kept_and_only_calibrated():
    blank = blank_prior("covariance-equalisation")
    assert bank_of(blank, backgrounds()) is blank
    assert not blank.rough
    assert blank.calibration == (0.0, 1.0, 0.0)
    shipped = prior_for("covariance-equalisation")
    np.testing.assert_allclose(shipped.covariance, blank.covariance)
    assert shipped.calibration != blank.calibration


def test_pairs_of_one_place_are_one_source():
    some = [
        replace(scene, name=f"split/field-{shift}@0", family="split", ground="ground")
        for scene, shift in zip(backgrounds(), ("0", "0.3", "0.7"), strict=True)
    ]
    (source,) = run._sources(some)
    assert (source["name"], source["weight"]) == ("split/field", pytest.approx(1.0))
