"""Scenes larger than memory: the memory of a run does not grow with them, and files are read about once."""

from __future__ import annotations

import itertools
import sys
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest
import rasterio

import hsad
from hsad.bench import scene_files
from hsad.bench.costs import large_scenes
from hsad.bench.costs.cost import detect
from hsad.bench.timing import uncache
from hsad.engine.caches import LeafCaches
from hsad.engine.decoded import BlockCache
from hsad.errors import ParameterError
from hsad.readers.rasters.raw import RawRaster
from hsad.readers.tiff import TiffRaster
from hsad.scene.cube import raster_of

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

#: 256 MB on disk, and 1 GB as float64 spectra.
SMALL = scene_files.Shape(1024, 1250, 100, "int16")


@linux
@pytest.mark.long
@pytest.mark.faults
@pytest.mark.parametrize("layout", ["bsq", "tiled-band"])
def test_a_run_keeps_its_memory_limit_for_a_scene_that_is_larger(layout, tmp_path):
    with scene_files.scene_file(layout, SMALL, tmp_path) as scene:
        cost = detect(scene, "rx", "--memory", "250MB")
    assert cost.peak < 250e6 < SMALL.size


@linux
@pytest.mark.long
def test_memory_does_not_grow_with_the_number_of_pixels(tmp_path):
    shape = scene_files.Shape(8192, 8192, 3)
    with scene_files.scene_file("bip", shape, tmp_path) as scene:
        cost = detect(scene, "rx", "--memory", "300MB")
    assert cost.peak < 300e6


@linux
@pytest.mark.huge
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("layout", [*scene_files.ENVI, "striped", "tiled"])
def test_crd_on_20_gigabytes_takes_less_than_2_gigabytes_of_memory(layout, tmp_path):
    with scene_files.scene_file(layout, scene_files.LARGE, tmp_path) as scene:
        uncache(scene_files.data_file(scene))
        reading = large_scenes.window_seconds(scene, 256, 2)
        uncache(scene_files.data_file(scene))
        cost = detect(scene, "crd", "--outer", "5", "--inner", "3", "--memory", "2GB")
    assert cost.peak < 2e9
    assert reading < cost.seconds / 2


def test_too_little_memory_is_refused_with_the_least_amount_that_works():
    scene = np.random.default_rng(0).normal(size=(300, 300, 150))
    with pytest.raises(
        ParameterError, match=r"memory: 201MB does not hold .* 64 x 64 pixels of 150 bands: give at least"
    ):
        hsad.detect(scene, "rx", memory="201MB")


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("side", [0, 16, 32])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_windows_of_an_uncompressed_tiff_equal_the_written_values(interleave, side, dtype, tmp_path):
    random = np.random.default_rng(side)
    for number, (endian, big, shape) in enumerate(
        itertools.product(["LITTLE", "BIG"], ["YES", "NO"], [(5, 70, 90), (1, 33, 17)])
    ):
        bands, rows, cols = shape
        values = (random.random(shape) * 100).astype(dtype)
        path = tmp_path / f"{number}.tif"
        blocks = {"tiled": True, "blockxsize": side, "blockysize": side} if side else {"blockysize": 3 + number}
        with rasterio.open(
            path, "w", "GTiff", cols, rows, bands, dtype=dtype, interleave=interleave, bigtiff=big, endianness=endian,
            transform=rasterio.Affine(1, 0, 9, 0, -1, 9), **blocks,
        ) as file:  # fmt: skip
            for row in range(0, rows, 20):  # blocks are then not in order in the file
                file.write(values[:, row : row + 20], window=((row, min(rows, row + 20)), (0, cols)))
        raster = raster_of(hsad.open_cube(path))
        assert isinstance(raster, TiffRaster)
        assert np.array_equal(raster.read(slice(0, rows), slice(0, cols)), np.moveaxis(values, 0, 2))
        for _ in range(8):
            (top, bottom), (left, right) = (np.sort(random.choice(size + 1, 2, replace=False)) for size in (rows, cols))
            window = raster.read(slice(int(top), int(bottom)), slice(int(left), int(right)))
            assert window.dtype == np.dtype(dtype)
            assert np.array_equal(window, np.moveaxis(values[:, top:bottom, left:right], 0, 2))


def test_blocks_that_were_never_written_are_left_to_gdal(tmp_path):
    path = tmp_path / "sparse.tif"
    with rasterio.open(
        path, "w", "GTiff", 64, 64, 2, dtype="int16", nodata=-5, tiled=True, blockxsize=32, blockysize=32,
        sparse_ok=True, transform=rasterio.Affine(1, 0, 9, 0, -1, 9),
    ) as file:  # fmt: skip
        file.write(np.ones((2, 32, 32), np.int16), window=((0, 32), (0, 32)))
    cube = hsad.open_cube(path)
    assert not isinstance(raster_of(cube), TiffRaster)
    assert (cube.values[32:] == -5).all()


@dataclass(frozen=True)
class Counted:
    """A raster in blocks that records the reads of blocks."""

    values: np.ndarray = field(compare=False)
    reads: list = field(default_factory=list, compare=False)
    path: str = "nowhere"
    block: tuple[int, int] = (512, 30)
    row_step: int = 512

    @property
    def shape(self):
        return self.values.shape

    @property
    def dtype(self):
        return self.values.dtype

    def read(self, rows, cols):
        self.reads.append((rows.start, cols.start))
        return self.values[rows, cols].copy()


def test_blocks_are_decoded_once_for_all_tasks_and_dropped_when_the_cache_is_full():
    raster = Counted(np.random.default_rng(0).random((1100, 80, 50)))
    cache = BlockCache(raster.values.nbytes)
    windows = [(slice(a, a + 90), slice(b, b + 25)) for a in range(0, 1000, 50) for b in (0, 20, 50)]
    wrong = []

    def look():
        wrong.extend(w for w in windows if not np.array_equal(cache.read(raster, *w), raster.values[w]))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sorted(raster.reads) == sorted(set(raster.reads))
    raster.reads.clear()
    small = BlockCache(0)
    for _ in range(2):
        assert np.array_equal(small.read(raster, slice(0, 10), slice(0, 10)), raster.values[:10, :10])
    assert len(raster.reads) == 2


@pytest.mark.parametrize("shape", [(12, 49674, 6), (49674, 12, 6), (900, 800, 6)])
def test_small_tiles_are_decoded_many_at_a_time(shape):
    """The search for single tiles in the list of all tiles would take 15 s for three million numbers."""
    raster = Counted(np.random.default_rng(0).random(shape, np.float32), block=(16, 16))
    assert np.array_equal(BlockCache(2**30).read(raster, slice(3, shape[0]), slice(5, shape[1])), raster.values[3:, 5:])
    assert len(raster.reads) <= 50
    assert len(raster.reads) == len(set(raster.reads))


def test_caches_of_leaves_are_bounded():
    caches = LeafCaches(8 * 1000)
    for place in ((0, 0), (0, 1)):
        caches.setdefault(place, {})["state"] = (None, np.zeros(600))
        caches.settle(place)
    assert caches[0, 0]
    assert not caches[0, 1]


def test_a_lazy_result_reads_at_most_the_strip_that_shows_which_bands_have_data(tmp_path, monkeypatch):
    shape = scene_files.Shape(1024, 1250, 50)  # two strips
    scene = scene_files.write_scene(tmp_path, "bip", shape)
    windows = []

    def read(raster, rows, cols, original=RawRaster.read):
        windows.append((rows.stop - rows.start) * (cols.stop - cols.start))
        return original(raster, rows, cols)

    monkeypatch.setattr(RawRaster, "read", read)
    lazy = hsad.detect(scene, "rx", compute=False)
    assert 0 < sum(windows) <= 2**26 / shape.bands / 2
    windows.clear()
    assert lazy.dtype == np.float32
    assert lazy.shape == (shape.rows, shape.cols)
    assert not windows


def test_compressed_and_chunked_files_give_the_same_scores_as_plain_ones(tmp_path):
    shape = scene_files.Shape(300, 520, 6)
    expected = hsad.detect(scene_files.write_scene(tmp_path, "bip", shape), "crd", outer=9, inner=3)
    for layout in set(scene_files.LAYOUTS) - {"bip"}:
        scores = hsad.detect(scene_files.write_scene(tmp_path, layout, shape), "crd", outer=9, inner=3, memory="230MB")
        assert np.array_equal(scores.values, expected.values), layout
