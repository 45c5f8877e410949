"""The upper end of a score map: quantiles of its pixels, and its peaks.

A peak is the highest pixel of the 7 × 7 pixels around it. False alarms are counted in peaks, since one odd object
raises the scores of its neighbours, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsad.anomalies.options import UNIT_PIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.anomalies.scoremap import ScoreMap

__all__ = ["PEAK_REACH", "UNIT_PIXELS", "Tail", "peaks_of"]

PEAK_REACH = 3
"""Rows and columns on each side of a pixel among which a peak is the highest."""

_SAMPLE = 4_000_000
"""Most pixels of the sample (32 MB): a quantile of 1 - 1e-4 still has 400 pixels above it."""


@dataclass(frozen=True, eq=False)
class Tail:
    """The upper end of a score map.

    Attributes
    ----------
    count : int
        Pixels that have a score.
    sample : (n,) ndarray of float64
        Scores, rising: all of them, or an even sample of four million.
    peaks : (m,) ndarray of float64
        Scores of the peaks, falling.
    quadrants : (m,) ndarray of uint8
        The quarter of the map in which each peak lies: 0 upper left, 1 upper right, 2 lower left, 3 lower right.
    """

    count: int
    sample: NDArray[np.float64]
    peaks: NDArray[np.float64]
    quadrants: NDArray[np.uint8]

    @property
    def units(self) -> float:
        """Size of the map in `UNIT_PIXELS`."""
        return self.count / UNIT_PIXELS

    def quantile(self, share: float) -> float:
        """Return the score that this share of the pixels does not exceed."""
        place = share * (len(self.sample) - 1)
        low = int(place)
        below, above = self.sample[low], self.sample[min(low + 1, len(self.sample) - 1)]
        return float(below + (above - below) * (place - low))

    def level(self, rate: float) -> float:
        """Return the score that `rate` peaks per `UNIT_PIXELS` pixels reach, interpolated; at least the lowest peak."""
        place = np.arange(1, len(self.peaks) + 1) - 0.5
        return float(np.interp(rate * self.units, place, self.peaks)) if len(self.peaks) else math.nan

    def reached(self, score: float) -> int:
        """Return the number of peaks that reach a score."""
        return int(np.searchsorted(-self.peaks, -score, side="right"))

    @classmethod
    def of(cls, scores: ScoreMap, where: NDArray[np.bool_] | None = None) -> Tail:
        """Return the tail of a map, or of its pixels `where`; the map is read strip by strip.

        Raises
        ------
        DataError
            When no pixel has a score.
        """
        rows, cols = scores.grid.rows, scores.grid.cols
        step = max(1, math.ceil(rows * cols / _SAMPLE))
        count = 0
        sample, peaks, quadrants = [], [], []
        for first, tall in scores.strips(halo=PEAK_REACH):
            strip = tall[PEAK_REACH : len(tall) - PEAK_REACH]
            known = np.isfinite(strip)
            if where is not None:
                known &= where[first : first + len(strip)]
            count += int(known.sum())
            flat = np.where(known, strip, np.nan).ravel()
            start = -(first * cols) % step  # every step-th pixel of the map, wherever a strip begins
            sample.append(flat[start::step][np.isfinite(flat[start::step])])
            row, col = np.nonzero(peaks_of(tall)[PEAK_REACH : len(tall) - PEAK_REACH] & known)
            peaks.append(strip[row, col])
            quadrants.append((2 * (row + first >= rows / 2) + (col >= cols / 2)).astype(np.uint8))
        scores.require_scores(count)
        found = np.concatenate(peaks)
        order = np.argsort(-found, kind="stable")
        return cls(count, np.sort(np.concatenate(sample)), found[order], np.concatenate(quadrants)[order])


def peaks_of(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which pixels are peaks; of equal pixels at most `PEAK_REACH` apart only the first one is a peak."""
    from scipy import ndimage

    side = 2 * PEAK_REACH + 1
    values = np.where(np.isfinite(scores), scores, -np.inf)
    highest = ndimage.maximum_filter(values, side, mode="constant", cval=-np.inf)
    candidate = (values == highest) & np.isfinite(scores)
    row, col = np.nonzero(candidate)
    padded = np.pad(candidate, PEAK_REACH)
    first = np.ones(len(row), dtype=np.bool_)
    # Two candidates that are at most PEAK_REACH apart are equal, since each is the highest around.
    for down in range(side):
        for right in range(side):
            if (down, right) < (PEAK_REACH, PEAK_REACH):
                first &= ~padded[row + down, col + right]
    result = np.zeros(scores.shape, dtype=np.bool_)
    result[row[first], col[first]] = True
    return result
