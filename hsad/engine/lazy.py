"""Scores as a dask array with one task a tile, computed when the array is computed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hsad.engine.caches import LeafCaches
from hsad.engine.decoded import shared_blocks
from hsad.engine.run import Engine, score_tile
from hsad.engine.runners.cluster import checked_task, identity
from hsad.engine.runners.revision import revision
from hsad.engine.source import Source
from hsad.engine.tiles import LeafGrid, Tile

if TYPE_CHECKING:
    import dask.array

    from hsad.detectors.base import Background, Detector

__all__ = ["lazy_scores"]


def lazy_scores(
    engine: Engine, detector: Detector, source: Source, learn: Callable[[], Background | None]
) -> dask.array.Array:
    """Return the scores as a ``(rows, cols)`` float32 dask array, one task a tile and one for `learn`.

    `learn` runs in one task, again at every ``compute``. If the result is computed more than once, it is faster to
    learn first and to pass the background. `source` and `learn` must pickle.
    """
    import dask.array as da
    from dask.delayed import delayed

    level = engine.tile_level(detector, source)
    grid = LeafGrid(source.shape[0], source.shape[1], detector.leaf)
    background = delayed(functools.partial(checked_task, revision(), learn), pure=False)()
    recipe = delayed(identity, pure=False)(source)
    score = delayed(functools.partial(checked_task, revision(), _tile), pure=False)
    rows, cols = grid.nodes(level)
    tiles = []
    for row in range(rows):
        line = []
        for col in range(cols):
            window = grid.window(level, row, col)
            shape = tuple(part.stop - part.start for part in window)
            scores = score(Tile(0, level, row, col), recipe, detector, background)
            line.append(da.from_delayed(scores, shape, np.float32))
        tiles.append(line)
    whole: da.Array = da.block(tiles)
    return whole


def _tile(tile: Tile, source: Source, detector: Detector, background: Background | None) -> NDArray[np.float32]:
    return score_tile(tile, source, LeafCaches(0), shared_blocks.limit, detector, background).scores
