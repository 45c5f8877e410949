"""The command line as programs and people use it: files in, files out, one line when something is wrong."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pyogrio
import pytest
import rasterio

import hsad
from hsad.demo import demo_lines
from hsad.errors import SceneError
from hsad.products import write_envi


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Return a folder with a synthetic scene as ENVI, its truth, and the cube."""
    folder = tmp_path_factory.mktemp("scene")
    made = hsad.make_scene(rows=90, cols=100, bands=40, target_sizes=(1, 9), seed=4)
    write_envi(made.cube, folder / "scene.hdr")
    np.save(folder / "truth.npy", made.truth.values)
    return folder


def test_detect_writes_a_georeferenced_map_with_its_companions(scene, tmp_path, hsad_run):
    status, out, err = hsad_run("detect", scene / "scene.hdr", "-m", "rx", "-o", tmp_path / "scores.tif")
    assert (status, err) == (0, "")
    assert "scores.tif" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.json", "scores.qml", "scores.tif"]
    cube = hsad.open_cube(scene / "scene.hdr")
    expected = hsad.detect(cube, "rx")
    with rasterio.open(tmp_path / "scores.tif") as raster:
        assert np.array_equal(raster.read(1), expected.values, equal_nan=True)
        assert raster.crs == cube.rio.crs
        assert raster.transform == cube.rio.transform()
        assert np.isnan(raster.nodata)
        assert raster.dtypes == ("float32",)
        tags = raster.tags()
    assert tags["HSAD_METHOD"] == "rx"
    assert json.loads(tags["HSAD_PARAMETERS"]) == {
        "covariance": "pinv", "ridge": 0.01, "trim": 0.0, "columns": 0,
    }  # fmt: skip
    assert tags["HSAD_VERSION"] == hsad.__version__
    assert json.loads(tags["HSAD_BACKGROUND"]) == json.loads(expected.attrs["background"])
    assert json.loads(tags["HSAD_BACKGROUND"])["count"] == int(np.isfinite(expected).sum())
    assert tags["HSAD_SOURCE"].endswith("scene.hdr")
    assert tags["HSAD_SOURCE_SHA256"] == hashlib.sha256((scene / "scene.img").read_bytes()).hexdigest()


def test_every_option_of_a_run_means_the_same_in_python(scene, tmp_path, hsad_run):
    valid = np.zeros((90, 100), dtype=np.uint8)
    valid[10:80, 5:95] = 1
    np.save(tmp_path / "mask.npy", valid)
    options = {
        "bands": "450-900,2000-2300",
        "pca": 5,
        "region": "5:85,0:90",
        "tile": 64,
        "workers": 1,
        "memory": "1GB",
    }
    arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
    status, _, _ = hsad_run(
        "detect", scene / "scene.hdr", "-m", "lrx", "--outer", "9", "--inner", "3", "--covariance", "oas",
        "--mask", tmp_path / "mask.npy", *arguments, "-o", tmp_path / "s.tif",
    )  # fmt: skip
    assert status == 0
    cube = hsad.open_cube(scene / "scene.hdr")
    expected = hsad.detect(cube, "lrx", outer=9, inner=3, covariance="oas", mask=valid, **options)
    with rasterio.open(tmp_path / "s.tif") as raster:
        assert np.array_equal(raster.read(1), expected.values, equal_nan=True)
        assert raster.shape == (80, 90)
        assert raster.transform == cube.rio.transform() * rasterio.Affine.translation(0, 5)
        assert json.loads(raster.tags()["HSAD_PARAMETERS"])["pca"] == 5
    # The same window in map units.
    west, north = raster.transform * (0, 0)
    east, south = raster.transform * (90, 80)
    boxed = hsad.detect(cube, "rx", bbox=f"{west},{south},{east},{north}")
    assert np.array_equal(boxed, hsad.detect(cube, "rx", region="5:85,0:90"), equal_nan=True)
    assert boxed.rio.transform() == raster.transform


def test_a_background_learned_elsewhere(scene, tmp_path, hsad_run):
    first = ("detect", scene / "scene.hdr", "-m", "rx", "--trim", "0.02", "--pca", "6")
    assert hsad_run(*first, "-o", tmp_path / "a.tif", "--save-background", tmp_path / "b.npz")[0] == 0
    assert hsad_run("detect", scene / "scene.hdr", "--background", tmp_path / "b.npz", "-o", tmp_path / "c.tif")[0] == 0
    with rasterio.open(tmp_path / "a.tif") as one, rasterio.open(tmp_path / "c.tif") as two:
        assert np.array_equal(one.read(1), two.read(1), equal_nan=True)
        assert one.tags()["HSAD_PARAMETERS"] == two.tags()["HSAD_PARAMETERS"]
    status, _, err = hsad_run(
        "detect",
        scene / "scene.hdr",
        "-m",
        "lrx",
        "--background",
        tmp_path / "b.npz",
        "-o",
        tmp_path / "d.tif",
    )
    assert (status, err) == (1, "hsad: error: method 'lrx': the background was learned by 'rx'\n")


def test_evaluate_and_its_plot(scene, tmp_path, hsad_run):
    hsad_run("detect", scene / "scene.hdr", "-o", tmp_path / "scores.tif")
    status, out, _ = hsad_run(
        "evaluate",
        tmp_path / "scores.tif",
        "--truth",
        scene / "truth.npy",
        "--json",
        "--plot",
        tmp_path / "roc.png",
    )
    assert status == 0
    figures = json.loads(out)
    expected = hsad.evaluate(hsad.detect(scene / "scene.hdr"), np.load(scene / "truth.npy"))
    intervals, each = figures.pop("intervals"), figures.pop("each_object")
    assert figures == pytest.approx(expected)
    by_hand = hsad.confidence_intervals(hsad.detect(scene / "scene.hdr"), np.load(scene / "truth.npy"))
    assert intervals["auc"] == pytest.approx([by_hand["auc"].low, by_hand["auc"].high])
    low, high = intervals["objects_found"]
    assert low <= figures["objects_found"] <= high <= figures["objects"] == len(each)
    assert {"auc", "average_precision", "auc_d_tau", "snpr", "objects", "objects_found"} <= set(figures)
    assert (tmp_path / "roc.png").read_bytes()[:4] == b"\x89PNG"
    text = hsad_run("evaluate", tmp_path / "scores.tif", "--truth", scene / "truth.npy")[1]
    assert (
        f"auc                {figures['auc']:.4f}  (90 %: {intervals['auc'][0]:.4f}-{intervals['auc'][1]:.4f})" in text
    )


def test_info(scene, hsad_run):
    description = json.loads(hsad_run("info", scene / "scene.hdr", "--json")[1])
    made = hsad.make_scene(rows=90, cols=100, bands=40, target_sizes=(1, 9), seed=4).cube
    assert [description[name] for name in ("rows", "cols", "bands", "dtype")] == [90, 100, 40, "int16"]
    assert description["transform"] == list(made.rio.transform().to_gdal())
    assert description["crs"] == "EPSG:32632"
    assert description["wavelength"] == pytest.approx(made.wavelength.values.tolist())
    assert description["good_bands"] == made.good_wavelength.values.tolist()
    valid = (made.values[..., made.good_wavelength.values] != -9999).all(axis=2)
    assert description["valid_fraction"] == pytest.approx(valid.mean())
    assert "wavelength" in hsad_run("info", scene / "scene.hdr")[1]


def test_methods_and_catalog(hsad_run):
    described = json.loads(hsad_run("methods", "--json")[1])
    assert list(described) == list(hsad.DETECTORS)
    one = json.loads(hsad_run("methods", "lrx", "--json")[1])
    assert {"outer": 15, "inner": 7}.items() <= {p["name"]: p["default"] for p in one["parameters"]}.items()
    assert "--outer" in hsad_run("methods", "lrx")[1]
    items = json.loads(hsad_run("catalog", "list", "--json")[1])
    assert "abu-airport-2" in {item["name"] for item in items}
    assert "sha256" in hsad_run("catalog", "show", "abu-airport-2")[1]
    status, _, err = hsad_run("catalog", "show", "abu-airport-9")
    assert status == 1
    assert "abu-airport-2" in err


@pytest.mark.long
@pytest.mark.faults
def test_demo_leaves_files_that_open_in_a_gis(tmp_path, hsad_run):
    status, out, _ = hsad_run("demo", "-o", tmp_path / "demo", "--json")
    assert status == 0
    result = json.loads(out)
    for row in result["methods"]:
        assert 0.6 < row["auc"] < 1
        assert row["map"] in result["files"]
        with rasterio.open(tmp_path / "demo" / row["file"]) as raster:
            assert raster.crs.to_epsg() == 32632
            assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert raster.overviews(1)
    assert set(result["files"]) == {path.name for path in (tmp_path / "demo").iterdir()}
    with (tmp_path / "demo" / "results.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["name"], float(row["auc"])) for row in table] == [
        (row["name"], row["auc"]) for row in result["methods"]
    ]
    with rasterio.open(tmp_path / "demo" / "truth.tif") as raster:
        truth = raster.read(1)
    path = tmp_path / "demo" / "anomalies.gpkg"
    _, _, _, (rows, cols) = pyogrio.raw.read(path, layer="anomalies", columns=["row", "col"], read_geometry=False)
    assert (result["listed"], result["real"]) == (len(rows), (truth[rows, cols] > 0).sum())
    assert (tmp_path / "demo" / "overview.png").stat().st_size > 10_000


def test_the_demo_tells_a_newcomer_what_came_out_in_lines_of_a_terminal():
    figures = {"auc": 0.97, "average_precision": 0.7, "objects_found": 14, "objects": 20, "seconds": 0.8}
    row = {"name": "lrx-10-components", "false_alarm_rate": 1e-3, **figures}
    result = {
        "targets": 20, "listed": 5, "real": 4, "headline": "5 anomalies", "methods": [row], "files": ["a"] * 37,
        "folder": "hsad-demo",
    }  # fmt: skip
    lines = list(demo_lines(result))
    assert max(map(len, lines)) <= 80
    told = "\n".join(lines)
    for part in ("20 targets", "lists 5 anomalies. 4 of them", "14 of 20", "99.9 %", "37 files are in hsad-demo"):
        assert part in told


def test_doctor_finds_a_wrong_proj_folder(hsad_run):
    assert hsad_run("doctor")[0] == 0
    environment = {**os.environ, "PROJ_DATA": "/nowhere", "PROJ_LIB": "/nowhere"}
    result = subprocess.run(
        [sys.executable, "-m", "hsad", "doctor", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    findings = {finding["subject"]: finding for finding in json.loads(result.stdout)}
    assert "/nowhere" in findings["PROJ data"]["found"]


@pytest.mark.long
@pytest.mark.faults
def test_a_wrong_proj_folder_is_said(scene, tmp_path):
    environment = {**os.environ, "PROJ_DATA": "/nowhere", "PROJ_LIB": "/nowhere"}
    command = [sys.executable, "-m", "hsad", "detect", str(scene / "scene.hdr"), "-o", str(tmp_path / "s.tif")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "PROJ_DATA=/nowhere" in result.stderr.splitlines()[-1]
    # The scores are computed by then: with the right folder they are used.
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif.unfinished"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "by an earlier run" in result.stdout


SCENE, OUT = "SCENE", "OUT"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["detect", "nothing.hdr", "-o", OUT], 1, "nothing.hdr"),
        (["detect", SCENE, "-o", f"{__file__}/scores.tif"], 1, r"test_commands\.py is not a folder"),
        (["detect", SCENE, "-o", "scores.jpg"], 1, "scores.jpg"),
        (["detect", SCENE, "-m", "crx", "-o", OUT], 1, "unknown method 'crx'.*choose from auto, rx, lrx"),
        (["detect", SCENE, "-m", "rx", "--outer", "9", "-o", OUT], 1, "rx has no parameter 'outer'.*covariance, ridge"),
        (["detect", SCENE, "--sigma", "9", "-o", OUT], 1, "No such option '--sigma'.* The method auto takes: --outer"),
        (["detect", SCENE, "-m", "lrx", "--outr", "9", "-o", OUT], 1, r"did you mean --outer\?.* lrx takes: --outer"),
        (["detect", SCENE, "-m", "lrx", "--windw", "9", "-o", OUT], 1, r"'--windw'\. The method lrx takes"),
        (["detect", SCENE, "-m", "rx", "--ovrwrite", "-o", OUT], 1, r"did you mean --overwrite\?.* rx takes: --cov"),
        (["detect", SCENE, SCENE, "-o", "many.tif"], 1, "many.tif is the name of one raster; 2 scenes need a folder"),
        (["detect", SCENE, "-m", "lrx", "--outer", "8", "-o", OUT], 1, "outer must be odd and at least 3, not 8"),
        (["detect", SCENE, "-m", "lrx", "--outer", "nine", "-o", OUT], 1, "outer: 'nine' is not a whole number"),
        (["detect", SCENE, "-m", "lrx", "--inner", "15", "-o", OUT], 1, r"inner must be smaller than outer \(15\)"),
        (["detect", SCENE, "-m", "lrx", "--outer", "91", "-o", OUT], 1, "outer: a window of 91 pixels is .*such as rx"),
        (["detect", SCENE, "-m", "lrx", "--border", "wrap", "-o", OUT], 1, "'wrap' is not one of shift, truncate"),
        (["detect", SCENE, "-m", "rx", "--region", "40:43,40:44", "-o", OUT], 1, "valid pixels are fewer than"),
        (["detect", SCENE, "--bands", "99999", "-o", OUT], 1, r"no band lies at 99999 nm; .* nm \(by number: @1-40\)"),
        (["detect", SCENE, "--bands", "@41-50", "-o", OUT], 1, "no band has the number 41-50; the scene has @1-40"),
        (["detect", SCENE, "--pca", "0", "-o", OUT], 1, "pca must be at least 1, not 0"),
        (["detect", SCENE, "--mask", "none.npy", "-o", OUT], 1, "none.npy"),
        pytest.param(
            ["detect", SCENE, "--scheduler", "tcp://127.0.0.1:1", "-o", OUT], 1, "no dask scheduler answers",
            marks=[pytest.mark.long, pytest.mark.faults],
        ),
        (["detect", SCENE, "--background", "none.npz", "-o", OUT], 1, "none.npz: no such file"),
        (["info", "nothing.tif"], 1, "nothing.tif"),
        (["evaluate", SCENE, "--truth", "t.npy"], 1, "scene.hdr: a cube of 40 bands, not a score map of one: --band N"),
        (["evaluate", SCENE, "--band", "41", "--truth", "t.npy"], 1, "has no band 41, it has 1-40"),
        (["bench", "--io", "--suite"], 1, "--suite does not go with --io, but with --accuracy"),
        (["bench", "--io", "--accuracy"], 1, "--io and --accuracy exclude each other: choose one"),
        (["bench", "--large", "huge"], 1, "no table 'huge'; there are layouts, methods, formats, linear, workers"),
        (["bench", "--large", "linear", "--only", "crx"], 1, "no work has 'crx' in its name; there is rx, crd"),
        (["bench", "--calibrate", "b.txt", "--data", "."], 1, r"b\.txt"),
        (["bench", "--calibrate", "b.json", "--data", ".", "--only", "rpca"], 1, "'rpca' has no table; there are auto"),
        (["bench", "--calibrate", "b.json", "--data", "."], 1, r"missing \(--data, HSAD_DATA\): airport-2, airport-4"),
        (["bench", "--io", "--only", "tape"], 1, "no layout has 'tape' in its name; there are ENVI BIP"),
        (["bench", "--only", "nonsense"], 1, r"--only \(only=\): no case has 'nonsense' in its name; there are crd"),
        (["catalog", "fetch", "abu-airport-2", "-o", "made"], 1, "cannot be downloaded.*http://xudongkang"),
        (["evaluate", "nothing.tif", "--truth", "t.npy"], 1, "nothing.tif"),
        (["detect", SCENE], 2, "Missing option '-o'"),
        (["detect"], 2, "Missing argument 'SCENE"),
        (["evaluate", "x.tif"], 2, "Missing option '--truth'"),
        (["nonsense"], 2, "No such command 'nonsense'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(arguments, status, message, scene, tmp_path, hsad_run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {SCENE: scene / "scene.hdr", OUT: "scores.tif"}
    got, out, err = hsad_run(*[names.get(argument, argument) for argument in arguments])
    assert (got, out) == (status, "")
    assert err.startswith("hsad: error: ")
    assert err.count("\n") == 1
    assert re.search(message, err), err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, data: data.unlink(), "scene.hdr: .*no data file|scene.hdr: .*data"),
        (lambda header, data: data.write_bytes(data.read_bytes()[:-7]), "promises 720000 bytes.*719993"),
        (lambda header, data: header.write_text(header.read_text().replace("bil", "bit")), "interleave.*bsq, bil, bip"),
        (lambda header, data: header.write_text(header.read_text().replace("samples", "simples")), "samples"),
        (lambda header, data: header.write_text("nonsense"), "scene.hdr"),
        (lambda header, data: data.write_bytes(b"\xf1\xd8" * 360000), "no valid pixel"),
    ],
)
def test_a_broken_file_is_one_line_and_leaves_nothing(change, message, scene, tmp_path, hsad_run):
    header, data = tmp_path / "scene.hdr", tmp_path / "scene.img"
    header.write_bytes((scene / "scene.hdr").read_bytes())
    data.write_bytes((scene / "scene.img").read_bytes())
    change(header, data)
    before = sorted(tmp_path.iterdir())
    status, out, err = hsad_run("detect", header, "-o", tmp_path / "scores.tif")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert re.search(message, err), err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.cluster
def test_detect_on_a_cluster_gives_the_same_file(scene, tmp_path, hsad_run, cluster):
    for method in ("rx", "lrx"):
        arguments = ["detect", scene / "scene.hdr", "-m", method, "--pca", "4"]
        assert hsad_run(*arguments, "-o", tmp_path / "near.tif", "--overwrite")[0] == 0
        address = cluster.scheduler.address
        assert hsad_run(*arguments, "--scheduler", address, "-o", tmp_path / "far.tif", "--overwrite")[0] == 0
        with rasterio.open(tmp_path / "near.tif") as near, rasterio.open(tmp_path / "far.tif") as far:
            assert np.array_equal(near.read(1), far.read(1), equal_nan=True)


def test_an_existing_output_is_kept_unless_told(scene, tmp_path, hsad_run):
    output = tmp_path / "scores.tif"
    output.write_text("mine")
    status, _, err = hsad_run("detect", scene / "scene.hdr", "-o", output)
    assert status == 1
    assert "scores.tif" in err
    assert output.read_text() == "mine"
    assert hsad_run("detect", scene / "scene.hdr", "-o", output, "--overwrite")[0] == 0
    assert output.read_bytes()[:2] in (b"II", b"MM")


def test_debug_shows_the_traceback(tmp_path, hsad_run):
    status, _, err = hsad_run("info", tmp_path / "nothing.hdr")
    assert (status, err.count("\n")) == (1, 1)
    with pytest.raises(SceneError):  # which Python shows with its traceback
        hsad_run("info", tmp_path / "nothing.hdr", "--debug")


def test_warnings_are_remarks_on_stderr(tmp_path, hsad_run):
    cube = np.random.default_rng(0).normal(size=(30, 30, 3)).astype(np.float32)
    write_envi(hsad.check_cube(np.concatenate([cube, cube[..., :1]], axis=2)), tmp_path / "double.hdr")
    status, _, err = hsad_run("detect", tmp_path / "double.hdr", "-m", "rx", "-o", tmp_path / "scores.tif")
    assert status == 0
    assert err == "hsad: warning: the covariance has rank 3 of 4: the other directions are ignored\n"
