"""Swaths: the relation of a sensor's grid to a map, by a lookup table or by latitudes and longitudes.

A cube on a sensor's grid has its `Swath` in ``encoding["hsad_swath"]``. Detection runs on the sensor's grid, which
contains each pixel once. Only products apply the swath to results.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from hsad.errors import DataError, SceneError
from hsad.scene.grid import GeoGrid

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = [
    "GridSwath",
    "Layer",
    "PointSwath",
    "Swath",
    "SwathWindow",
    "TableSwath",
    "map_strips",
    "seen_within",
    "swath_of",
    "swath_window",
]

_WIDEST_UTM = 8.0  # degrees of longitude: a zone is 6 wide, and at 4 from its middle lengths are 0.2 % too long
_STRIP_PIXELS = 2**20  # of a map, read at a time: its rows and columns of the sensor take 16 MB
_LARGEST_GRID = 2**31  # pixels: a swath that needs more has wrong coordinates


@runtime_checkable
class Layer(Protocol):
    """A small, picklable recipe for an image of one band."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ...

    def read(self, rows: slice) -> NDArray[Any]:
        """Return some rows, shape ``(rows, cols)``."""
        ...


@runtime_checkable
class Swath(Protocol):
    """The pixel of the sensor's grid that each pixel of a map shows."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the sensor's grid."""
        ...

    @property
    def grid(self) -> GeoGrid:
        """The map."""
        ...

    def lookup(self, rows: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the row and column of the sensor's pixel for rows of the map, each ``(rows, cols)``, −1 at voids."""
        ...


@dataclass(frozen=True)
class TableSwath:
    """A swath with a lookup table (GLT) from its producer.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the sensor's grid.
    grid : GeoGrid
        The map.
    lines, samples : Layer
        Row and column of the sensor's grid for each pixel of the map, counted from 1. 0 is a void. A negative number
        marks a pixel of the map that the producer filled with the pixel of a neighbour.
    mirrored : bool
        Whether the table counts columns backwards from the last column.
    """

    shape: tuple[int, int]
    grid: GeoGrid
    lines: Layer
    samples: Layer
    mirrored: bool = False

    def lookup(self, rows: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return row and column of the sensor's pixel for some rows of the map, −1 at voids."""
        line, sample = (np.abs(layer.read(rows).astype(np.int64)) - 1 for layer in (self.lines, self.samples))
        # A fill value such as −9999 and a table of another scene give positions outside of the grid.
        seen = (line >= 0) & (line < self.shape[0]) & (sample >= 0) & (sample < self.shape[1])
        if self.mirrored:
            sample = self.shape[1] - 1 - sample
        return np.where(seen, line, -1), np.where(seen, sample, -1)


@dataclass(frozen=True)
class GridSwath:
    """A swath between two grids of the same CRS: a pixel of the map shows the scene's pixel that contains its centre.

    Attributes
    ----------
    source : GeoGrid
        The grid of the scene; it must have a transform.
    grid : GeoGrid
        The map, such as `GeoGrid.north_up` of the scene's grid.
    """

    source: GeoGrid
    grid: GeoGrid

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the scene's grid."""
        return self.source.rows, self.source.cols

    def lookup(self, rows: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the row and column of the scene's pixel for rows of the map, −1 at voids."""
        centers = np.meshgrid(np.arange(self.grid.cols) + 0.5, np.arange(rows.start, rows.stop) + 0.5)
        points = self.grid.to_map(np.stack(centers, axis=-1))
        col, row = np.floor(self.source.to_pixels(points)).astype(np.int64).T.reshape(2, *centers[0].shape)
        seen = _within(row, (0, self.source.rows)) & _within(col, (0, self.source.cols))
        return np.where(seen, row, -1), np.where(seen, col, -1)


class _Map(NamedTuple):
    """The map of a swath of points, and the largest distance of a pixel from its nearest point, in units of the map."""

    grid: GeoGrid
    distance: float


@dataclass(frozen=True)
class PointSwath:
    """A swath with a latitude and a longitude for each pixel; a pixel of the map shows the nearest pixel.

    The coordinates are read when the map is first used.

    Attributes
    ----------
    latitude, longitude : Layer
        Degrees, WGS 84.
    source : str
        The name of the file in messages.
    """

    latitude: Layer
    longitude: Layer
    source: str

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the sensor's grid."""
        return self.latitude.shape

    @property
    def is_located(self) -> bool:
        """Whether there are enough usable coordinates for a map."""
        return _map_of(self) is not None

    @property
    def grid(self) -> GeoGrid:
        """The map in the UTM zone of the middle of the swath, or in degrees for a wide swath.

        The size of a pixel is the smaller one of the median distances of pixels along and across the track.

        Raises
        ------
        SceneError
            When the coordinates are not usable, or span a map of more than 2³¹ pixels.
        """
        return self._map.grid

    @property
    def _map(self) -> _Map:
        found = _map_of(self)
        if found is None:
            raise SceneError(f"{self.source}: its latitudes and longitudes place no pixels")
        return found

    def lookup(self, rows: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return row and column of the sensor's pixel for some rows of the map, −1 at voids."""
        tree, numbers = _tree(self)
        transform = self.grid.transform
        if transform is None:  # the grid was made with one
            raise SceneError("a swath without a map")
        col, row = np.meshgrid(np.arange(self.grid.cols) + 0.5, np.arange(rows.start, rows.stop) + 0.5)
        places = np.stack([transform.c + col * transform.a, transform.f + row * transform.e], axis=-1)
        distance, nearest = tree.query(places.reshape(-1, 2), distance_upper_bound=self._map.distance)
        found = np.where(np.isfinite(distance), nearest, 0)
        pixel = np.where(np.isfinite(distance), numbers[found], -1).reshape(col.shape)
        return np.where(pixel < 0, -1, pixel // self.shape[1]), np.where(pixel < 0, -1, pixel % self.shape[1])


@functools.lru_cache(maxsize=4)
def _map_of(swath: PointSwath) -> _Map | None:
    """Return the map of a swath, None if it has too few usable positions."""
    lat, lon, usable = _coordinates(swath.latitude, swath.longitude)
    if usable.sum() < 4 or min(swath.shape) < 2:
        return None
    crs = _map_crs(lat[usable], lon[usable])
    x, y = _projected(lat, lon, usable, crs)
    steps = [
        np.hypot(np.diff(x, axis=axis), np.diff(y, axis=axis))[np.diff(usable.astype(int), axis=axis) == 0]
        for axis in (0, 1)
    ]
    steps = [step[np.isfinite(step) & (step > 0)] for step in steps]
    if not all(len(step) for step in steps):
        return None
    size = min(float(np.median(step)) for step in steps)
    # 1.5 times half the diagonal of the largest pixels. At the edges of a wide swath pixels are several times as large
    # as in the middle.
    farthest = 0.75 * math.hypot(*(float(np.percentile(step, 99)) for step in steps))
    west, east, south, north = (float(edge) for values in (x, y) for edge in (np.nanmin(values), np.nanmax(values)))
    cols, rows = (math.floor((high - low) / size) + 2 for low, high in ((west, east), (south, north)))
    if rows * cols > _LARGEST_GRID:
        raise SceneError(f"{swath.source}: its latitudes and longitudes span a map of {rows} x {cols} pixels")
    from affine import Affine

    transform = Affine(size, 0.0, west - size / 2, 0.0, -size, north + size / 2)
    return _Map(GeoGrid(rows, cols, crs, transform), farthest)


@dataclass(frozen=True)
class SwathWindow:
    """A window of the sensor's grid, and the part of the map that shows it.

    Attributes
    ----------
    swath : Swath
        The swath of the whole grid.
    rows, cols : tuple of int
        First row or column of the window in the sensor's grid, and the one after the last.
    origin : tuple of int
        First row and column of the part of the map.
    grid : GeoGrid
        The part of the map.
    """

    swath: Swath
    rows: tuple[int, int]
    cols: tuple[int, int]
    origin: tuple[int, int]
    grid: GeoGrid

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the window."""
        return self.rows[1] - self.rows[0], self.cols[1] - self.cols[0]

    def lookup(self, rows: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the row and column of the window's pixel for rows of the map, −1 at voids."""
        top, left = self.origin
        line, sample = self.swath.lookup(slice(top + rows.start, top + rows.stop))
        line, sample = (places[:, left : left + self.grid.cols] for places in (line, sample))
        seen = _within(line, self.rows) & _within(sample, self.cols)
        return np.where(seen, line - self.rows[0], -1), np.where(seen, sample - self.cols[0], -1)


def swath_window(swath: Swath, rows: slice, cols: slice) -> Swath:
    """Return the swath of a window of the sensor's grid, with the part of the map that shows the window.

    Raises
    ------
    DataError
        When the map does not show the window.
    """
    if (rows.start, rows.stop, cols.start, cols.stop) == (0, swath.shape[0], 0, swath.shape[1]):
        return swath
    down, across = [], []
    for strip in map_strips(swath.grid):
        line, sample = swath.lookup(strip)
        seen = _within(line, (rows.start, rows.stop)) & _within(sample, (cols.start, cols.stop))
        down.append(strip.start + np.flatnonzero(seen.any(axis=1)))
        across.append(np.flatnonzero(seen.any(axis=0)))
    lines, samples = np.concatenate(down), np.concatenate(across)
    if not len(lines):
        raise DataError(f"rows {rows.start}:{rows.stop}, columns {cols.start}:{cols.stop} are seen nowhere on the map")
    part = slice(int(lines.min()), int(lines.max()) + 1), slice(int(samples.min()), int(samples.max()) + 1)
    return SwathWindow(
        swath,
        (rows.start, rows.stop),
        (cols.start, cols.stop),
        (part[0].start, part[1].start),
        swath.grid.window(*part),
    )


def seen_within(swath: Swath, rows: slice, cols: slice) -> tuple[slice, slice] | None:
    """Return the window of the sensor's grid that a window of the map shows, None if the map is void there."""
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return None
    line, sample = (places[:, cols] for places in swath.lookup(rows))
    seen = line >= 0
    if not seen.any():
        return None
    return tuple(slice(int(places[seen].min()), int(places[seen].max()) + 1) for places in (line, sample))  # type: ignore[return-value]  # two of them


def map_strips(grid: GeoGrid) -> Iterator[slice]:
    """Yield the rows of a map in strips of about a million pixels."""
    step = max(1, _STRIP_PIXELS // grid.cols)
    for start in range(0, grid.rows, step):
        yield slice(start, min(grid.rows, start + step))


def _within(places: NDArray[np.int64], part: tuple[int, int]) -> NDArray[np.bool_]:
    return (places >= part[0]) & (places < part[1])


def swath_of(cube: xr.DataArray) -> Swath | None:
    """Return the swath of a cube, None if its positions are not usable or the cube is only a part of its file."""
    swath = cube.encoding.get("hsad_swath")
    # `isinstance` with the protocol would compute the map from all points.
    if swath is None or swath.shape != cube.shape[:2] or (isinstance(swath, PointSwath) and not swath.is_located):
        return None
    return swath  # type: ignore[no-any-return]  # an encoding may hold anything; readers put swaths under this name


def _coordinates(latitude: Layer, longitude: Layer) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    lat, lon = (np.asarray(layer.read(slice(0, layer.shape[0])), np.float64) for layer in (latitude, longitude))
    usable = np.isfinite(lat) & np.isfinite(lon) & (np.abs(lat) <= 90) & (np.abs(lon) <= 360)
    # Some products are padded with latitude 0 and longitude 0.
    return lat, lon, usable & ((lat != 0) | (lon != 0))


def _map_crs(lat: NDArray[Any], lon: NDArray[Any]) -> Any:
    from rasterio.crs import CRS

    if np.ptp(lon) > _WIDEST_UTM or np.abs(lat).max() > 84:
        return CRS.from_epsg(4326)
    zone = int((np.median(lon) + 180) // 6) % 60 + 1
    return CRS.from_epsg((32600 if np.median(lat) >= 0 else 32700) + zone)


def _projected(
    lat: NDArray[Any], lon: NDArray[Any], usable: NDArray[np.bool_], crs: Any
) -> tuple[NDArray[Any], NDArray[Any]]:
    from rasterio.warp import transform

    x, y = np.full(lat.shape, np.nan), np.full(lat.shape, np.nan)
    if crs.is_geographic:
        x[usable], y[usable] = lon[usable], lat[usable]
    else:
        x[usable], y[usable] = transform("EPSG:4326", crs, lon[usable], lat[usable])
    return x, y


@functools.lru_cache(maxsize=1)
def _tree(swath: PointSwath) -> tuple[Any, NDArray[np.int64]]:
    """Return a search tree of the usable pixels, and their numbers in the sensor's grid."""
    from scipy.spatial import cKDTree

    lat, lon, usable = _coordinates(swath.latitude, swath.longitude)
    x, y = _projected(lat, lon, usable, swath.grid.crs)
    return cKDTree(np.column_stack([x[usable], y[usable]])), np.flatnonzero(usable)
