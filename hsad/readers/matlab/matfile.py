"""Files of named arrays in MATLAB version 5 (scipy), MATLAB version 7.3 (h5py) and numpy's formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hsad.errors import SceneError
from hsad.readers.matlab import numpy_files, version5, version73
from hsad.readers.matlab.content import Content, MatArray, listing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Content", "MatArray", "is_hdf5", "is_matlab", "listing", "load_array", "read_content"]


def is_matlab(path: Path) -> bool:
    """Tell whether a file has the suffix ``.mat`` or starts like a MATLAB file."""
    if path.suffix.lower() == ".mat":
        return True
    with path.open("rb") as file:
        return file.read(7) == b"MATLAB "


def is_hdf5(path: str) -> bool:
    """Tell whether a MATLAB file is of version 7.3."""
    import h5py

    return bool(h5py.is_hdf5(path))


def read_content(path: str) -> Content:
    """Return the numeric arrays and the texts of a file, also those in structs and cells.

    Numeric arrays at the top level are not loaded.

    Raises
    ------
    SceneError
        When the file is not in a format that MATLAB or numpy writes, or is damaged.
    """
    if numpy_files.is_numpy(path):
        return numpy_files.read_content(path)
    return version73.read_content(path) if is_hdf5(path) else version5.read_content(path)


def load_array(path: str, array: MatArray) -> NDArray[Any]:
    """Return the numbers of an array in the stored type and native byte order.

    Raises
    ------
    SceneError
        When the file is damaged or the array does not contain real numbers.
    """
    if numpy_files.is_numpy(path):
        values = numpy_files.load(path, array)
    else:
        values = version73.load(path, array) if is_hdf5(path) else version5.load(path, array)
    if values.dtype.kind not in "iufb":
        raise SceneError(f"{path}: {array.name} holds {values.dtype}, a cube holds real numbers")
    return values.astype(values.dtype.newbyteorder("="), copy=False)
