"""Everything at once: the files, the line, the options, and that nothing is half-written."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest

import hsad
from hsad.cli import run
from hsad.errors import OutputError
from hsad.products import write_envi
from hsad.products.anomalies import read_anomalies


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
        "anomalies.gpkg",
        "report.html",
        "quicklook.png",
    }
    records = read_anomalies(folder / "anomalies.gpkg")
    assert len(records) == result["count"] > 3
    assert result["summary"].startswith(f"{result['count']} anomalies")
    assert " false" in result["summary"]
    assert records[0]["mean_spectrum"] is not None
    assert f'<p class="summary">{result["summary"]}</p>' in (folder / "report.html").read_text()


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

    folder, _ = surveyed
    document = json.loads((folder / "scores.json").read_text())
    asset = document["assets"]["anomalies"]
    assert asset["href"] == "./anomalies.gpkg"
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


def test_a_swath_is_surveyed_on_the_sensors_grid(tmp_path):
    from products import emit

    scene = emit.write_cube(tmp_path)
    hsad.survey(scene, tmp_path / "out", "rx", covariance="ridge", decide={"threshold": 0.0})
    first = read_anomalies(tmp_path / "out" / "anomalies.gpkg")[0]
    scores = hsad.detect(scene, "rx", covariance="ridge", grid="sensor")
    assert hsad.open_cube(tmp_path / "out" / "scores.tif").shape[:2] == scores.shape
    assert float(scores.values[first["row"], first["col"]]) == pytest.approx(first["score_max"], rel=1e-5)


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


def test_folders_that_cannot_be_are_named(scene, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be made"):
        hsad.survey(scene, tmp_path / "file")
