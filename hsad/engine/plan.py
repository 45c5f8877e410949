"""How large tiles may be, and how many are worked on at a time, so that a run keeps within its memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hsad.engine.decoded import shared_blocks
from hsad.engine.source import SPECTRA, Source
from hsad.engine.tiles import LeafGrid, Tile
from hsad.errors import ParameterError

__all__ = ["Footprint", "Plan", "plan"]

Footprint = Callable[[int, int], float]

#: What Python with everything that a run imports and compiles takes before the first tile.
_PROGRAM = 200 * 10**6

#: Share of the memory for tiles of more than one leaf; the rest is for what detectors and readers keep.
_TILES = 1 / 3

#: Share of the memory for decoded blocks of files that must be decoded.
_BLOCKS = 1 / 3


@dataclass(frozen=True)
class Plan:
    """How a pass over a scene is cut.

    Attributes
    ----------
    level : int
        Of the tiles: their side is a leaf's, doubled so many times.
    workers : int
        How many tasks run at a time.
    columns : int
        How many columns of tiles are worked through, from top to bottom, before the next: as many as decoded blocks
        are kept for. 0: all tiles in the order of the tree, where windows are read directly.
    """

    level: int
    workers: int
    columns: int = 0

    def tiles(self, grid: LeafGrid, scene: int = 0) -> list[Tile]:
        """Return the tiles in the order in which they are best read."""
        tiles = list(grid.tiles(self.level, scene))
        if self.columns:
            tiles.sort(key=lambda tile: (tile.col // self.columns, tile.row, tile.col))
        return tiles


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
        ``footprint(bands, itemsize)``: bytes that each pixel of a block takes in work, see `Detector.footprint`.
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
    room = memory - _PROGRAM
    if source.unit is not None:
        shared_blocks.limit = max(0, int(_BLOCKS * room))
    if tile is None:
        pixel_bytes = footprint(source.shape[2], SPECTRA.itemsize)
        level, workers = _fitting(source, grid, reach, pixel_bytes, room, workers)
    elif tile < 1:
        raise ParameterError(f"tile must be at least 1 pixel, not {tile}")
    else:
        level = min(grid.top, max(0, (tile // leaf).bit_length() - 1))
    return Plan(level, workers, _columns(source, grid, level, reach))


def _fitting(source: Source, grid: LeafGrid, reach: int, footprint: float, room: int, workers: int) -> tuple[int, int]:
    """Return the level of the tiles, and how many tasks may run at a time, that `room` bytes are enough for."""

    def pixels(level: int) -> int:
        side = (grid.leaf << level) + 2 * reach
        return min(side, grid.rows) * min(side, grid.cols)

    working = pixels(0) * footprint
    if source.unit is not None:
        # The decoder's copy, the block, what it is put together from, and as much in the holes they leave (measured).
        working += 8 * source.unit[0] * source.unit[1] * source.pixel_bytes

    def needed(level: int) -> float:
        return pixels(level) * source.pixel_bytes + working

    if needed(0) > room:
        side = grid.leaf + 2 * reach
        raise ParameterError(
            f"memory: {(room + _PROGRAM) / 1e6:.0f}MB does not hold the program and a block of "
            f"{min(side, grid.rows)} x {min(side, grid.cols)} pixels of {source.shape[2]} bands: "
            f"give at least {(needed(0) + _PROGRAM) / 1e6 + 1:.0f}MB, or fewer bands (bands)"
        )
    workers = min(workers, int(room // needed(0)))
    level = 0
    while level < grid.top and workers * needed(level + 1) <= _TILES * room:
        level += 1
    # Enough tiles for everybody.
    while level > 0 and np.prod(grid.nodes(level)) < 4 * workers:
        level -= 1
    if source.unit is not None:
        # Smaller tiles need less of a wide strip at a time.
        strips = source.unit[1] >= grid.cols
        while level > 0 and _columns(source, grid, level, reach) < min(
            grid.nodes(level)[1], grid.cols if strips else 2
        ):
            level -= 1
    return level, workers


def _columns(source: Source, grid: LeafGrid, level: int, reach: int) -> int:
    """Return how many tiles of a row of them have room, with what is around them, among the blocks that are kept."""
    if source.unit is None:
        return 0
    side = grid.leaf << level
    wide = shared_blocks.limit / ((side + 2 * reach + source.unit[0]) * source.pixel_bytes)
    most = grid.nodes(level)[1]
    return most if wide >= grid.cols else min(most, max(1, int((wide - 2 * (reach + source.unit[1])) // side)))
