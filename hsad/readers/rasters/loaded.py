"""Rasters of files that can only be read whole, such as compressed files. Each process loads a file once."""

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

#: Arrays in memory, each as long as a raster refers to it.
_loaded: weakref.WeakValueDictionary[tuple[Any, ...], NDArray[Any]] = weakref.WeakValueDictionary()
_lock = threading.Lock()


@dataclass(frozen=True)
class LoadedRaster:
    """Windows of an array that `load` reads from a file as a whole.

    The array stays in the memory of a process as long as one of its rasters of this file is in use. The engine counts
    the arrays in its memory budget.

    Attributes
    ----------
    path : str
        The file.
    load : callable
        ``load(path)`` returns the array ``(rows, cols, bands)``. A loader can be pickled, and loaders of the same
        array compare equal.
    shape, dtype
        Shape and type of the array.
    """

    path: str
    load: Callable[[str], NDArray[Any]]
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    row_step: int = 1

    @classmethod
    def open(cls, path: str, load: Callable[[str], NDArray[Any]]) -> LoadedRaster:
        """Return the raster of a file, whose array is then in memory."""
        array = _array(path, load)
        rows, cols, bands = array.shape
        raster = cls(path, load, (rows, cols, bands), array.dtype)
        raster._refer_to(array)
        return raster

    @property
    def held(self) -> int:
        """Bytes of the array, which each process has in memory."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def _refer_to(self, array: NDArray[Any]) -> None:
        object.__setattr__(self, "_array", array)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the array, which other processes load themselves."""
        return {name: value for name, value in vars(self).items() if name != "_array"}

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, shape ``(rows, cols, bands)``."""
        array = _array(self.path, self.load)
        if array.shape != self.shape or array.dtype != self.dtype:
            raise SceneError(f"{self.path}: changed while it was open, from {self.shape} to {array.shape}")
        self._refer_to(array)
        return np.array(array[rows, cols], order="C")


def _array(path: str, load: Callable[[str], NDArray[Any]]) -> NDArray[Any]:
    try:
        state = Path(path).stat()
    except OSError as error:
        raise SceneError(f"{path}: {error.strerror}") from error
    key = (path, load, state.st_mtime_ns, state.st_size)
    # One thread loads while the others wait, because two loads would take twice the memory.
    with _lock:
        array = _loaded.get(key)
        if array is None:
            array = _loaded[key] = load(path)
        return array
