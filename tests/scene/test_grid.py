"""Grids: points to and from the map, windows of whole pixels, the north-up grid, how places are printed."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import Resampling, reproject

from hsad.errors import ParameterError
from hsad.products.ortho import orthorectified
from hsad.scene.grid import GeoGrid
from hsad.scene.swath import GridSwath

UTM = CRS.from_epsg(32633)
ROTATED = Affine(2.6, -1.7, 364095.3, -1.7, -2.6, 5809965.7)
SHEARED = Affine(3.0, 0.4, 5e5, -0.2, -2.0, 5.8e6)
GRIDS = [
    GeoGrid(41, 57, UTM, ROTATED),
    GeoGrid(41, 57, UTM, SHEARED),
    GeoGrid(41, 57, UTM, Affine(2.0, 0, 5e5, 0, 2.0, 5.8e6)),
]


@pytest.mark.parametrize("grid", GRIDS)
def test_points_go_to_the_map_and_back_as_affine_takes_them(grid):
    points = np.random.default_rng(0).uniform(-10, 80, size=(50, 2))
    a, b, c, d, e, f, *_ = grid.transform
    expected = [(a * col + b * row + c, d * col + e * row + f) for col, row in points]
    np.testing.assert_allclose(grid.to_map(points), expected, rtol=1e-15)
    np.testing.assert_allclose(grid.to_pixels(grid.to_map(points)), points, atol=1e-8)
    x, y = grid.corners().T
    assert grid.bounds() == (x.min(), y.min(), x.max(), y.max())
    assert grid.pixel_area == pytest.approx(abs(grid.transform.determinant))


def test_points_are_columns_and_rows_without_a_transform():
    points = [(1.5, 2.5)]
    assert GeoGrid(4, 5, None, None).to_map(points).tolist() == [[1.5, 2.5]]
    assert GeoGrid(4, 5, None, None).coarsened(3) == GeoGrid(2, 2, None, None)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_coarser_grid_has_the_corners_of_groups_of_pixels(grid):
    coarse = grid.coarsened(7)
    assert (coarse.rows, coarse.cols) == (6, 9)
    np.testing.assert_allclose(coarse.to_map([(3, 2)]), grid.to_map([(21, 14)]), rtol=1e-15)


@pytest.mark.parametrize("degrees", [0, 12.5, 45, 90, 133, 180, -90])
def test_a_north_up_grid_is_the_smallest_and_shows_the_nearest_pixels(degrees):
    cosine, sine = 3 * np.cos(np.radians(degrees)), 3 * np.sin(np.radians(degrees))
    turned = Affine(cosine, sine, 364095.3, sine, -cosine, 5809965.7)
    grid = GeoGrid(23, 31, UTM, turned)
    upright = grid.north_up()
    a, b, c, d, e, f = tuple(upright.transform)[:6]
    assert (b, d) == (0, 0)
    assert (a, -e) == pytest.approx((3.0, 3.0))
    west, south, east, north = grid.bounds()
    assert (c, f) == pytest.approx((west, north), abs=1e-6)
    assert 0 <= upright.cols * a - (east - west) + 1e-5 < 3.001
    assert 0 <= upright.rows * a - (north - south) + 1e-5 < 3.001
    values = np.random.default_rng(1).normal(size=(23, 31)).astype(np.float32)
    shown = orthorectified(values, GridSwath(grid, upright))
    by_gdal = np.full(shown.shape, np.nan, dtype=np.float32)
    reproject(
        values, by_gdal, src_transform=turned, src_crs=UTM, dst_transform=upright.transform, dst_crs=UTM,
        src_nodata=np.nan, dst_nodata=np.nan, resampling=Resampling.nearest, tolerance=0,
    )  # fmt: skip
    same = (shown == by_gdal) | (np.isnan(shown) & np.isnan(by_gdal))
    assert same.mean() > 0.99  # GDAL decides ties at the edges of pixels differently
    assert set(shown[np.isfinite(shown)].tolist()) <= set(values.ravel().tolist())


def test_a_north_up_grid_stays_as_it_is():
    grid = GeoGrid(8, 9, UTM, Affine(2.0, 0, 5e5, 0, -3.0, 5.8e6))
    assert grid.north_up() == grid
    values = np.arange(72, dtype=np.float32).reshape(8, 9)
    south_up = GeoGrid(8, 9, UTM, Affine(2.0, 0, 5e5, 0, 3.0, 5.8e6 - 24))
    assert south_up.north_up() == grid
    np.testing.assert_array_equal(orthorectified(values, GridSwath(south_up, grid)), values[::-1])
    with pytest.raises(ParameterError, match="no transform"):
        GeoGrid(8, 9, UTM, None).north_up()


@pytest.mark.parametrize(
    "crs, size, decimals", [(32633, 30.0, 0), (32633, 2.0, 0), (32633, 1.0, 1), (32633, 0.04, 2), (4326, 3e-7, 7)]
)
def test_places_have_the_digits_that_tell_neighbours_apart(crs, size, decimals):
    grid = GeoGrid(50, 60, CRS.from_epsg(crs), Affine(size, 0, 12.0, 0, -size, 45.0))
    printed = {grid.place(row, col) for row in range(50) for col in range(60)}
    assert len(printed) == 3000
    x, y = grid.place(7, 9).split()[::2]
    assert {len(text.partition(".")[2]) for text in (x, y)} == {decimals}
    assert np.floor(grid.to_pixels([(float(x), float(y))])[0]).tolist() == [9, 7]
