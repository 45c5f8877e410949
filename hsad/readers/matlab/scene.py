"""Cubes in files of MATLAB, the usual format of benchmark scenes, and of numpy."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.bands import BandTable, band_table
from hsad.readers.matlab.axes import Axes, scene_axes, three_axes
from hsad.readers.matlab.matfile import Content, MatArray, is_hdf5, is_matlab, listing, load_array, read_content
from hsad.readers.matlab.numpy_files import is_numpy, plain_raster
from hsad.readers.matlab.unfolded import Folded, folded
from hsad.readers.rasters.hdf5 import hdf5_raster, open_hdf5
from hsad.readers.rasters.loaded import LoadedRaster
from hsad.scene.cube import Raster, build_cube

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["accepted", "can_read", "name", "read"]

name = "MATLAB"
accepted = ("band_axis",)

_WAVELENGTHS = re.compile(
    r"^(band_?)?(cent(er|re|ral)_?)?(wave_?lengths?|wvls?|wl|lambdas?|waves?)(_?cent(er|re)s?)?(_?(in_?)?(nm|um))?$",
    re.IGNORECASE,
)
_FWHM = re.compile(r"^fwhms?(_?(in_?)?(nm|um))?$", re.IGNORECASE)
_UNITS = re.compile(r"^(wave_?lengths?_?)?units?$", re.IGNORECASE)
_VALIDITY = re.compile(r"mask|valid", re.IGNORECASE)
# In a mask with such a name, 1 marks pixels that must not be used, or the targets of a ground truth.
_OTHER_MASKS = re.compile(r"bad|invalid|no_?data|cloud|shadow|water|gt|truth|anomal|target", re.IGNORECASE)
# An unnamed vector beside a cube may be its wavelengths if all numbers lie between these limits, in µm or nm.
_PLAUSIBLE = (0.2, 20_000.0)


@dataclass(frozen=True)
class _LoadCube:
    """Loader of a cube that can only be read whole.

    Attributes
    ----------
    array : MatArray
    axes : tuple of int
        Axes of the array that are rows, columns and bands.
    """

    array: MatArray
    axes: Axes

    def __call__(self, path: str) -> NDArray[Any]:
        values = load_array(path, self.array)
        return values.reshape(three_axes(values.shape) or values.shape).transpose(self.axes)


def can_read(path: Path) -> bool:
    """Tell whether a file is in a format of MATLAB or numpy."""
    return is_numpy(path) or is_matlab(path)


def read(path: Path, variable: str | None = None, *, band_axis: int | None = None) -> xr.DataArray:
    """Return the cube in a file of arrays, which is `variable` or the largest array of three dimensions.

    MATLAB's version 7.3 and ``.npy`` are read by windows. Version 5 and ``.npz`` are loaded whole, once per process. A
    file without an array of three dimensions may contain the scene as a matrix of bands and pixels
    (`hsad.readers.matlab.unfolded`). The function also recognises the following parts. A remark states if one of them
    is used or ignored.

    - A vector or a list of texts with one value per band and the name ``wavelength``, ``wavelengths``, ``wl``, ``wvl``,
      ``lambda`` or ``fwhm``. Its length also shows the axis of the bands, see `hsad.readers.matlab.axes`.
    - A mask of valid pixels. It has two dimensions, the cube's size, ``mask`` or ``valid`` in its name, only zeros and
      ones, and ones in more than half of the pixels. The last condition excludes a ground truth, which some benchmarks
      call ``mask`` and which marks few pixels.

    Parameters
    ----------
    path : Path
    variable : str, optional
    band_axis : int, optional
        The axis of the bands, counted in the shape that messages show.

    Raises
    ------
    SceneError
        When the file is damaged, contains no cube, or contains no array of that name.
    """
    source = str(path)
    content = read_content(source)
    remarks: list[str] = []
    matrix = _chosen(source, content.arrays, variable, remarks)
    chosen = matrix.matrix if isinstance(matrix, Folded) else matrix
    lists = _band_lists(source, content, chosen)
    others = [array for array in content.arrays if array != chosen and max(array.shape, default=0) > 1]
    siblings = [array for array in others if array.folder == "" or array.folder.startswith(chosen.folder)]
    raster: Raster
    if isinstance(matrix, Folded):
        remarks.append(matrix.remark)
        raster = LoadedRaster.open(source, matrix)
    else:
        images = [array for array in siblings if len(array.shape) == 2 and min(array.shape) > 1]
        vectors = {key: len(items) for key, items in lists.items()}
        axes, axis_remarks = scene_axes(chosen, vectors, images, band_axis)
        remarks += axis_remarks
        raster = _raster(source, chosen, axes)
    rows, cols, bands = raster.shape
    table = _table(bands, lists, content, remarks)
    valid = _valid(source, (rows, cols), siblings, remarks)
    return build_cube(
        raster,
        source=source,
        reader="NumPy" if is_numpy(path) else name,
        **table.coordinates,
        valid=valid,
        attrs={
            "interleave": "bsq",
            "variable": chosen.name,
            "warnings": [*remarks, *table.remarks],
        },
    )


def _chosen(source: str, arrays: Sequence[MatArray], variable: str | None, remarks: list[str]) -> MatArray | Folded:
    """Return the array that is the cube, or the loader that folds a matrix into the cube."""
    named = [array for array in arrays if array.name == variable]
    if variable is not None and not named:
        raise SceneError(f"{source}: no numeric array called {variable!r}; it holds {listing(arrays)}")
    cubes = [array for array in named or arrays if three_axes(array.shape) and 0 not in array.shape]
    if not cubes:
        matrix = folded(source, arrays, variable)
        if matrix is None:
            what = f"{named[0]} is not a cube" if named else "no array"
            raise SceneError(
                f"{source}: {what} of three dimensions (rows, columns, bands), and no numbers nRow and nCol "
                f"state how to fold a matrix; it holds {listing(arrays)}"
            )
        return matrix
    chosen = max(cubes, key=lambda array: math.prod(array.shape))
    equals = [array.name for array in cubes if array.shape == chosen.shape and array != chosen]
    if equals:
        others = ", ".join(equals[:3])
        remarks.append(f"the file holds {len(equals) + 1} cubes of one size: {chosen.name} is read, not {others}")
    return chosen


def _raster(source: str, chosen: MatArray, axes: Axes) -> Raster:
    if is_numpy(source) and len(chosen.shape) == 3 and (raster := plain_raster(source, axes)) is not None:
        return raster
    if is_numpy(source) or not is_hdf5(source) or len(chosen.shape) != 3:
        return LoadedRaster.open(source, _LoadCube(chosen, axes))
    with open_hdf5(source) as file:
        rows, cols, bands = (2 - axis if chosen.turned else axis for axis in axes)
        return hdf5_raster(source, file[chosen.place], (rows, cols, bands))


def _band_lists(source: str, content: Content, chosen: MatArray) -> dict[str, list[Any]]:
    """Return the lists of wavelengths and widths beside a cube by name; items are numbers or texts."""
    lists: dict[str, list[Any]] = {}
    sizes = three_axes(chosen.shape) or chosen.shape
    for array in content.arrays:
        vector = 1 < math.prod(array.shape) == max(array.shape) and max(array.shape) in sizes
        if not vector or not (array.folder == "" or array.folder.startswith(chosen.folder)):
            continue
        if _WAVELENGTHS.match(array.field) or _FWHM.match(array.field):
            lists[array.name] = load_array(source, array).ravel().tolist()
        elif array.name.endswith("}") and array.folder == chosen.folder:
            values = load_array(source, array).ravel().astype(np.float64)
            steps = np.diff(values)
            if np.all(steps > 0) and _PLAUSIBLE[0] <= values[0] and values[-1] <= _PLAUSIBLE[1] and np.any(steps != 1):
                lists[array.name] = values.tolist()
    for key, items in content.texts.items():
        if _WAVELENGTHS.match(key.rpartition(".")[2]) and len(items) in sizes:
            lists.setdefault(key, items)
    return lists


def _table(bands: int, lists: dict[str, list[Any]], content: Content, remarks: list[str]) -> BandTable:
    """Return the table of bands from the lists with one item per band."""
    fitting = {key: items for key, items in lists.items() if len(items) == bands}
    fields = {key: key.rpartition(".")[2] for key in fitting}
    wavelength = next((key for key in fitting if _WAVELENGTHS.match(fields[key])), None)
    nameless = next((key for key in fitting if key.endswith("}")), None)
    fwhm = next((key for key in fitting if _FWHM.match(fields[key])), None)
    if wavelength is None and nameless is not None:
        wavelength = nameless
        remarks.append(f"{nameless} is used as the wavelengths")
    ignored = [key for key in lists if key not in fitting]
    if ignored:
        listed = ", ".join(f"{key} ({len(lists[key])})" for key in ignored[:3])
        remarks.append(f"{listed} has not one item for each of {bands} bands: it is ignored")
    suffix = re.search(r"_?(nm|um)$", fields[wavelength], re.IGNORECASE) if wavelength else None
    stated = [items[0] for key, items in content.texts.items() if _UNITS.match(key.rpartition(".")[2]) and items]
    return band_table(
        bands,
        wavelength=fitting[wavelength] if wavelength else None,
        fwhm=fitting[fwhm] if fwhm else None,
        units=suffix.group(1) if suffix else next(iter(stated), None),
    )


def _valid(
    source: str, shape: tuple[int, int], arrays: Sequence[MatArray], remarks: list[str]
) -> NDArray[np.bool_] | None:
    """Return the first mask of valid pixels among the arrays, or None."""
    for array in arrays:
        if array.shape != shape or not _VALIDITY.search(array.field) or _OTHER_MASKS.search(array.field):
            continue
        values = load_array(source, array)
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
