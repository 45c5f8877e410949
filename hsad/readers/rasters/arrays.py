"""Windows of arrays that xarray opens, in Zarr and all versions of netCDF."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import MissingExtraError, ParameterError, SceneError
from hsad.readers.rasters.hdf5 import open_hdf5
from hsad.readers.rasters.pixels import StoredArray

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["XarrayLayer", "XarrayRaster", "is_hdf5", "opened", "without_single_axes"]


_TIMES = ("time", "t", "date")


@dataclass(frozen=True)
class XarrayRaster(StoredArray):
    """Windows of an array that xarray opens for each read.

    Attributes
    ----------
    group, variable : str
        The group in the dataset ("" for the root) and the name of the array.
    """

    group: str
    variable: str

    def stored(self, window: tuple[slice, ...]) -> NDArray[Any]:
        """Return a part of the array."""
        with opened(self.path, self.group) as dataset:
            return np.asarray(without_single_axes(dataset[self.variable])[window].values)


def without_single_axes(array: xr.DataArray) -> xr.DataArray:
    """Return an array without axes of length 1, removed until three axes are left; a time axis is removed first."""
    while array.ndim > 3:
        single = [dim for dim in array.dims if array.sizes[dim] == 1]
        if not single:
            return array
        array = array.squeeze(next((dim for dim in single if str(dim).lower() in _TIMES), single[0]), drop=True)
    return array


@dataclass(frozen=True)
class XarrayLayer:
    """Rows of a two-dimensional array, whose first axis is the rows."""

    path: str
    group: str
    variable: str
    shape: tuple[int, int]

    def read(self, rows: slice) -> NDArray[Any]:
        """Return some rows, shape ``(rows, cols)``."""
        with opened(self.path, self.group) as dataset:
            return np.asarray(dataset[self.variable][rows].values)

    def whole(self) -> NDArray[Any]:
        """Return all rows."""
        return self.read(slice(0, self.shape[0]))

    def truth(self) -> NDArray[np.bool_]:
        """Return where the array is not zero."""
        return np.asarray(self.whole() != 0)


@contextmanager
def opened(source: str, group: str = "") -> Iterator[xr.Dataset]:
    """Open a dataset with its stored numbers; an error becomes one line that names the dataset."""
    import xarray as xr

    zarr = Path(source).is_dir()
    options: dict[str, Any] = {"engine": "zarr", "consolidated": False} if zarr else {}
    if not zarr and is_hdf5(source):
        with open_hdf5(source):
            pass  # under HSAD_OFFLINE this refuses a file with links to other files before xarray follows them
        options = {"engine": "h5netcdf", "phony_dims": "sort"}  # also reads HDF5 without the dimensions of netCDF
    try:
        with xr.open_dataset(
            source, group=group or None, mask_and_scale=False, decode_times=False, chunks=None, **options
        ) as dataset:
            yield dataset
    except (ParameterError, SceneError):
        raise
    except ImportError as error:
        raise MissingExtraError(f"{source}: {error}; python -m pip install zarr") from error
    except Exception as error:  # xarray and its backends raise errors of many kinds for damaged files
        if zarr and "zarr" in str(error) and "engine" in str(error):
            raise MissingExtraError(f"{source}: Zarr needs the package zarr: python -m pip install zarr") from error
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise SceneError(f"{source}: xarray cannot read it: {reason}") from error


def is_hdf5(source: str) -> bool:
    """Tell whether a file is HDF5, which includes netCDF-4."""
    import h5py

    return bool(h5py.is_hdf5(source))
