"""What an attack on the program found, each case by itself: refused in one line, or read as others read it."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import scipy.io
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin

import hsad
from hsad.cli import run
from hsad.errors import DataError, ParameterError, SceneError
from hsad.readers import open_mask
from hsad.readers.collection import expand_scenes

pytestmark = pytest.mark.faults
CUBE = np.random.default_rng(0).normal(50, 5, (12, 10, 6)).astype("<f4")
posix = pytest.mark.skipif(sys.platform == "win32", reason="no pipes, no descriptors to close")


def write_envi(folder, more="", cube=CUBE, data=None):
    """Write a small ENVI image with further lines in its header; return the header."""
    rows, cols, bands = cube.shape
    (folder / "scene.img").write_bytes(cube.tobytes() if data is None else data)
    code = {"f4": 4, "f8": 5, "u1": 1}[cube.dtype.str[1:]]
    (folder / "scene.hdr").write_text(
        f"ENVI\nsamples = {cols}\nlines = {rows}\nbands = {bands}\ndata type = {code}\n"
        f"interleave = bip\nbyte order = 0\n{more}\n",
        encoding="utf-8",
    )
    return folder / "scene.hdr"


def write_tiff(path, cube=CUBE, **options):
    rows, cols, bands = cube.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", width=cols, height=rows, count=bands, dtype=cube.dtype.name, **options
        ) as dataset:
            dataset.write(np.moveaxis(cube, 2, 0))
    return path


def gdal_values(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            return np.moveaxis(dataset.read(), 0, 2)


def tag_place(content, tag, big=False):
    """Return where the entry of a tag begins in the first directory of a little-endian TIFF."""
    at = int.from_bytes(content[8:16] if big else content[4:8], "little")
    count = int.from_bytes(content[at : at + (8 if big else 2)], "little")
    first, step = (at + 8, 20) if big else (at + 2, 12)
    return next(p for p in range(first, first + step * count, step) if content[p : p + 2] == struct.pack("<H", tag))


def refused(path, *parts):
    with pytest.raises(SceneError) as caught:
        hsad.open_cube(path).values  # noqa: B018  reading is the test
    said = str(caught.value)
    assert "\n" not in said
    for part in (Path(path).stem, *parts):
        assert part in said, said
    return said


# MATLAB


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("at, value", [(145, 8), (184, 0), (184, 200), (144, 250), (136, 9), (152, 99)])
def test_a_damaged_mat_does_not_end_the_process(tmp_path, at, value, packed):
    """scipy's reader crashed: numbers of a type that does not exist, an imaginary part that is not there."""
    import zlib

    path = tmp_path / "scene.mat"
    scipy.io.savemat(path, {"data": CUBE.astype(float)})
    content = bytearray(path.read_bytes())
    content[at] = value
    if packed:
        inner = zlib.compress(bytes(content[128:]))
        content = content[:128] + struct.pack("<II", 15, len(inner)) + inner
    path.write_bytes(content)
    program = f"import hsad\ntry: hsad.open_cube({str(path)!r}).values\nexcept hsad.errors.SceneError as e: print(e)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert done.stdout.startswith(f"{path}: not a readable MATLAB file: at byte 128, ")


def test_mat_files_of_others_pass_the_check():
    """Every file that scipy's own tests read is read here, too."""
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
    assert name in warnings_said or hsad.cube.geo_grid(hsad.open_cube(path)).crs is not None
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
            open_mask(tmp_path / f"scene{suffix}", hsad.cube.geo_grid(hsad.cube.check_cube(CUBE)))


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
        open_mask(path, hsad.cube.geo_grid(hsad.open_cube(scene)))
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
@pytest.mark.parametrize("scale", [1e80, 1e160, 1e200, 1.7e308])
def test_huge_numbers_of_both_signs_do_not_cancel(method, scale):
    spectra = np.random.default_rng(1).normal(size=(30, 30, 5))
    spectra[5, 6, :2] = scale, -scale
    with pytest.raises(DataError, match=rf"a spectrum of the order of {scale:.0e}".replace("+", r"\+")):
        hsad.detect(spectra, method)
    spectra[5, 6:8] = [[scale], [-scale]]
    with pytest.raises(DataError, match="at row 5, column 6: squares"):
        hsad.detect(spectra, method)


def test_a_gain_that_makes_numbers_huge_is_not_taken_for_nodata():
    cube = hsad.check_cube(np.random.default_rng(1).normal(size=(16, 16, 5)) * 1e60)
    cube = cube.assign_coords(gain=("band", np.full(5, 1e60)))
    with pytest.raises(DataError, match=r"a spectrum of the order of \de\+1[12]\d at row 0, column 0"):
        hsad.detect(cube, "rx")


def test_numbers_whose_squares_are_none_are_named(tmp_path):
    path = write_envi(tmp_path, cube=(CUBE.astype(float) * 1e200))
    with pytest.raises(DataError, match=r"scene\.hdr: a spectrum of the order of 6?\d?e\+20\d at row 0, column 0"):
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
def test_a_standard_output_that_is_full(tmp_path):
    done = in_a_shell("> /dev/full", "info", write_envi(tmp_path))
    assert (done.returncode, done.stderr) == (
        1, "hsad: error: the standard output cannot be written: No space left on device\n",
    )  # fmt: skip


# What files name


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("HSAD_OFFLINE", "1")


VRT = """<VRTDataset rasterXSize="10" rasterYSize="12"><VRTRasterBand dataType="Float32" band="1"><SimpleSource>
<SourceFilename relativeToVRT="0">{}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>
</VRTDataset>"""


@pytest.mark.parametrize("suffix", [".vrt", ".tif", ".dat"])
def test_offline_a_vrt_reaches_no_server_and_no_other_file(tmp_path, monkeypatch, suffix):
    import http.server
    import threading

    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815  the library's name

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            path = tmp_path / f"scene{suffix}"
            path.write_text(VRT.format(f"/vsicurl/http://127.0.0.1:{server.server_port}/x.tif"))
            with pytest.raises(SceneError):
                hsad.open_cube(path).values  # noqa: B018  reading is the test
            assert asked  # it is followed, unless told otherwise
            asked.clear()
            monkeypatch.setenv("HSAD_OFFLINE", "1")
            refused(path, "HSAD_OFFLINE")
            assert asked == []
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.usefixtures("offline")
def test_offline_what_stands_by_itself_is_read(tmp_path):
    np.testing.assert_array_equal(hsad.open_cube(write_tiff(tmp_path / "scene.tif")).values, CUBE)
    place = "map info = {UTM, 1, 1, 500000, 4500000, 30, 30, 32, North, WGS-84}"
    cube = hsad.open_cube(write_envi(tmp_path, place))
    np.testing.assert_array_equal(cube.values, CUBE)
    with h5py.File(tmp_path / "whole.mat", "w", userblock_size=512) as file:
        file["data"] = CUBE.T
    np.testing.assert_array_equal(hsad.open_cube(tmp_path / "whole.mat").values, CUBE)


@pytest.mark.parametrize("way", ["link", "storage", "virtual"])
@pytest.mark.parametrize("suffix", [".mat", ".h5"])
def test_offline_hdf5_reaches_no_other_file(tmp_path, monkeypatch, way, suffix):
    (tmp_path / "secret.bin").write_bytes(CUBE.tobytes())
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = CUBE.T
    path = tmp_path / f"scene{suffix}"
    with h5py.File(path, "w", userblock_size=512) as file:
        if way == "link":
            file["data"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/data")
        elif way == "storage":
            file.create_dataset("data", CUBE.shape, "<f4", external=[(str(tmp_path / "secret.bin"), 0, CUBE.nbytes)])
        else:
            layout = h5py.VirtualLayout(CUBE.T.shape, "<f4")
            layout[...] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "data", CUBE.T.shape)
            file.create_virtual_dataset("data", layout)
    monkeypatch.setenv("HSAD_OFFLINE", "1")
    refused(path, "lies in another file", "HSAD_OFFLINE")
