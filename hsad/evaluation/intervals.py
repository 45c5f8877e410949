"""How sure a comparison with a truth is, and what it says of each object: the bootstrap over objects.

A scene has a handful of objects, and the pixels of one are no independent witnesses: what is drawn anew is objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsad.errors import DataError, ParameterError
from hsad.evaluation.measures import scored_pixels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Interval", "ObjectScore", "confidence_intervals", "evaluate_objects"]

_MEASURES = ("auc", "average_precision", "objects_found")


@dataclass(frozen=True)
class ObjectScore:
    """One object of a truth.

    Attributes
    ----------
    label : int
        Its number: 8-connected components, from the upper left.
    pixels : int
        Those with a score.
    score_max : float
    false_alarm_rate : float
        Share of background pixels with at least this score: what finding the object costs.
    auc : float
        Of its pixels against the background.
    """

    label: int
    pixels: int
    score_max: float
    false_alarm_rate: float
    auc: float


@dataclass(frozen=True)
class Interval:
    """A measure with its confidence interval."""

    value: float
    low: float
    high: float


def evaluate_objects(scores: ArrayLike, truth: ArrayLike) -> list[ObjectScore]:
    """Return what a comparison says of each object of a truth.

    Parameters
    ----------
    scores, truth : (rows, cols) array_like or xarray.DataArray
        As for `hsad.evaluate`.

    Raises
    ------
    DataError
        As `hsad.evaluate`.
    """
    scored = scored_pixels(scores, truth)
    background = np.sort(scored.background)
    above = _share_below(scored.anomalous, background)
    found = []
    for label in np.unique(scored.objects):
        own = scored.objects == label
        highest = float(scored.anomalous[own].max())
        rate = 1.0 - np.searchsorted(background, highest, side="left") / background.size
        found.append(ObjectScore(int(label), int(own.sum()), highest, float(rate), float(above[own].mean())))
    return found


def confidence_intervals(
    scores: ArrayLike,
    truth: ArrayLike,
    *,
    false_alarm_rate: float = 1e-3,
    level: float = 0.9,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return AUC, average precision and the share of objects found, each with an interval.

    Objects are drawn with replacement, as many as there are; the background stays. So the interval says how the figures
    would vary over other objects of these kinds in this scene, not over other scenes.

    Parameters
    ----------
    scores, truth : (rows, cols) array_like or xarray.DataArray
        As for `hsad.evaluate`.
    false_alarm_rate : float
        As for `hsad.evaluate`.
    level : float
        Share of the draws within the interval (percentiles).
    draws : int
    seed : int

    Returns
    -------
    dict of str to Interval
        ``auc``, ``average_precision``, ``objects_found`` (a share, 0 to 1).

    Raises
    ------
    ParameterError
        When `level`, `draws` or the rate is out of its range.
    DataError
        As `hsad.evaluate`, and when the truth has a single object.

    References
    ----------
    B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall, 1993, chapter 13.
    """
    if not 0 < level < 1:
        raise ParameterError(f"level must be between 0 and 1, not {level!r}")
    if draws < 1:
        raise ParameterError(f"draws must be at least 1, not {draws!r}")
    if not 0 <= false_alarm_rate < 1:
        raise ParameterError(f"false_alarm_rate must be at least 0 and below 1, not {false_alarm_rate!r}")
    scored = scored_pixels(scores, truth)
    labels, owner = np.unique(scored.objects, return_inverse=True)
    if len(labels) < 2:
        raise DataError("intervals are over objects: the truth has a single one")
    background = np.sort(scored.background)
    allowed = int(np.floor(false_alarm_rate * background.size + 1e-9))
    limit = background[-allowed - 1]
    found = np.zeros(len(labels), dtype=np.bool_)
    np.logical_or.at(found, owner, scored.anomalous > limit)
    share_below = _share_below(scored.anomalous, background)
    order = np.argsort(-scored.anomalous, kind="stable")
    falling = scored.anomalous[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)  # the last of each group of equal scores
    alarms = background.size - np.searchsorted(background, falling[ends], side="left")

    def measures(times: NDArray[np.int64]) -> tuple[float, float, float]:
        weight = times[owner].astype(np.float64)
        detected = np.cumsum(weight[order])[ends]
        precision = np.divide(detected, detected + alarms, out=np.zeros_like(detected), where=detected > 0)
        steps = np.diff(detected, prepend=0.0) / weight.sum()
        return (
            float(weight @ share_below / weight.sum()),
            float(steps @ precision),
            float(times @ found / times.sum()),
        )

    whole = measures(np.ones(len(labels), dtype=np.int64))
    rng = np.random.default_rng(seed)
    even = np.full(len(labels), 1 / len(labels))
    drawn = np.array([measures(rng.multinomial(len(labels), even)) for _ in range(draws)])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {name: Interval(whole[place], float(low[place]), float(high[place])) for place, name in enumerate(_MEASURES)}


def _share_below(values: NDArray[np.float64], background: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of background below each value, equal ones counted half: its part of the AUC."""
    below = np.searchsorted(background, values, side="left")
    upto = np.searchsorted(background, values, side="right")
    return np.asarray((below + upto) / 2 / background.size)
