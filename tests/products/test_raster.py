"""The score raster: what is in the file, that it is a valid COG, that it is there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import warnings

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning

from hsad.errors import ParameterError
from hsad.products import Provenance, ScoreWriter, write_scores
from hsad.products import provenance as provenance_module
from hsad.scene.cube import GeoGrid

UTM = CRS.from_epsg(32633)
NORTH_UP = Affine(30.0, 0.0, 500000.1, 0.0, -30.0, 4000000.7)
ROTATED = Affine(2.758164292515292, 1.4823616, 500000.1, 1.8117752993938345, -2.25667987569433, 4e6)
SOUTH_UP = Affine(3.0, 0.0, 5e5, 0.0, 2.0, 4e6)
CUSTOM = CRS.from_proj4("+proj=sinu +lon_0=0 +R=6371007.181 +units=m")


def some_scores(rows=300, cols=270, seed=0):
    scores = np.random.default_rng(seed).chisquare(50, (rows, cols))
    scores[: rows // 5, : cols // 5] = np.nan
    return scores


def read(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            return dataset.read(1), dataset.profile, dataset.tags(), dataset.crs, dataset.transform


@pytest.mark.parametrize(
    "crs, transform",
    [
        (UTM, NORTH_UP),
        (UTM, ROTATED),
        (UTM, SOUTH_UP),
        (CUSTOM, NORTH_UP),
        (CRS.from_epsg(4326), Affine(0.1, 0, 11, 0, -0.1, 48)),
        (None, NORTH_UP),
        (UTM, None),
        (None, None),
    ],
)
def test_values_and_georeferencing_are_exact(tmp_path, crs, transform):
    scores = some_scores()
    grid = GeoGrid(*scores.shape, crs, transform)
    path = write_scores(grid.attach(xr.DataArray(scores, dims=("y", "x"))), tmp_path / "s.tif")
    values, profile, _, found_crs, found_transform = read(path)
    np.testing.assert_array_equal(values, scores.astype(np.float32))
    assert profile["dtype"] == "float32"
    assert np.isnan(profile["nodata"])
    assert found_crs == crs
    assert found_transform == (transform or Affine.identity())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.json", "s.qml", "s.tif"]


def tiff_directories(path):
    """Read the chain of image file directories by the TIFF 6 specification: offset and tags of each."""
    content = path.read_bytes()
    assert content[:4] == b"II*\0"
    kinds = {3: "H", 4: "I", 1: "B", 2: "B", 12: "d", 16: "Q"}
    (offset,) = struct.unpack_from("<I", content, 4)
    directories = []
    while offset:
        (count,) = struct.unpack_from("<H", content, offset)
        tags = {}
        for entry in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, kind, number = struct.unpack_from("<HHI", content, entry)
            layout = f"<{number}{kinds[kind]}"
            place = entry + 8
            if struct.calcsize(layout) > 4:
                (place,) = struct.unpack_from("<I", content, place)
            tags[tag] = struct.unpack_from(layout, content, place)
        directories.append((offset, tags))
        (offset,) = struct.unpack_from("<I", content, offset + 2 + 12 * count)
    return content, directories


@pytest.mark.parametrize("shape, overviews", [((1100, 700), 3), ((100, 90), 1), ((256, 2), 1), ((1, 1), 0)])
def test_raster_is_a_cloud_optimized_geotiff(tmp_path, shape, overviews):
    path = write_scores(np.arange(np.prod(shape), dtype=float).reshape(shape), tmp_path / "s.tif")
    content, directories = tiff_directories(path)
    width, height, compression, predictor, tile_width, tile_offsets, subfile = (
        256,
        257,
        259,
        317,
        322,
        324,
        254,
    )
    assert len(directories) == 1 + overviews
    assert b"LAYOUT=IFDS_BEFORE_DATA" in content[:200]
    sizes = [tags[width][0] * tags[height][0] for _, tags in directories]
    assert sizes == sorted(sizes, reverse=True)
    offsets = [offset for offset, _ in directories]
    assert offsets == sorted(offsets)
    first_data = [min(tags[tile_offsets]) for _, tags in directories]
    assert offsets[-1] < min(first_data)
    assert first_data == sorted(first_data, reverse=True)  # the coarsest overview comes first
    for number, (_, tags) in enumerate(directories):
        assert tags[tile_width] == (256,)
        assert tags[compression] == (8,)  # DEFLATE
        assert tags[predictor] == (3,)  # floating point
        assert tags.get(subfile, (0,)) == (1 if number else 0,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert len(dataset.overviews(1)) == overviews


def test_overviews_keep_maxima(tmp_path):
    scores = some_scores(1030, 701)
    scores[777, 333] = 1e6  # one pixel
    scores[:8, :8] = np.nan
    path = write_scores(scores, tmp_path / "s.tif")
    expected = scores.astype("f4")
    for level in range(3):
        rows, cols = (-(-side // 2) for side in expected.shape)
        padded = np.full((2 * rows, 2 * cols), np.nan, "f4")
        padded[: expected.shape[0], : expected.shape[1]] = expected
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of maxima of nothing
            expected = np.nanmax(padded.reshape(rows, 2, cols, 2), axis=(1, 3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, overview_level=level) as dataset:
                assert np.array_equal(dataset.read(1), expected, equal_nan=True)
                assert dataset.read(1)[777 >> level + 1, 333 >> level + 1] == 1e6


def test_tags_say_where_scores_come_from(tmp_path):
    source = tmp_path / "scene.mat"
    source.write_bytes(b"spectra")
    parameters = json.dumps({"covariance": "pinv", "trim": 0.0})
    scores = xr.DataArray(
        some_scores(),
        dims=("y", "x"),
        attrs={"method": "rx", "parameters": parameters, "version": "1.2.3", "source": f"{source}:data"},
    )
    *_, tags, _, _ = read(write_scores(scores, tmp_path / "s.tif"))
    assert tags == {
        "HSAD_METHOD": "rx",
        "HSAD_PARAMETERS": parameters,
        "HSAD_VERSION": "1.2.3",
        "HSAD_SOURCE": f"{source}:data",
        "HSAD_SOURCE_SHA256": hashlib.sha256(b"spectra").hexdigest(),
    }
    assert Provenance.from_tags(tags).tags() == tags


def test_large_sources_and_folders_are_told_by_size_and_time(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance_module, "CHECKSUM_LIMIT", 10)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x" * 11)
    os.utime(tmp_path / "a", (0, 86400))
    os.utime(tmp_path / "b", (0, 3600))
    one = Provenance.from_attrs({"source": str(tmp_path / "b")}).tags()
    assert one["HSAD_SOURCE_SIZE"] == "11"
    assert one["HSAD_SOURCE_TIME"] == "1970-01-01T01:00:00+00:00"
    assert "HSAD_SOURCE_SHA256" not in one
    folder = Provenance.from_attrs({"source": str(tmp_path)})
    assert (folder.source_size, folder.source_time) == ("22", "1970-01-02T00:00:00+00:00")


def test_statistics_are_those_of_numpy(tmp_path):
    scores = some_scores().astype(np.float32)
    with (
        warnings.catch_warnings(),
        rasterio.open(write_scores(_placed(scores), tmp_path / "s.tif")) as dataset,
    ):
        tags = {name: float(value) for name, value in dataset.tags(1).items()}
    wide = scores.astype(np.float64)
    assert tags["STATISTICS_MINIMUM"] == np.nanmin(wide)
    assert tags["STATISTICS_MAXIMUM"] == np.nanmax(wide)
    assert tags["STATISTICS_MEAN"] == pytest.approx(np.nanmean(wide), rel=1e-12)
    assert tags["STATISTICS_STDDEV"] == pytest.approx(np.nanstd(wide), rel=1e-10)
    assert tags["STATISTICS_VALID_PERCENT"] == pytest.approx(100 * np.isfinite(wide).mean(), rel=1e-3)


def test_summary_is_the_same_in_strips(tmp_path, monkeypatch):
    from hsad.products import summary

    path = write_scores(_placed(some_scores()), tmp_path / "s.tif")
    (whole,) = summary.summarize(path)
    monkeypatch.setattr(summary, "_STRIP_PIXELS", 7 * 270)
    (strips,) = summary.summarize(path)
    assert (strips.minimum, strips.maximum, strips.count, strips.low, strips.high) == (
        whole.minimum,
        whole.maximum,
        whole.count,
        whole.low,
        whole.high,
    )  # fmt: skip  two rows of the same names
    assert strips.mean == pytest.approx(whole.mean, rel=1e-12)
    assert strips.stddev == pytest.approx(whole.stddev, rel=1e-12)
    values = read(path)[0].astype(np.float64)
    np.testing.assert_allclose((whole.low, whole.high), np.nanpercentile(values, (50, 99.9)))


def _placed(scores, **attrs):
    return GeoGrid(*scores.shape, UTM, NORTH_UP).attach(xr.DataArray(scores, dims=("y", "x"), attrs=attrs))


def test_windows_that_were_not_written_are_nan(tmp_path):
    with ScoreWriter(tmp_path / "s.tif", GeoGrid(300, 400, UTM, NORTH_UP), {}) as writer:
        writer.write(slice(10, 20), slice(250, 270), np.full((10, 20), 7.0))
    expected = np.full((300, 400), np.nan)
    expected[10:20, 250:270] = 7
    np.testing.assert_array_equal(read(tmp_path / "s.tif")[0], expected)


def test_several_bands_with_descriptions(tmp_path):
    scores = np.random.default_rng(1).normal(size=(40, 30, 3))
    grid = GeoGrid(40, 30, UTM, ROTATED)
    names = ["score", "spectral", "spatial"]
    with ScoreWriter(tmp_path / "s.tif", grid, {}, bands=3, descriptions=names) as writer:
        writer.write(slice(0, 40), slice(0, 30), scores)
    with rasterio.open(tmp_path / "s.tif") as dataset:
        assert dataset.descriptions == tuple(names)
        np.testing.assert_array_equal(dataset.read().transpose(1, 2, 0), scores.astype(np.float32))
    with (
        pytest.raises(ParameterError, match="shape"),
        ScoreWriter(tmp_path / "t.tif", grid, {}, bands=3) as writer,
    ):
        writer.write(slice(0, 40), slice(0, 30), scores[:, :, 0])


def test_lazy_scores_are_computed_once_and_by_blocks(tmp_path):
    import dask
    import dask.array

    calls = []
    scores = some_scores(200, 150)

    @dask.delayed(pure=False)
    def background():
        calls.append("background")
        return 0.0

    shared = background()
    rows = []
    for row in range(0, 200, 64):
        part = dask.delayed(lambda shift, first=row: scores[first : first + 64] + shift)(shared)
        rows.append(dask.array.from_delayed(part, (min(64, 200 - row), 150), float))
    lazy = xr.DataArray(dask.array.concatenate(rows), dims=("y", "x")).chunk({"x": 40})
    np.testing.assert_array_equal(read(write_scores(lazy, tmp_path / "s.tif"))[0], scores.astype(np.float32))
    assert calls == ["background"]


@pytest.mark.cluster
def test_lazy_scores_from_worker_processes(tmp_path, cluster):
    import dask.array

    scores = some_scores(200, 150)
    lazy = xr.DataArray(dask.array.from_array(scores, chunks=(64, 50)), dims=("y", "x"))
    with cluster.as_current():
        path = write_scores(lazy, tmp_path / "s.tif")
    np.testing.assert_array_equal(read(path)[0], scores.astype(np.float32))


@pytest.mark.parametrize("scores", [np.zeros((2, 3, 4)), np.array([["a"]]), np.zeros((0, 3))])
def test_what_is_no_map_is_refused(tmp_path, scores):
    with pytest.raises(ParameterError, match="map of numbers"):
        write_scores(scores, tmp_path / "s.tif")
