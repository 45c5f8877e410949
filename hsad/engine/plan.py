"""The size of tiles and the number of tasks at a time, chosen so that a run stays within its memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hsad.detectors.base import Detector
from hsad.engine.memory import DEFAULT, PROGRAM
from hsad.engine.runners.local import Workers
from hsad.engine.source import SPECTRA, Source
from hsad.engine.tiles import LeafGrid, Tile
from hsad.errors import DataError, ParameterError

__all__ = ["Budget", "Footprint", "Plan", "check_side", "plan"]

Footprint = Callable[[int, int], float]

#: Shares of the memory that the program and scenes in memory leave; their sum is 1. The first is for tiles in work. The
#: second is for decoded blocks; tiles get it too where no file must be decoded. The third is for the caches of leaves
#: and the states of detectors between passes.
_TILES = 1 / 4
_DECODED = 1 / 4
_CACHES = 1 / 2

#: Where windows are read directly, a tile stays at this side in pixels, if its surroundings add at most this share of
#: pixels. Arrays of larger tiles get new pages from the system each time, which takes a tenth of the time of `rx`.
_SIDE = 256
_SURROUNDINGS = 1 / 4

#: Share of the caches of all processes of a cluster that is planned for. The rest absorbs uneven numbers of tiles per
#: process.
_EVEN_SHARE = 0.9


@dataclass(frozen=True)
class Budget:
    """The memory that a run may take in each process that runs its tasks.

    The memory of a run is the memory on one machine: of all processes there that run tasks, and of the process that
    started the run. Each of them holds the program and the scenes that can only be read whole. The processes that run
    tasks share the rest evenly, and divide it among tiles, decoded blocks and caches.

    Attributes
    ----------
    memory : int
        Bytes of the run on one machine.
    beside : int
        Bytes of them that programs and whole scenes take.
    tiles, decoded, caches : int
        Bytes of each process for tiles in work, for decoded blocks, and for the caches of detectors between passes.
    everywhere : int
        Bytes of the caches of detectors in all processes together.
    workers : Workers
        The processes and threads that share the memory.
    """

    memory: int
    beside: int
    tiles: int
    decoded: int
    caches: int
    everywhere: int
    workers: Workers

    @classmethod
    def of(
        cls,
        sources: Sequence[Source],
        leaf: int,
        halo: int,
        footprint: Footprint,
        memory: int | None,
        workers: Workers,
        tile: int | None = None,
    ) -> Budget:
        """Divide the memory of a run.

        Parameters
        ----------
        sources : sequence of Source
            The scenes of the run.
        leaf, halo : int
            Side of a leaf, and the largest number of pixels on each side that are read with it.
        footprint : callable
            ``footprint(bands, itemsize)``: bytes that each pixel of a block in work takes, see `Detector.footprint`.
        memory : int, optional
            Bytes that the run may take on a machine, Python included; by default `DEFAULT` for each process.
        workers : Workers
            The processes and threads that share the memory.
        tile : int, optional
            Side of a tile that the user sets. The budget does not check whether such a tile fits.

        Raises
        ------
        ParameterError
            When the memory does not hold one block.
        """
        memory = memory or DEFAULT * workers.processes
        whole = {source.whole for source in sources if source.whole is not None}
        beside = (workers.processes + workers.separate_caller) * (PROGRAM + sum(size for _, size in whole))
        room = (memory - beside) // workers.processes
        blocks = [_needed(source, leaf, halo, footprint, 0) for source in sources]
        least = max(blocks) * (workers.threads if workers.fixed else 1)
        if tile is None and least > room:
            source = sources[blocks.index(max(blocks))]
            side = leaf + 2 * halo
            programs = "the program" if workers.processes == 1 else f"the programs of {workers.processes} processes"
            raise ParameterError(
                f"memory: {memory / 1e6:.0f}MB does not hold {programs}{', the whole scene' if whole else ''} and a "
                f"block of {min(side, source.shape[0])} x {min(side, source.shape[1])} pixels of {source.shape[2]} "
                f"bands: give at least {(beside + workers.processes * least) / 1e6 + 1:.0f}MB, or fewer bands (bands)"
            )
        # One block must fit in any case; the other shares divide what it leaves.
        tiles = max(_TILES * room, min(least, room))
        rest = max(0.0, room - tiles)
        caches = int(rest * _CACHES / (_CACHES + _DECODED))
        decoded = int(rest) - caches
        if all(source.unit is None for source in sources):
            tiles, decoded = tiles + decoded, 0
        share = 1.0 if workers.total == 1 else _EVEN_SHARE
        return cls(memory, beside, int(tiles), decoded, caches, int(share * workers.total * caches), workers)


@dataclass(frozen=True)
class Plan:
    """The division of one pass over a scene.

    Attributes
    ----------
    level : int
        Level of the tiles: their side is the side of a leaf times 2^level.
    threads : int
        Number of tasks that run at the same time in each process.
    columns : int
        Number of columns of tiles that are worked through together, from top to bottom: the cache of decoded blocks
        has room for so many. 0 where windows are read directly: the tiles then come in the order of the tree.
    """

    level: int
    threads: int
    columns: int = 0

    def tiles(self, grid: LeafGrid, scene: int = 0) -> list[Tile]:
        """Return the tiles in the order in which they are read fastest."""
        tiles = list(grid.tiles(self.level, scene))
        if self.columns:
            tiles.sort(key=lambda tile: (tile.col // self.columns, tile.row, tile.col))
        return tiles


def plan(source: Source, leaf: int, halo: int, footprint: Footprint, budget: Budget, tile: int | None = None) -> Plan:
    """Return the plan of a pass over a scene.

    Parameters
    ----------
    source : Source
    leaf, halo, footprint, tile
        As for `Budget.of`; the halo is that of the pass.
    budget : Budget

    Raises
    ------
    ParameterError
        When the budget does not hold one block of this halo.
    """
    grid = LeafGrid(source.shape[0], source.shape[1], leaf)
    if tile is None:
        level, threads = _fitting(source, grid, halo, footprint, budget)
    elif tile < 1:
        raise ParameterError(f"tile must be at least 1 pixel, not {tile}")
    else:
        level, threads = min(grid.top, max(0, (tile // leaf).bit_length() - 1)), budget.workers.threads
    return Plan(level, threads, _columns(source, grid, level, halo, budget.decoded))


def _needed(source: Source, leaf: int, halo: int, footprint: Footprint, level: int) -> float:
    """Return the bytes of a task on a tile of this level: the tile as it is stored, and one leaf in work."""
    rows, cols, bands = source.shape

    def pixels(level: int) -> int:
        side = (leaf << level) + 2 * halo
        return min(side, rows) * min(side, cols)

    working = pixels(0) * footprint(bands, SPECTRA.itemsize)
    if source.unit is not None:
        # Measured: the decoder's copy, the block, its parts, and the same again for gaps between allocations.
        working += 8 * source.unit[0] * source.unit[1] * source.pixel_bytes
    return pixels(level) * source.pixel_bytes + working


def _fitting(source: Source, grid: LeafGrid, halo: int, footprint: Footprint, budget: Budget) -> tuple[int, int]:
    """Return the level of the tiles and the number of tasks at a time in a process that fit the budget."""
    workers = budget.workers

    def needed(level: int) -> float:
        return _needed(source, grid.leaf, halo, footprint, level)

    threads = workers.threads if workers.fixed else min(workers.threads, int(budget.tiles // needed(0)))
    if threads * needed(0) > budget.tiles or not threads:
        raise ParameterError(
            f"memory: {budget.memory / 1e6:.0f}MB does not hold a block with {halo} pixels around it: give at least "
            f"{(budget.memory + 2 * workers.processes * max(1, threads) * needed(0)) / 1e6:.0f}MB"
        )
    level = 0
    while level < grid.top and not _enough(source, grid.leaf << level, halo):
        if threads * needed(level + 1) > budget.tiles:
            break
        level += 1
    # At least four tiles for each thread, so that all threads end at about the same time.
    while level > 0 and np.prod(grid.nodes(level)) < 4 * threads * workers.total:
        level -= 1
    if source.unit is not None:
        # Smaller tiles need fewer bytes of a wide strip at a time.
        strips = source.unit[1] >= grid.cols
        while level > 0 and _columns(source, grid, level, halo, budget.decoded) < min(
            grid.nodes(level)[1], grid.cols if strips else 2
        ):
            level -= 1
    return level, threads


def _enough(source: Source, side: int, halo: int) -> bool:
    """Tell whether larger tiles would not be faster."""
    return source.unit is None and side >= _SIDE and (1 + 2 * halo / side) ** 2 <= 1 + _SURROUNDINGS


def _columns(source: Source, grid: LeafGrid, level: int, halo: int, decoded: int) -> int:
    """Return the number of tiles in a row whose decoded blocks, with their surroundings, fit the cache."""
    if source.unit is None:
        return 0
    side = grid.leaf << level
    wide = decoded / ((side + 2 * halo + source.unit[0]) * source.pixel_bytes)
    most = grid.nodes(level)[1]
    return most if wide >= grid.cols else min(most, max(1, int((wide - 2 * (halo + source.unit[1])) // side)))


def check_side(source: Source, detector: Detector) -> None:
    """Refuse a scene that is smaller than the window of a detector.

    Raises
    ------
    DataError
        The message names the parameter that sets the window.
    """
    rows, cols, _ = source.shape
    smallest = detector.smallest_side
    if min(rows, cols) >= smallest:
        return
    inner = detector.unwrapped
    named = [p.name for p in inner.parameters() if getattr(inner, p.field) == smallest]
    raise DataError(
        f"{f'{named[0]}: ' if named else ''}a window of {smallest} pixels is larger than the scene of "
        f"{rows} x {cols} pixels: choose a smaller one, or a method without a window, such as rx"
    )
