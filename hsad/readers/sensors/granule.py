"""Functions that the readers of HDF5 products share for recognition, flags and coordinates of pixels."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from hsad.errors import SceneError
from hsad.readers.rasters.hdf5 import Hdf5Layer, open_hdf5
from hsad.readers.sensors.product import files_beside
from hsad.scene.quality import Flag, is_any_of
from hsad.scene.swath import PointSwath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    import h5py
    from rasterio.crs import CRS

__all__ = ["coded_flags", "holds", "is_granule", "known_crs", "points_in"]


def holds(path: Path, is_product: Callable[[Path], bool]) -> bool:
    """Tell whether a path is a product, or a folder with one."""
    return any(is_product(entry) for entry in files_beside(path)) if path.is_dir() else is_product(path)


def is_granule(path: Path, suffixes: Iterable[str], knows: Callable[[h5py.File], bool]) -> bool:
    """Tell whether a file has one of the suffixes, is HDF5, and `knows` returns true for the file."""
    if path.suffix.lower() not in suffixes:
        return False
    import h5py

    if not h5py.is_hdf5(path):
        return False
    with open_hdf5(str(path)) as file:
        return knows(file)


def known_crs(code: Any, name: str, source: str) -> CRS:
    """Return the CRS of an EPSG code, which is a number or a text.

    Raises
    ------
    SceneError
        When the code is not known; the message names the file and the field `name`.
    """
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        return CRS.from_epsg(int(float(code)))
    except (CRSError, ValueError, OverflowError) as error:
        raise SceneError(f"{source}: {name} = {code!r} is not known") from error


def points_in(
    holder: h5py.Group, groups: Iterable[str], names: Iterable[tuple[str, str]], source: str
) -> PointSwath | None:
    """Return the swath of the first pair of latitudes and longitudes in one of the groups, or None."""
    for group, pair in itertools.product(groups, names):
        if set(pair) <= set(holder.get(group, ())):
            lat, lon = (Hdf5Layer.of(source, holder[group][key]) for key in pair)
            return PointSwath(lat, lon, source)
    return None


def coded_flags(
    fields: h5py.Group, tests: Mapping[str, tuple[str, tuple[int, ...]]], shape: tuple[int, int], source: str
) -> dict[str, list[Flag]]:
    """Return the flags of datasets of codes; datasets that are missing or of another size have no flags.

    Parameters
    ----------
    fields : h5py.Group
    tests : mapping of str to (str, tuple of int)
        For the name of each flag, the name of the dataset and the codes that set the flag.
    shape : tuple of int
        Rows and columns of the scene.
    source : str
    """
    images = {
        key: Hdf5Layer.of(source, fields[key]).whole
        for key in {key for key, _ in tests.values()}
        if key in fields and fields[key].shape == shape
    }
    return {flag: [Flag(images[key], is_any_of(*codes))] for flag, (key, codes) in tests.items() if key in images}
