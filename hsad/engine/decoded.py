"""What a file must decode at once, decoded once: a bounded cache of blocks that all tasks of a process share."""

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

__all__ = ["BlockCache", "CodedRaster", "WholeRaster", "shared_blocks", "unit_of"]

#: Thin strips and small tiles are decoded several at a time: opening a file costs, too.
_LEAST_BYTES = 4 * 2**20

Key = tuple[Raster, int, int, int]


@runtime_checkable
class CodedRaster(Raster, Protocol):
    """A `Raster` whose file is compressed, or slow to open: reading part of a block costs as much as all of it."""

    @property
    def path(self) -> str: ...  # noqa: D102  of the file
    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of a block of the file (a strip, a tile, a chunk)."""
        ...


@runtime_checkable
class WholeRaster(Raster, Protocol):
    """A `Raster` whose file can only be read whole, and is held in memory by each process that reads from it."""

    @property
    def path(self) -> str: ...  # noqa: D102  of the file
    @property
    def held(self) -> int:
        """Bytes that are held."""
        ...


def unit_of(raster: CodedRaster) -> tuple[int, int]:
    """Return the rows and columns that are decoded together: a block, or several small ones, first below each other."""
    rows, cols = raster.block
    pixel = max(1, raster.shape[2] * raster.dtype.itemsize)
    high = min(raster.shape[0], rows * -(-_LEAST_BYTES // (rows * cols * pixel)))
    if high < raster.shape[0]:
        return high, cols
    return high, min(raster.shape[1], cols * -(-_LEAST_BYTES // (high * cols * pixel)))


class BlockCache:
    """Decoded blocks, those that were used last, in so many bytes.

    Attributes
    ----------
    limit : int
        Bytes of the blocks that are kept; those under way come on top.
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
        except SceneError:  # damage beside the window, perhaps, in what is decoded with it
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
            # Blocks that nobody works on come first: tasks that need the same ones share the work.
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
        """Keep so many bytes from now on."""
        if limit != self.limit:
            with self._lock:
                self.limit = limit
                self._shrink()

    def clear(self) -> None:
        """Forget all blocks."""
        with self._lock:
            self._blocks.clear()
            self._size = 0

    def _take(
        self, raster: CodedRaster, state: int, places: list[tuple[int, int]]
    ) -> tuple[tuple[int, int], NDArray[Any]]:
        """Return one of some blocks: a new one if there is any, one that is there, or the first that will be."""
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
    """Return what changes when a file is written: blocks of what it was are not blocks of what it is."""
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:  # not a file: GDAL reads from archives, and over networks
        return 0


def _moved(part: slice, by: int) -> slice:
    return slice(part.start - by, part.stop - by)


#: The blocks of this process.
shared_blocks = BlockCache(256 * 10**6)
