"""Reasons: bands that sum to the score, against the formulas written out."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hsad
from hsad.errors import DataError, ParameterError
from hsad.explanation.explain import angle, explain_scores


@pytest.fixture(scope="module")
def cube():
    scene = hsad.make_scene(
        rows=60, cols=70, bands=40, seed=4, target_sizes=[4] * 3, contrasts=[1.0], fills=[1.0], heading=0
    )
    return scene.cube


def best(scores):
    return np.unravel_index(int(np.nanargmax(np.asarray(scores))), scores.shape)


@pytest.mark.parametrize(
    "method, options",
    [
        ("rx", {}),
        ("rx", {"covariance": "ledoit-wolf"}),
        ("rx", {"pca": 6}),
        ("lrx", {}),
        ("lrx", {"covariance": "oas", "border": "truncate"}),
        ("lrx", {"covariance": "ledoit-wolf"}),
        ("crd", {"outer": 11, "inner": 5}),
        ("crd", {"weights": "none", "sum_to_one": True}),
        ("crd", {"center": True, "border": "reflect"}),
        ("rpca", {}),
        ("rpca", {"score": "l1"}),
    ],
)
@pytest.mark.parametrize("place", ["best", pytest.param((0, 69), marks=pytest.mark.long)])
def test_contributions_sum_to_the_score_that_detect_gives(cube, method, options, place):
    scores = hsad.detect(cube, method, workers=1, **options)
    row, col = best(scores) if place == "best" else place
    why = hsad.explain(cube, method, int(row), int(col), workers=1, **options)
    expected = float(scores.values[row, col])
    assert why.score == pytest.approx(expected, rel=2e-6)
    if options.get("score") == "l1":
        expected = float(np.abs(why.reason.residual).sum())
    bands = len(why.bands)
    assert why.reason.contributions.shape == (bands,)
    assert why.reason.contributions.sum() == pytest.approx(expected, rel=1e-5)
    assert why.spectrum.shape == why.background.shape == why.spread.shape == (bands,)


def test_rx_contributions_are_the_formula(cube):
    good = cube.good_wavelength.values
    gain = cube.gain.values[good] if "gain" in cube.coords else 1.0
    spectra = cube.values[..., good].astype(np.float64) * gain
    valid = np.isfinite(np.asarray(hsad.detect(cube, "rx")))
    pixels = spectra[valid]
    row, col = best(hsad.detect(cube, "rx"))
    difference = spectra[row, col] - pixels.mean(axis=0)
    naive = difference * np.linalg.solve(np.cov(pixels.T, bias=True), difference)
    why = hsad.explain(cube, "rx", int(row), int(col))
    np.testing.assert_allclose(why.reason.contributions, naive, rtol=1e-5, atol=1e-6 * np.abs(naive).max())
    np.testing.assert_allclose(why.background, pixels.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(why.spread, pixels.std(axis=0), rtol=1e-6)
    assert why.compared_with == "the scene"


def test_crd_shows_what_the_ring_makes_of_the_pixel(cube):
    why = hsad.explain(cube, "crd", 30, 30, outer=11, inner=5)
    assert len(why.reason.ring) == 121 - 25
    np.testing.assert_allclose(why.reason.reconstruction + why.reason.residual, why.spectrum, rtol=1e-10)
    assert np.linalg.norm(why.reason.residual) == pytest.approx(why.score, rel=1e-6)


def test_the_low_rank_and_the_sparse_part_are_the_pixel(cube):
    why = hsad.explain(cube, "rpca", 30, 30)
    np.testing.assert_allclose(why.reason.reconstruction + why.reason.residual, why.spectrum, rtol=1e-10)
    assert np.linalg.norm(why.reason.residual) == pytest.approx(why.score, rel=1e-6)


def test_auto_shows_the_numbers_that_were_compared(cube):
    parts = hsad.detect(cube, "auto", parts=True)
    row, col = best(parts)
    why = hsad.explain(cube, "auto", int(row), int(col))
    assert why.score == pytest.approx(float(parts.values[row, col]), rel=1e-5)
    evidence = why.reason.evidence
    assert list(evidence) == ["local", "global", "region"]
    for name in ("global", "region"):
        assert evidence[name] == pytest.approx(float(parts[name].values[row, col]), abs=1e-5)
    largest = hsad.Auto.evidence[int(parts["evidence"].values[row, col]) - 1]
    first = why.reason.sentence.split(":")[1].split()[0]
    assert first == {"spectral": "local", "spatial": "local"}.get(largest, largest)


def test_other_methods_show_the_pixel_and_its_ring(cube):
    why = hsad.explain(cube, "kcrd", 30, 30)
    assert why.reason.contributions is None
    assert "gives no account by band" in why.sentence
    assert np.isfinite(why.background).all()


@pytest.mark.parametrize("method, named", [("rx", True), ("crd", False), ("auto", True)])
def test_figures_are_drawn(cube, tmp_path, method, named):
    scene = cube if named else cube.values.astype(np.float32)
    hsad.explain(scene, method, 30, 30).plot(tmp_path / "why.png")
    assert (tmp_path / "why.png").stat().st_size > 10_000


def test_pixels_without_an_answer_are_refused(cube):
    with pytest.raises(ParameterError, match="at 99,3: the scene has 60 rows"):
        hsad.explain(cube, "rx", 99, 3)
    array = cube.values.astype(np.float32)
    array[3, 4] = np.nan
    with pytest.raises(DataError, match="at 3,4: the pixel is invalid"):
        hsad.explain(array, "rx", 3, 4)


def test_libraries_give_names_to_pixels(cube, tmp_path):
    why = hsad.explain(cube, "rx", 30, 30)
    order = np.argsort(why.wavelength)
    wave = 1 + 0.3 * np.sin(why.wavelength / 90)
    rows = [f"{w / 1000},{a},{b}" for w, a, b in zip(
        why.wavelength[order], (why.spectrum * wave)[order], (why.spectrum / wave)[order], strict=True
    )]  # fmt: skip
    path = tmp_path / "library.csv"
    path.write_text("\n".join(["um,wavy,<other>", *rows]))
    good = cube.good_wavelength.values
    gain = cube.gain.values[good] if "gain" in cube.coords else 1.0
    array = cube.copy(data=cube.values.astype(np.float32))
    array[30, 30, good] = why.spectrum * wave / gain
    named = hsad.explain(array, "rx", 30, 30, library=path)
    assert [hint.name for hint in named.names.nearest] == ["wavy", "<other>"]
    assert named.names.known
    assert "most like wavy" in named.sentence.lower()
    assert named.to_dict()["names"]["name"] == "wavy"
    assert hsad.explain(array, "rx", 30, 30).names is None
    with pytest.raises(DataError, match="the scene has no wavelengths to compare by; --wavelengths FILE"):
        hsad.explain(cube.values.astype(np.float32), "rx", 30, 30, library=path)


def test_angles_are_angles():
    assert angle(np.array([1.0, 0.0]), np.array([0.0, 2.0])) == pytest.approx(90)
    assert angle(np.array([1.0, 1.0]), np.array([3.0, 3.0])) == pytest.approx(0, abs=1e-5)
    assert np.isnan(angle(np.zeros(2), np.ones(2)))


@pytest.fixture(scope="module")
def files(cube, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    from hsad.products import write_envi

    write_envi(cube, folder / "scene.hdr")
    hsad.detect_to_file(folder / "scene.hdr", folder / "scores.tif", "rx")
    hsad.detect_to_file(folder / "scene.hdr", folder / "part.tif", "rx", region="10:50,20:60")
    from hsad.anomalies.decide import threshold_to_file
    from hsad.anomalies.options import ListOptions

    threshold_to_file(folder / "scores.tif", folder / "a.gpkg", ListOptions(false_objects=50))
    return folder


def test_anomalies_are_looked_up_and_compared(files):
    from hsad.anomalies.vectors import read_anomalies

    records = read_anomalies(files / "a.gpkg")
    why = explain_scores(files / "scene.hdr", files / "scores.tif", number=2, anomalies=files / "a.gpkg")
    assert (why.row, why.col) == (records[1]["row"], records[1]["col"])
    assert why.score == pytest.approx(records[1]["score_max"], rel=1e-5)
    assert 2 not in [number for number, _ in why.similar]
    angles = [angle(why.spectrum, np.array(json.loads(r["mean_spectrum"]))) for r in records if r["id"] != 2]
    assert [a for _, a in why.similar] == pytest.approx(sorted(angles)[:3])
    there = explain_scores(files / "scene.hdr", files / "scores.tif", lonlat=(records[1]["lon"], records[1]["lat"]))
    assert (there.row, there.col) == (why.row, why.col)
    json.dumps(why.to_dict())


def test_a_candidate_below_the_list_is_explained_by_its_id(files, tmp_path):
    found = hsad.polygons(files / "scores.tif", scene=files / "scene.hdr")
    below = found.candidates
    hsad.write_anomalies(found, tmp_path / "a.gpkg")
    number = int(below.columns["id"][0])
    why = explain_scores(files / "scene.hdr", files / "scores.tif", number=number, anomalies=tmp_path / "a.gpkg")
    assert (why.row, why.col) == (below.columns["row"][0], below.columns["col"][0])
    assert why.number == number == len(found) + 1


def test_a_part_of_a_scene_is_explained_where_it_lies(files):
    whole = explain_scores(files / "scene.hdr", files / "scores.tif", at=(15, 26))
    part = explain_scores(files / "scene.hdr", files / "part.tif", at=(5, 6))
    np.testing.assert_array_equal(part.spectrum, whole.spectrum)
    assert (part.row, part.col) == (5, 6)


def test_places_are_given_in_one_way(files):
    scene, scores = files / "scene.hdr", files / "scores.tif"
    with pytest.raises(ParameterError, match="one place"):
        explain_scores(scene, scores)
    with pytest.raises(ParameterError, match="one place"):
        explain_scores(scene, scores, at=(1, 1), lonlat=(0, 0))
    with pytest.raises(ParameterError, match="give the anomalies"):
        explain_scores(scene, scores, number=1)
    with pytest.raises(ParameterError, match="has no such anomaly"):
        explain_scores(scene, scores, number=9999, anomalies=files / "a.gpkg")
    with pytest.raises(DataError, match="lies outside"):
        explain_scores(scene, scores, lonlat=(0.0, 0.0))


def test_the_layers_of_an_unrolled_network_are_shown(tmp_path):
    pytest.importorskip("torch")
    cube = np.random.default_rng(0).normal(size=(32, 34, 6)) + 5
    options = {"layers": 2, "outer": 9, "inner": 3, "components": 4, "scope": "ring"}
    learned = hsad.learn(cube, "unrolled-rpca", steps=1, **options)
    why = hsad.explain(cube, "unrolled-rpca", 20, 30, steps=1, **options)
    assert why.score == pytest.approx(float(hsad.score(cube, learned)[20, 30]), rel=1e-3)
    told = why.to_dict()["layers"]
    assert [entry["network"] for entry in told] == ["start", "trained 1"]
    for entry, member in zip(told, learned.background.members, strict=True):
        np.testing.assert_allclose(entry["thresholds"], member.weights["theta"], rtol=1e-4)
        np.testing.assert_allclose(entry["W"], member.weights["W"], rtol=1e-4, atol=1e-6)
    assert told[0]["thresholds"] == [3, 3]
    assert f"θ {told[1]['thresholds'][0]:.3g}, {told[1]['thresholds'][1]:.3g} medians" in why.sentence
    figure = why.plot(tmp_path / "why.png")
    titles = [axes.get_title() for part in figure.subfigs for axes in part.axes]
    assert {"θ", "W − ½I, start", "W − ½I, trained 1"} <= set(titles)
    # Of the start alone, the score is its evidence and the floor before the logarithm.
    start = hsad.explain(cube, "unrolled-rpca", 20, 30, training="none", **options)
    assert list(start.reason.evidence) == ["layer 1", "layer 2"]
    assert start.score == pytest.approx(start.reason.evidence["layer 2"] + 0.1, rel=1e-4)
