"""How large tiles may be, and how many are worked on at a time, so that a run keeps within its memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hsad.engine.source import Source
from hsad.engine.tiles import LeafGrid
from hsad.errors import ParameterError

__all__ = ["Footprint", "Memos", "Plan", "plan"]

Footprint = Callable[[int], float]

#: What Python with everything that a run imports and compiles takes before the first tile.
_PROGRAM = 200 * 10**6

#: Share of the memory for tiles of more than one leaf; the rest is for what detectors and readers keep.
_TILES = 1 / 3

#: Share of the memory for the caches of leaves.
_MEMOS = 1 / 10


@dataclass(frozen=True)
class Plan:
    """The level of the tiles (their side is a leaf's, doubled so many times), and how many tasks run at a time."""

    level: int
    workers: int


def plan(
    source: Source,
    leaf: int,
    reach: int,
    footprint: Footprint,
    memory: int,
    workers: int,
    tile: int | None = None,
) -> Plan:
    """Return the plan of a pass over a scene.

    Parameters
    ----------
    source : Source
    leaf, reach : int
        Side of a leaf, and the pixels around it that are read with it.
    footprint : callable
        ``footprint(bands)``: bytes that each pixel of a block takes in work, see `Detector.footprint`.
    memory : int
        Bytes that the run may take: Python itself, tiles, blocks and caches.
    workers : int
        Most tasks at a time.
    tile : int, optional
        Side of a tile that somebody asks for; `memory` does not count then.

    Raises
    ------
    ParameterError
        When `memory` does not hold one block.
    """
    grid = LeafGrid(source.shape[0], source.shape[1], leaf)
    if tile is not None:
        if tile < 1:
            raise ParameterError(f"tile must be at least 1 pixel, not {tile}")
        return Plan(min(grid.top, max(0, (tile // leaf).bit_length() - 1)), workers)

    def pixels(level: int) -> int:
        side = (leaf << level) + 2 * reach
        return min(side, grid.rows) * min(side, grid.cols)

    working = pixels(0) * footprint(source.shape[2])

    def needed(level: int) -> float:
        return pixels(level) * source.pixel_bytes + working

    room = memory - _PROGRAM
    if needed(0) > room:
        least = -(-(needed(0) + _PROGRAM) // 10**6)
        raise ParameterError(
            f"memory: {memory / 1e6:.0f} MB do not hold a block of {min(leaf + 2 * reach, grid.rows)} x "
            f"{min(leaf + 2 * reach, grid.cols)} pixels of {source.shape[2]} bands beside the program: "
            f"give at least {least:.0f}MB, or fewer bands (bands, pca)"
        )
    workers = min(workers, int(room // needed(0)))
    level = 0
    while level < grid.top and workers * needed(level + 1) <= _TILES * room:
        level += 1
    # Enough tiles for everybody.
    while level > 0 and np.prod(grid.nodes(level)) < 4 * workers:
        level -= 1
    return Plan(level, workers)


class Memos(dict[tuple[int, int], dict[str, Any]]):
    """The caches of a scene's leaves; they stay where they were filled (a worker that is sent them starts afresh).

    Parameters
    ----------
    memory : int
        Bytes that the run may take; the arrays of all caches together get a share of it.
    """

    def __init__(self, memory: int) -> None:
        super().__init__()
        self._memory = memory
        self._sizes: dict[tuple[int, int], int] = {}
        self._total = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Memos], tuple[int]]:
        return Memos, (self._memory,)

    def settle(self, place: tuple[int, int]) -> None:
        """Empty the cache of a leaf that was used, if all together hold too much."""
        memo = self[place]
        size = sum(array.nbytes for array in _arrays(memo.values()))
        with self._lock:
            others = self._total - self._sizes.get(place, 0)
            if others + size > _MEMOS * self._memory:
                memo.clear()
                size = 0
            self._sizes[place] = size
            self._total = others + size


def _arrays(values: Any) -> Iterator[np.ndarray[Any, Any]]:
    for value in values:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, tuple):
            yield from _arrays(value)
