"""Rasters of files that can only be read whole, such as compressed ones: loaded once a process."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["LoadedRaster"]

#: Arrays that some raster holds.
_loaded: weakref.WeakValueDictionary[tuple[Any, ...], NDArray[Any]] = weakref.WeakValueDictionary()
_lock = threading.Lock()


@dataclass(frozen=True)
class LoadedRaster:
    """Windows of an array that `load` reads from a file in one go.

    Each process holds the array as long as one of its rasters of this file is in use: a run holds the scenes that it
    works on, and no others. The engine counts them.

    Attributes
    ----------
    path : str
        The file.
    load : callable
        ``load(path)`` returns the array ``(rows, cols, bands)``. It must pickle, and equal loaders compare
        equal.
    shape, dtype
        Of the array.
    """

    path: str
    load: Callable[[str], NDArray[Any]]
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    row_step: int = 1

    @classmethod
    def open(cls, path: str, load: Callable[[str], NDArray[Any]]) -> LoadedRaster:
        """Load a file, keep its array, and return the recipe."""
        array = _array(path, load)
        rows, cols, bands = array.shape
        raster = cls(path, load, (rows, cols, bands), array.dtype)
        raster._hold(array)
        return raster

    @property
    def held(self) -> int:
        """Bytes that each process holds."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def _hold(self, array: NDArray[Any]) -> None:
        object.__setattr__(self, "_array", array)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the array behind: other processes load it for themselves."""
        return {name: value for name, value in vars(self).items() if name != "_array"}

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, shape ``(rows, cols, bands)``."""
        array = _array(self.path, self.load)
        if array.shape != self.shape or array.dtype != self.dtype:
            raise SceneError(f"{self.path}: changed while it was open, from {self.shape} to {array.shape}")
        self._hold(array)
        return np.array(array[rows, cols], order="C")


def _array(path: str, load: Callable[[str], NDArray[Any]]) -> NDArray[Any]:
    try:
        state = Path(path).stat()
    except OSError as error:
        raise SceneError(f"{path}: {error.strerror}") from error
    key = (path, load, state.st_mtime_ns, state.st_size)
    # One thread loads while the others wait: loading twice would take twice the memory.
    with _lock:
        array = _loaded.get(key)
        if array is None:
            array = _loaded[key] = load(path)
        return array
