"""Cubes in MATLAB files, in which the field's benchmark scenes circulate."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.bands import band_table
from hsad.readers.matlab.matfile import MatArray, is_hdf5, is_matlab, list_arrays, load_array
from hsad.readers.rasters.hdf5 import hdf5_raster, open_hdf5
from hsad.readers.rasters.loaded import LoadedRaster
from hsad.scene.cube import Raster, build_cube

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["can_read", "name", "read"]

name = "MATLAB"

_WAVELENGTHS = re.compile(r"^(cent(er|re|ral)_?)?(wave_?lengths?|wvls?|wl|lambdas?)(_(nm|um))?$", re.IGNORECASE)
_FWHM = re.compile(r"^fwhms?(_(nm|um))?$", re.IGNORECASE)
_VALIDITY = re.compile(r"mask|valid", re.IGNORECASE)
# Masks of something that is *not* to be used, or truths: their ones mean the opposite, or something else.
_OTHER_MASKS = re.compile(r"bad|invalid|no_?data|cloud|shadow|water|gt|truth|anomal|target", re.IGNORECASE)


@dataclass(frozen=True)
class _LoadCube:
    """Loader of a cube that can only be read whole."""

    array: str

    def __call__(self, path: str) -> NDArray[Any]:
        return load_array(path, self.array)


can_read = is_matlab


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube in a MATLAB file: the array `variable`, else the largest one of three dimensions.

    Version 7.3 is read by windows; version 5 is loaded whole, once a process. Besides the cube, these arrays
    are recognised, and a remark tells when one is used or passed over:

    - a vector called ``wavelength``, ``wavelengths``, ``wl``, ``wvl`` or ``lambda`` (``fwhm``) with one value
      a band;
    - a mask of valid pixels: two-dimensional, of the cube's size, only zeros and ones, called something with
      ``mask`` or ``valid`` in it, and one in more than half of the pixels. A truth, which is called ``mask``
      in some benchmarks, marks few pixels, hence the last condition.

    Raises
    ------
    SceneError
        When the file is damaged, has no array of three dimensions, or none of that name.
    """
    source = str(path)
    arrays = list_arrays(source)
    chosen = _choose(source, arrays, variable)
    raster = _raster(source, chosen)
    rows, cols, bands = raster.shape
    remarks: list[str] = []
    others = [array for array in arrays if array != chosen and max(array.shape, default=0) > 1]
    siblings = [array for array in others if _folder(array) in ("", _folder(chosen))]
    vectors = [array for array in siblings if math.prod(array.shape) == bands == max(array.shape)]
    wavelength = next((array for array in vectors if _WAVELENGTHS.match(_field(array))), None)
    fwhm = next((array for array in vectors if _FWHM.match(_field(array))), None)
    suffix = re.search(r"_(nm|um)$", _field(wavelength), re.IGNORECASE) if wavelength else None
    table = band_table(
        bands,
        wavelength=load_array(source, wavelength.name).ravel().tolist() if wavelength else None,
        fwhm=load_array(source, fwhm.name).ravel().tolist() if fwhm else None,
        units=suffix.group(1) if suffix else None,
    )
    valid = _valid(source, (rows, cols), siblings, remarks)
    return build_cube(
        raster,
        source=source,
        reader=name,
        **table.coordinates,
        valid=valid,
        attrs={
            "interleave": "bsq",
            "variable": chosen.name,
            "warnings": [*remarks, *table.remarks],
        },
    )


def _choose(source: str, arrays: list[MatArray], variable: str | None) -> MatArray:
    listed = ", ".join(map(str, arrays)) or "no numeric array"
    if variable is not None:
        named = [array for array in arrays if array.name == variable]
        if not named:
            raise SceneError(f"{source}: no numeric array called {variable!r}; it holds {listed}")
        if len(named[0].shape) != 3:
            raise SceneError(f"{source}: {named[0]} is not a cube of three dimensions; it holds {listed}")
        return named[0]
    cubes = [array for array in arrays if len(array.shape) == 3 and 0 not in array.shape]
    if not cubes:
        raise SceneError(f"{source}: no array of three dimensions (rows, columns, bands); it holds {listed}")
    return max(cubes, key=lambda array: math.prod(array.shape))


def _raster(source: str, chosen: MatArray) -> Raster:
    if not is_hdf5(source):
        return LoadedRaster.open(source, _LoadCube(chosen.name))
    with open_hdf5(source) as file:
        # MATLAB's arrays run first index fastest: HDF5 shows their axes in reverse.
        return hdf5_raster(source, file[chosen.name.replace(".", "/")], (2, 1, 0))


def _folder(array: MatArray) -> str:
    return array.name.rpartition(".")[0]


def _field(array: MatArray) -> str:
    return array.name.rpartition(".")[2]


def _valid(source: str, shape: tuple[int, int], arrays: list[MatArray], remarks: list[str]) -> NDArray[np.bool_] | None:
    for array in arrays:
        field = _field(array)
        if array.shape != shape or not _VALIDITY.search(field) or _OTHER_MASKS.search(field):
            continue
        values = load_array(source, array.name)
        if not np.isin(values, (0, 1)).all():
            continue
        if 2 * np.count_nonzero(values) <= values.size:
            remarks.append(
                f"{array.name} marks {np.count_nonzero(values)} of {values.size} pixels: "
                "taken for a truth, not for a mask of valid pixels"
            )
            continue
        remarks.append(f"{array.name} is used as the mask of valid pixels")
        return np.asarray(values != 0)
    return None
