"""A file that somebody shortens while a window is copied is named; it does not end the process."""

from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hsad
from hsad.errors import SceneError
from hsad.kernels.transposition import turn
from hsad.readers.rasters import hdf5, pixels, raw
from hsad.readers.rasters import mapped as module
from hsad.readers.rasters.raw import INTERLEAVES, Layout, RawRaster
from hsad.scene.cube import raster_of

VALUES = np.random.default_rng(5).integers(-900, 900, (23, 17, 11)).astype("i2")


def write(path, layout, values):
    """Write the frames of a layout one number after the other."""
    order = INTERLEAVES[layout.interleave]
    content = b"x" * layout.offset
    for frame in values.transpose(order).astype(layout.dtype):
        lines = b"".join(b"m" * layout.minor[0] + line.tobytes() + b"n" * layout.minor[1] for line in frame)
        content += b"M" * layout.major[0] + lines + b"N" * layout.major[1]
    path.write_bytes(content)


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("compiled", [True, False])
@given(
    interleave=st.sampled_from(sorted(INTERLEAVES)),
    order=st.sampled_from("<>"),
    offset=st.integers(0, 3),
    frames=st.tuples(*[st.integers(0, 2)] * 4),
    window=st.tuples(st.integers(0, 22), st.integers(0, 23), st.integers(0, 16), st.integers(0, 17)),
    call=st.sampled_from([1, 10**6]),
)
def test_windows_are_the_same_mapped_and_read(
    held, compiled, interleave, order, offset, frames, window, call, tmp_path_factory
):
    layout = Layout(VALUES.shape, np.dtype(f"{order}i2"), interleave, offset, frames[:2], frames[2:])
    path = tmp_path_factory.mktemp("raw") / "scene.img"
    write(path, layout, VALUES)
    top, bottom, left, right = window
    rows, cols = slice(top, max(top, bottom)), slice(left, max(left, right))
    with pytest.MonkeyPatch.context() as patch:
        if not held:
            patch.setattr(module, "_take_lease", lambda _: False)
        patch.setattr(raw, "_CALL_BYTES", call)
        patch.setattr(raw, "_PIECE_BYTES", 500)
        patch.setattr(pixels, "_PIECE_BYTES", 500)
        patch.setattr(pixels, "_WORTH_COMPILED", 0 if compiled else 10**9)
        np.testing.assert_array_equal(RawRaster(str(path), layout).read(rows, cols), VALUES[rows, cols])


def test_a_file_that_is_shortened_while_it_is_read_is_named(tmp_path, monkeypatch):
    layout = Layout(VALUES.shape, np.dtype("<i2"), "bsq")
    path = tmp_path / "scene.img"
    write(path, layout, VALUES)
    monkeypatch.setattr(module, "_take_lease", lambda _: False)
    monkeypatch.setattr(raw, "_PIECE_BYTES", 500)
    before = RawRaster._piece

    def shortening(raster, file, window):
        if window[0].start > 5:
            with path.open("r+b") as other:
                other.truncate(100)
        return before(raster, file, window)

    monkeypatch.setattr(RawRaster, "_piece", shortening)
    with pytest.raises(SceneError, match=r"scene\.img: its header promises 8602 bytes, the file has 100"):
        RawRaster(str(path), layout).read(slice(0, 23), slice(0, 17))


@pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux's")
def test_whoever_shortens_a_mapped_file_waits(tmp_path):
    path = tmp_path / "scene.img"
    path.write_bytes(bytes(8192))
    code = "import os, sys; os.truncate(sys.argv[1], 0); print('shortened')"
    with path.open("rb", buffering=0) as file, module.mapped(file) as content:
        if content is None:
            pytest.skip("no leases on this file system")
        other = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1)
        assert not content.any()  # with the pages gone, this would end the process
    assert other.communicate(timeout=30)[0] == "shortened\n"
    assert path.stat().st_size == 0


def test_tiffs_go_through_gdal_where_they_cannot_be_held(tmp_path, monkeypatch):
    path = hsad.write_cube(VALUES, tmp_path / "scene.tif")
    raster = raster_of(hsad.open_cube(path))
    monkeypatch.setattr(module, "_take_lease", lambda _: False)
    np.testing.assert_array_equal(raster.read(slice(3, 20), slice(2, 9)), VALUES[3:20, 2:9])
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(SceneError, match=r"scene\.tif: "):
        raster.read(slice(3, 20), slice(2, 9))


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<f4", ">f8", "c16"])
@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 9, 8), (1, 8, 13), (4, 300, 20), (5, 7, 9), (2, 30, 3), (0, 9, 9)])
def test_bands_become_neighbours(dtype, shape, monkeypatch):
    monkeypatch.setattr(pixels, "_WORTH_COMPILED", 0)
    rows, cols, bands = shape
    values = np.arange(rows * cols * bands).reshape(bands, rows, cols).astype(dtype)
    target = np.zeros((rows, cols, bands), np.dtype(dtype).newbyteorder("="))
    pixels.put_pixels(values.transpose(1, 2, 0), target)
    for row, col, band in np.ndindex(shape):
        assert target[row, col, band] == values[band, row, col]


def test_only_columns_that_are_neighbours_are_turned():
    image, target = np.zeros((2, 9, 9), "i2"), np.zeros((2, 9, 9), "i2")
    with pytest.raises(ValueError, match="not turned here"):
        turn(image, target)
    with pytest.raises(ValueError, match="not turned here"):
        turn(np.zeros((9, 2, 7), "i2").transpose(1, 2, 0), np.zeros((2, 7, 9), "i2"))


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 2, 1), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("options", [{}, {"userblock_size": 512}])
def test_contiguous_hdf5_is_read_like_bare_numbers(axes, options, tmp_path):
    file_path = tmp_path / "scene.h5"
    path = str(file_path)
    with h5py.File(path, "w", **options) as file:
        file["before"] = np.arange(7)
        file["cube"] = VALUES.transpose(np.argsort(axes)).astype(">i2")
        file["part"] = np.zeros((2, 2, 2), "?")
        file.create_dataset("unwritten", (2, 2, 2), "f4", fillvalue=-1)
    with hdf5.open_hdf5(path) as file:
        raster = hdf5.hdf5_raster(path, file["cube"], axes)
        others = [hdf5.hdf5_raster(path, file[name], (0, 1, 2)) for name in ("part", "unwritten")]
    assert isinstance(raster, RawRaster) == (axes != (2, 1, 0))
    np.testing.assert_array_equal(raster.read(slice(3, 20), slice(2, 13)), VALUES[3:20, 2:13])
    assert [other.read(slice(0, 2), slice(0, 2)).ravel()[0] for other in others] == [False, -1]
    with file_path.open("r+b") as raw_file:
        raw_file.truncate(900)
    with pytest.raises(SceneError, match=r"scene\.h5: "):
        raster.read(slice(3, 20), slice(2, 13))
