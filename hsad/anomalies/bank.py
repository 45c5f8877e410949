"""The null that is learned from the backgrounds of other scenes: how many false objects reach a score.

A scene's own tail cannot calibrate itself, since its objects are in it. What a detector's background does above the
bulk of a scene is nearly the same everywhere, so it was measured on scenes whose objects are known and is kept in
``bank.json``, a table a detector (made by ``tests/calibrate.py``). A scene enters with two numbers of its own: how far
its 90th percentile lies above its median, and which level 40 peaks per 10⁴ pixels reach (20 for some detectors: what
predicts the scenes left out better); a regression over the bank turns them into the level from which the heights in the
table count. What the scene has between the levels of 40 and of 10 peaks, where objects are few, then corrects the
table's rate: as if twenty such peaks of the bank had been seen.
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

from hsad.anomalies.tail import UNIT_PIXELS, Tail

__all__ = ["BankNull", "BankTable", "bank_methods", "bank_table", "features"]

_OWN_RATE = 40.0
_TRUSTED_RATE = 10.0
_PRIOR_PEAKS = 20.0
_TOO_FEW = 0.05
_UNLIKE = 2.0
_MARGIN = 0.15
_FEW_PIXELS = 2500
_MOST_UNEVEN = 6.0
_NORMAL_90 = 1.645
_TINY = 1e-30


@dataclass(frozen=True)
class BankTable:
    """The background of a detector at one setting, over the scenes of the bank.

    Attributes
    ----------
    method : str
    parameters : mapping
        The setting it was measured at.
    log : bool
        Whether the table is about logarithms of scores.
    level_rate : float
        How many peaks per 10⁴ pixels reach the level that is the second of the two `features`.
    coefficients : (3,) tuple of float
        Of 1 and the two `features`: the level of a scene above its median.
    rates, heights : (n,) tuple of float
        Background peaks per 10⁴ pixels, falling, and how far above the level so many reach.
    ranges : ((low, high), (low, high))
        What the features were in the bank.
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
        """Take the table from JSON."""
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
    """Return the two numbers of a scene: its 90th percentile, and its level of so many peaks, above the median."""
    places = tail.quantile(0.5), tail.quantile(0.9), tail.level(table.level_rate)
    median, upper, level = table.units_of(np.array(places))
    return float(upper - median), float(level - median)


@dataclass(frozen=True, eq=False)
class BankNull:
    """The false objects of one scene, as the bank has it.

    Attributes
    ----------
    table : BankTable
    tail : Tail
        Of the scene.
    """

    table: BankTable
    tail: Tail

    @functools.cached_property
    def level(self) -> float:
        """The level from which heights count, in the units of the table."""
        constant, of_upper, of_level = self.table.coefficients
        upper, level = features(self.tail, self.table)
        median = float(self.table.units_of(self.tail.quantile(0.5)))
        return median + constant + of_upper * upper + of_level * level

    @functools.cached_property
    def scale(self) -> float:
        """By how much this scene's rate differs from the table's: posterior mean of a gamma law around 1."""
        low, high = self._table_threshold(_OWN_RATE), self._table_threshold(_TRUSTED_RATE)
        seen = int(((self.tail.peaks > low) & (self.tail.peaks <= high)).sum())
        return (_PRIOR_PEAKS + seen) / (_PRIOR_PEAKS + (_OWN_RATE - _TRUSTED_RATE) * self.tail.units)

    def rate(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return how many false objects per 10⁴ pixels are expected to reach each score.

        Above the table, where one in 10⁵ pixels or fewer did, it falls exponentially; it is never more than the
        number of peaks that the scene has.
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
        """Return how many false objects of this scene are expected to reach each score."""
        return np.asarray(self.rate(scores) * self.tail.units)

    def p_value(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the share of background peaks that reach each score."""
        return np.minimum(1.0, self.rate(scores) * self.tail.units / max(len(self.tail.peaks), 1))

    def threshold(self, rate: float) -> float:
        """Return the score that so many false objects per 10⁴ pixels are expected to reach."""
        return self._table_threshold(rate / self.scale)

    def _table_threshold(self, rate: float) -> float:
        """Return the score that so many reach by the table alone."""
        heights, logs = np.array(self.table.heights), np.log(self.table.rates)
        slope = (logs[-1] - logs[-4]) / (heights[-1] - heights[-4])
        wanted = math.log(rate)
        height = float(np.interp(-wanted, -logs, heights)) + min(wanted - logs[-1], 0.0) / slope
        value = self.level + height
        return math.exp(value) if self.table.log else value

    def interval(self, expected: float) -> tuple[float, float]:
        """Return the 90 % interval of the number of false objects: how scenes differ, and chance."""
        spread = math.sqrt(self.table.spread**2 + 1 / max(expected, 0.5))
        return expected * math.exp(-_NORMAL_90 * spread), expected * math.exp(_NORMAL_90 * spread)

    def doubts(self, rate: float, parameters: Mapping[str, Any]) -> list[str]:
        """Return, in plain words, why the stated rate should not be trusted here; nothing when it can be."""
        found = []
        other = {name: value for name, value in parameters.items() if _differs(self.table.parameters, name, value)}
        if other:
            listed = ", ".join(f"{name}={value}" for name, value in other.items())
            found.append(f"the table is for {self.table.method} at its defaults, these scores are of {listed}")
        level = f"level of {self.table.level_rate:g} peaks per {UNIT_PIXELS:,.0f} pixels above the median"
        names = ("90th percentile above the median", level)
        for name, value, (low, high) in zip(names, features(self.tail, self.table), self.table.ranges, strict=True):
            room = _MARGIN * (high - low)
            if not low - room <= value <= high + room:
                side = "lighter" if value < low else "heavier"
                found.append(
                    f"the scores' tail is {side} than any in the bank ({name}: {value:.2f}, not {low:.2f} "
                    f"to {high:.2f})"
                )
        if self.tail.count < _FEW_PIXELS:
            found.append(f"{self.tail.count} pixels are few to tell a background by (under {_FEW_PIXELS})")
        if rate * self.tail.units < 1:
            found.append(
                f"less than one false object is asked for in {self.tail.count} pixels: a scene of this size cannot "
                "test that"
            )
        if rate < min(self.table.rates):
            found.append(
                f"{rate:g} per {UNIT_PIXELS:.0f} pixels lies beyond the table (from {min(self.table.rates):g})"
            )
        found += self._too_few(rate)
        found += self._unlike()
        uneven = self._unevenness()
        if uneven > _MOST_UNEVEN:
            found.append(
                f"peaks crowd in one part of the scene (variance over mean of its quarters: {uneven:.1f}, over "
                f"{_MOST_UNEVEN:g}): the background is not of one kind"
            )
        return found

    def _too_few(self, rate: float) -> list[str]:
        """Return that fewer peaks reach the threshold than false ones alone were expected, where that is no chance."""
        from scipy import stats

        expected, reached = rate * self.tail.units, self.tail.reached(self.threshold(rate))
        if stats.poisson.cdf(reached, expected) > _TOO_FEW:
            return []
        return [
            (
                f"only {reached} peaks reach the threshold, where {expected:.0f} false ones were expected: this "
                "background is calmer than the bank's, and fewer are false"
            )
        ]

    def _unlike(self) -> list[str]:
        """Return that twice as many peaks as background has reach the level of 40, or half as many."""
        reached = self.tail.reached(self._table_threshold(_OWN_RATE)) / self.tail.units
        here = f"{reached:.0f} peaks per {UNIT_PIXELS:,.0f} pixels reach what {_OWN_RATE:.0f} of background do"
        if reached > _UNLIKE * _OWN_RATE:
            return [f"{here}: there are so many objects that they hide what background does, and fewer are false"]
        if reached < _OWN_RATE / _UNLIKE:
            return [f"{here}: this background is calmer than the bank's, and fewer are false"]
        return []

    def _unevenness(self) -> float:
        """Return variance over mean of the quarters' numbers of peaks between the levels of 40 and of 10."""
        peaks = self.tail.peaks
        within = (peaks > self._table_threshold(_OWN_RATE)) & (peaks <= self._table_threshold(_TRUSTED_RATE))
        counts = np.bincount(self.tail.quadrants[within], minlength=4)
        return float(counts.var(ddof=1) / counts.mean()) if counts.any() else 0.0


def _differs(known: Mapping[str, Any], name: str, value: Any) -> bool:
    if name in ("device", "pca") and value in ("cpu", "cuda", None):
        return False
    own = known.get(name)
    return (
        list(own) != list(value) if isinstance(own, list | tuple) and isinstance(value, list | tuple) else own != value
    )


@functools.cache
def _tables() -> dict[str, BankTable]:
    path = files("hsad.anomalies") / "bank.json"
    if not path.is_file():
        return {}
    return {table["method"]: BankTable.from_dict(table) for table in json.loads(path.read_text("utf-8"))["tables"]}


def bank_methods() -> tuple[str, ...]:
    """Return the detectors that have a table."""
    return tuple(_tables())


def bank_table(method: str) -> BankTable | None:
    """Return the table of a detector, None where there is none."""
    return _tables().get(method)
