"""Areas of pixels and longitudes: against PROJ, the closed formula of zones on a sphere, and RFC 7946's rules."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

from hsad.scene.antimeridian import cut_at_antimeridian, longitude_range
from hsad.scene.grid import GeoGrid
from hsad.scene.ground import longitude_latitude, metres_along_x, pixel_areas, pixel_side

MOON = (
    'GEOGCS["Moon 2000",DATUM["D_Moon_2000",SPHEROID["Moon_2000_IAU_IAG",1737400,0]],'
    'PRIMEM["Reference_Meridian",0],UNIT["degree",0.0174532925199433]]'
)
MARS = (
    'PROJCS["Mars",GEOGCS["Mars 2000",DATUM["D_Mars_2000",SPHEROID["Mars_2000_IAU_IAG",3396190,169.894447223612]],'
    'PRIMEM["Reference_Meridian",0],UNIT["degree",0.0174532925199433]],PROJECTION["Equirectangular"],'
    'PARAMETER["standard_parallel_1",0],PARAMETER["central_meridian",0],PARAMETER["false_easting",0],'
    'PARAMETER["false_northing",0],UNIT["metre",1]]'
)
LOCAL = 'LOCAL_CS["site grid",UNIT["foot",0.3048]]'
UNKNOWN = 'LOCAL_CS["pixels",UNIT["unknown",1]]'
NO_WAY = [MOON, MARS, LOCAL, UNKNOWN]


def grid_of(crs, size, x, y):
    return GeoGrid(400, 400, CRS.from_user_input(crs), Affine(size, 0, x, 0, -size, y))


@pytest.mark.parametrize(
    "crs, size, x, y",
    [
        ("EPSG:3857", 30.0, 1.3e6, 6.6e6),
        ("EPSG:3031", 50.0, 1e5, 2e5),
        ("EPSG:4326", 0.001, 11.0, 63.0),
        ("EPSG:4807", 0.001, 3.0, 50.0),  # grads from Paris
        ("EPSG:2263", 3.0, 9e5, 2e5),  # feet
        ("ESRI:54030", 100.0, 9e6, 4e6),  # Robinson
        (MOON, 0.01, 20.0, 60.0),
        (MARS, 100.0, 1e5, 3.3e6),
    ],
)
def test_areas_are_those_of_geodesic_quadrilaterals(crs, size, x, y):
    grid = grid_of(crs, size, x, y)
    own = pyproj.CRS.from_wkt(grid.crs.to_wkt())
    to_degrees = pyproj.Transformer.from_crs(own, own.geodetic_crs, always_xy=True)
    unit = np.degrees(own.geodetic_crs.axis_info[0].unit_conversion_factor)
    # A hundred pixels together, since the area of a geodesic polygon is known to 0.01 m² at best.
    corners = grid.to_map([(150, 200), (160, 200), (160, 210), (150, 210)])
    lon, lat = to_degrees.transform(*corners.T)
    area = abs(own.get_geod().polygon_area_perimeter(np.array(lon) * unit, np.array(lat) * unit)[0])
    rows, cols = (part.ravel() for part in np.mgrid[200:210, 150:160])
    tolerance = 0.01 if crs == "EPSG:2263" else 2e-5  # what is true within 1 % is taken as it is
    assert pixel_areas(grid, rows, cols).sum() == pytest.approx(area, rel=tolerance)


def test_a_pixel_of_the_moon_has_the_area_of_its_zone():
    grid = grid_of(MOON, 0.1, 20.0, 60.0)
    south, north = np.radians([59.8, 59.9])
    area = 1737400.0**2 * np.radians(0.1) * (np.sin(north) - np.sin(south))
    assert pixel_areas(grid, np.array([1]), np.array([7]))[0] == pytest.approx(area, rel=1e-5)
    assert metres_along_x(grid) == pytest.approx(1737400 * np.radians(1) * np.cos(np.radians(40)), rel=1e-6)


def test_utm_areas_are_those_of_the_plane_and_local_grids_have_their_unit():
    pixel = np.array([3])
    assert pixel_areas(grid_of("EPSG:32633", 2.0, 5e5, 5e6), pixel, pixel).tolist() == [4.0]
    assert pixel_areas(grid_of(LOCAL, 10.0, 0.0, 0.0), pixel, pixel)[0] == pytest.approx(100 * 0.3048**2)
    assert np.isnan(pixel_areas(grid_of(UNKNOWN, 10.0, 0.0, 0.0), pixel, pixel)[0])
    assert np.isnan(pixel_areas(GeoGrid(9, 9, None, Affine(2, 0, 0, 0, -2, 0)), pixel, pixel)[0])


def test_the_side_of_a_pixel_is_in_metres_of_the_ground():
    assert pixel_side(grid_of("EPSG:32633", 30.0, 5e5, 5e6)) == pytest.approx(30)
    degrees = grid_of("EPSG:4326", 0.0003, 11.0, 60.0)
    east = pyproj.Geod(ellps="WGS84").inv(11.06, 59.94, 11.0603, 59.94)[2]
    north = pyproj.Geod(ellps="WGS84").inv(11.06, 59.94, 11.06, 59.9397)[2]
    assert pixel_side(degrees) == pytest.approx(np.sqrt(east * north), rel=1e-4)
    assert np.isnan(pixel_side(GeoGrid(9, 9, None, None)))


@pytest.mark.parametrize("crs", NO_WAY)
def test_there_are_no_longitudes_without_a_way_to_wgs_84(crs, capfd):
    found = longitude_latitude(grid_of(crs, 1.0, 10.0, 20.0), np.array([1, 2]), np.array([3, 4]))
    assert np.isnan(found).all()
    assert capfd.readouterr() == ("", "")


def test_longitudes_of_a_grid_of_360_degrees_run_from_minus_180_to_180():
    grid = GeoGrid(10, 720, CRS.from_epsg(4326), Affine(0.5, 0, 0, 0, -0.5, 10))
    lon, _ = longitude_latitude(grid, np.zeros(4, int), np.array([0, 359, 360, 719]))
    assert lon.tolist() == [0.25, 179.75, -179.75, -0.25]


@pytest.mark.parametrize("shift", [0, 360, -360])
def test_outlines_are_cut_at_the_antimeridian_and_keep_their_area(shift):
    outline = shapely.Polygon(
        [(178, 10), (183, 11), (182, 14), (177, 13)], [[(179, 11.5), (181, 12), (180.5, 12.5), (179, 12.5)]]
    )
    moved = shapely.affinity.translate(outline, shift)
    (cut,) = cut_at_antimeridian(np.array([moved], dtype=object))
    assert cut.is_valid
    assert cut.area == pytest.approx(outline.area)
    assert sorted(round(part.bounds[0]) for part in cut.geoms) == [-180, 177]
    assert longitude_range(cut) == pytest.approx((177, -177))
    # As a projected scene gives it: longitudes that jump by 360.
    points = shapely.get_coordinates(outline)
    points[:, 0] = (points[:, 0] + 180) % 360 - 180
    (jumped,) = cut_at_antimeridian(np.array([shapely.set_coordinates(outline, points)], dtype=object))
    assert jumped.symmetric_difference(cut).area < 1e-9


def test_outlines_elsewhere_stay_as_they_are():
    outlines = np.array([shapely.box(10, 20, 11, 21), shapely.box(-180, 20, 0, 21)], dtype=object)
    assert shapely.equals(cut_at_antimeridian(outlines), outlines).all()
    assert longitude_range(outlines[0]) == (10, 11)


def test_an_outline_around_the_pole_encloses_the_pole():
    ring = shapely.Polygon([(-135, -80), (-45, -80), (45, -80), (135, -80)])
    (cut,) = cut_at_antimeridian(np.array([ring], dtype=object))
    assert cut.area == pytest.approx(360 * 10)
    assert longitude_range(cut) == (-180, 180)
    assert cut.contains(shapely.Point(10, -89.9))
