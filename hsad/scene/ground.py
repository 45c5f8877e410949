"""Grids on the ground: longitude and latitude of places, and how large pixels are on the ellipsoid of their CRS."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from rasterio.crs import CRS

    from hsad.scene.grid import GeoGrid

__all__ = [
    "from_degrees",
    "in_degrees",
    "longitude_latitude",
    "metres_along_x",
    "pixel_areas",
    "pixel_side",
    "true_longitude",
    "unit_name",
]

_STEP_METRES = 100.0
"""Half of the distance over which the inverse projection is differentiated. It errs by (100 m / radius)² = 2e-10 then,
and rounding of the degrees by 1e-11."""

_TRUE_TO_SCALE = 0.01
"""A projection is taken at its word where its areas are true within this share, as UTM and national grids are."""


def true_longitude(lon: ArrayLike) -> NDArray[np.float64]:
    """Return longitudes from -180 to 180 degrees; grids of 0 to 360 degrees have others."""
    values = np.asarray(lon, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(values) <= 180, values, (values + 180) % 360 - 180)


def in_degrees(crs: CRS, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitudes and latitudes (WGS 84) of places of a CRS; NaN without a way from the CRS to WGS 84.

    Local grids, other celestial bodies and ellipsoids that no body has lead nowhere. Longitudes are continuous: those
    of a grid of 0 to 360 degrees stay as they are.
    """
    return _transformed(crs, "EPSG:4326", x, y)


def from_degrees(crs: CRS, lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y of longitudes and latitudes (WGS 84) in a CRS; NaN without a way from WGS 84 to the CRS."""
    return _transformed("EPSG:4326", crs, lon, lat)


def _transformed(
    source: CRS | str, target: CRS | str, x: ArrayLike, y: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from rasterio._err import CPLE_BaseError  # rasterio raises these, and they have no public name
    from rasterio.env import Env
    from rasterio.errors import RasterioError
    from rasterio.warp import transform

    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if not len(x):
        return x, y
    try:
        with Env():  # which keeps what GDAL says about failures off the terminal
            east, north = (np.array(values) for values in transform(source, target, x, y))
    except (RasterioError, CPLE_BaseError):
        return np.full(len(x), np.nan), np.full(len(x), np.nan)
    known = np.isfinite(east) & np.isfinite(north)
    return np.where(known, east, np.nan), np.where(known, north, np.nan)


def longitude_latitude(
    grid: GeoGrid, rows: NDArray[np.int64], cols: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitudes (-180 to 180) and latitudes of the centres of pixels; NaN where they are not known."""
    if grid.crs is None or grid.transform is None:
        return np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    lon, lat = in_degrees(grid.crs, *grid.to_map(np.column_stack([cols, rows]) + 0.5).T)
    return true_longitude(lon), lat


def pixel_areas(grid: GeoGrid, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the areas of pixels in m² on the ellipsoid of their CRS.

    A projection's own areas are taken where they are true within 1 %, and where its inverse has no value. NaN stands
    for grids without a CRS or with a CRS whose unit is not known.
    """
    if grid.crs is None or grid.transform is None:
        return np.full(len(rows), np.nan)
    ground = _ground(grid.crs.to_wkt())
    plane = np.full(len(rows), grid.pixel_area * ground.unit**2)
    x, y = grid.to_map(np.column_stack([cols, rows]) + 0.5).T
    true = grid.pixel_area * np.abs(_areal(*_derivatives(ground, x, y)))
    with np.errstate(invalid="ignore"):
        return np.where(~np.isfinite(true) | (np.abs(true / plane - 1) <= _TRUE_TO_SCALE), plane, true)


def pixel_side(grid: GeoGrid) -> float:
    """Return the side in metres of a square as large as the pixel in the middle of a grid; NaN where not known."""
    return float(np.sqrt(pixel_areas(grid, np.array([grid.rows // 2]), np.array([grid.cols // 2]))[0]))


def metres_along_x(grid: GeoGrid) -> float:
    """Return how many metres a unit of x is long in the middle of a grid; NaN where that is not known."""
    if grid.crs is None or grid.transform is None:
        return float("nan")
    ground = _ground(grid.crs.to_wkt())
    east, north, *_ = _derivatives(ground, *grid.to_map([(grid.cols / 2, grid.rows / 2)]).T)
    length = float(np.hypot(east, north)[0])
    return length if np.isfinite(length) else ground.unit


def unit_name(crs: CRS) -> str:
    """Return the unit of x and y as figures name it: ``m``, ``°``, or its name in the CRS."""
    if crs.is_geographic:
        return "°"
    name = str(crs.units_factor[0])
    return "m" if name.lower() in ("metre", "meter") else name


class _Ground(NamedTuple):
    """What a CRS says of the ground.

    Attributes
    ----------
    unit : float
        Metres of a unit of x and y; NaN for units of angle and for units that are not known.
    angle : float
        Radians of a unit of longitude and latitude; NaN without an ellipsoid.
    radius, eccentricity2 : float
        Equatorial radius of the ellipsoid in metres, and the square of its eccentricity; NaN without an ellipsoid.
    inverse : pyproj.Transformer or None
        From x and y to longitude and latitude on the ellipsoid; None where x and y are these.
    """

    unit: float
    angle: float
    radius: float
    eccentricity2: float
    inverse: Any


@functools.lru_cache(maxsize=16)
def _ground(wkt: str) -> _Ground:
    """Return what a CRS says of the ground."""
    import pyproj
    from pyproj.exceptions import ProjError

    nothing = _Ground(np.nan, np.nan, np.nan, np.nan, None)
    try:
        crs = pyproj.CRS.from_wkt(wkt)
        while crs.is_compound:
            crs = crs.sub_crs_list[0]
        if crs.is_bound and crs.source_crs is not None:
            crs = crs.source_crs
        axis = crs.axis_info[0]
        unit = float("nan") if crs.is_geographic or axis.unit_name == "unknown" else axis.unit_conversion_factor
        base, shape = crs.geodetic_crs, crs.get_geod()
        if base is None or shape is None or crs.is_geocentric:
            return nothing._replace(unit=unit)
        angle = base.axis_info[0].unit_conversion_factor
        inverse = None if crs.is_geographic else pyproj.Transformer.from_crs(crs, base, always_xy=True)
    except (ProjError, IndexError):
        return nothing
    return _Ground(unit, angle, shape.a, shape.es, inverse)


def _derivatives(
    ground: _Ground, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return how many metres one gets to the east and the north with a unit of x, then with a unit of y."""
    if ground.inverse is None:
        unit, none = np.full(len(x), ground.angle), np.zeros(len(x))
        return _on_the_ellipsoid(ground, y * ground.angle, unit, none, none, unit)
    step = _STEP_METRES / ground.unit
    _, lat = ground.inverse.transform(x, y)
    right, left, up, down = (
        np.array(ground.inverse.transform(x + step * along, y + step * across))
        for along, across in ((1, 0), (-1, 0), (0, 1), (0, -1))
    )
    with np.errstate(invalid="ignore"):
        changes = [ground.angle * (far - near) / (2 * step) for far, near in ((right, left), (up, down))]
        return _on_the_ellipsoid(ground, lat * ground.angle, *changes[0], *changes[1])


def _on_the_ellipsoid(
    ground: _Ground,
    lat: NDArray[np.float64],
    lon_by_x: NDArray[np.float64],
    lat_by_x: NDArray[np.float64],
    lon_by_y: NDArray[np.float64],
    lat_by_y: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return changes of longitude and latitude in radians as metres to the east and the north."""
    with np.errstate(invalid="ignore"):
        flat = 1 - ground.eccentricity2 * np.sin(lat) ** 2
        east, north = (
            ground.radius * np.cos(lat) / np.sqrt(flat),
            ground.radius * (1 - ground.eccentricity2) / flat**1.5,
        )
        return lon_by_x * east, lat_by_x * north, lon_by_y * east, lat_by_y * north


def _areal(
    east_by_x: NDArray[np.float64],
    north_by_x: NDArray[np.float64],
    east_by_y: NDArray[np.float64],
    north_by_y: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return how many m² a square unit of x and y covers."""
    with np.errstate(invalid="ignore"):
        return east_by_x * north_by_y - east_by_y * north_by_x
