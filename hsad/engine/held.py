"""Small scenes in memory: a window that is read again and again is decoded once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.engine.source import CubeSource
    from hsad.scene.cube import Raster

__all__ = ["HELD_BYTES", "held"]

HELD_BYTES = 64 * 2**20
"""Bytes of the largest scene, or score map, that is held in memory."""


def held(source: CubeSource) -> CubeSource:
    """Return a source that reads its file once, with the first window, where the scene has at most 64 MB.

    For work that reads many small windows of a scene in one process: each anomaly with its surroundings. The windows
    are the same, bit for bit.
    """
    raster = source.raster
    size = int(np.prod(raster.shape)) * raster.dtype.itemsize
    return source if size > HELD_BYTES else replace(source, raster=_Held(raster))


@dataclass(frozen=True, eq=False)
class _Held:
    """A raster that reads all of another one with the first window."""

    raster: Raster
    _stored: list[NDArray[Any]] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.raster.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.raster.dtype

    @property
    def row_step(self) -> int:
        return self.raster.row_step

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        with self._lock:
            if not self._stored:
                self._stored.append(self.raster.read(slice(0, self.shape[0]), slice(0, self.shape[1])))
        return np.array(self._stored[0][rows, cols], order="C")
