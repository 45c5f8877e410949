"""The strongest places of a score map, the same for every order of tiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.record import Record
from hsad.scene.grid import GeoGrid

__all__ = ["Place", "Strongest"]

#: Number of highest pixels in memory: an object around the highest one may hold many of them.
_IN_MEMORY = 500

#: Pixels that are fewer rows and columns apart than this are one place.
_APART = 10

#: Number of places in a result.
_PLACES = 3


@dataclass(frozen=True)
class Place(Record):
    """A place of a score map.

    Attributes
    ----------
    score : float
    row, col : int
        From 0.
    place : str
        The place as a text, in map coordinates or in rows and columns.
    x, y : float or None
        On a map, the centre of the pixel in map units.
    """

    score: float
    row: int
    col: int
    place: str
    x: float | None
    y: float | None


@dataclass
class Strongest:
    """The highest pixels of all windows so far, the highest first; among equal scores the upper left one is first."""

    scores: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    pixels: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))

    def add(self, rows: slice, cols: slice, scores: NDArray[np.floating[Any]]) -> None:
        """Take the scores of a window into account."""
        finite = np.isfinite(scores)
        count = int(finite.sum())
        if count > _IN_MEMORY:  # ties are decided by place, so all pixels of the least score stay
            finite &= scores >= np.partition(scores[finite], count - _IN_MEMORY)[count - _IN_MEMORY]
        found = np.argwhere(finite) + np.array((rows.start, cols.start))
        values = np.concatenate([self.scores, scores[finite]])
        pixels = np.concatenate([self.pixels, found])
        order = np.lexsort((pixels[:, 1], pixels[:, 0], -values))[:_IN_MEMORY]
        self.scores, self.pixels = values[order], pixels[order]

    def places(self, grid: GeoGrid) -> list[Place]:
        """Return the strongest places, apart from each other, the highest first."""
        chosen: list[Place] = []
        for score, (row, col) in zip(self.scores.tolist(), self.pixels.tolist(), strict=True):
            if any(max(abs(row - place.row), abs(col - place.col)) < _APART for place in chosen):
                continue
            x, y = grid.center(row, col) if grid.transform is not None else (None, None)
            chosen.append(Place(score, row, col, grid.place(row, col), x, y))
            if len(chosen) == _PLACES:
                break
        return chosen
