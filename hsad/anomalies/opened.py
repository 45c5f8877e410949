"""Scores and their scene, opened together: the spectra at the pixels of a score map."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad.anomalies.scoremap import PARTS, ScoreMap
from hsad.engine.held import HELD_BYTES, held
from hsad.engine.source import CubeSource, drop_dead_bands, source_of
from hsad.errors import DataError, ParameterError, SceneError
from hsad.job.given import as_cube
from hsad.job.options import RunOptions, SceneOptions
from hsad.job.selection import pixel_window
from hsad.products.provenance import source_file
from hsad.products.raster import read_provenance
from hsad.scene.cube import GeoGrid, geo_grid
from hsad.scene.ground import from_degrees
from hsad.scene.swath import GridSwath, Swath, seen_within, swath_of

__all__ = ["Scene", "is_local_scene", "open_scores", "window_origin"]


def open_scores(scores: Any, band: int | None = None) -> ScoreMap:
    """Return a score map from a file, a DataArray or an array.

    Parameters
    ----------
    scores : path, DataArray or array
        A file has one band, or is a raster that hsad wrote, whose first band holds the scores.
    band : int, optional
        Number of the band, from 1, of a file that has several.

    Raises
    ------
    SceneError
        When the file cannot be read, or is no score map: it has several bands, and `band` is not set.
    ParameterError
        When it has no such band.
    """
    if not isinstance(scores, str | Path):
        return ScoreMap.of(scores)
    path = str(scores)
    opened = as_cube(path)
    bands = opened.sizes["band"]
    stated = read_provenance(Path(path))
    if band is None and bands > 1 and not stated.method:
        raise SceneError(f"{path}: a cube of {bands} bands, not a score map of one: --band N says which are scores")
    if band is not None and not 1 <= band <= bands:
        raise ParameterError(f"band: {path} has no band {band}, it has 1-{bands}")
    chosen = opened[..., (band or 1) - 1]
    for name in ("method", "parameters", "background", "source", "before", "acquired", "source_sha256"):
        chosen.attrs[name] = getattr(stated, name)
    if stated.before and "band_name" in opened.coords:
        named = {str(name): number for number, name in enumerate(opened.band_name.values)}
        parts = {name: opened[..., named[name]].reset_coords(drop=True) for name in PARTS if name in named}
        chosen = chosen.assign_coords(parts)
    # A small map is read once: the list and the page look at its surroundings of each anomaly.
    return ScoreMap.of(chosen.load() if chosen.nbytes <= HELD_BYTES else chosen)


def is_local_scene(named: str) -> bool:
    """Tell whether the scene that a score map names is a file of this machine, which leads to no other address."""
    from hsad.readers.rasters.addresses import reaches_out

    return bool(named) and source_file(named) is not None and not reaches_out(named)


def window_origin(run: RunOptions) -> Callable[[xr.DataArray], tuple[int, int]]:
    """Return the function that finds the first row and column of a run's window in its scene."""

    def origin(cube: xr.DataArray) -> tuple[int, int]:
        rows, cols = pixel_window(run, geo_grid(cube), swath_of(cube))
        return rows.start, cols.start

    return origin


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene at the pixels of a score map.

    Attributes
    ----------
    cube : (y, x, band) DataArray
    source : CubeSource
        The spectra of the cube, without bad and empty bands.
    origin : (int, int)
        Row and column of the scene, or of the map of its swath, that the first pixel of the score map shows.
    grid : GeoGrid
        The grid of the score map.
    swath : Swath or None
        From pixels of the map to pixels of the scene, for scores of a swath or of a rotated scene on a map.
    """

    cube: xr.DataArray
    source: CubeSource
    origin: tuple[int, int]
    grid: GeoGrid
    swath: Swath | None = None

    @classmethod
    def of(
        cls,
        scene: Any,
        grid: GeoGrid,
        origin: Callable[[xr.DataArray], tuple[int, int]] | None = None,
        stated: SceneOptions | None = None,
    ) -> Self:
        """Open a scene (path, cube or array) and find the score map in it: by `origin`, or by the transform.

        Parameters
        ----------
        scene : path, cube or array
        grid : GeoGrid
        origin : callable, optional
        stated : SceneOptions, optional
            What the user states about the scene beside its file.

        Raises
        ------
        SceneError
            When the map does not lie in the scene.
        """
        cube = as_cube(scene, stated)
        swath = None if grid.transform is None else swath_of(cube)  # a sensor's grid has no transform
        whole = geo_grid(cube)
        if swath is None and _turned(grid, whole):
            swath = GridSwath(whole, grid)
        whole = whole if swath is None else swath.grid
        found = _place(grid, whole) if origin is None or swath is not None else origin(cube)
        if found is None:
            raise SceneError(
                f"{cube.attrs.get('source', 'the scene')}: {whole.rows} x {whole.cols} pixels do not hold the scores' "
                f"{grid.rows} x {grid.cols}"
            )
        return cls(cube, held(drop_dead_bands(source_of(cube))), found, grid, swath)

    @property
    def wavelength(self) -> NDArray[np.float64] | None:
        """The wavelengths of the used bands, in nm."""
        if "wavelength" not in self.cube.coords:
            return None
        return np.asarray(self.cube.coords["wavelength"].values[self.source.bands], dtype=np.float64)

    @property
    def name(self) -> str:
        """The path of the scene, or "array"."""
        return str(self.cube.attrs.get("source", "array"))

    def spectra(self, rows: slice, cols: slice) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return spectra ``(rows, cols, bands)`` and validity of a window of the map."""
        rows = slice(rows.start + self.origin[0], rows.stop + self.origin[0])
        cols = slice(cols.start + self.origin[1], cols.stop + self.origin[1])
        if self.swath is None:
            return self.source.spectra(self.source.read(rows, cols), rows, cols)
        line, sample = (places[:, cols] for places in self.swath.lookup(rows))
        seen = line >= 0
        spectra = np.full((*seen.shape, len(self.source.bands)), np.nan)
        valid = np.zeros(seen.shape, dtype=np.bool_)
        window = seen_within(self.swath, rows, cols)
        if window is not None:
            known, usable = self.source.spectra(self.source.read(*window), *window)
            places = line[seen] - window[0].start, sample[seen] - window[1].start
            spectra[seen], valid[seen] = known[places], usable[places]
        return spectra, valid

    def own_pixel(self, row: int, col: int) -> tuple[int, int]:
        """Return the row and column of the scene that a pixel of the map shows.

        Raises
        ------
        DataError
            When the pixel shows none: it is a void of the map.
        """
        row, col = row + self.origin[0], col + self.origin[1]
        if self.swath is None:
            return row, col
        line, sample = (int(places[0, col]) for places in self.swath.lookup(slice(row, row + 1)))
        if line < 0:
            raise DataError(f"at {row - self.origin[0]},{col - self.origin[1]}: the swath does not reach this pixel")
        return line, sample

    def on_the_sensor(self) -> Scene:
        """Return the scene of a swath on the grid of the sensor."""
        return Scene(self.cube, self.source, (0, 0), geo_grid(self.cube))

    def window(self, row: int, col: int, side: int) -> tuple[slice, slice]:
        """Return the square window of `side` pixels around a pixel, moved so that it lies inside of the map."""
        self.require(row, col)
        spans = []
        for place, size in ((row, self.grid.rows), (col, self.grid.cols)):
            start = max(0, min(place - side // 2, size - side))
            spans.append(slice(start, min(size, start + side)))
        return spans[0], spans[1]

    def require(self, row: int, col: int) -> None:
        """Refuse a pixel outside of the map."""
        if not (0 <= row < self.grid.rows and 0 <= col < self.grid.cols):
            raise ParameterError(f"at {row},{col}: the scores have {self.grid.rows} rows and {self.grid.cols} columns")

    def pixel_at(self, x: float, y: float) -> tuple[int, int]:
        """Return row and column of the pixel at a longitude and latitude.

        Raises
        ------
        DataError
            When the scores have no georeferencing, or the place lies outside of them.
        """
        if self.grid.crs is None or self.grid.transform is None:
            raise DataError("lonlat: the scores have no georeferencing; give row and column (at)")
        # A grid of 0 to 360 degrees has other longitudes for the same places.
        turns = np.array([x, x + 360, x - 360])
        places = np.column_stack(from_degrees(self.grid.crs, turns, np.full(3, y)))
        if np.isnan(places).all():
            raise DataError("lonlat: there is no way to the CRS of the scores; give row and column (at)")
        for col, row in self.grid.to_pixels(places):
            if 0 <= row < self.grid.rows and 0 <= col < self.grid.cols:
                return int(row), int(col)
        raise DataError(f"lonlat {x:.10g},{y:.10g}: lies outside of the scores")


def _turned(grid: GeoGrid, whole: GeoGrid) -> bool:
    """Return whether a grid shows a rotated grid, or a part of it, north-up with pixels of the same area."""
    if grid.transform is None or whole.transform is None or whole.is_upright or not grid.is_upright:
        return False
    (west, south, east, north), outer = grid.bounds(), whole.bounds()
    side = math.sqrt(grid.pixel_area)
    inside = (
        west >= outer[0] - side and south >= outer[1] - side and east <= outer[2] + side and north <= outer[3] + side
    )
    return inside and math.isclose(grid.pixel_area, whole.pixel_area, rel_tol=1e-6) and grid.crs == whole.crs


def _place(grid: GeoGrid, whole: GeoGrid) -> tuple[int, int] | None:
    """Return the row and column of `whole` at which `grid` begins, None when `grid` does not lie in it."""
    if (grid.rows, grid.cols) == (whole.rows, whole.cols):
        return 0, 0
    if grid.transform is None or whole.transform is None:
        return None
    ((col, row),) = whole.to_pixels([(grid.transform.c, grid.transform.f)])
    first, left = round(row), round(col)
    fits = abs(row - first) < 0.1 and abs(col - left) < 0.1 and first >= 0 and left >= 0
    return (first, left) if fits and first + grid.rows <= whole.rows and left + grid.cols <= whole.cols else None
