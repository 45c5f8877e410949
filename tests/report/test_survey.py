"""Everything at once: the files, the line, the options, and that nothing is half-written."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pyogrio
import pytest

import hsad
from hsad.anomalies.grades import GRADES
from hsad.anomalies.opened import Scene, open_scores
from hsad.anomalies.vectors import read_anomalies
from hsad.cli import run
from hsad.errors import DataError, OutputError
from hsad.explanation.explain import explain_scores
from hsad.plot.pictures import overview
from hsad.products import write_envi


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    write_envi(hsad.make_scene(rows=90, cols=100, seed=3).cube, folder / "scene.hdr")
    return folder / "scene.hdr"


@pytest.fixture(scope="module")
def surveyed(scene):
    folder = scene.parent / "survey"
    return folder, hsad.survey(scene, folder, "rx", decide={"false_objects": 20})


def test_a_folder_holds_all_of_it(surveyed):
    folder, result = surveyed
    assert {path.name for path in folder.iterdir()} == {
        "scores.tif",
        "scores.json",
        "scores.qml",
        "background.npz",
        "anomalies.gpkg",
        "report.html",
        "quicklook.png",
    }
    records = read_anomalies(folder / "anomalies.gpkg")
    assert len(records) == result["count"] > 3
    assert result["headline"].startswith(f"{result['count']} anomalies")
    assert " false" in result["headline"]
    assert records[0]["mean_spectrum"] is not None
    assert f'<p class="summary">{result["headline"]}</p>' in (folder / "report.html").read_text()


def test_every_output_states_the_same_numbers(surveyed):
    folder, result = surveyed
    records = read_anomalies(folder / "anomalies.gpkg")
    page = (folder / "report.html").read_text()
    false = sum(record["p_false"] for record in records)
    assert result["expected_false"] == pytest.approx(false)
    assert 0 < result["expected_false"] <= result["expected_false_high"] <= result["count"] == len(records)
    assert records[-1]["expected_false"] == pytest.approx(false)
    grades = [record["grade"] for record in records]
    assert result["grades"] == {name: grades.count(name) for name, _ in GRADES}
    assert {record["trusted"] for record in records} == {result["trusted"]}
    assert f"{result['expected_false']:.3g} of {len(records)}" in page
    assert result["sentence"].split(".")[0] in page
    stated = pyogrio.read_info(folder / "anomalies.gpkg", layer="anomalies")["layer_metadata"]["threshold"]
    assert json.loads(stated)["expected_false"] == result["expected_false"]


def test_the_anomalies_are_those_of_the_parts(surveyed):
    folder, result = surveyed
    found = hsad.polygons(folder / "scores.tif", false_objects=20)
    assert found.threshold["threshold"] == result["threshold"]
    records = read_anomalies(folder / "anomalies.gpkg")
    np.testing.assert_array_equal(found.columns["score_max"], [record["score_max"] for record in records])


def test_gdals_own_programs_read_it(surveyed):
    folder, result = surveyed
    programs = [shutil.which(name) for name in ("gdalinfo", "ogrinfo")]
    if None in programs:
        pytest.skip("no gdalinfo and ogrinfo here: apt-get install gdal-bin")
    commands = [[programs[0], "scores.tif"], [programs[1], "-so", "anomalies.gpkg", "anomalies"]]
    raster, vector = (
        subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
        for command in commands
    )
    assert raster.stderr == vector.stderr == ""
    for stated in ("Size is 100, 90", "LAYOUT=COG", "HSAD_METHOD=rx", "NoData Value=nan", "UTM zone 32N"):
        assert stated in raster.stdout
    for stated in ("`GPKG' successful", f"Feature Count: {result['count']}", "Multi Polygon", "expected_false: Real"):
        assert stated in vector.stdout


def test_the_stac_item_names_the_anomalies(surveyed):
    import pystac

    folder, result = surveyed
    document = json.loads((folder / "scores.json").read_text())
    asset = document["assets"]["anomalies"]
    assert asset["href"] == "./anomalies.gpkg"
    assert asset["title"] == f"Anomalies: {result['headline']}"
    assert (asset["hsad:count"], asset["hsad:grades"]) == (result["count"], result["grades"])
    assert (asset["hsad:expected_false"], asset["hsad:trusted"]) == (result["expected_false"], result["trusted"])
    assert asset["file:size"] == (folder / "anomalies.gpkg").stat().st_size
    assert set(pystac.Item.from_dict(document).assets) == {"scores", "style", "anomalies"}


def test_a_region_without_georeferencing_is_surveyed_where_it_lies(tmp_path):
    array = np.random.default_rng(0).normal(size=(60, 70, 6)).astype(np.float32)
    array[40, 50] += 9
    write_envi(hsad.check_cube(array), tmp_path / "s.hdr")
    hsad.survey(tmp_path / "s.hdr", tmp_path / "out", "rx", region="20:60,30:70")
    first = read_anomalies(tmp_path / "out" / "anomalies.gpkg")[0]
    assert (first["row"], first["col"]) == (20, 20)
    np.testing.assert_allclose(json.loads(first["mean_spectrum"]), array[40, 50], rtol=1e-4)
    assert hsad.open_cube(tmp_path / "out" / "scores.tif").shape == (40, 40, 1)


def test_a_swath_is_surveyed_on_the_map(tmp_path):
    from granules import COLS, emit

    scene = emit.write_cube(tmp_path)
    options = {"covariance": "ridge", "decide": {"threshold": 0.0, "merge": 1}}
    result = hsad.survey(scene, tmp_path / "out", "rx", **options)
    first = read_anomalies(tmp_path / "out" / "anomalies.gpkg")[0]
    # The table mirrors columns and leaves one void around: so the sensor's pixel is found by hand.
    row, col = first["row"] - 1, COLS - first["col"]
    scores = hsad.detect(scene, "rx", covariance="ridge", grid="sensor").values
    assert float(scores[row, col]) == pytest.approx(first["score_max"], rel=1e-5)
    assert (first["lon"], first["lat"]) == pytest.approx((10 + (first["col"] + 0.5) / 2, 50 - (first["row"] + 0.5) / 4))
    opened = open_scores(result["scores"])
    beside = Scene.of(scene, opened.grid)
    spectra, valid = beside.spectra(slice(1, 3), slice(0, COLS + 1))
    good = [0, 1, 3, 4]
    np.testing.assert_allclose(spectra[:, 1:], emit.values()[:2, ::-1][..., good], rtol=1e-6)
    assert valid[:, 1:].all()
    assert not valid[:, 0].any()
    # The reasons, too, are those of the sensor's pixel; a void has none.
    why = explain_scores(scene, result["scores"], at=(first["row"], first["col"]))
    own = hsad.explain(scene, "rx", row, col, covariance="ridge")
    np.testing.assert_allclose(why.reason.contributions, own.reason.contributions)
    assert (why.row, why.col) == (first["row"], first["col"])
    assert why.reason.unlike == "the whole scene"
    assert first["reason"].endswith(", unlike the whole scene")
    assert f'"text":"{first["reason"]}. Its squared' in (tmp_path / "out" / "report.html").read_text()
    with pytest.raises(DataError, match="the swath does not reach this pixel"):
        explain_scores(scene, result["scores"], at=(0, 0))
    picture, _ = overview(beside)
    sensor, _ = overview(beside.on_the_sensor())
    np.testing.assert_array_equal(picture[1:-1, 1:-1], sensor[:, ::-1])


def test_a_region_of_a_swath_is_surveyed_on_its_part_of_the_map(tmp_path):
    from granules import emit

    scene = emit.write_cube(tmp_path)
    result = hsad.survey(scene, tmp_path / "out", "rx", covariance="ridge", region="1:4,0:3", decide={"threshold": 0.0})
    part = {"covariance": "ridge", "region": "1:4,0:3"}
    opened = open_scores(result["scores"])
    beside = Scene.of(scene, opened.grid)
    row, col = beside.own_pixel(0, 0)  # columns are mirrored
    assert (row, col) == (1, 2)
    np.testing.assert_allclose(opened.rows(0, 1)[0, 0], hsad.detect(scene, "rx", grid="sensor", **part).values[0, 2])
    assert "squared Mahalanobis distance" in (tmp_path / "out" / "report.html").read_text()


def test_the_command_prints_one_line(scene, tmp_path, capsys):
    arguments = [
        "survey",
        str(scene),
        "-o",
        str(tmp_path / "out"),
        "-m",
        "rx",
        "--trim",
        "0.01",
        "--false-objects",
        "20",
    ]
    assert run(arguments) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert "anomal" in out
    assert "The threshold" in err
    assert run(arguments) == 1
    assert "exists already" in capsys.readouterr().err
    assert run([*arguments, "--overwrite", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["parameters"]["trim"] == 0.01
    assert result["options"]["false_objects"] == 20
    assert set(result) >= {"headline", "count", "grades", "expected_false", "trusted", "scores", "anomalies", "report"}


def test_folders_that_cannot_be_are_named(scene, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="file is not a folder"):
        hsad.survey(scene, tmp_path / "file")
