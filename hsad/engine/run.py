"""Learning and scoring over tiles. Tiles and result are the same on every runner."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hsad.detectors.base import Background, Detector, default_footprint
from hsad.engine.caches import LeafCaches
from hsad.engine.decoded import shared_blocks
from hsad.engine.leaves import blocks_of, leaf_grid
from hsad.engine.plan import Budget, Footprint, Plan, check_side, plan
from hsad.engine.runners.blas import one_blas_thread
from hsad.engine.runners.local import Memory, Outcome, Runner, Threads
from hsad.engine.source import Source
from hsad.engine.tile_scores import TileScores
from hsad.engine.tiles import MergeTree, Tile
from hsad.errors import ClusterError, TileError
from hsad.progress import Progress

if TYPE_CHECKING:
    from hsad.engine.resume import Journal

__all__ = ["Engine", "score_tile"]

T = TypeVar("T")

#: Scores are stored as float32. A finite score beyond its range becomes its largest number, not infinite.
_LARGEST = float(np.finfo(np.float32).max)

#: After this many failed tiles in a row the others are not tried.
_MOST_FAILURES = 16

#: Number, in a journal, of the first pass of `Detector.adapt`. Learning never takes so many passes.
_LOOKS_FROM = 1000


def _scan_tile(
    tile: Tile,
    sources: Sequence[Source],
    leaf: int,
    halo: int,
    caches: Sequence[LeafCaches],
    decoded: int,
    function: Callable[..., T | None],
    *arguments: Any,
) -> T | None:
    """Return the function's values on the leaves of a tile, merged."""
    source = sources[tile.scene]
    shared_blocks.bound(decoded)
    tree = MergeTree(leaf_grid(source, leaf), 0, tile.level)
    with one_blas_thread():
        for (row, col), block in blocks_of(tile, source, leaf, halo, caches[tile.scene]):
            tree.add(row, col, function(block, *arguments))
    merged: T | None = tree.merged[tile.row, tile.col]
    return merged


def score_tile(
    tile: Tile,
    source: Source,
    caches: LeafCaches,
    decoded: int,
    detector: Detector,
    background: Background | None,
    parts: bool = False,
) -> TileScores:
    """Return the scores of a tile, and each kind of evidence if `parts`."""
    shared_blocks.bound(decoded)
    grid = leaf_grid(source, detector.leaf)
    rows, cols = grid.window(tile.level, tile.row, tile.col)
    kinds = len(detector.evidence) if parts else 0
    layers = np.empty((rows.stop - rows.start, cols.stop - cols.start, 1 + kinds), dtype=np.float32)
    with one_blas_thread():
        for (row, col), block in blocks_of(tile, source, detector.leaf, detector.halo, caches):
            leaf_rows, leaf_cols = grid.window(0, row, col)
            place = (
                slice(leaf_rows.start - rows.start, leaf_rows.stop - rows.start),
                slice(leaf_cols.start - cols.start, leaf_cols.stop - cols.start),
            )
            leaf_layers = layers[place]
            scores = detector.score(block, background)
            leaf_layers[..., 0] = np.clip(scores, -_LARGEST, _LARGEST, where=np.isfinite(scores), out=scores.copy())
            if kinds:
                leaf_layers[..., 1:] = detector.parts(block, background)
            leaf_layers[~block.core_valid] = np.nan
    return TileScores(rows, cols, layers)


@dataclass(frozen=True)
class _Work(Iterable[tuple[Tile, Outcome[T]]]):
    """Tiles with their outcomes, and the number of pixels of all tiles."""

    outcomes: Iterator[tuple[Tile, Outcome[T]]]
    pixels: int

    def __iter__(self) -> Iterator[tuple[Tile, Outcome[T]]]:
        return self.outcomes


def _by_place(tile: Tile) -> tuple[int, int, int]:
    return tile.scene, tile.row, tile.col


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
        Side of a tile in pixels, rounded down to the side of a leaf times a power of two.
    memory : int or None
        Bytes that the run may take on a machine, Python included; see `hsad.engine.plan.Budget`.
    progress : callable
        ``progress(iterable, total=..., desc=...)`` returns an iterable that shows how far it has come.
    """

    runner: Runner = field(default_factory=Memory)
    tile: int | None = None
    memory: int | None = None
    progress: Progress = _no_progress
    _caches: dict[tuple[Source, Detector], LeafCaches] = field(default_factory=dict, repr=False, compare=False)

    def learn(self, detector: Detector, sources: Sequence[Source], journal: Journal | None = None) -> Background | None:
        """Return what the detector learns from one scene or several. A journal stores the results of the scans.

        Raises
        ------
        DataError
            When no scene has a valid pixel (from the detector), or a scene is smaller than the detector's window.
        """
        for source in sources:
            check_side(source, detector)
        # One thread for `learn` too: the division of a matrix over BLAS threads changes the last digits.
        budget = self._budget(sources, detector)
        caches = tuple(self._caches_of(source, detector, budget.caches // len(sources)) for source in sources)
        with one_blas_thread():
            return detector.learn(
                _Scan(self, tuple(sources), detector.leaf, detector.footprint, caches, budget, journal)
            )

    def adapted(
        self, detector: Detector, source: Source, background: Background | None, journal: Journal | None = None
    ) -> Background | None:
        """Return the background adapted to the scene that will be scored, see `Detector.adapt`."""
        budget = self._budget((source,), detector)
        caches = self._caches_of(source, detector, budget.caches)
        scan = _Scan(self, (source,), detector.leaf, detector.footprint, (caches,), budget, journal, _LOOKS_FROM)
        with one_blas_thread():
            adapted: Background | None = detector.adapt(scan, background)
        return adapted

    def scan(self, source: Source, function: Callable[..., T | None], *arguments: Any) -> T | None:
        """Return the merged values of the function on all blocks of a scene: one pass without a detector."""
        budget = Budget.of(
            (source,), Detector.leaf, 0, default_footprint, self.memory, self.runner.workers(), self.tile
        )
        return _Scan(self, (source,), Detector.leaf, default_footprint, (LeafCaches(0),), budget)(function, *arguments)

    def score(
        self,
        detector: Detector,
        source: Source,
        background: Background | None,
        *,
        parts: bool = False,
        journal: Journal | None = None,
    ) -> Generator[TileScores, None, None]:
        """Yield the scores of every tile of a scene, as they finish, with each kind of evidence if `parts`.

        Tiles that the journal has are not computed again. New tiles are stored in the journal before they are yielded.

        Raises
        ------
        DataError
            When the scene is smaller than the detector's window.
        TileError
            With a journal: after all other tiles, when tiles failed twice. Without one, the first error ends the run.
        ParameterError
            When the background does not fit the scene.
        """
        check_side(source, detector)
        detector.check_scene(background, source.shape)
        # Scenes for learning that could only be read whole stay in memory until the run ends.
        budget = self._budget([source, *(known for known, _ in self._caches if known is not source)], detector)
        planned = self._plan(source, detector.leaf, detector.halo, detector.footprint, budget)
        grid = leaf_grid(source, detector.leaf)
        missing = np.ones(grid.nodes(0), dtype=np.bool_)  # by leaf
        layers = 1 + (len(detector.evidence) if parts else 0)
        for scores in journal.finished(grid, layers) if journal else ():
            missing[grid.span(scores.rows, scores.cols)] = False
            yield scores
        tiles = [tile for tile in planned.tiles(grid) if missing[tile.span].any()]
        if not tiles:
            return
        if (source, detector) not in self._caches:  # no pass needs the caches of other scenes again
            self._caches.clear()
            self.runner.unpin()
        caches = self._caches_of(source, detector, budget.caches)
        background = self.adapted(detector, source, background, journal)
        # Each task limits BLAS itself. With the limit set here too, a task only counts, which takes no time.
        results = self._results(
            "scoring", journal, (source,), detector.leaf, planned.threads, score_tile, tiles,
            source, caches, budget.decoded, detector, background, parts,
        )  # fmt: skip
        with one_blas_thread(), contextlib.closing(results):
            for _, scores in results:
                if journal is not None:
                    journal.keep(scores)
                yield scores

    def _results(
        self,
        what: str,
        journal: Journal | None,
        sources: Sequence[Source],
        leaf: int,
        threads: int,
        function: Callable[..., T],
        tiles: Sequence[Tile],
        *shared: Any,
    ) -> Generator[tuple[Tile, T], None, None]:
        """Yield the tiles with the function's results, as they finish. With a journal, single failures end nothing."""

        def window(tile: Tile) -> tuple[slice, slice]:
            return leaf_grid(sources[tile.scene], leaf).window(tile.level, tile.row, tile.col)

        failed: dict[Tile, Exception] = {}
        for description in (what, f"{what}, failed tiles again"):
            waiting = list(failed) or tiles
            failed = {}
            pixels = sum(np.prod([side.stop - side.start for side in window(tile)]) for tile in waiting)
            in_a_row = 0
            # Closed by this thread. A garbage collection in a thread of the runner would wait for itself.
            with contextlib.closing(self._runner_of(threads).run(function, waiting, *shared)) as outcomes:
                work = _Work(outcomes, int(pixels))
                for tile, outcome in self.progress(work, total=len(waiting), desc=description):
                    try:
                        result = outcome.result()
                    except ClusterError:  # a worker that all tasks of the run must avoid
                        raise
                    except Exception as error:
                        if journal is None:
                            raise
                        failed[tile] = error
                        in_a_row += 1
                        if in_a_row == _MOST_FAILURES:
                            break
                    else:
                        in_a_row = 0
                        yield tile, result
            if not failed:
                return
        named = [
            f"rows {rows.start}:{rows.stop}, columns {cols.start}:{cols.stop} ({type(error).__name__}: {error})"
            for (rows, cols), error in ((window(tile), failed[tile]) for tile in sorted(failed, key=_by_place)[:3])
        ]
        more = f" and {len(failed) - len(named)} more" if len(failed) > len(named) else ""
        raise TileError(f"{what}: {len(failed)} of {len(tiles)} tiles failed twice: {'; '.join(named)}{more}")

    def tile_level(self, detector: Detector, source: Source) -> int:
        """Return the level of the tiles for scoring a scene: their side is ``leaf · 2^level`` pixels.

        Raises
        ------
        DataError
            When the scene is smaller than the detector's window.
        """
        check_side(source, detector)
        budget = self._budget((source,), detector)
        return self._plan(source, detector.leaf, detector.halo, detector.footprint, budget).level

    def _caches_of(self, source: Source, detector: Detector, limit: int) -> LeafCaches:
        if (source, detector) not in self._caches:
            self._caches[source, detector] = LeafCaches(limit)
            self.runner.pin(self._caches[source, detector])
        return self._caches[source, detector]

    def _budget(self, sources: Sequence[Source], detector: Detector) -> Budget:
        """Return the memory of each process for this detector and these scenes."""
        workers = self.runner.workers()
        return Budget.of(sources, detector.leaf, detector.halo, detector.footprint, self.memory, workers, self.tile)

    def _plan(self, source: Source, leaf: int, halo: int, footprint: Footprint, budget: Budget) -> Plan:
        return plan(source, leaf, halo, footprint, budget, self.tile)

    def _runner_of(self, threads: int) -> Runner:
        """Return the runner, with no more threads than the memory allows."""
        return Threads(threads) if isinstance(self.runner, Threads) else self.runner


class _Scan:
    """The `hsad.detectors.base.Scan` that an engine passes to a detector."""

    def __init__(
        self,
        engine: Engine,
        sources: tuple[Source, ...],
        leaf: int,
        footprint: Footprint,
        caches: tuple[LeafCaches, ...],
        budget: Budget,
        journal: Journal | None = None,
        earlier: int = 0,
    ) -> None:
        self._engine = engine
        self._sources = sources
        self._leaf = leaf
        self._footprint = footprint
        self._caches = caches
        self._budget = budget
        self._journal = journal
        self._passes = earlier

    @property
    def memory(self) -> int:
        return self._budget.everywhere

    def everywhere(self, function: Callable[[], T]) -> list[T]:
        return self._engine.runner.everywhere(function)

    @property
    def progress(self) -> Progress:
        return self._engine.progress

    def __call__(self, function: Callable[..., T | None], *arguments: Any, halo: int = 0) -> T | None:
        self._passes += 1
        if self._journal is not None:
            recalled, found = self._journal.recall_scan(self._passes)
            if found:
                known: T | None = recalled
                return known
        plans = [
            self._engine._plan(source, self._leaf, halo, self._footprint, self._budget)  # noqa: SLF001  the other half of one thing
            for source in self._sources
        ]
        threads = min(planned.threads for planned in plans)
        grids = [leaf_grid(source, self._leaf) for source in self._sources]
        tiles = [
            tile
            for index, (grid, planned) in enumerate(zip(grids, plans, strict=True))
            for tile in planned.tiles(grid, index)
        ]
        trees = [MergeTree(grid, planned.level, grid.top) for grid, planned in zip(grids, plans, strict=True)]
        for tile, value in self._engine._results(  # noqa: SLF001  the other half of one thing
            f"learning, pass {self._passes}", self._journal, self._sources, self._leaf, threads, _scan_tile, tiles,
            self._sources, self._leaf, halo, self._caches, self._budget.decoded, function, *arguments,
        ):  # fmt: skip
            trees[tile.scene].add(tile.row, tile.col, value)
        merged: T | None = None
        for tree in trees:
            value = tree.merged[0, 0]
            merged = value if merged is None else merged if value is None else merged + value
        if self._journal is not None:
            self._journal.keep_scan(self._passes, merged)
        return merged
