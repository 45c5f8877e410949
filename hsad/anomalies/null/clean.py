"""Background according to the user: a clean region of the scene, whose peaks are counted."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsad.anomalies.null.doubts import Doubt
from hsad.anomalies.null.shares import listed_from, shares_of_background
from hsad.anomalies.null.tail import UNIT_PIXELS, Tail
from hsad.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CleanNull"]

_TAIL_PEAKS = 30
"""Highest peaks of a clean region from which the fall of the rate is estimated: its scale is known to 1/√30 = 18 %."""


@dataclass(frozen=True, eq=False)
class CleanNull:
    """The peaks of a region that is background according to the user.

    Attributes
    ----------
    region, tail : Tail
        Of the region, and of the whole scene.
    """

    region: Tail
    tail: Tail

    @functools.cached_property
    def _fall(self) -> tuple[float, float]:
        """The score above which the rate falls exponentially, and its scale (the mean excess of the top peaks)."""
        top = self.region.peaks[: min(_TAIL_PEAKS, len(self.region.peaks))]
        if len(top) < 5 or top[0] == top[-1]:
            raise DataError(f"clean region: {len(self.region.peaks)} peaks are too few to tell its background by")
        return float(top[-1]), float((top[:-1] - top[-1]).mean())

    def rate(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the number of false objects per 10⁴ pixels that reach each score."""
        values = np.asarray(scores, dtype=np.float64)
        start, scale = self._fall
        rising = self.region.peaks[::-1]
        counted = len(rising) - np.searchsorted(rising, values, side="left")
        top = min(_TAIL_PEAKS, len(rising))
        return np.where(values > start, top * np.exp(-(values - start) / scale), counted) / self.region.units

    def expected(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the number of false objects of the scene that reach each score."""
        return np.asarray(self.rate(scores) * self.tail.units)

    def p_value(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the share of the region's peaks that reach each score; at least 1 / (n + 1) for a region of n peaks.

        A region of n peaks cannot tell a smaller share (B. Phipson, G. K. Smyth, "Permutation
        p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9(1), 2010).
        """
        number = len(self.region.peaks)
        return np.clip(self.rate(scores) * self.region.units / max(number, 1), 1 / (number + 1), 1.0)

    def threshold(self, rate: float) -> float:
        """Return the score that `rate` false objects per 10⁴ pixels reach."""
        start, scale = self._fall
        wanted = rate * self.region.units
        top = min(_TAIL_PEAKS, len(self.region.peaks))
        return start + scale * math.log(top / wanted) if wanted < top else self.region.level(rate)

    def p_false(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the probability that an anomaly with each score is background."""
        return shares_of_background(self.expected(self.tail.peaks), self.tail.peaks, scores)

    def list_threshold(self) -> float:
        """Return the score of the lowest anomaly that is more probably real than background."""
        return listed_from(self.p_false(self.tail.peaks), self.tail.peaks)

    def doubts(self, rate: float) -> list[Doubt]:
        """Return why the stated rate should not be trusted."""
        if rate * self.region.units >= 1:
            return []
        return [Doubt("small region", {"pixels": self.region.count, "rate": rate, "unit": UNIT_PIXELS})]
