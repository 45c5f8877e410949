"""Confidence intervals of a comparison with a truth, and its figures for each object.

The intervals come from a bootstrap over objects, because a scene has few objects and the pixels of one object are not
independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsad.errors import DataError, ParameterError
from hsad.evaluation.measures import scored_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.evaluation.measures import Evaluation, Map

__all__ = ["Interval", "ObjectScore", "confidence_intervals", "evaluate_objects", "interval_ends"]

_MEASURES = ("auc", "average_precision", "objects_found")


@dataclass(frozen=True)
class ObjectScore:
    """One object of a truth.

    Attributes
    ----------
    label : int
        Number of the 8-connected component, counted from the upper left.
    pixels : int
        Pixels of the object that have a score.
    score_max : float
    false_alarm_rate : float
        Share of background pixels with a score of at least `score_max`, the price of finding the object.
    auc : float
        AUC of the pixels of the object against the background.
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


def evaluate_objects(scores: Map, truth: Map) -> list[ObjectScore]:
    """Return the figures of each object of a truth.

    Parameters
    ----------
    scores, truth : (rows, cols) array_like, xarray.DataArray or path
        As for `hsad.evaluate`.

    Raises
    ------
    DataError
        As `hsad.evaluate`.

    Examples
    --------
    >>> import numpy as np, hsad
    >>> truth = np.zeros((50, 50), dtype=int)
    >>> truth[10, 10] = truth[30:32, 40] = 1
    >>> scores = np.random.default_rng(0).normal(size=truth.shape) + 9 * truth
    >>> [(one.pixels, one.false_alarm_rate) for one in hsad.evaluate_objects(scores, truth)]
    [(1, 0.0), (2, 0.0)]
    """
    scored = scored_pixels(scores, truth)
    background = np.sort(scored.background)
    above = _share_below(scored.anomalous, background)
    found = []
    for label in np.unique(scored.objects):
        inside = scored.objects == label
        highest = float(scored.anomalous[inside].max())
        rate = 1.0 - np.searchsorted(background, highest, side="left") / background.size
        found.append(ObjectScore(int(label), int(inside.sum()), highest, float(rate), float(above[inside].mean())))
    return found


def confidence_intervals(
    scores: Map,
    truth: Map,
    *,
    false_alarm_rate: float = 1e-3,
    level: float = 0.9,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return AUC, average precision and the share of objects found, each with an interval.

    Each draw takes the number of objects of the truth with replacement; the background stays. So an interval says how
    the figure varies over other objects of these kinds in this scene, and nothing about other scenes.

    Parameters
    ----------
    scores, truth : (rows, cols) array_like, xarray.DataArray or path
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
        If `level`, `draws` or the rate is out of its range.
    DataError
        As `hsad.evaluate`, and if the truth has a single object.

    References
    ----------
    B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall, 1993, chapter 13.

    Examples
    --------
    >>> import numpy as np, hsad
    >>> truth = np.zeros((50, 50), dtype=int)
    >>> truth[5:50:10, 5:50:10] = 1
    >>> scores = np.random.default_rng(0).normal(size=truth.shape) + 2 * truth
    >>> auc = hsad.confidence_intervals(scores, truth, draws=200)["auc"]
    >>> auc.low < auc.value < auc.high
    True
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
        raise DataError("truth: confidence intervals need at least two objects, this truth has one")
    background = np.sort(scored.background)
    allowed = int(np.floor(false_alarm_rate * background.size + 1e-9))
    limit = background[-allowed - 1]
    found = np.zeros(len(labels), dtype=np.bool_)
    np.logical_or.at(found, owner, scored.anomalous > limit)
    share_below = _share_below(scored.anomalous, background)
    order = np.argsort(-scored.anomalous, kind="stable")
    falling = scored.anomalous[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)  # last place of each group of equal scores
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


def interval_ends(scores: Map, truth: Map, figures: Evaluation) -> dict[str, list[float]]:
    """Return the ends of the 90 % intervals over objects, by measure; nothing where the truth has a single object.

    Parameters
    ----------
    scores, truth : (rows, cols) array_like, xarray.DataArray or path
        As for `hsad.evaluate`.
    figures : Evaluation
        What `hsad.evaluate` says of them.

    Returns
    -------
    dict of str to list of float
        ``auc``, ``average_precision``, and ``objects_found`` as numbers of objects.
    """
    if figures.objects < 2:
        return {}
    found = confidence_intervals(scores, truth, false_alarm_rate=figures.false_alarm_rate)
    ends = {name: [interval.low, interval.high] for name, interval in found.items()}
    # The interval is of a share; the figure beside it is a number of objects.
    ends["objects_found"] = [round(share * figures.objects) for share in ends["objects_found"]]
    return ends


def _share_below(values: NDArray[np.float64], background: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of background below each value, equal values counted half; the AUC is the mean."""
    below = np.searchsorted(background, values, side="left")
    upto = np.searchsorted(background, values, side="right")
    return np.asarray((below + upto) / 2 / background.size)
