"""What of a scene is used: bands, a window, a mask."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad.engine.source import CubeSource, drop_dead_bands, source_of
from hsad.errors import DataError, ParameterError
from hsad.scene.cube import GeoGrid, geo_grid
from hsad.scene.quality import choose_flags
from hsad.scene.swath import GridSwath, Swath, seen_within, swath_of, swath_window

if TYPE_CHECKING:
    from hsad.job.learned import Learned
    from hsad.job.options import RunOptions

__all__ = ["as_asked", "band_choice", "band_wavelengths", "pixel_mask", "pixel_window", "selected", "with_common_bands"]


def as_asked(cube: xr.DataArray, run: RunOptions) -> xr.DataArray:
    """Return a cube with the quality flags and the bad bands that the options give.

    Raises
    ------
    ParameterError
        When the cube has no such flag or band.
    """
    if run.mask_flags is not None:
        cube = choose_flags(cube, run.mask_flags)
    if run.bad_bands is not None:
        bad, listed = _bad_bands(run.bad_bands, cube.sizes["band"])
        good = ~bad
        if "good_wavelength" in cube.coords:
            good &= cube.coords["good_wavelength"].values.astype(np.bool_)
        cube = cube.assign_coords(good_wavelength=("band", good)).assign_attrs(bad_bands=listed)
    return cube


def _bad_bands(bands: str | Sequence[int], total: int) -> tuple[NDArray[np.bool_], str]:
    """Return which bands are meant, and their numbers as a text: numbers from 1 there, in Python indices from 0."""
    bad = np.zeros(total, dtype=np.bool_)
    if not isinstance(bands, str):
        try:
            bad[np.asarray(bands)] = True
        except IndexError as error:
            raise ParameterError(f"bad_bands: {error}") from error
        return bad, ",".join(str(number + 1) for number in np.flatnonzero(bad))
    text = bands
    if bands.startswith("@"):
        try:
            text = Path(bands[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ParameterError(f"bad_bands: {bands[1:]}: {getattr(error, 'strerror', None) or error}") from error
    parts = re.split(r"[\s,;]+", text.strip())
    for part in parts:
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= low <= high <= total:
            raise ParameterError(f"bad_bands: {part!r} in {bands!r} is not a range within 1-{total}")
        bad[low - 1 : high] = True
    return bad, ",".join(parts)


def map_of(cube: xr.DataArray, run: RunOptions, window: tuple[slice, slice]) -> Swath | None:
    """Return the swath through which the window's results go on a map; None when they stay on the grid of the cube.

    Raises
    ------
    ParameterError
        When a map is asked for, and the scene states no places of its pixels.
    DataError
        When the window is seen nowhere on the map.
    """
    swath = swath_of(cube)
    if run.grid == "sensor" or swath is None:
        grid = geo_grid(cube)
        if run.grid in ("map", "north-up") and grid.transform is None:
            raise ParameterError(f"grid: {run.grid!r}: the scene says nowhere where its pixels lie")
        if run.grid != "north-up":
            return None
        grid = grid.window(*window)
        upright = grid.north_up()
        return None if upright == grid else GridSwath(grid, upright)
    return swath_window(swath, *window)


def band_choice(bands: Any, cube: xr.DataArray) -> NDArray[np.bool_]:
    """Return which bands of a cube are meant, shape ``(bands,)``.

    Parameters
    ----------
    bands : str, pair of float, sequence of pairs of float, or (bands,) array_like of bool
        ``"420-1340,1450-1790"``, ``(420, 1340)`` and ``[(420, 1340), (1450, 1790)]`` are ranges of wavelengths in nm,
        ends included; ``"@1-50"`` are numbers from 1. Numbers alone are never indices: ``"@..."`` or booleans are.
    cube : (y, x, band) DataArray

    Raises
    ------
    ParameterError
        When it has another form, there are no wavelengths to choose by, or no band is meant.
    """
    total = cube.sizes["band"]
    if not isinstance(bands, str):
        given = np.asarray(bands)
        if given.dtype == np.bool_:
            if given.shape != (total,):
                raise ParameterError(f"bands: {given.size} values of true or false for {total} bands")
            return given.copy()
        return _in_ranges(_ranges(given, bands, total), cube, numbers=False)
    numbers = bands.startswith("@")
    ranges = []
    for part in bands.removeprefix("@").split(","):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)(?:\s*-\s*(\d+(?:\.\d+)?))?\s*", part)
        if not found:
            raise ParameterError(f"bands: {part!r} is not a range such as 420-1340 (nm) or @1-50 (numbers)")
        ranges.append((float(found[1]), float(found[2] or found[1])))
    return _in_ranges(ranges, cube, numbers=numbers)


def _ranges(given: NDArray[Any], bands: Any, total: int) -> list[tuple[float, float]]:
    """Return the ranges of wavelengths that numbers stand for: a pair, or pairs."""
    if given.dtype.kind not in "iuf" or given.shape[-1:] != (2,) or given.ndim > 2:
        raise ParameterError(
            f"bands: {bands!r} is no range of wavelengths in nm such as (420, 1340), and no list of such; "
            f"band numbers are written '@1-{total}'"
        )
    return [(float(low), float(high)) for low, high in given.reshape(-1, 2)]


def _in_ranges(ranges: Sequence[tuple[float, float]], cube: xr.DataArray, *, numbers: bool) -> NDArray[np.bool_]:
    """Return the bands whose wavelengths, or numbers from 1, lie in ranges."""
    total = cube.sizes["band"]
    written = ",".join(f"{low:g}" if low == high else f"{low:g}-{high:g}" for low, high in ranges)
    if not numbers and "wavelength" not in cube.coords:
        raise ParameterError(
            f"bands: the scene has no wavelengths to choose {written} nm by: choose by number, @1-{total}"
        )
    positions = np.arange(1, total + 1) if numbers else cube.coords["wavelength"].values
    chosen = np.zeros(total, dtype=np.bool_)
    for low, high in ranges:
        within = (positions >= low) & (positions <= high)
        if not within.any():
            asked = f"{low:g}" if low == high else f"{low:g}-{high:g}"
            if numbers:
                raise ParameterError(f"bands: no band has the number {asked}; the scene has @1-{total}")
            raise ParameterError(
                f"bands: no band lies at {asked} nm; the scene has {positions.min():g}-{positions.max():g} nm "
                f"(by number: @1-{total})"
            )
        chosen |= within
    return chosen


def pixel_window(options: RunOptions, grid: GeoGrid, swath: Swath | None = None) -> tuple[slice, slice]:
    """Return the rows and columns that ``region`` or ``bbox`` choose, the whole grid without them.

    Raises
    ------
    ParameterError
        When the text has another form.
    DataError
        When the window lies outside the scene, or there is no georeferencing for a `bbox`.
    """
    if options.region is not None:
        rows, cols = _region(options.region, grid)
    elif options.bbox is not None:
        if grid.transform is None and swath is not None:
            # The box is on the map; the window of the sensor's grid is what is seen in it.
            window = seen_within(swath, *_bbox(options.bbox, swath.grid))
            rows, cols = window or (slice(0, 0), slice(0, 0))
        else:
            rows, cols = _bbox(options.bbox, grid)
    else:
        return slice(0, grid.rows), slice(0, grid.cols)
    if rows.start >= rows.stop or cols.start >= cols.stop:
        if options.bbox is not None:
            raise DataError(f"bbox {options.bbox} holds no pixel of the scene{_where(swath.grid if swath else grid)}")
        raise DataError(f"region {options.region} holds no pixel of the scene of {grid.rows} x {grid.cols} pixels")
    return rows, cols


def _where(grid: GeoGrid) -> str:
    """Return the bounds and the CRS of a grid, in which a box is given."""
    bounds = ",".join(f"{value:.10g}" for value in grid.bounds())
    named = None if grid.crs is None else grid.crs.to_authority() or [grid.crs.to_string()[:60]]
    crs = "the scene's own coordinates" if named is None else ":".join(named)
    return f": W,S,E,N are in {crs}, in which the scene has {bounds}"


def _region(region: str | tuple[slice, slice], grid: GeoGrid) -> tuple[slice, slice]:
    if isinstance(region, str):
        found = re.fullmatch(r"([0-9]{0,18}):([0-9]{0,18}),([0-9]{0,18}):([0-9]{0,18})", region.replace(" ", ""))
        if not found:
            raise ParameterError(f"region: {region!r} is not ROW0:ROW1,COL0:COL1")
        numbers = [int(text) if text else None for text in found.groups()]
        region = (slice(numbers[0], numbers[1]), slice(numbers[2], numbers[3]))
    rows, cols = (slice(*part.indices(size)[:2]) for part, size in zip(region, (grid.rows, grid.cols), strict=True))
    return rows, cols


def _bbox(bbox: str | Sequence[float], grid: GeoGrid) -> tuple[slice, slice]:
    try:
        west, south, east, north = (float(v) for v in (bbox.split(",") if isinstance(bbox, str) else bbox))
    except ValueError:
        raise ParameterError(f"bbox: {bbox!r} is not W,S,E,N") from None
    if not np.all(np.isfinite((west, south, east, north))):
        raise ParameterError(f"bbox: {bbox!r} are not four finite numbers")
    if grid.transform is None:
        raise DataError("bbox: the scene has no georeferencing; use region")
    corners = [~grid.transform * (x, y) for x in (west, east) for y in (south, north)]
    # Pixels whose area the box touches; the tolerance forgives a box that ends on a pixel's edge.
    cols, rows = zip(*corners, strict=True)
    spans = []
    for values, size in ((rows, grid.rows), (cols, grid.cols)):
        low, high = np.floor(min(values) + 1e-6), np.ceil(max(values) - 1e-6)
        spans.append(slice(int(np.clip(low, 0, size)), int(np.clip(high, 0, size))))
    return spans[0], spans[1]


def pixel_mask(run: RunOptions, grid: GeoGrid) -> NDArray[np.bool_] | None:
    """Return the mask that the options give, ``(rows, cols)``; None without one.

    Raises
    ------
    ParameterError
        When it has another size than the scene.
    """
    if run.mask is None:
        return None
    if isinstance(run.mask, str | Path):
        from hsad.readers import open_mask

        return open_mask(run.mask, grid)
    mask: NDArray[np.bool_] = (
        np.asarray(run.mask.filled(0) if isinstance(run.mask, np.ma.MaskedArray) else run.mask) != 0
    )
    if mask.shape != (grid.rows, grid.cols):
        raise ParameterError(f"mask: {mask.shape} pixels for a scene of {(grid.rows, grid.cols)}")
    return mask


def selected(
    cube: xr.DataArray,
    run: RunOptions,
    learned: Learned | None,
    window: tuple[slice, slice] | None,
    mask: NDArray[np.bool_] | None,
) -> CubeSource:
    """Return the source of the bands and pixels to use: the user's choice, or what a background was learned from.

    Raises
    ------
    ParameterError
        When the background does not fit the cube.
    DataError
        When the background uses bands that hold no data here.
    """
    if learned is None:
        chosen = None if run.bands is None else band_choice(run.bands, cube)
        return drop_dead_bands(source_of(cube, chosen=chosen, mask=mask, window=window))
    learned.check_fits(cube.sizes["band"], band_wavelengths(cube))
    # The bands of the background, whatever this scene says about them.
    plain = cube.drop_vars("good_wavelength", errors="ignore")
    source = source_of(plain, chosen=np.isin(np.arange(learned.total), learned.bands), mask=mask, window=window)
    alive = drop_dead_bands(source)
    if len(alive.bands) < len(source.bands):
        missing = np.setdiff1d(source.bands, alive.bands) + 1
        raise DataError(f"the background uses bands that hold no data here: {', '.join(map(str, missing))}")
    return source


def with_common_bands(*sources: CubeSource) -> tuple[CubeSource, ...]:
    """Return the sources with those bands that hold data in all of them.

    Raises
    ------
    ParameterError
        When the scenes have different numbers of bands.
    DataError
        When no band is left.
    """
    totals = {source.raster.shape[2] for source in sources}
    if len(totals) > 1:
        raise ParameterError(f"references: scenes of {', '.join(map(str, sorted(totals)))} bands do not compare")
    common = functools.reduce(np.intersect1d, [source.bands for source in sources])
    if not len(common):
        raise DataError("references: no band holds data in all scenes")
    return tuple(source.select(np.isin(source.bands, common)) for source in sources)


def band_wavelengths(cube: xr.DataArray) -> NDArray[np.float64] | None:
    """Return the band centres of a cube in nm, None where it has none."""
    return cube.coords["wavelength"].values if "wavelength" in cube.coords else None
