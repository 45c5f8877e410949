"""Resampling of results from a sensor's grid or a rotated grid to a map, by nearest neighbour in strips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.scene.swath import map_strips

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hsad.scene.swath import Swath

__all__ = ["Spool", "orthorectified"]


class Spool:
    """A temporary file for the scores of a sensor's grid, until all scores are computed.

    Parameters
    ----------
    path : Path
        The file. All its disk space is allocated at once.
    swath : Swath
        The swath, which has the size of the sensor's grid and the map.
    bands : int
        Number of layers of scores.
    """

    def __init__(self, path: Path, swath: Swath, bands: int) -> None:
        rows, cols = swath.shape
        self._swath = swath
        void = np.full((1, cols, bands), np.nan, dtype=np.float32)
        with path.open("wb") as file:
            for _ in range(rows):  # rows are written, not only reserved, so that a full disk raises an error now
                file.write(void.data)
        self._scores = np.memmap(path, np.float32, "r+", shape=(rows, cols, bands))

    def write(self, rows: slice, cols: slice, scores: NDArray[Any]) -> None:
        """Store the scores ``(rows, cols, bands)`` of a window."""
        self._scores[rows, cols] = scores

    def on_the_map(self, write: Callable[[slice, slice, NDArray[Any]], None]) -> None:
        """Call `write` with the rows, the columns and the scores ``(rows, cols, bands)`` of each strip of the map."""
        for strip in map_strips(self._swath.grid):
            write(strip, slice(0, self._swath.grid.cols), _gathered(self._scores, self._swath, strip))


def orthorectified(scores: NDArray[Any], swath: Swath) -> NDArray[np.float32]:
    """Return scores ``(rows, cols)`` or ``(rows, cols, layers)`` of a sensor's grid on the map, NaN at voids."""
    grid = swath.grid
    result = np.empty((grid.rows, grid.cols, *scores.shape[2:]), dtype=np.float32)
    for strip in map_strips(grid):
        result[strip] = _gathered(scores, swath, strip)
    return result


def _gathered(scores: NDArray[Any], swath: Swath, strip: slice) -> NDArray[np.float32]:
    line, sample = swath.lookup(strip)
    gathered = scores[line, sample].astype(np.float32)
    gathered[line < 0] = np.nan
    return gathered
