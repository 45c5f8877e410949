"""Hostile files that once ended badly are refused in one line, or read as other programs read them."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from rasterio.transform import from_origin

import hsad
from hostile.scenes import CUBE, gdal_values, posix, refused, tag_place, write_envi, write_tiff
from hsad.errors import SceneError
from hsad.readers import open_mask

pytestmark = pytest.mark.faults


# MATLAB


def test_damaged_mats_do_not_end_the_process(tmp_path):
    """scipy's reader crashes on numbers of an unknown type and on a missing imaginary part."""
    import zlib

    scipy.io.savemat(tmp_path / "scene.mat", {"data": CUBE.astype(float)})
    whole = (tmp_path / "scene.mat").read_bytes()
    paths = []
    for at, value in ((145, 8), (184, 0), (184, 200), (144, 250), (136, 9), (152, 99)):
        content = bytearray(whole)
        content[at] = value
        inner = zlib.compress(bytes(content[128:]))
        packed = content[:128] + struct.pack("<II", 15, len(inner)) + inner
        for name, made in (("plain", content), ("packed", packed)):
            paths.append(tmp_path / f"{name}-{at}-{value}.mat")
            paths[-1].write_bytes(made)
    program = (
        "import sys, hsad\n"
        "for path in sys.argv[1:]:\n"
        "    try: hsad.open_cube(path).values\n"
        "    except hsad.errors.SceneError as e: print(e, flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    for line, path in zip(done.stdout.splitlines(), paths, strict=True):
        assert line.startswith(f"{path}: not a readable MATLAB file: at byte 128, ")


def test_mat_files_of_others_pass_the_check():
    """hsad reads every file of scipy's tests."""
    from hsad.readers.matlab.elements import check_elements

    folder = Path(scipy.io.__file__).parent / "matlab" / "tests" / "data"
    if not folder.is_dir():
        pytest.skip("scipy was installed without the data of its tests")
    readable: list[Path] = []
    for path in (path for path in sorted(folder.glob("*.mat")) if not h5py.is_hdf5(path)):
        with contextlib.suppress(Exception):  # whatever scipy raises: not a file that it reads
            scipy.io.whosmat(path)
            if path.name != "debigged_m4.mat":  # a header of 400 million numbers in a file of 1024 bytes
                readable.append(path)
    for path in readable:
        check_elements(str(path))
    assert len(readable) > 80


def test_arrays_of_every_kind_pass_the_check(tmp_path):
    from scipy.sparse import eye

    content = {
        "data": CUBE.astype(float), "z": 1j * np.ones((2, 3)), "flag": np.array([[True]]), "text": "é", "one": 5,
        "s": {"a": CUBE, "b": {"c": [1, 2]}}, "cells": np.array([1, "a", np.ones(3)], object), "sparse": eye(4).tocsc(),
        "empty": np.zeros((0, 3)),
    }  # fmt: skip
    for packed in (False, True):
        scipy.io.savemat(tmp_path / "scene.mat", content, do_compression=packed)
        np.testing.assert_array_equal(hsad.open_cube(tmp_path / "scene.mat:s.a").values, CUBE)


def test_little_that_promises_much(tmp_path):
    path = tmp_path / "scene.mat"
    scipy.io.savemat(path, {"data": CUBE.astype(float)}, do_compression=True)
    content = bytearray(path.read_bytes())
    import zlib

    inner = bytearray(zlib.decompress(content[136:]))
    inner[4:8] = struct.pack("<I", 2**32 - 8)
    packed = zlib.compress(bytes(inner))
    path.write_bytes(content[:128] + struct.pack("<II", 15, len(packed)) + packed)
    refused(path, "compressed bytes promise")


@pytest.mark.parametrize("damage", ["no dataset", "a type", "text", "link"])
def test_damaged_hdf5_is_refused(tmp_path, damage):
    path = tmp_path / "scene.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        if damage == "a type":
            file["data"] = np.dtype("f8")
        elif damage == "text":
            file["data"] = "text"
        elif damage == "link":
            file["data"] = h5py.SoftLink("/nowhere")
    refused(path)


# TIFF


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_blocks_without_bytes_are_nodata_for_gdal_and_for_us(tmp_path, interleave):
    path = write_tiff(tmp_path / "scene.tif", blockysize=3, interleave=interleave, nodata=-1.0)
    content = bytearray(path.read_bytes())
    entry = tag_place(content, 279)
    count, at = struct.unpack("<II", content[entry + 4 : entry + 12])
    width = {3: 2, 4: 4}[int.from_bytes(content[entry + 2 : entry + 4], "little")]
    assert count * width > 4
    content[at : at + width] = bytes(width)
    path.write_bytes(content)
    expected = gdal_values(path)
    assert (expected == -1).any()
    np.testing.assert_array_equal(hsad.open_cube(path).values, expected)


@pytest.mark.parametrize("kind", [17, 16])
def test_bigtiff_with_signed_offsets_is_read_as_gdal_reads_it(tmp_path, kind):
    path = write_tiff(tmp_path / "scene.tif", BIGTIFF="YES", blockysize=3)
    content = bytearray(path.read_bytes())
    entry = tag_place(content, 273, big=True)
    assert content[entry + 2] == 16
    content[entry + 2] = kind
    path.write_bytes(content)
    np.testing.assert_array_equal(hsad.open_cube(path).values, gdal_values(path))


def test_bits_in_the_other_order_are_read_as_gdal_reads_them(tmp_path):
    cube = np.random.default_rng(0).integers(0, 255, (12, 10, 3)).astype("u1")
    path = write_tiff(tmp_path / "scene.tif", cube)
    content = bytearray(path.read_bytes())
    entry = tag_place(content, 262)  # of its ten or so tags, this one matters little to numbers
    content[entry : entry + 12] = struct.pack("<HHIHH", 266, 3, 1, 2, 0)
    path.write_bytes(content)
    np.testing.assert_array_equal(hsad.open_cube(path).values, gdal_values(path))


def test_a_reader_of_ours_that_stumbles_leaves_it_to_gdal(tmp_path, monkeypatch):
    path = write_tiff(tmp_path / "scene.tif")

    def stumble(*_):
        raise MemoryError

    monkeypatch.setattr("hsad.readers.tiff._described", stumble)
    np.testing.assert_array_equal(hsad.open_cube(path).values, CUBE)


def test_a_tiff_that_promises_what_it_cannot_hold(tmp_path):
    path = write_tiff(tmp_path / "scene.tif", compress="deflate")
    content = bytearray(path.read_bytes())
    for tag, value in ((256, 2**20), (257, 2**20), (278, 2**20)):
        entry = tag_place(content, tag)
        content[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, value)
    path.write_bytes(content)
    said = refused(path)
    assert "cannot hold" in said or "block" in said, said


# Where the pixels lie


@pytest.mark.parametrize(
    "numbers",
    [
        "nan, 4500000, 30, 30",
        "500000, inf, 30, 30",
        "500000, 4500000, 0, 30",
        "5e5, 4.5e6, 30, nan",
        "1e300, 1, 30, 30",
    ],
)
def test_map_info_that_places_nothing_is_said_at_opening(tmp_path, numbers):
    path = write_envi(tmp_path, f"map info = {{UTM, 1, 1, {numbers}, 32, North, WGS-84}}")
    refused(path, "scene.hdr", "'map info = {")


def test_a_rotation_that_is_no_number(tmp_path):
    path = write_envi(tmp_path, "map info = {UTM, 1, 1, 5e5, 4.5e6, 30, 30, 32, North, WGS-84, rotation=nan}")
    refused(path, "scene.hdr", "'map info = {")


@pytest.mark.parametrize("numbers", [(np.nan, 30, 30), (5e5, np.inf, 30), (5e5, 30, 0), (5e5, 1e-300, 30)])
def test_a_transform_that_places_nothing_is_said_at_opening(tmp_path, numbers):
    west, wide, high = numbers
    path = write_tiff(tmp_path / "scene.tif", transform=from_origin(west, 45e5, wide, high))
    refused(path, "its transform")


def test_projection_names_are_utf_8(tmp_path):
    name = "Lambert II étendu"
    path = write_envi(
        tmp_path,
        f"map info = {{{name}, 1, 1, 600000, 2200000, 30, 30, units=Meters}}",
    )
    warnings_said = " ".join(hsad.open_cube(path).attrs["warnings"])
    assert name in warnings_said or hsad.scene.cube.geo_grid(hsad.open_cube(path)).crs is not None
    assert hsad.detect(path, "rx", covariance="ridge").shape == (12, 10)


# ENVI


def test_a_packed_image_is_unpacked_as_far_as_it_was_promised(tmp_path, monkeypatch):
    data = gzip.compress(CUBE.tobytes() + bytes(50_000_000), 9)
    path = write_envi(tmp_path, "file compression = 1", data=data)
    asked = []
    read = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size=-1: asked.append(size) or read(self, size))
    np.testing.assert_array_equal(hsad.open_cube(path).values, CUBE)
    assert asked == [CUBE.nbytes]


def test_a_packed_image_that_cannot_hold_what_was_promised(tmp_path):
    path = write_envi(tmp_path, "file compression = 1", data=gzip.compress(b"x"))
    path.write_text(path.read_text().replace("lines = 12", "lines = 1200000000"))
    refused(path, "cannot hold")


@pytest.mark.parametrize("offsets", ["{²,3}", "{1,-3}", "{1}", "{9" + 30 * "9" + ",1}"])
def test_frame_offsets_that_are_no_numbers(tmp_path, offsets):
    refused(write_envi(tmp_path, f"major frame offsets = {offsets}"), "major frame offsets")


@pytest.mark.parametrize(
    "item",
    [
        {"assets": None},
        {"assets": []},
        {"assets": {"a": None}},
        {"assets": {"a": {"href": 5}}},
        {"properties": None},
        {"properties": []},
        {"properties": {"bands": None}},
        {"properties": {"bands": 5}},
        {"properties": {"bands": {"a": 1}}},
        {"properties": {"bands": [None] * 6}},
        {"properties": {"bands": [{"center_wavelength": [1]}] * 6}},
        {"properties": {"eo:bands": ["x"] * 6}},
        {"properties": {"bands": [{"center_wavelength": "x"}] * 6}},
    ],
)
def test_odd_companions_of_a_good_raster_do_no_harm(tmp_path, item):
    path = write_tiff(tmp_path / "scene.tif")
    (tmp_path / "scene.json").write_text(json.dumps({"stac_version": "1.1.0", **item}))
    cube = hsad.open_cube(path)
    assert "wavelength" not in cube.coords
    np.testing.assert_array_equal(cube.values, CUBE)


@pytest.mark.parametrize("text", ["[" * 100_000, "\ufeff{}", '{"stac_version": "\\ud800"}'])
def test_odd_json_beside_a_good_raster_does_no_harm(tmp_path, text):
    path = write_tiff(tmp_path / "scene.tif")
    (tmp_path / "scene.json").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(hsad.open_cube(path).values, CUBE)


@posix
def test_a_pipe_beside_a_good_raster_does_no_harm(tmp_path):
    path = write_tiff(tmp_path / "scene.tif")
    os.mkfifo(tmp_path / "scene.json")
    np.testing.assert_array_equal(hsad.open_cube(path).values, CUBE)


@posix
def test_only_regular_files_are_scenes(tmp_path):
    for suffix in (".hdr", ".tif", ".mat", ".nc", ".img"):
        os.mkfifo(tmp_path / f"scene{suffix}")
        refused(tmp_path / f"scene{suffix}", "not a regular file")
        with pytest.raises(SceneError, match="not a regular file"):
            open_mask(tmp_path / f"scene{suffix}", hsad.scene.cube.geo_grid(hsad.scene.cube.check_cube(CUBE)))
