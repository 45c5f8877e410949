"""Truths and masks from every kind of file, and the one-line errors of those that do not fit."""

from __future__ import annotations

import h5py
import numpy as np
import pyogrio
import pytest
import rasterio
import scipy.io
import shapely
from rasterio.crs import CRS
from rasterio.warp import transform

from hsad.errors import SceneError
from hsad.readers import open_mask
from hsad.scene.cube import GeoGrid

TRUTH = np.zeros((6, 8), dtype=bool)
TRUTH[1:3, 2:5] = True
TRUTH[5, 7] = True
UTM = CRS.from_epsg(32633)
UPRIGHT = rasterio.Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 5800000.0)
ROTATED = rasterio.Affine(8.0, 6.0, 500000.0, 6.0, -8.0, 5800000.0)
PLAIN = GeoGrid(6, 8, None, None)
GRID = GeoGrid(6, 8, UTM, UPRIGHT)


def test_matlab_by_name_by_convention_and_alone(tmp_path):
    path = tmp_path / "scene.mat"
    values = np.where(TRUTH, 3.0, 0.0)
    scipy.io.savemat(path, {"data": np.ones((6, 8, 3)), "extra": np.ones((6, 8)), "map": values, "n": 4})
    for name in (str(path), f"{path}:map"):
        np.testing.assert_array_equal(open_mask(name, PLAIN), TRUTH)
    assert open_mask(f"{path}:extra", PLAIN).all()
    scipy.io.savemat(tmp_path / "alone.mat", {"anything": values})
    np.testing.assert_array_equal(open_mask(tmp_path / "alone.mat", PLAIN), TRUTH)
    with h5py.File(tmp_path / "seven.mat", "w") as file:
        file["hsi_gt"] = values.T
    np.testing.assert_array_equal(open_mask(tmp_path / "seven.mat", PLAIN), TRUTH)


@pytest.mark.parametrize(
    "arrays, name, message",
    [
        ({"a": TRUTH, "b": TRUTH}, "", "name one, as in file.mat:NAME; it holds"),
        ({"map": TRUTH, "gt": TRUTH}, "", "map and gt may each be the map"),
        ({"data": np.ones((6, 8, 3))}, "", "no two-dimensional array"),
        ({"map": TRUTH}, ":truth", "no two-dimensional array called 'truth'; it holds map"),
        ({"map": TRUTH.T}, "", "8×6 pixels for a scene of 6×8"),
    ],
)
def test_matlab_files_without_a_plain_truth(tmp_path, arrays, name, message):
    scipy.io.savemat(tmp_path / "scene.mat", arrays)
    with pytest.raises(SceneError, match=message) as error:
        open_mask(f"{tmp_path / 'scene.mat'}{name}", PLAIN)
    assert "\n" not in str(error.value)


def test_truths_of_the_real_scenes(data):
    for name, pixels in (
        ("abu-airport-2.mat", 87),
        ("pavia-lzw.mat", 71),
        ("sandiego-1.mat:map", 58),
        ("sandiego-1-vabs-PlaneGT.mat", 57),
        ("sandiego-1-v73.mat", None),
    ):
        mask = open_mask(data / "scenes" / name, GeoGrid(100, 100, None, None))
        assert pixels is None or mask.sum() == pixels
    assert open_mask(data / "scenes/pavia-wu-mask.mat", GeoGrid(105, 120, None, None)).sum() == 43


def test_numpy(tmp_path):
    values = np.where(TRUTH, 1.0, np.where(np.arange(8) == 0, np.nan, 0.0))
    np.save(tmp_path / "truth.npy", values)
    np.testing.assert_array_equal(open_mask(tmp_path / "truth.npy", PLAIN), TRUTH)
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    np.save(tmp_path / "names.npy", np.array([["a"]]))
    for name in ("broken", "names"):
        with pytest.raises(SceneError, match=f"{name}.npy"):
            open_mask(tmp_path / f"{name}.npy", PLAIN)


def raster(path, values, crs=UTM, affine=UPRIGHT, **profile):
    bands = np.atleast_3d(values)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=bands.shape[0],
        width=bands.shape[1],
        count=bands.shape[2],
        dtype=bands.dtype,
        crs=crs,
        transform=affine,
        **profile,
    ) as dataset:
        dataset.write(np.moveaxis(bands, 2, 0))
    return path


def test_raster(tmp_path):
    values = np.where(TRUTH, 7, 0).astype("u1")
    values[0, 0] = 255
    path = raster(tmp_path / "truth.tif", values, nodata=255)
    for grid in (GRID, PLAIN):
        np.testing.assert_array_equal(open_mask(path, grid), TRUTH)
    nudged = GeoGrid(6, 8, UTM, rasterio.Affine(10.0, 0.0, 500000.001, 0.0, -10.0, 5800000.0))
    np.testing.assert_array_equal(open_mask(path, nudged), TRUTH)


@pytest.mark.parametrize(
    "values, place, message",
    [
        (TRUTH.T, {}, "8×6 pixels for a scene of 6×8"),
        (np.dstack([TRUTH, TRUTH]), {}, "a mask has one band, this file has 2"),
        (TRUTH, {"crs": CRS.from_epsg(32632)}, "its CRS is EPSG:32632, the scene's is EPSG:32633"),
        (TRUTH, {"affine": ROTATED}, r"its transform is \(8.0, .* the scene's is \(10.0"),
    ],
)
def test_rasters_that_do_not_fit(tmp_path, values, place, message):
    path = raster(tmp_path / "truth.tif", values.astype("u1"), **place)
    with pytest.raises(SceneError, match=message):
        open_mask(path, GRID)


def centres(affine, rows, cols):
    row, col = np.mgrid[:rows, :cols] + 0.5
    return affine.a * col + affine.b * row + affine.c, affine.d * col + affine.e * row + affine.f


def vector(path, shapes, crs="EPSG:32633", driver="GPKG", kind="Polygon"):
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(np.asarray(shapes, dtype=object)),
        field_data=[],
        fields=[],
        geometry_type=kind,
        crs=crs,
        driver=driver,
    )
    return path


SHAPE = shapely.Polygon([(500012, 5799991), (500056.3, 5799984.2), (500038, 5799958), (500020, 5799962)])


@pytest.mark.parametrize("affine", [UPRIGHT, ROTATED])
@pytest.mark.parametrize("name, driver", [("a.gpkg", "GPKG"), ("a.geojson", "GeoJSON"), ("a.shp", "ESRI Shapefile")])
def test_a_pixel_is_marked_where_its_centre_lies_in_a_polygon(tmp_path, affine, name, driver):
    expected = shapely.contains_xy(SHAPE, *centres(affine, 6, 8))
    assert expected.any()
    path = vector(tmp_path / name, [SHAPE], driver=driver)
    np.testing.assert_array_equal(open_mask(path, GeoGrid(6, 8, UTM, affine)), expected)


@pytest.mark.parametrize("affine", [UPRIGHT, ROTATED])
@pytest.mark.parametrize("kind", ["Point", "MultiPoint"])
def test_a_point_marks_the_pixel_that_it_lies_in(tmp_path, affine, kind):
    pixels = [(0, 0), (2, 5), (5, 7)]
    shapes = [shapely.Point(affine * (col + 0.9, row + 0.2)) for row, col in pixels]
    shapes = shapes if kind == "Point" else [shapely.MultiPoint(shapes)]
    marked = open_mask(vector(tmp_path / "points.gpkg", shapes, kind=kind), GeoGrid(6, 8, UTM, affine))
    assert [*map(tuple, np.argwhere(marked).tolist())] == pixels


def test_vectors_are_reprojected(tmp_path):
    xy = shapely.get_coordinates(SHAPE)
    lonlat = shapely.Polygon(np.column_stack(transform(UTM, CRS.from_epsg(4326), xy[:, 0], xy[:, 1])))
    path = vector(tmp_path / "a.geojson", [lonlat], crs="EPSG:4326", driver="GeoJSON")
    np.testing.assert_array_equal(open_mask(path, GRID), shapely.contains_xy(SHAPE, *centres(UPRIGHT, 6, 8)))


def test_vectors_that_do_not_fit(tmp_path):
    path = vector(tmp_path / "a.gpkg", [SHAPE])
    with pytest.raises(SceneError, match="fits a georeferenced scene only"):
        open_mask(path, PLAIN)
    away = vector(tmp_path / "b.gpkg", [shapely.box(0, 0, 1, 1)])
    with pytest.raises(SceneError, match="none of its 1 features covers"):
        open_mask(away, GRID)
    (tmp_path / "c.gpkg").write_bytes(b"nothing")
    with pytest.raises(SceneError, match=r"c\.gpkg: not a readable vector file"):
        open_mask(tmp_path / "c.gpkg", GRID)
    (tmp_path / "d.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(SceneError, match="holds no feature"):
        open_mask(tmp_path / "d.geojson", GRID)


def test_missing_files(tmp_path):
    for name in ("missing.npy", "missing.mat:map", "missing.gpkg"):
        with pytest.raises(SceneError, match=r"missing\.\w+: no such file"):
            open_mask(tmp_path / name, GRID)
