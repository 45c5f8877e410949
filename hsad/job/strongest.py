"""The strongest places of a score map, whatever the tiles it comes in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.record import Record
from hsad.scene.grid import GeoGrid

__all__ = ["Place", "Strongest"]

#: So many of the highest pixels are remembered: those around the highest one may be many.
_REMEMBERED = 500

#: Pixels nearer than this, in rows and in columns, are one place.
_APART = 10

#: So many places are told.
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
        Where it lies, as one reads it.
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
    """The highest pixels seen so far, highest first; of equal ones the upper left."""

    scores: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    pixels: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))

    def add(self, rows: slice, cols: slice, scores: NDArray[np.floating[Any]]) -> None:
        """Look at the scores of a window."""
        finite = np.isfinite(scores)
        count = int(finite.sum())
        if count > _REMEMBERED:  # not below the least of the highest: ties are decided by place, so all of them
            finite &= scores >= np.partition(scores[finite], count - _REMEMBERED)[count - _REMEMBERED]
        found = np.argwhere(finite) + np.array((rows.start, cols.start))
        values = np.concatenate([self.scores, scores[finite]])
        pixels = np.concatenate([self.pixels, found])
        order = np.lexsort((pixels[:, 1], pixels[:, 0], -values))[:_REMEMBERED]
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
