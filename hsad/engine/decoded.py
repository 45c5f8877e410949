"""A bounded cache of decoded blocks of files. All tasks of a process share it."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hsad.errors import SceneError
from hsad.scene.cube import Raster

__all__ = ["BlockCache", "CodedRaster", "PixelRaster", "WholeRaster", "shared_blocks", "unit_of"]

#: At least so many bytes are decoded together: opening a file for one thin strip or small tile takes longer than that.
_LEAST_BYTES = 4 * 2**20

Key = tuple[Raster, int, int, int]


@runtime_checkable
class CodedRaster(Raster, Protocol):
    """A `Raster` whose file is compressed or slow to open: part of a block takes as long as the whole block."""

    @property
    def path(self) -> str: ...  # noqa: D102  of the file
    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of a block of the file (a strip, a tile, a chunk)."""
        ...


@runtime_checkable
class PixelRaster(Raster, Protocol):
    """A `Raster` that may tell that the bands of a pixel are neighbours in its file."""

    @property
    def pixelwise(self) -> bool:
        """Whether a pixel of a small window takes no longer to read than one of a large window."""
        ...


@runtime_checkable
class WholeRaster(Raster, Protocol):
    """A `Raster` whose file can only be read whole. Each process that reads from it has all of it in memory."""

    @property
    def path(self) -> str: ...  # noqa: D102  of the file
    @property
    def held(self) -> int:
        """Bytes of memory that the file takes in each process."""
        ...


def unit_of(raster: CodedRaster) -> tuple[int, int]:
    """Return the rows and columns that are decoded together: one block or several small ones, added downwards first."""
    rows, cols = raster.block
    pixel = max(1, raster.shape[2] * raster.dtype.itemsize)
    high = min(raster.shape[0], rows * -(-_LEAST_BYTES // (rows * cols * pixel)))
    if high < raster.shape[0]:
        return high, cols
    return high, min(raster.shape[1], cols * -(-_LEAST_BYTES // (high * cols * pixel)))


class BlockCache:
    """The most recently used decoded blocks, within a limit of bytes.

    Attributes
    ----------
    limit : int
        Bytes of the blocks in the cache, without blocks that are being decoded.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._blocks: OrderedDict[Key, Future[NDArray[Any]]] = OrderedDict()
        self._size = 0

    def read(self, raster: CodedRaster, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, ``(rows, cols, bands)``, from blocks."""
        try:
            return self._assembled(raster, rows, cols)
        except SceneError:  # the damage may lie in a block beside the window
            return raster.read(rows, cols)

    def _assembled(self, raster: CodedRaster, rows: slice, cols: slice) -> NDArray[Any]:
        high, wide = unit_of(raster)
        window = np.empty((rows.stop - rows.start, cols.stop - cols.start, raster.shape[2]), raster.dtype)
        state = _state(raster.path)
        waiting = list(
            itertools.product(
                range(rows.start // high, (rows.stop - 1) // high + 1),
                range(cols.start // wide, (cols.stop - 1) // wide + 1),
            )
        )
        while waiting:
            # Blocks that no task decodes yet come first. So tasks that need the same blocks share the work.
            place, block = self._take(raster, state, waiting)
            waiting.remove(place)
            top, left = place[0] * high, place[1] * wide
            down, across = (
                slice(max(wanted.start, start), min(wanted.stop, start + size))
                for wanted, start, size in ((rows, top, block.shape[0]), (cols, left, block.shape[1]))
            )
            part = block[_moved(down, top), _moved(across, left)]
            window[_moved(down, rows.start), _moved(across, cols.start)] = part
        return window

    def bound(self, limit: int) -> None:
        """Set the limit."""
        if limit != self.limit:
            with self._lock:
                self.limit = limit
                self._shrink()

    def clear(self) -> None:
        """Remove all blocks."""
        with self._lock:
            self._blocks.clear()
            self._size = 0

    def _take(
        self, raster: CodedRaster, state: int, places: list[tuple[int, int]]
    ) -> tuple[tuple[int, int], NDArray[Any]]:
        """Return one of several blocks: one that is not decoded yet or is in the cache, else wait for the first."""
        promise: Future[NDArray[Any]] = Future()
        with self._lock:
            known = {place: self._blocks.get((raster, state, *place)) for place in places}
            place = next((place for place, block in known.items() if block is None or block.done()), places[0])
            block = known[place]
            if block is not None:
                self._blocks.move_to_end((raster, state, *place))
            else:
                self._blocks[raster, state, *place] = promise
        if block is not None:
            return place, block.result()
        high, wide = unit_of(raster)
        top, left = place[0] * high, place[1] * wide
        try:
            array = raster.read(
                slice(top, min(raster.shape[0], top + high)), slice(left, min(raster.shape[1], left + wide))
            )
        except BaseException as error:
            with self._lock:
                self._blocks.pop((raster, state, *place), None)
            promise.set_exception(error)
            raise
        promise.set_result(array)
        with self._lock:
            if (raster, state, *place) in self._blocks:
                self._size += array.nbytes
            self._shrink()
        return place, array

    def _shrink(self) -> None:
        for key, block in list(self._blocks.items()):
            if self._size <= self.limit:
                return
            if block.done():
                self._size -= self._blocks.pop(key).result().nbytes


def _state(path: str) -> int:
    """Return the time of the last change of a file: blocks of the older content must not be used."""
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:  # no file: GDAL reads from archives and over networks too
        return 0


def _moved(part: slice, by: int) -> slice:
    return slice(part.start - by, part.stop - by)


#: The blocks of this process.
shared_blocks = BlockCache(256 * 10**6)
