"""Rasters of files that can only be read whole, such as compressed ones: loaded once a process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["LoadedRaster"]

_KEPT = 2  # scenes in memory, in each process
_loaded: OrderedDict[tuple[Any, ...], NDArray[Any]] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class LoadedRaster:
    """Windows of an array that `load` reads from a file in one go.

    The last two arrays are kept in each process, as long as their files do not change: memory is bounded by
    two scenes, and a scene must fit.

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
        return cls(path, load, (rows, cols, bands), array.dtype)

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, shape ``(rows, cols, bands)``."""
        array = _array(self.path, self.load)
        if array.shape != self.shape or array.dtype != self.dtype:
            raise SceneError(f"{self.path}: changed while it was open, from {self.shape} to {array.shape}")
        return np.array(array[rows, cols], order="C")


def _array(path: str, load: Callable[[str], NDArray[Any]]) -> NDArray[Any]:
    try:
        state = Path(path).stat()
    except OSError as error:
        raise SceneError(f"{path}: {error.strerror}") from error
    key = (path, load, state.st_mtime_ns, state.st_size)
    # One thread loads while the others wait: loading twice would take twice the memory.
    with _lock:
        if key not in _loaded:
            _loaded[key] = load(path)
            while len(_loaded) > _KEPT:
                _loaded.popitem(last=False)
        _loaded.move_to_end(key)
        return _loaded[key]
