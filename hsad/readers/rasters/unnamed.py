"""Axes of HDF5 arrays that have no names.

The user states the axis of the bands. Otherwise it is the axis with the length of a list of wavelengths in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsad.errors import ParameterError, SceneError
from hsad.readers.rasters.hdf5 import open_hdf5, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import h5py

__all__ = ["Spectral", "axes_by_evidence", "hdf5_groups", "spectral_lists"]

_CENTRES = ("wavelength", "wavelengths", "wvl", "wl", "lambda", "center_wavelength", "central_wavelength", "centers")
_MOST_GROUPS = 2000  # xarray opens each group, which takes milliseconds
_MOST_VALUES = 100_000  # of a list of wavelengths; longer lists are not loaded


class Spectral(NamedTuple):
    """A list of wavelengths in an HDF5 file, and its unit, None if the file states none."""

    values: list[float]
    units: str | None


def hdf5_groups(source: str) -> list[str]:
    """Return the groups of an HDF5 file, the root first.

    Raises
    ------
    SceneError
        When the file has too many groups.
    """
    import h5py

    names = [""]

    def look(name: str, item: Any) -> bool | None:
        if isinstance(item, h5py.Group):
            names.append(name)
        return len(names) > _MOST_GROUPS or None  # anything but None ends the visit

    with open_hdf5(source) as file:
        file.visititems(look)
    if len(names) > _MOST_GROUPS:
        raise SceneError(f"{source}: more than {_MOST_GROUPS} groups: name the array, as in file.h5:GROUP/NAME")
    return names


def spectral_lists(source: str) -> list[Spectral]:
    """Return the lists of wavelengths in an HDF5 file, found by the names of datasets and attributes of one axis."""
    import h5py

    found: list[Spectral] = []

    def look(name: str, item: Any) -> None:
        units = item.attrs.get("units", item.attrs.get("Units"))
        unit = None if units is None else text(units)
        if isinstance(item, h5py.Dataset) and name.rpartition("/")[2].lower() in _CENTRES:
            _add(found, item, unit)
        for key in item.attrs:
            if key.lower() in _CENTRES:
                _add(found, item.attrs[key], None)

    with open_hdf5(source) as file:
        look("", file)
        file.visititems(look)
    return found


def _add(found: list[Spectral], item: h5py.Dataset | Any, units: str | None) -> None:
    """Add a dataset or attribute to the lists if it is a list of numbers."""
    shape, dtype = getattr(item, "shape", ()), getattr(item, "dtype", np.dtype("O"))
    sides = [side for side in shape if side > 1]
    if dtype.kind in "iuf" and len(sides) == 1 and sides[0] <= _MOST_VALUES:
        found.append(Spectral(np.ravel(item[...]).astype(np.float64).tolist(), units))


def axes_by_evidence(
    shape: Sequence[int], lists: Sequence[Spectral], band_axis: int | None, source: str
) -> tuple[tuple[int, int, int], Spectral | None]:
    """Return the axes of an array that are rows, columns and bands, and the list of its wavelengths.

    Parameters
    ----------
    shape : sequence of int
        Shape of the array, three numbers.
    lists : sequence of Spectral
        Lists of wavelengths. If the length of a list equals that of exactly one axis, this is the axis of the bands.
    band_axis : int, optional
        The axis of the bands, if the user states it.
    source : str

    Raises
    ------
    ParameterError
        When the array has no such axis.
    SceneError
        When the axis is not stated and no list shows it.
    """
    if band_axis is not None and band_axis not in range(-3, 3):
        raise ParameterError(f"band_axis: {band_axis} is none of the array's axes, -3 to 2")
    axis = None if band_axis is None else band_axis % 3
    for listed in lists:
        fitting = [number for number, side in enumerate(shape) if side == len(listed.values)]
        if axis in fitting or (axis is None and len(fitting) == 1):
            axis = fitting[0] if axis is None else axis
            return _axes(axis), listed
    if axis is None:
        sizes = "×".join(map(str, shape))
        raise SceneError(
            f"{source}: cannot tell rows, columns and bands apart in {sizes} numbers without names of their axes: "
            "state the axis of the bands with --band-axis 0, 1 or 2"
        )
    return _axes(axis), None


def _axes(band: int) -> tuple[int, int, int]:
    rows, cols = (axis for axis in range(3) if axis != band)
    return rows, cols, band
