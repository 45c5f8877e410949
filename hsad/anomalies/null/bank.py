"""The bank: how many false objects reach a score, learned from the backgrounds of other scenes.

The tail of a scene cannot say how many of its objects are false, since the objects are in the tail. But the scores of
background above the bulk of a scene are distributed nearly alike in all scenes. They were measured on scenes whose
objects are known. ``bank.json`` holds one table for each detector (``hsad bench --calibrate``).

Two numbers describe a scene: how far its 90th percentile lies above its median, and how far the level lies above the
median that 40 peaks per 10⁴ pixels reach (20 peaks for some detectors, chosen by how well it predicts scenes that are
left out). A regression over the bank turns both into the level from which the heights in the table count. Between the
levels of 40 and of 10 peaks a scene has few objects. Its number of peaks there corrects the table's rate.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.anomalies.null.doubts import Doubt
from hsad.anomalies.null.shares import listed_from, shares_of_background
from hsad.anomalies.null.tail import UNIT_PIXELS, Tail

__all__ = ["BankNull", "BankTable", "bank_methods", "bank_table", "features"]

_LOWER_RATE = 40.0
"""Peaks per 10⁴ pixels at the lower of the two levels between which the scene's own peaks are counted. Scenes of the
bank have at most 35 objects per 10⁴ pixels, so more than half of the peaks at this level are background."""

_UPPER_RATE = 10.0
"""Peaks per 10⁴ pixels at the upper level: the rate that is accepted by default, and the one at which the level of the
table was fitted. Above it objects are as frequent as false peaks."""

_PRIOR_PEAKS = 20.0
"""Peaks of the bank with which those of the scene are averaged (the shape of a gamma prior around a factor of 1). A
scene of 100 x 100 pixels has 30 background peaks between the two levels, so the count of the scene weighs 60 %."""

_TOO_FEW = 0.05
"""A number of peaks is too small when chance (a Poisson law) gives one as small in at most this share of scenes."""

_UNLIKE = 2.0
"""Factor between the scene's peaks and the table's at the level of `_LOWER_RATE` beyond which they contradict. Scenes
of the bank are meant to agree within this factor with tables of the other scenes (see the manual on thresholds)."""

_MARGIN = 0.15
"""How far a number of a scene may lie outside of its range in the bank, as a share of that range. This much
extrapolation of the regression changes the stated number of objects by a factor of at most 1.7, in all tables."""

_FEW_PIXELS = 2500
"""Fewest pixels of a scene: 50 x 50 have 10 peaks at the level of `_LOWER_RATE`, too few to tell a factor of two."""

_MOST_UNEVEN = 6.0
"""Largest variance over mean of the numbers of peaks in the four quarters of a scene. Three times this ratio follows a
chi-squared law with 3 degrees of freedom when peaks are spread by chance: it exceeds 18 in 1 of 2,000 scenes."""

_NORMAL_90 = 1.645
"""Standard deviations on either side of the mean that hold 90 % of a normal law."""

_TINY = 1e-30
"""Smallest score that a logarithm is taken of: scores of 0 stay below all others."""


@dataclass(frozen=True)
class BankTable:
    """The background scores of a detector with its default parameters, over the scenes of the bank.

    Attributes
    ----------
    method : str
    parameters : mapping
        The parameters of the detector that the table was measured with.
    log : bool
        Whether the heights are differences of logarithms of scores.
    level_rate : float
        The number of peaks per 10⁴ pixels that reach the level of the second of the two `features`.
    coefficients : (3,) tuple of float
        The regression: factors of 1 and of the two `features`, whose sum is the level of a scene above its median.
    rates, heights : (n,) tuple of float
        Numbers of background peaks per 10⁴ pixels, falling, and the height above the level that each number reaches.
    ranges : ((low, high), (low, high))
        The smallest and the largest value of each feature in the bank.
    spread : float
        Standard deviation, over scenes left out, of the logarithm of delivered over stated objects at 10 per 10⁴.
    sources : tuple of mapping
        The scenes: name, kind, SHA-256 of the file or seed, weight.
    """

    method: str
    parameters: Mapping[str, Any]
    log: bool
    level_rate: float
    coefficients: tuple[float, float, float]
    rates: tuple[float, ...]
    heights: tuple[float, ...]
    ranges: tuple[tuple[float, float], tuple[float, float]]
    spread: float
    sources: tuple[Mapping[str, Any], ...]

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> BankTable:
        """Return the table that JSON holds."""
        first, second, third = fields["coefficients"]
        (low, high), (lower, upper) = fields["ranges"]
        return cls(
            str(fields["method"]),
            dict(fields["parameters"]),
            bool(fields["log"]),
            float(fields["level_rate"]),
            (float(first), float(second), float(third)),
            tuple(map(float, fields["rates"])),
            tuple(map(float, fields["heights"])),
            ((float(low), float(high)), (float(lower), float(upper))),
            float(fields["spread"]),
            tuple(fields["sources"]),
        )

    def units_of(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return scores in the units of the table."""
        values = np.asarray(scores, dtype=np.float64)
        return np.log(np.maximum(values, _TINY)) if self.log else values


def features(tail: Tail, table: BankTable) -> tuple[float, float]:
    """Return the two numbers of a scene above its median: its 90th percentile, and its level of `level_rate` peaks."""
    places = tail.quantile(0.5), tail.quantile(0.9), tail.level(table.level_rate)
    median, upper, level = table.units_of(np.array(places))
    return float(upper - median), float(level - median)


@dataclass(frozen=True, eq=False)
class BankNull:
    """The distribution of background peaks in one scene, according to the bank.

    Attributes
    ----------
    table : BankTable
    tail : Tail
        The upper end of the scene's scores.
    """

    table: BankTable
    tail: Tail

    @functools.cached_property
    def level(self) -> float:
        """The level above which the table measures heights, in the units of the table."""
        constant, of_upper, of_level = self.table.coefficients
        upper, level = features(self.tail, self.table)
        median = float(self.table.units_of(self.tail.quantile(0.5)))
        return median + constant + of_upper * upper + of_level * level

    @functools.cached_property
    def scale(self) -> float:
        """The factor between the scene's rate and the table's: the posterior mean of a gamma law around 1."""
        low, high = self._table_threshold(_LOWER_RATE), self._table_threshold(_UPPER_RATE)
        seen = int(((self.tail.peaks > low) & (self.tail.peaks <= high)).sum())
        return (_PRIOR_PEAKS + seen) / (_PRIOR_PEAKS + (_LOWER_RATE - _UPPER_RATE) * self.tail.units)

    def rate(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the expected number of false objects per 10⁴ pixels that reach each score.

        Above the table (less than 0.5 peaks per 10⁴ pixels) the number falls exponentially. It is never larger than the
        number of peaks in the scene.
        """
        heights, logs = np.array(self.table.heights), np.log(self.table.rates)
        above = self.table.units_of(scores) - self.level
        inside = np.interp(above, heights, logs)
        slope = (logs[-1] - logs[-4]) / (heights[-1] - heights[-4])
        steep = (logs[1] - logs[0]) / (heights[1] - heights[0])
        beyond = np.maximum(above - heights[-1], 0) * slope + np.minimum(above - heights[0], 0) * steep
        rates = self.scale * np.exp(np.minimum(inside + beyond, 50.0))
        return np.asarray(np.minimum(rates, max(len(self.tail.peaks), 1) / self.tail.units))

    def expected(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the expected number of false objects of this scene that reach each score."""
        return np.asarray(self.rate(scores) * self.tail.units)

    def p_value(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the share of background peaks that reach each score."""
        return np.minimum(1.0, self.rate(scores) * self.tail.units / max(len(self.tail.peaks), 1))

    def p_false(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the probability that an anomaly with each score is background."""
        return shares_of_background(self.expected(self.tail.peaks), self.tail.peaks, scores)

    def threshold(self, rate: float) -> float:
        """Return the score that `rate` false objects per 10⁴ pixels are expected to reach."""
        return self._table_threshold(rate / self.scale)

    def list_threshold(self) -> float:
        """Return the score from which an anomaly is as probably real as background."""
        return listed_from(self.p_false(self.tail.peaks), self.tail.peaks)

    def _table_threshold(self, rate: float) -> float:
        """Return the score that `rate` peaks per 10⁴ pixels reach by the table alone, without the scene's factor."""
        heights, logs = np.array(self.table.heights), np.log(self.table.rates)
        slope = (logs[-1] - logs[-4]) / (heights[-1] - heights[-4])
        wanted = math.log(rate)
        height = float(np.interp(-wanted, -logs, heights)) + min(wanted - logs[-1], 0.0) / slope
        value = self.level + height
        return math.exp(value) if self.table.log else value

    def interval(self, expected: float) -> tuple[float, float]:
        """Return the 90 % interval of the number of false objects: the spread between scenes, and chance."""
        spread = math.sqrt(self.table.spread**2 + 1 / max(expected, 0.5))
        return expected * math.exp(-_NORMAL_90 * spread), expected * math.exp(_NORMAL_90 * spread)

    def doubts(self, rate: float, parameters: Mapping[str, Any]) -> list[Doubt]:
        """Return why the stated rate should not be trusted for this scene; nothing when it can be."""
        return [
            *self._other_parameters(parameters),
            *self._other_tail(),
            *self._too_small(rate),
            *self._too_few(rate),
            *self._unlike(),
            *self._uneven(),
        ]

    def _other_parameters(self, parameters: Mapping[str, Any]) -> list[Doubt]:
        """Return that the scores were made with other parameters than the table."""
        other = {name: value for name, value in parameters.items() if _differs(self.table.parameters, name, value)}
        if not other:
            return []
        listed = ", ".join(f"{name}={value}" for name, value in other.items())
        return [Doubt("other parameters", {"method": self.table.method, "parameters": listed})]

    def _other_tail(self) -> list[Doubt]:
        """Return which of the two numbers of the scene lie outside of what they are in the bank."""
        level = f"level of {self.table.level_rate:g} peaks per {UNIT_PIXELS:,.0f} pixels above the median"
        names = ("90th percentile above the median", level)
        found = []
        for name, value, (low, high) in zip(names, features(self.tail, self.table), self.table.ranges, strict=True):
            margin = _MARGIN * (high - low)
            if not low - margin <= value <= high + margin:
                kind = "lighter tail" if value < low else "heavier tail"
                found.append(Doubt(kind, {"of": name, "value": value, "low": low, "high": high}))
        return found

    def _too_small(self, rate: float) -> list[Doubt]:
        """Return that the scene is too small for any rate, or for this one, or that the table does not reach it."""
        pixels, least = self.tail.count, min(self.table.rates)
        found = []
        if pixels < _FEW_PIXELS:
            found.append(Doubt("few pixels", {"pixels": pixels, "least": _FEW_PIXELS}))
        if rate * self.tail.units < 1:
            found.append(Doubt("below one object", {"pixels": pixels}))
        if rate < least:
            found.append(Doubt("beyond the table", {"rate": rate, "unit": UNIT_PIXELS, "least": least}))
        return found

    def _too_few(self, rate: float) -> list[Doubt]:
        """Return that fewer peaks reach the threshold than false ones were expected, unless that is chance."""
        from scipy import stats

        expected, reached = rate * self.tail.units, self.tail.reached(self.threshold(rate))
        if stats.poisson.cdf(reached, expected) > _TOO_FEW:
            return []
        return [Doubt("few above the threshold", {"reached": reached, "expected": expected})]

    def _unlike(self) -> list[Doubt]:
        """Return that the peaks above the level of `_LOWER_RATE` are twice as many as in the bank, or half as many."""
        found = self.tail.reached(self._table_threshold(_LOWER_RATE)) / self.tail.units
        numbers = {"found": found, "expected": _LOWER_RATE, "unit": UNIT_PIXELS}
        if found > _UNLIKE * _LOWER_RATE:
            return [Doubt("many objects", numbers)]
        return [Doubt("calm background", numbers)] if found < _LOWER_RATE / _UNLIKE else []

    def _uneven(self) -> list[Doubt]:
        """Return that the peaks crowd in one part of the scene."""
        value = self._unevenness()
        return [Doubt("uneven background", {"value": value, "most": _MOST_UNEVEN})] if value > _MOST_UNEVEN else []

    def _unevenness(self) -> float:
        """Return variance over mean of the quarters' numbers of peaks between the levels of 40 and of 10."""
        peaks = self.tail.peaks
        within = (peaks > self._table_threshold(_LOWER_RATE)) & (peaks <= self._table_threshold(_UPPER_RATE))
        counts = np.bincount(self.tail.quadrants[within], minlength=4)
        return float(counts.var(ddof=1) / counts.mean()) if counts.any() else 0.0


def _differs(known: Mapping[str, Any], name: str, value: Any) -> bool:
    """Return whether a parameter has another value in the table; the device does not change scores."""
    if name in ("device", "pca") and value in ("cpu", "cuda", None):
        return False
    stated = known.get(name)
    if isinstance(stated, list | tuple) and isinstance(value, list | tuple):
        return list(stated) != list(value)
    return bool(stated != value)


@functools.cache
def _tables() -> dict[str, BankTable]:
    path = files("hsad.anomalies.null") / "bank.json"
    if not path.is_file():
        return {}
    return {table["method"]: BankTable.from_dict(table) for table in json.loads(path.read_text("utf-8"))["tables"]}


def bank_methods() -> tuple[str, ...]:
    """Return the detectors that have a table."""
    return tuple(_tables())


def bank_table(method: str) -> BankTable | None:
    """Return the table of a detector, None when the bank has none."""
    return _tables().get(method)
