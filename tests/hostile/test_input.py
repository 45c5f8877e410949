"""Hostile names, lists, options, numbers and streams are refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rasterio.transform import from_origin

import hsad
from hostile.scenes import CUBE, posix, write_envi, write_tiff
from hsad.cli import run
from hsad.errors import DataError, ParameterError, SceneError
from hsad.readers import open_mask
from hsad.readers.collection import expand_scenes

pytestmark = pytest.mark.faults


# Names and lists


@pytest.mark.parametrize("name", ["a\0b.hdr", "a\udcff.hdr"])
def test_names_that_are_no_text(tmp_path, name):
    for given in (name, str(tmp_path / name)):
        with pytest.raises(SceneError) as caught:
            hsad.open_cube(given)
        assert str(caught.value).encode().isascii()
        with pytest.raises(SceneError):
            expand_scenes([given])


@pytest.mark.parametrize(
    "content",
    [b"a\0b.hdr\n", b"\xff\xfe\n", b'{"type": "Feature", "assets": {"data": {"href": "\\ud800"}}}', b"[" * 100_000],
)
def test_lists_that_name_nothing(tmp_path, content):
    path = tmp_path / ("list.json" if content[:1] in b"{[" else "list.txt")
    path.write_bytes(content)
    with pytest.raises(SceneError) as caught:
        expand_scenes([path])
    assert "\n" not in str(caught.value)


def test_a_list_may_begin_with_a_mark_of_its_encoding(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa.hdr\n")
    assert expand_scenes([tmp_path / "list.txt"]) == [str(tmp_path / "a.hdr")]


def test_an_open_ring_in_a_mask(tmp_path):
    path = tmp_path / "mask.geojson"
    ring = [[500000, 4500000], [500100, 4500000], [500100, 4499900], [500000, 4499950]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    path.write_text(
        json.dumps(
            {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": geometry}]}
        )
    )
    scene = write_tiff(tmp_path / "scene.tif", crs="EPSG:32632", transform=from_origin(5e5, 45e5, 30, 30))
    with pytest.raises(SceneError, match=r"mask\.geojson: ") as caught:
        open_mask(path, hsad.scene.cube.geo_grid(hsad.open_cube(scene)))
    assert "\n" not in str(caught.value)


# Options and numbers


@pytest.mark.parametrize(
    "options, said",
    [
        ({"bbox": "nan,0,1,1"}, "bbox"),
        ({"bbox": "0,0,inf,1"}, "bbox"),
        ({"memory": "1e400GB"}, "memory"),
        ({"memory": "nanGB"}, "memory"),
        ({"region": "0:" + "9" * 5000 + ",0:1"}, "region"),
        ({"region": "٣:4,0:1"}, "region"),
    ],
)
def test_options_that_are_no_numbers(tmp_path, options, said):
    scene = write_tiff(tmp_path / "scene.tif", crs="EPSG:32632", transform=from_origin(5e5, 45e5, 30, 30))
    with pytest.raises(ParameterError, match=said):
        hsad.detect(scene, "rx", **options)


@pytest.mark.parametrize("method, options", [("rx", {}), ("rpca", {}), ("rpca-bands", {}), ("low-rank", {})])
@pytest.mark.parametrize("scale", [1e200, -1e200, 1e300, 1e-200, 1e-300])
def test_numbers_whose_squares_are_none(method, options, scale):
    spectra = np.random.default_rng(1).normal(size=(16, 16, 5)) * scale
    try:
        scores = hsad.detect(spectra, method, **options)
    except DataError as error:
        assert str(error)  # noqa: PT017  either is right: finite scores, or a plain line
    else:
        assert np.isfinite(scores).all()
        assert np.ptp(scores) > 0


@pytest.mark.parametrize("method", ["rx", "crd", "rpca", "rpca-bands", "low-rank", "auto"])
@pytest.mark.parametrize("scale", [9.969209968386869e36, 1e80, 1e160, 1.7e308])
def test_huge_numbers_of_both_signs_are_missing_data(method, scale):
    spectra = np.random.default_rng(1).normal(size=(30, 30, 5))
    spectra[5, 6, :2] = scale, -scale
    spectra[7, 8] = scale
    missing = spectra.copy()
    missing[5, 6] = missing[7, 8] = np.nan
    np.testing.assert_array_equal(hsad.detect(spectra, method), hsad.detect(missing, method))


@pytest.mark.parametrize("fill", [3.4028234663852886e38, -3.4028234663852886e38, 1e34, -1e34])
@pytest.mark.parametrize("gain", [None, 1e-4])
def test_the_fill_values_of_floats_are_missing_data_and_data_of_their_order_are_not(fill, gain):
    spectra = (np.random.default_rng(1).normal(size=(16, 16, 5)) * 1e34).astype(np.float32)
    spectra[3, 4, 2] = fill
    cube = hsad.check_cube(spectra)
    if gain is not None:
        cube = cube.assign_coords(gain=("band", np.full(5, gain)))
    scores = hsad.detect(cube, "rx")
    assert np.argwhere(np.isnan(scores.values)).tolist() == [[3, 4]]


def test_large_numbers_below_the_fill_values_are_scored():
    spectra = np.random.default_rng(1).normal(size=(16, 16, 5))
    scores = hsad.detect(spectra * 1e35, "rx")
    centred = (spectra - spectra.mean(axis=(0, 1))).reshape(-1, 5)
    covariance = centred.T @ centred / len(centred)
    expected = np.einsum("ij,jk,ik->i", centred, np.linalg.inv(covariance), centred)
    np.testing.assert_allclose(scores.ravel(), expected, rtol=1e-6)


def test_a_band_of_fill_values_is_left_out():
    spectra = np.random.default_rng(1).normal(size=(16, 16, 5))
    filled = np.concatenate([spectra, np.full((16, 16, 1), -3.4e38)], axis=2)
    np.testing.assert_array_equal(hsad.detect(filled, "rx"), hsad.detect(spectra, "rx"))


def test_a_gain_that_makes_numbers_huge_is_not_taken_for_nodata():
    cube = hsad.check_cube(np.random.default_rng(1).normal(size=(16, 16, 5)) * 1e30)
    cube = cube.assign_coords(gain=("band", np.full(5, 1e60)))
    with pytest.raises(DataError, match=r"a spectrum of the order of \de\+(8|9)\d at row 0, column 0"):
        hsad.detect(cube, "rx")


def test_numbers_whose_squares_are_none_are_named(tmp_path):
    path = write_envi(tmp_path, f"data gain values = {{{', '.join(['1e60'] * CUBE.shape[2])}}}", cube=CUBE * 1e20)
    with pytest.raises(DataError, match=r"scene\.hdr: a spectrum of the order of \de\+8\d at row 0, column 0"):
        hsad.detect(path, "rx")


@pytest.mark.parametrize("method", ["rx", "lrx", "crd", "rpca", "low-rank", "auto"])
def test_scenes_of_one_pixel(tmp_path, method):
    path = write_envi(tmp_path, "map info = {UTM, 1, 1, 500000, 4500000, 30, 30, 32, North, WGS-84}", cube=CUBE[:1, :1])
    assert run(["info", str(path)]) == 0
    with pytest.raises(DataError, match=r"scene\.hdr: "):
        hsad.detect(path, method)


@pytest.mark.parametrize("bands, atoms", [(5, 5), (3, 5), (4, 4)])
def test_srd_refuses_as_many_atoms_as_bands(bands, atoms):
    spectra = np.random.default_rng(1).normal(size=(20, 20, bands))
    with pytest.raises(DataError, match=f"{atoms} atoms leaves nothing of spectra of {bands} bands"):
        hsad.detect(spectra, "srd", outer=7, inner=3, atoms=atoms)


def test_what_is_wrong_with_the_pixels_is_said_with_the_name_of_their_file(tmp_path):
    for more in ("data ignore value = 7", "bbl = {0,0,0,0,0,0}", "data gain values = {1e300,1,1,1,1,1}"):
        path = write_envi(tmp_path, more, cube=np.full((12, 10, 6), 7, "<f4"))
        with pytest.raises(DataError, match=r"scene\.hdr: "):
            hsad.detect(path, "rx")


# Streams


def in_a_shell(tail, *arguments):
    command = " ".join([f'"{sys.executable}" -m hsad', *(f'"{a}"' for a in arguments), tail])
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)


@pytest.mark.long
@pytest.mark.faults
@posix
def test_closed_streams(tmp_path):
    scene = write_envi(tmp_path)
    done = in_a_shell(">&-", "info", scene)
    assert done.returncode == 1
    assert done.stderr == "hsad: error: the standard output cannot be written: Bad file descriptor\n"
    done = in_a_shell("2>&-", "info", scene)
    assert (done.returncode, done.stderr) == (0, "")
    assert "rows" in done.stdout
    for tail in ("2>&-", "<&- 2>&-"):
        done = in_a_shell(tail, "detect", scene, "-m", "rx", "-o", tmp_path / "s.tif", "--overwrite")
        assert done.returncode == 0
        assert "pixels scored" in done.stdout
    done = in_a_shell("2>&-", "info", tmp_path / "none.hdr")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_standard_output_that_is_full():
    done = in_a_shell("> /dev/full", "methods")
    assert (done.returncode, done.stderr) == (
        1, "hsad: error: the standard output cannot be written: No space left on device\n",
    )  # fmt: skip
