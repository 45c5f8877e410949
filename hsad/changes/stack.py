"""Two dates as one cube: the bands of the first, then those of the second, on the grid of the first."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad.changes.placement import Placement, placement_of
from hsad.engine.decoded import CodedRaster
from hsad.engine.source import CubeSource
from hsad.errors import DataError, ParameterError, SceneWarning
from hsad.job.given import as_cube
from hsad.job.options import RunOptions
from hsad.job.remarks import remarks_on
from hsad.job.selection import as_asked, selected
from hsad.scene.cube import build_cube, geo_grid
from hsad.scene.quality import flag_names
from hsad.scene.swath import swath_of

__all__ = ["PairRaster", "stacked"]

#: Functions between a warning here and the caller of `hsad.change`, a generator and a context among them.
_CALLER = 5


@dataclass(frozen=True, eq=False)
class PairRaster:
    """The spectra of two dates, NaN where one of them has none.

    Attributes
    ----------
    before, after : CubeSource
        The used bands and pixels of each date.
    placement : Placement or None
        Where the pixels of the first date lie on the second; None on one grid.
    """

    before: CubeSource
    after: CubeSource
    placement: Placement | None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows and columns of the first date, bands of both."""
        rows, cols, bands = self.before.shape
        return rows, cols, bands + self.after.shape[2]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of spectra."""
        return np.dtype(np.float64)

    @property
    def row_step(self) -> int:
        """Number of rows that are fastest to read together."""
        return self.before.row_step if self.placement else max(self.before.row_step, self.after.row_step)

    def read(self, rows: slice, cols: slice) -> NDArray[np.float64]:
        """Return the spectra of a window, ``(rows, cols, bands)``."""
        second = (
            _spectra(self.after, rows, cols) if self.placement is None else self._placed(self.placement, rows, cols)
        )
        return np.concatenate([_spectra(self.before, rows, cols), second], axis=2)

    def _placed(self, placement: Placement, rows: slice, cols: slice) -> NDArray[np.float64]:
        row, col = placement.corners(rows, cols)
        found = np.full((*row.shape, self.after.shape[2]), np.nan)
        inside = row >= 0
        if not inside.any():
            return found
        top, left = row[inside].min(), col[inside].min()
        window = (
            slice(int(top), int(row[inside].max()) + placement.step),
            slice(int(left), int(col[inside].max()) + placement.step),
        )
        spectra = _spectra(self.after, *window)
        total = np.zeros((int(inside.sum()), found.shape[2]))
        for down in range(placement.step):
            for right in range(placement.step):
                total += spectra[row[inside] - top + down, col[inside] - left + right]
        found[inside] = total / placement.step**2
        return found


@dataclass(frozen=True, eq=False)
class CodedPairRaster(PairRaster):
    """Two dates of which at least one is compressed: its blocks are decoded as a whole and cached.

    Attributes
    ----------
    path : str
        The file whose change makes decoded blocks useless.
    block : tuple of int
        Rows and columns of a block.
    """

    path: str = ""
    block: tuple[int, int] = (1, 1)


def _spectra(source: CubeSource, rows: slice, cols: slice) -> NDArray[np.float64]:
    spectra, valid = source.spectra(source.read(rows, cols), rows, cols)
    spectra[~valid] = np.nan
    return spectra


@dataclass(frozen=True, eq=False)
class _Date:
    """One date: its name for messages, its cube, and what is used of it."""

    name: str
    cube: xr.DataArray
    source: CubeSource

    @classmethod
    def of(cls, scene: Any, run: RunOptions, name: str) -> Self:
        cube = as_cube(scene, run)
        if not flag_names(cube):
            run = replace(run, mask_flags=None)
        cube = as_asked(cube, run)
        name = str(cube.attrs.get("source") or name)
        if swath_of(cube) is not None and geo_grid(cube).transform is None:
            raise DataError(
                f"{name}: its pixels are on the sensor's grid, which no other date has: give scenes on a map"
            )
        return cls(name, cube, selected(cube, run, None, None, None))

    def column(self, name: str) -> NDArray[np.float64] | None:
        """Return a coordinate of the used bands."""
        return self.cube.coords[name].values[self.source.bands] if name in self.cube.coords else None


def stacked(before: Any, after: Any, run: RunOptions) -> tuple[xr.DataArray, RunOptions]:
    """Return two dates as one cube, and the options that are left for it.

    The coordinate ``date`` of its bands is 0 for the first and 1 for the second. The choices of bands, flags and nodata
    values are made on each date; a mask, a region and a box are those of the first.

    Raises
    ------
    HsadError
        When a date cannot be read, or the dates do not meet.

    Warns
    -----
    SceneWarning
        When the second date is resampled to the grid of the first.
    """
    first, second = _Date.of(before, run, "the first date"), _Date.of(after, run, "the second date")
    if run.mask_flags is not None and not (flag_names(first.cube) or flag_names(second.cube)):
        raise ParameterError(f"mask_flags: {run.mask_flags!r}: neither date has quality layers")
    grid = geo_grid(first.cube)
    placement = placement_of(grid, geo_grid(second.cube), (first.name, second.name))
    if placement is not None:
        way = f"the mean of {placement.step} x {placement.step} pixels" if placement.step > 1 else "the nearest pixel"
        warnings.warn(
            f"{second.name} is resampled to the grid of {first.name} ({way})", SceneWarning, stacklevel=_CALLER
        )
    columns = {name: (first.column(name), second.column(name)) for name in ("wavelength", "fwhm")}
    wavelength, fwhm = (
        None if one is None or other is None else np.concatenate([one, other]) for one, other in columns.values()
    )
    attrs = {f"{name}_before": first.cube.attrs[name] for name in ("source", "data_file") if name in first.cube.attrs}
    if "data_file" in second.cube.attrs:
        attrs["data_file"] = second.cube.attrs["data_file"]
    attrs["warnings"] = [f"{date.name}: {remark}" for date in (first, second) for remark in remarks_on(date.cube)]
    cube = build_cube(
        _raster(first.source, second.source, placement),
        source=second.name,
        reader="pair",
        wavelength=wavelength,
        fwhm=fwhm,
        crs=grid.crs,
        transform=grid.transform,
        nodata=np.nan,
        attrs=attrs,
    )
    dates = np.repeat([0, 1], [len(date.source.bands) for date in (first, second)])
    return cube.assign_coords(date=("band", dates)), replace(
        run, bands=None, bad_bands=None, mask_flags=None, nodata=None, band_axis=None, wavelengths=None, partial=False
    )


def _raster(before: CubeSource, after: CubeSource, placement: Placement | None) -> PairRaster:
    sources = [before, after] if placement is None else [before]
    coded = [source.raster for source in sources if isinstance(source.raster, CodedRaster)]
    if not coded:
        return PairRaster(before, after, placement)
    high, wide = (max(raster.block[axis] for raster in coded) for axis in (0, 1))
    return CodedPairRaster(before, after, placement, coded[0].path, (high, wide))
