"""The arrays in a MATLAB file, of either kind: version 5 (scipy) and version 7.3, which is HDF5 (h5py).

Arrays inside structs have dotted names: ``scene.data``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.matlab.elements import check_elements
from hsad.readers.rasters.hdf5 import open_hdf5

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["MatArray", "is_hdf5", "is_matlab", "list_arrays", "load_array"]

_NUMERIC_CLASSES = {
    "double",
    "single",
    "logical",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}


@dataclass(frozen=True)
class MatArray:
    """Name and shape of a numeric array, as MATLAB shows them: rows first."""

    name: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} ({'×'.join(map(str, self.shape))})"


def is_matlab(path: Path) -> bool:
    """Tell whether a file is called ``.mat`` or starts as MATLAB files do."""
    if path.suffix.lower() == ".mat":
        return True
    with path.open("rb") as file:
        return file.read(7) == b"MATLAB "


def is_hdf5(path: str) -> bool:
    """Tell whether a MATLAB file is of version 7.3."""
    import h5py

    return bool(h5py.is_hdf5(path))


def list_arrays(path: str) -> list[MatArray]:
    """Return the numeric arrays of a file, those inside structs included, nothing loaded but structs.

    Raises
    ------
    SceneError
        When the file is not in a format that MATLAB writes, or is damaged.
    """
    if is_hdf5(path):
        return _list_hdf5(path)
    import scipy.io

    check_elements(path)
    found: list[MatArray] = []
    try:
        entries = scipy.io.whosmat(path)
    except Exception as error:  # scipy raises whatever a damaged file makes it stumble over
        raise SceneError(f"{path}: not a readable MATLAB file: {_line(error)}") from error
    for name, shape, kind in entries:
        if kind in _NUMERIC_CLASSES:
            found.append(MatArray(name, tuple(shape)))
        elif kind == "struct":
            found += _list_struct(name, _load_v5(path, name))
    return found


def load_array(path: str, name: str) -> NDArray[Any]:
    """Return one array as MATLAB shows it, in the type in which it is stored, native byte order.

    Raises
    ------
    SceneError
        When the file is damaged or the array is not one of real numbers.
    """
    if is_hdf5(path):
        with open_hdf5(path) as file:
            value: Any = np.asarray(file[name.replace(".", "/")]).T
    else:
        top, *fields = name.split(".")
        value = _load_v5(path, top)
        for field in fields:
            value = value[field]
    array = np.asarray(value)
    if array.dtype.kind not in "iufb":
        raise SceneError(f"{path}: {name} holds {array.dtype}, a cube holds real numbers")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _list_hdf5(path: str) -> list[MatArray]:
    import h5py

    found: list[MatArray] = []

    def visit(name: str, item: Any) -> None:
        # MATLAB keeps what cells point to under #refs#, nameless.
        if isinstance(item, h5py.Dataset) and not name.startswith("#") and item.dtype.kind in "iufb":
            found.append(MatArray(name.replace("/", "."), tuple(item.shape[::-1])))

    with open_hdf5(path) as file:
        file.visititems(visit)
    return found


def _load_v5(path: str, name: str) -> Any:
    import scipy.io

    check_elements(path)
    try:
        return scipy.io.loadmat(path, variable_names=[name], simplify_cells=_is_struct(path, name))[name]
    except Exception as error:  # scipy raises whatever a damaged file makes it stumble over
        raise SceneError(f"{path}: cannot read {name}: {_line(error)}") from error


def _is_struct(path: str, name: str) -> bool:
    import scipy.io

    # Structs are simplified to dicts; arrays are not, lest a scene of one row or column loses that axis.
    return any(entry[0] == name and entry[2] == "struct" for entry in scipy.io.whosmat(path))


def _list_struct(prefix: str, value: Any) -> list[MatArray]:
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in _list_struct(f"{prefix}.{key}", item)]
    if isinstance(value, np.ndarray) and value.dtype.kind in "iufb":
        return [MatArray(prefix, value.shape)]
    return []


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
