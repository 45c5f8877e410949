"""From counts of peaks to a threshold with a stated share of false ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.image.peaks import PEAK_BINS, VALUE_BINS
from hsad.siblings.counts import Counts
from hsad.siblings.directions import DECOYS

__all__ = ["EDGES", "SMALLEST", "Curve", "curve_of"]

#: Added to the expected number of false ones: what a finite number of decoys cannot exclude.
SMALLEST = 0.1

#: The cosines at which peaks are counted.
EDGES = np.arange(PEAK_BINS + 1) / PEAK_BINS

#: From this share of the pixels on, what a query finds is a material of the scene.
_MATERIAL = 0.02


@dataclass(frozen=True, eq=False)
class Curve:
    """How many objects reach each cosine, and how many of them are expected to be false.

    Attributes
    ----------
    found : (edges,) ndarray of int
        Number of peaks that reach each of `EDGES`, without the query's own.
    mirror : (edges,) ndarray of int
        Number of peaks of the negated cosine.
    decoys : (edges,) ndarray of float
        Mean number of peaks of the decoys, in units of the spread of each.
    above : (edges,) ndarray of int
        Number of pixels that reach each edge.
    pixels : int
        Number of valid pixels.
    """

    found: NDArray[np.int64]
    mirror: NDArray[np.int64]
    decoys: NDArray[np.float64]
    above: NDArray[np.int64]
    pixels: int

    @property
    def expected(self) -> NDArray[np.float64]:
        """Expected number of false ones among those that reach each edge."""
        return np.maximum(self.mirror, self.decoys)

    def threshold(self, share: float) -> float:
        """Return the lowest cosine at which the expected share of false ones is at most `share`; inf without one."""
        good = np.flatnonzero(self.expected + SMALLEST <= share * self.found)
        return float(EDGES[good[0]]) if len(good) else float("inf")

    def smallest_share(self) -> float:
        """Return the smallest share of false ones that can be stated; NaN where there is no peak at all."""
        some = self.found > 0
        return float(((self.expected[some] + SMALLEST) / self.found[some]).min()) if some.any() else float("nan")

    def expected_at(self, cosine: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expected number of false ones down to each cosine."""
        return np.asarray(self.expected[np.clip((cosine * PEAK_BINS).astype(np.int64), 0, PEAK_BINS)])

    def found_at(self, cosine: float) -> int:
        """Return the number of peaks that reach a cosine, one of `EDGES`."""
        return 0 if np.isinf(cosine) else int(self.found[round(cosine * PEAK_BINS)])

    def is_material(self, cosine: float) -> bool:
        """Tell whether so many pixels reach a cosine that the query is a material of the scene."""
        return not np.isinf(cosine) and int(self.above[round(cosine * PEAK_BINS)]) > _MATERIAL * self.pixels


def curve_of(counts: Counts, query: int, pixels: int) -> Curve:
    """Return the curve of a query."""
    first = query * (1 + DECOYS)
    reached = _reached(counts.peaks[first : first + 1 + DECOYS])
    spreads = [_spread(counts.values[first + j]) for j in range(1 + DECOYS)]
    decoys = np.zeros(PEAK_BINS + 1)
    for decoy, spread in zip(reached[1:], spreads[1:], strict=True):
        # A decoy's cosine times own/spread reaches an edge where the cosine reaches the edge times spread/own.
        at = EDGES * (spread / spreads[0]) if spreads[0] > 0 else EDGES
        for sign in range(2):
            decoys += np.interp(at, EDGES, decoy[sign], right=0.0)
    halves = counts.values[first]
    above = np.interp(EDGES, np.linspace(-1, 1, VALUE_BINS + 1), _reached(halves[None])[0])
    return Curve(reached[0, 0], reached[0, 1], decoys / (2 * DECOYS), above.astype(np.int64), pixels)


def _reached(counts: NDArray[Any]) -> NDArray[np.int64]:
    """Return how many reach the lower edge of each bin of the last axis, and 0 for the upper end."""
    sums = np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([sums, np.zeros_like(sums[..., :1])], axis=-1)


def _spread(counts: NDArray[np.int64]) -> float:
    """Return 1.48 times the median absolute deviation of values, from their numbers in bins from -1 to 1."""
    edges = np.linspace(-1, 1, VALUE_BINS + 1)
    below = np.concatenate([[0], np.cumsum(counts)]).astype(np.float64)
    if not below[-1]:
        return 0.0
    half = below[-1] / 2
    median = np.interp(half, below, edges)
    low, high = 0.0, 2.0
    for _ in range(50):  # the number of values within a distance of the median rises with the distance
        middle = (low + high) / 2
        within = np.interp(median + middle, edges, below) - np.interp(median - middle, edges, below)
        low, high = (middle, high) if within < half else (low, middle)
    return float(1.4826 * high)
