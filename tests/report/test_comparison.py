"""Several methods on one scene: their figures, that a failing one stops no other, and what a second time does."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, spearmanr

import hsad
from hsad.errors import HsadError, OutputError, ParameterError
from hsad.products import write_envi
from hsad.report.comparison.asked import asked_methods

METHODS = "rx,rx:trim=0.01,crd:outer=9,inner=3,pca=5"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    scene = hsad.make_scene(rows=70, cols=80, bands=20, seed=2)
    write_envi(scene.cube, folder / "scene.hdr")
    np.save(folder / "truth.npy", scene.truth.values)
    return folder, scene


@pytest.fixture(scope="module")
def compared(made):
    folder, _ = made
    return hsad.compare(folder / "scene.hdr", folder / "out", METHODS, truth=folder / "truth.npy")


def test_the_figures_are_those_of_the_scores_against_the_truth(made, compared):
    _, scene = made
    assert [one.name for one in compared.methods] == ["rx", "rx:trim=0.01", "crd:outer=9,inner=3,pca=5"]
    given = [("rx", {}), ("rx", {"trim": 0.01}), ("crd", {"outer": 9, "inner": 3, "pca": 5})]
    maps = [hsad.detect(scene.cube, method, **parameters).values for method, parameters in given]
    truth = scene.truth.values > 0
    for one, values in zip(compared.methods, maps, strict=True):
        np.testing.assert_array_equal(hsad.open_cube(one.scores)[..., 0].values, values)
        found, others = (values[chosen & np.isfinite(values)].astype(float) for chosen in (truth, ~truth))
        expected = mannwhitneyu(found, others).statistic / len(found) / len(others)
        assert one.auc == pytest.approx(expected, abs=1e-12)
        low, high = one.intervals["auc"]
        assert low <= one.auc <= high
        assert one.seconds > 0
        assert one.error is None
    known = np.isfinite(maps[0])
    expected = spearmanr([values[known] for values in maps], axis=1).statistic
    np.testing.assert_allclose(compared.correlation, expected, atol=1e-12)


def test_the_files_hold_what_is_returned(made, compared):
    folder, _ = made
    assert set(compared.files) == {
        "scores-rx.tif", "scores-rx-trim-0.01.tif", "scores-crd-outer-9-inner-3-pca-5.tif", "comparison.json",
        "comparison.csv", "correlation.csv", "disagreements.csv", "maps.png", "agreement.png", "roc.png",
    }  # fmt: skip
    assert {path.name for path in (folder / "out").iterdir()} >= set(compared.files)
    with (folder / "out" / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["auc"]) for row in rows] == [one.auc for one in compared.methods]
    assert [float(row["auc_low"]) for row in rows] == [one.intervals["auc"][0] for one in compared.methods]
    known = json.loads((folder / "out" / "comparison.json").read_text())
    assert known["correlation"] == compared.correlation
    with (folder / "out" / "disagreements.csv").open(newline="") as file:
        places = list(csv.DictReader(file))
    spot = compared.disagreements[0]
    values = hsad.open_cube(folder / "out" / "scores-rx.tif")[..., 0].values
    assert int(places[0]["rank rx"]) == spot.ranks[0] == (values >= values[spot.row, spot.col]).sum()


def test_a_second_time_scores_only_what_is_new_and_a_failing_method_stops_no_other(made, compared, hsad_run):
    folder, _ = made
    before = (folder / "out" / "scores-rx.tif").stat().st_mtime_ns
    status, out, err = hsad_run(
        "compare", folder / "scene.hdr", "-m", "rx,srd:atoms=30", "-m", "lrx:outer=9,inner=3", "-o", folder / "out"
    )
    assert status == 1
    assert (folder / "out" / "scores-rx.tif").stat().st_mtime_ns == before
    assert next(line for line in err.splitlines() if "error" in line).startswith("hsad: error: srd:atoms=30: ")
    lines = out.splitlines()
    assert lines[0].split() == ["method", "seconds"]
    assert lines[1].split() == ["rx", f"{compared.methods[0].seconds:.1f}"]  # of the first time
    assert lines[2].split() == ["srd:atoms=30", "failed"]
    assert "rank correlation (Spearman)" in out
    assert not (folder / "out" / "roc.png").exists()  # that of a truth, which this comparison has not
    status, out, _ = hsad_run(
        "compare", folder / "scene.hdr", "-m", "rx,lrx:outer=9,inner=3", "-o", folder / "out", "--json"
    )
    assert status == 0
    assert [one["auc"] for one in json.loads(out)["methods"]] == [None, None]


def test_what_cannot_be_compared_is_refused_before_any_work(made, tmp_path):
    folder, _ = made
    for methods, said in (
        ("rx,nothing", "nothing"),
        ("rx,rx", "rx is named twice"),
        ("trim=0.01,rx", "a parameter without a method"),
        ("crd:outer=10", "outer"),
        ("rx:widht=3", "widht"),
        ("rx:pca=many", "pca must be a whole number"),
        ("", "there is none"),
    ):
        with pytest.raises(ParameterError, match=said):
            hsad.compare(folder / "scene.hdr", tmp_path / "out", methods)
    with pytest.raises(HsadError, match="all methods fail"):
        hsad.compare(folder / "scene.hdr", tmp_path / "out", "srd:atoms=30")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "maps.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"maps\.png exists already"):
        hsad.compare(folder / "scene.hdr", tmp_path / "other", "rx")
    assert (tmp_path / "other" / "maps.png").read_bytes() == b"mine"


def test_methods_have_parameters_of_their_own():
    found = asked_methods(["auto, rx:trim=0.01", "crd:sum-to-one=true,weights=none"])
    assert [(one.method, one.parameters) for one in found] == [
        ("auto", {}),
        ("rx", {"trim": 0.01}),
        ("crd", {"sum_to_one": True, "weights": "none"}),
    ]
    assert [one.file for one in found][1:] == ["scores-rx-trim-0.01.tif", "scores-crd-sum-to-one-true-weights-none.tif"]


def test_a_value_may_be_numbers_with_commas_between_them():
    found = asked_methods("mf:target=35, 45,rx,auto:areas=25,50,outer=15")
    assert [(one.method, one.parameters) for one in found] == [
        ("mf", {"target": "35,45"}),
        ("rx", {}),
        ("auto", {"areas": "25,50", "outer": 15}),
    ]
    for text in ("rx,5", "5"):
        with pytest.raises(ParameterError, match="'5' is a number without a parameter before it"):
            asked_methods(text)


def test_a_detector_of_another_module_is_named_with_its_class_and_its_parameters():
    found = asked_methods("sketches:LocalContrast:window=5,rx")
    assert [(one.method, one.parameters) for one in found] == [("sketches:LocalContrast", {"window": 5}), ("rx", {})]
