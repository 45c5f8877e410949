"""Places while lines come: pixels whose scores exceed a limit, and that touch each other, as soon as they are whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import ParameterError
from hsad.kernels.summaries import Histogram
from hsad.scene.ground import longitude_latitude

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.scene.cube import GeoGrid

__all__ = ["Places"]

#: Lines after which the limit is found again.
_LIMIT_LINES = 16


@dataclass
class _Open:
    """A place that may go on in the next line."""

    pixels: int
    first_row: int
    last_row: int
    row: int
    col: int
    score: float

    def join(self, other: _Open) -> None:
        """Take in another part of the same place."""
        self.pixels += other.pixels
        self.first_row = min(self.first_row, other.first_row)
        self.last_row = max(self.last_row, other.last_row)
        if other.score > self.score:
            self.row, self.col, self.score = other.row, other.col, other.score


class Places:
    """The places of a scan.

    The limit is the score that `listed` of 10,000 pixels of all lines so far exceed; it is found again after every 16
    lines, from a histogram of the scores (1 % wide bins, the upper end of a bin). Until 10,000/`listed` pixels have
    scores, nothing is listed. Pixels touch by a side or a corner. A place is whole when a line has passed without a
    pixel of it.

    Parameters
    ----------
    listed : float
        Pixels per 10,000.
    grid : GeoGrid
        For longitudes and latitudes, where it has a CRS.
    """

    def __init__(self, listed: float, grid: GeoGrid) -> None:
        if not 0 < listed <= 1000:
            raise ParameterError(f"listed must be above 0 and at most 1000 pixels per 10,000, not {listed!r}")
        self.listed = listed
        self._grid = grid
        self._counts = np.zeros(65536, dtype=np.int64)
        self._row = 0
        self._limit = np.inf
        self._open: dict[int, _Open] = {}
        self._runs: list[tuple[int, int, int]] = []  # first column, one past the last, place
        self._next = 0
        self.count = 0

    @property
    def limit(self) -> float:
        """The score that a pixel of a place exceeds; infinite while nothing is listed yet."""
        return self._limit

    def add(self, scores: NDArray[np.float32]) -> list[dict[str, Any]]:
        """Take in lines of scores, ``(n, samples)``; return the places that are whole now."""
        found: list[dict[str, Any]] = []
        for line in scores:
            finite = line[np.isfinite(line)]
            self._counts += Histogram.of(finite).counts
            if self._row % _LIMIT_LINES == 0 or self._limit == np.inf:
                self._limit = self._found_limit()
            found += self._whole(self._take_in(line))
            self._row += 1
        return found

    def finish(self) -> list[dict[str, Any]]:
        """Return the places that the last line may have cut off."""
        rest = list(self._open.values())
        self._open, self._runs = {}, []
        return self._whole(rest)

    def state(self) -> dict[str, Any]:
        """Return all that changes with the lines, as numbers and arrays."""
        places = [[key, *vars(place).values()] for key, place in self._open.items()]
        return {
            "counts": self._counts,
            "row": self._row,
            "limit": float(self._limit),
            "open": np.array(places, dtype=np.float64).reshape(-1, 7),
            "runs": np.array(self._runs, dtype=np.int64).reshape(-1, 3),
            "next": self._next,
            "count": self.count,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` describes the places of the same scan."""
        self._counts, self._row, self._limit = state["counts"].copy(), state["row"], state["limit"]
        self._next, self.count = state["next"], state["count"]
        for key, pixels, first, last, row, col, score in state["open"].tolist():
            self._open[int(key)] = _Open(int(pixels), int(first), int(last), int(row), int(col), score)
        self._runs = [(first, stop, place) for first, stop, place in state["runs"].tolist()]

    def _found_limit(self) -> float:
        total = int(self._counts.sum())
        if total * self.listed < 1e4:
            return float("inf")
        above = np.cumsum(self._counts[::-1])[::-1]  # scores in this bin and in all above
        # The lowest bin above which at most the stated share lies.
        return _upper_end(int(np.argmax(above <= total * self.listed / 1e4)) - 1)

    def _take_in(self, line: NDArray[np.float32]) -> list[_Open]:
        """Add the runs of a line to the open places; return those that have no pixel in it."""
        exceeds = np.concatenate([[False], line > self._limit, [False]])
        edges = np.flatnonzero(exceeds[1:] != exceeds[:-1]).reshape(-1, 2)
        runs: list[tuple[int, int, int]] = []
        became: dict[int, int] = {}  # places that turned out to be parts of others
        for first, stop in edges.tolist():
            col = first + int(np.argmax(line[first:stop]))
            place = _Open(stop - first, self._row, self._row, self._row, col, float(line[col]))
            touched = sorted({became.get(key, key) for start, end, key in self._runs if start <= stop and end >= first})
            key, *others = touched or [self._next]
            if touched:
                self._open[key].join(place)
            else:
                self._next += 1
                self._open[key] = place
            for other in others:
                self._open[key].join(self._open.pop(other))
                became = {old: key if new == other else new for old, new in became.items()} | {other: key}
            runs.append((first, stop, key))
        self._runs = [(first, stop, became.get(key, key)) for first, stop, key in runs]
        going_on = {key for _, _, key in self._runs}
        return [self._open.pop(key) for key in sorted(self._open) if key not in going_on]

    def _whole(self, places: Iterable[_Open]) -> list[dict[str, Any]]:
        """Return whole places as JSON holds them."""
        listed = list(places)
        self.count += len(listed)
        rows = np.array([place.row for place in listed], dtype=np.int64)
        cols = np.array([place.col for place in listed], dtype=np.int64)
        lon, lat = longitude_latitude(self._grid, rows, cols)
        return [
            {
                "row": place.row,
                "col": place.col,
                "score": round(place.score, 6),
                "pixels": place.pixels,
                "rows": [place.first_row, place.last_row],
                "limit": round(self._limit, 6),
                "listed_pixels_per_10000": self.listed,
                **({"lon": round(float(x), 8), "lat": round(float(y), 8)} if np.isfinite(x) else {}),
            }
            for place, x, y in zip(listed, lon, lat, strict=True)
        ]


def _upper_end(number: int) -> float:
    """Return the largest float32 in a bin of `Histogram`: bins are the upper halves of the ordered bits."""
    ordered = (max(number, 0) << 16) | 0xFFFF
    bits = ordered & 0x7FFFFFFF if ordered & 0x80000000 else ~ordered & 0xFFFFFFFF
    return float(np.array([bits], dtype=np.uint32).view(np.float32)[0])
