"""Scenes of every kind as cubes: paths, xarray cubes and datasets, images of Spectral Python, arrays."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad.errors import ParameterError, SceneWarning, without_warnings
from hsad.job.options import SceneOptions
from hsad.readers.scene import read_cube
from hsad.readers.stated import with_nodata
from hsad.readers.wavelengths import with_wavelengths
from hsad.scene.cube import check_cube, chunk_cube, raster_of
from hsad.scene.masked import with_nan

__all__ = ["as_cube", "is_array"]

#: Number of values along each axis that are looked at to tell whether the first axis is that of the bands.
_LOOKED_AT = 32

#: Share of the variance that the means along an axis explain, from which the axis may be that of the bands.
_EXPLAINED = 0.5


def is_array(scene: Any) -> bool:
    """Tell whether a scene is a plain array; its scores are an array, too."""
    return not isinstance(scene, xr.DataArray | xr.Dataset | str | Path) and not _is_spectral(scene)


def as_cube(scene: Any, stated: SceneOptions | None = None) -> xr.DataArray:
    """Return a scene as a cube, with what the user states about it.

    The cube of a file is read by windows, without dask: `hsad.open_cube` makes it an array of dask for the user.

    Parameters
    ----------
    scene : path, DataArray, Dataset, spectral image, or array_like
    stated : SceneOptions, optional

    Raises
    ------
    ParameterError
        When it is no cube, or a statement does not fit it: a band axis for dimensions that have names.
    SceneError
        When a file cannot be read.

    Warns
    -----
    SceneWarning
        When the bands seem to lie along the first axis, and the caller states no axis.
    """
    stated = stated or SceneOptions()
    if _is_spectral(scene):
        scene = Path(scene.filename)  # the reader of that package drops the georeferencing
    if isinstance(scene, str | Path):
        cube = read_cube(scene, **stated.stated())
        return cube if raster_of(cube) is not None else chunk_cube(cube)  # another package's reader: any lazy array
    if stated.partial:
        raise ParameterError("partial is for files: this scene is in memory")
    cube = _in_memory(scene, stated.band_axis)
    if stated.wavelengths is not None:
        cube = with_wavelengths(cube, stated.wavelengths)
    return cube if stated.nodata is None else with_nodata(cube, stated.nodata)


def _in_memory(scene: Any, band_axis: int | None) -> xr.DataArray:
    if isinstance(scene, xr.DataArray | xr.Dataset):
        if band_axis is not None:
            raise ParameterError("band_axis is for plain arrays and files: the dimensions of this scene have names")
        return check_cube(scene)
    array = scene if hasattr(scene, "ndim") and hasattr(scene, "shape") else np.asarray(scene)
    if band_axis is None:
        _warn_of_bands_first(array)
        return check_cube(array)
    if array.ndim != 3 or band_axis not in range(-3, 3):
        raise ParameterError(f"band_axis: an array of shape {array.shape} has no axis {band_axis!r} of bands")
    return check_cube(_bands_last(array, band_axis))


def _is_spectral(scene: Any) -> bool:
    """Tell whether a scene is a file that Spectral Python has opened; where it is not loaded, nothing is."""
    spyfile = sys.modules.get("spectral.io.spyfile")
    return spyfile is not None and isinstance(scene, spyfile.SpyFile)


def _bands_last(array: Any, band_axis: int) -> Any:
    axes = [axis for axis in range(3) if axis != band_axis % 3]
    return array.transpose(*axes, band_axis % 3)  # numpy's masked arrays and dask's have this method, too


def _warn_of_bands_first(array: Any) -> None:
    """Warn if the means along the first axis explain most of the variance, and those along the last axis little."""
    if (
        not isinstance(array, np.ndarray)
        or array.ndim != 3
        or 0 in array.shape
        or array.shape[2] == 1
        or array.dtype.kind not in "iuf"
    ):
        return
    thinned = array[tuple(slice(None, None, max(1, size // _LOOKED_AT)) for size in array.shape)]
    some = with_nan(thinned).astype(np.float64)
    first, last = _explained(some, 0), _explained(some, 2)
    if first > _EXPLAINED and last < _EXPLAINED / 2:
        warnings.warn(
            f"the first axis of {array.shape} looks like that of the bands, but (rows, cols, bands) is how arrays are "
            "read: say band_axis=0, or band_axis=-1 if all is well",
            SceneWarning,
            stacklevel=2,
        )


def _explained(values: NDArray[np.float64], axis: int) -> float:
    """Return the share of the variance that lies between the means along an axis; 0 where there is none."""
    with without_warnings(RuntimeWarning), np.errstate(all="ignore"):  # about means of no numbers
        total = np.nanvar(values)
        between = np.nanvar(np.nanmean(values, axis=tuple(other for other in range(3) if other != axis)))
    return float(between / total) if np.isfinite(total) and total > 0 else 0.0
