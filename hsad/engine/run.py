"""Learning and scoring over tiles: the same tiles and the same result whoever runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Background, Block, Detector, Scene
from hsad.engine.runners import Memory, Runner, one_blas_thread
from hsad.engine.source import Source
from hsad.engine.tiles import LeafGrid, MergeTree, Tile, clamped
from hsad.errors import DataError, ParameterError

__all__ = ["Engine", "Progress", "TileScores", "score_tile"]

T = TypeVar("T")

#: Wraps an iterable to show how far it has come: ``progress(iterable, total=..., desc=...)``, as tqdm does.
Progress = Callable[..., Iterable[Any]]

#: Bytes of a tile in memory for each byte of its spectra: stored numbers, spectra, leaf copies, temporaries.
_MEMORY_FACTOR = 4.0


class _Memos(dict[tuple[int, int], dict[str, Any]]):
    """The caches of a scene's leaves; they stay where they were filled (a worker that is sent them starts afresh)."""

    def __reduce__(self) -> tuple[type[_Memos], tuple[()]]:
        return _Memos, ()


@dataclass(frozen=True)
class TileScores:
    """The scores of a tile: its rows and columns in the scene, and a ``(rows, cols)`` float32 array.

    `parts` holds the kinds of evidence behind them, ``(rows, cols, kinds)``: none unless they were asked for.
    """

    rows: slice
    cols: slice
    scores: NDArray[np.float32]
    parts: NDArray[np.float32]


def _grid(source: Source, leaf: int) -> LeafGrid:
    return LeafGrid(source.shape[0], source.shape[1], leaf)


def _blocks(
    tile: Tile, source: Source, leaf: int, reach: int, memos: MutableMapping[tuple[int, int], dict[str, Any]]
) -> Iterator[tuple[tuple[int, int], Block]]:
    """Read a tile with its surroundings once and yield its leaves as blocks."""
    grid = _grid(source, leaf)
    scene = Scene(tile.scene, grid.rows, grid.cols)

    def around(window: tuple[slice, slice]) -> tuple[slice, slice]:
        rows, cols = window
        return (
            clamped(rows.start, rows.stop, grid.rows, reach),
            clamped(cols.start, cols.stop, grid.cols, reach),
        )

    tile_rows, tile_cols = around(grid.window(tile.level, tile.row, tile.col))
    stored = source.read(tile_rows, tile_cols)
    for row, col in grid.leaves(tile):
        core_rows, core_cols = grid.window(0, row, col)
        rows, cols = around((core_rows, core_cols))
        here = (
            slice(rows.start - tile_rows.start, rows.stop - tile_rows.start),
            slice(cols.start - tile_cols.start, cols.stop - tile_cols.start),
        )
        core = (
            slice(core_rows.start - rows.start, core_rows.stop - rows.start),
            slice(core_cols.start - cols.start, core_cols.stop - cols.start),
        )
        spectra, valid = source.spectra(stored[here], rows, cols)
        memo = memos.setdefault((row, col), {})
        yield (row, col), Block(spectra, valid, core, (rows.start, cols.start), scene, memo)


def _scan_tile(
    tile: Tile,
    sources: Sequence[Source],
    leaf: int,
    reach: int,
    memos: Sequence[_Memos],
    function: Callable[..., T | None],
    *arguments: Any,
) -> T | None:
    """Return the function's values on the leaves of a tile, merged."""
    source = sources[tile.scene]
    tree = MergeTree(_grid(source, leaf), 0, tile.level)
    with one_blas_thread():
        for (row, col), block in _blocks(tile, source, leaf, reach, memos[tile.scene]):
            tree.add(row, col, function(block, *arguments))
    merged: T | None = tree.merged[tile.row, tile.col]
    return merged


def score_tile(
    tile: Tile,
    source: Source,
    memos: MutableMapping[tuple[int, int], dict[str, Any]],
    detector: Detector,
    background: Background | None,
    parts: bool = False,
) -> TileScores:
    """Return the scores of a tile, and what they are made of if `parts` are wanted."""
    grid = _grid(source, detector.leaf)
    rows, cols = grid.window(tile.level, tile.row, tile.col)
    scores = np.empty((rows.stop - rows.start, cols.stop - cols.start), dtype=np.float32)
    kinds = np.empty((*scores.shape, len(detector.evidence) if parts else 0), dtype=np.float32)
    with one_blas_thread():
        for (row, col), block in _blocks(tile, source, detector.leaf, detector.reach, memos):
            leaf_rows, leaf_cols = grid.window(0, row, col)
            here = (
                slice(leaf_rows.start - rows.start, leaf_rows.stop - rows.start),
                slice(leaf_cols.start - cols.start, leaf_cols.stop - cols.start),
            )
            scores[here] = np.where(block.core_valid, detector.score(block, background), np.nan)
            if parts:
                kinds[here] = np.where(block.core_valid[..., None], detector.parts(block, background), np.nan)
    return TileScores(rows, cols, scores, kinds)


def _no_progress(iterable: Iterable[Any], **_: Any) -> Iterable[Any]:
    return iterable


@dataclass(frozen=True)
class Engine:
    """Learns and scores over tiles.

    Attributes
    ----------
    runner : Runner
        Where the tasks run.
    tile : int or None
        Side of a tile in pixels; it is rounded down to a leaf times a power of two.
    memory : int
        Bytes that the tiles under way may take together, where `tile` is not given.
    progress : callable
        ``progress(iterable, total=..., desc=...)`` returns an iterable that shows how far it has come.
    """

    runner: Runner = field(default_factory=Memory)
    tile: int | None = None
    memory: int = 2 * 2**30
    progress: Progress = _no_progress
    _memos: dict[tuple[Source, Detector], _Memos] = field(default_factory=dict, repr=False, compare=False)

    def learn(self, detector: Detector, sources: Sequence[Source]) -> Background | None:
        """Return what the detector learns from one scene or several.

        Raises
        ------
        DataError
            When no scene has a valid pixel (from the detector), or a scene is smaller than the detector's window.
        """
        for source in sources:
            check_side(source, detector.smallest_side)
        # One thread here too: how BLAS splits a matrix over threads shows in the last digits.
        memos = tuple(self._memos_of(source, detector) for source in sources)
        with one_blas_thread():
            return detector.learn(_Scan(self, tuple(sources), detector.leaf, memos))

    def scan(self, source: Source, function: Callable[..., T | None], *arguments: Any) -> T | None:
        """Return the function's values on all blocks of a scene, merged: one pass, outside any learning."""
        return _Scan(self, (source,), Detector.leaf, (_Memos(),))(function, *arguments)

    def score(
        self, detector: Detector, source: Source, background: Background | None, *, parts: bool = False
    ) -> Iterator[TileScores]:
        """Yield the scores of every tile of a scene, as they finish, with the kinds of evidence if `parts`.

        Raises
        ------
        DataError
            When the scene is smaller than the detector's window.
        """
        level = self.tile_level(detector, source)
        tiles = list(_grid(source, detector.leaf).tiles(level))
        memos = self._memos_of(source, detector)
        finished = self.runner.run(score_tile, tiles, source, memos, detector, background, parts)
        # Tasks limit BLAS themselves, wherever they run; held here too, that costs nothing for each of them.
        with one_blas_thread():
            for _, scores in self.progress(finished, total=len(tiles), desc="scoring"):
                yield scores

    def tile_level(self, detector: Detector, source: Source) -> int:
        """Return the level of the tiles that a scene is scored in: tiles of ``leaf · 2^level`` pixels.

        Raises
        ------
        DataError
            When the scene is smaller than the detector's window.
        """
        check_side(source, detector.smallest_side)
        return self._level(source, detector.leaf, detector.reach)

    def _memos_of(self, source: Source, detector: Detector) -> _Memos:
        return self._memos.setdefault((source, detector), _Memos())

    def _level(self, source: Source, leaf: int, reach: int) -> int:
        """Return the level of the tiles: how many times a leaf's side is doubled."""
        top = _grid(source, leaf).top
        if self.tile is not None:
            if self.tile < 1:
                raise ParameterError(f"tile must be at least 1 pixel, not {self.tile}")
            return min(top, max(0, (self.tile // leaf).bit_length() - 1))
        # Threads and clusters keep some tasks more under way than they have workers.
        share = self.memory / (2 * self.runner.workers + 1)
        bytes_per_pixel = 8 * source.shape[2] * _MEMORY_FACTOR
        level = 0
        while level < top and ((leaf << level + 1) + 2 * reach) ** 2 * bytes_per_pixel <= share:
            level += 1
        # Enough tiles for everybody.
        while level > 0 and np.prod(_grid(source, leaf).nodes(level)) < 4 * self.runner.workers:
            level -= 1
        return level


class _Scan:
    """The `hsad.detectors.base.Scan` that an engine gives to a detector."""

    def __init__(self, engine: Engine, sources: tuple[Source, ...], leaf: int, memos: tuple[_Memos, ...]) -> None:
        self._engine = engine
        self._sources = sources
        self._leaf = leaf
        self._memos = memos
        self._passes = 0

    def __call__(self, function: Callable[..., T | None], *arguments: Any, reach: int = 0) -> T | None:
        self._passes += 1
        levels = [self._engine._level(source, self._leaf, reach) for source in self._sources]  # noqa: SLF001
        grids = [_grid(source, self._leaf) for source in self._sources]
        tiles = [
            tile
            for index, (grid, level) in enumerate(zip(grids, levels, strict=True))
            for tile in grid.tiles(level, index)
        ]
        trees = [MergeTree(grid, level, grid.top) for grid, level in zip(grids, levels, strict=True)]
        finished = self._engine.runner.run(
            _scan_tile, tiles, self._sources, self._leaf, reach, self._memos, function, *arguments
        )
        for tile, value in self._engine.progress(finished, total=len(tiles), desc=f"learning, pass {self._passes}"):
            trees[tile.scene].add(tile.row, tile.col, value)
        merged: T | None = None
        for tree in trees:
            value = tree.merged[0, 0]
            merged = value if merged is None else merged if value is None else merged + value
        return merged


def check_side(source: Source, smallest: int) -> None:
    """Refuse a scene that is smaller than the window of a detector.

    Raises
    ------
    DataError
    """
    rows, cols, _ = source.shape
    if min(rows, cols) < smallest:
        raise DataError(f"a window of {smallest} pixels is larger than the scene of {rows} x {cols} pixels")
