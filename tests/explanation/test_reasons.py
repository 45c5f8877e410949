"""The sentence of an anomaly: its direction, wavelengths, size, and what it is unlike, against the pixels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from reason_check import contrast, stretches, wrong_in, wrong_in_survey

import hsad
from hsad.anomalies.vectors import read_anomalies
from hsad.cli import run
from hsad.explanation.sentence import contrast_stretches, reason_sentence, shares_sentence
from hsad.products import write_envi

NM = np.arange(400.0, 2400.0, 20.0)


def sentence(values, nm=NM, **options):
    return reason_sentence(np.asarray(values, float), nm, np.arange(1, len(values) + 1), **options)


def test_the_stretch_with_the_largest_sum_comes_first_and_a_second_one_only_if_it_is_half_of_it():
    values = np.full(100, 0.1)
    values[50:66] = 4  # 1400 to 1700 nm
    assert sentence(values) == "Brighter than its surroundings at 1400-1700 nm (4 σ)"
    values[10:18] = -5
    assert sentence(values) == "Brighter than its surroundings at 1400-1700 nm (4 σ), darker at 600-740 nm (5 σ)"
    values[10:18] = 0.1
    values[80:89] = 3.6
    said = "Brighter than its surroundings at 1400-1700 nm (4 σ) and at 2000-2160 nm (4 σ)"
    assert sentence(values, pixels=23, area=92.0, unlike="the whole scene") == (
        f"{said}, 23 pixels (92 m²), unlike the whole scene"
    )
    assert sentence(values, nm=None).startswith("Brighter than its surroundings in bands 51-66 (4 σ)")


def test_one_bad_band_is_not_the_reason():
    values = np.full(100, 0.1)
    values[50:66] = 2.0
    values[3] = 80.0
    assert "at 1400-1700 nm (2.0 σ)" in sentence(values)


def test_up_to_two_weak_bands_of_the_same_sign_are_bridged():
    values = np.full(100, 3.0)
    values[60:62] = 0.2
    assert sentence(values).startswith("Brighter than its surroundings in every band")
    values[60:63] = 0.2
    assert [(s.low, s.high) for s in contrast_stretches(values, NM)] == [(400, 1580), (1660, 2380)]
    values[60:63] = [3, -0.1, 3]
    assert [(s.low, s.high) for s in contrast_stretches(values, NM)] == [(400, 1600), (1640, 2380)]


def test_bands_out_of_order_are_read_along_the_wavelengths():
    values, shuffled = np.where((NM > 900) & (NM < 1100), 5.0, 0.0), np.random.default_rng(0).permutation(len(NM))
    assert sentence(values[shuffled], nm=NM[shuffled]) == sentence(values)


def test_what_does_not_differ_is_not_called_brighter():
    assert sentence(np.full(100, 0.4)) == "Within 1 σ of its surroundings in every band"
    assert sentence(np.zeros(100)) == "Not comparable with its surroundings, which does not vary"


def test_shares_name_the_fewest_bands_with_half_of_the_score():
    parts = np.full(100, 0.1)
    parts[20:24], parts[70] = 5, 9
    said = shares_sentence(parts, NM, np.arange(1, 101))
    assert said == "Half of the score comes from 4 of 100 bands: at 800-840 nm (39 %), at 1800 nm (23 %)"
    assert shares_sentence(-parts, NM, np.arange(1, 101)) == ""


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reasons")
    made = hsad.make_scene(rows=70, cols=80, bands=40, seed=6, target_sizes=[1, 4, 9] * 2, fills=[1.0], heading=0)
    cube = made.cube.copy(data=made.cube.values)
    cube[20:55, 30:62] += np.int16(1500)  # larger than the first window
    write_envi(cube, folder / "scene.hdr")
    hsad.survey(folder / "scene.hdr", folder / "out", decide={"false_objects": 20})
    return folder


def test_every_sentence_of_a_survey_is_true(surveyed):
    count, wrong = wrong_in_survey(surveyed / "scene.hdr", surveyed / "out")
    assert count > 5
    assert wrong == []


def test_the_check_finds_what_is_wrong():
    random = np.random.default_rng(0)
    spectra, valid = random.normal(size=(40, 40, 5)), np.ones((40, 40), bool)
    spectra[20, 20] += [0, 9, 9, 0, 0]
    above = np.zeros((40, 40), bool)
    above[20, 20] = True
    differences = contrast(spectra, valid, above, 20, 20)
    said = reason_sentence(differences, None, np.arange(1, 6), pixels=1)
    record = {"n_pixels": 1}
    assert wrong_in(record, said, differences, np.arange(1, 6)) == []
    for old, new in (("Brighter", "Darker"), ("bands 2-3", "bands 1-3"), ("1 pixel", "2 pixels"), (" σ", "9 σ")):
        assert wrong_in(record, said.replace(old, new), differences, np.arange(1, 6)), new
    assert stretches("Darker than its surroundings at 400 nm (2 σ), brighter at 500-600 nm (3 σ)") == [
        (-1, 400, 400, 2),
        (1, 500, 600, 3),
    ]


@pytest.mark.parametrize(
    "name, method",
    [
        ("abu-beach-4", "auto"),
        pytest.param("abu-urban-4", "auto", marks=pytest.mark.long),
        pytest.param("abu-urban-2", "rx", marks=pytest.mark.long),
        pytest.param("abu-airport-2", "lrx", marks=pytest.mark.long),
    ],
)
def test_every_sentence_about_a_real_scene_is_true(data, tmp_path, name, method):
    scene = data / "scenes" / f"{name}.mat"
    hsad.survey(scene, tmp_path / "out", method)
    count, wrong = wrong_in_survey(scene, tmp_path / "out", method)
    assert count > 0
    assert wrong == []


def test_explain_says_the_sentence_of_the_list(surveyed, capsys):
    out = surveyed / "out"
    record = read_anomalies(out / "anomalies.gpkg")[0]
    command = ["explain", str(surveyed / "scene.hdr"), str(out / "scores.tif")]
    assert run([*command, "--id", "1", "--anomalies", str(out / "anomalies.gpkg"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["reason"] == record["reason"]
    assert answer["sentence"].startswith(f"Anomaly 1 (highest at {record['row']},{record['col']}) scores ")
    assert (answer["id"], answer["pixels"], answer["rank"]) == (1, record["n_pixels"], 1)
    scores = hsad.open_cube(out / "scores.tif").values[..., 0]
    assert answer["among"] == np.isfinite(scores).sum()


def test_an_ordinary_pixel_is_not_called_unlike_anything(surveyed, capsys):
    scores = hsad.open_cube(surveyed / "out" / "scores.tif").values[..., 0]
    row, col = np.argwhere(np.abs(scores - np.nanmedian(scores)) == np.nanmin(np.abs(scores - np.nanmedian(scores))))[0]
    command = ["explain", str(surveyed / "scene.hdr"), str(surveyed / "out" / "scores.tif"), "--at", f"{row},{col}"]
    assert run([*command, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert "unlike" not in answer["reason"]
    assert answer["unlike"] is None
    assert answer["rank"] == 1 + (scores > scores[row, col]).sum()
