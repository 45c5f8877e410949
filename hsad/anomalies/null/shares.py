"""The share of background among the peaks of a scene, where a distribution of background says how many to expect."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hsad.anomalies.grades import LIST_P

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["false_interval", "listed_from", "shares_of_background"]

_OUTSIDE = 0.05
"""Probability below, and above, an interval of the number of false anomalies."""


def shares_of_background(
    expected: NDArray[np.float64], peaks: NDArray[np.float64], scores: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Return the local share of background at each score: background peaks expected between neighbouring peaks.

    The shares of single peaks are made monotone by isotonic regression (Grenander's estimate; K. Strimmer, "A unified
    approach to false discovery rate estimation", BMC Bioinformatics 9:303, 2008).

    Parameters
    ----------
    expected : (m,) ndarray of float64
        Expected background peaks down to each peak of the scene.
    peaks : (m,) ndarray of float64
        Scores of the peaks, falling.
    scores : ndarray of float64 or float

    Returns
    -------
    ndarray of float64
        Of the shape of `scores`, from 0 to 1, NaN where the score is NaN. A score between two peaks has the share of
        the lower one.
    """
    from scipy.optimize import isotonic_regression

    values = np.asarray(scores, dtype=np.float64)
    if not len(peaks):
        return np.where(np.isnan(values), np.nan, 1.0)
    shares = np.clip(isotonic_regression(np.diff(expected, prepend=0.0)).x, 0.0, 1.0)
    rank = np.searchsorted(-peaks, -values, side="left")
    return np.where(np.isnan(values), np.nan, shares[np.minimum(rank, len(peaks) - 1)])


def listed_from(p_false: NDArray[np.float64], peaks: NDArray[np.float64]) -> float:
    """Return the score of the lowest peak of the default list; with no peak in it, the next number above all peaks."""
    listed = np.flatnonzero(p_false <= LIST_P)
    if len(listed):
        return float(peaks[listed[-1]])
    return math.nextafter(float(peaks[0]), math.inf) if len(peaks) else math.inf


def false_interval(expected: float, most: int) -> tuple[float, float]:
    """Return the interval that holds the number of false anomalies in 90 % of scenes.

    The number follows a geometric law (a negative binomial one of shape 1): in scenes whose background is alike the
    numbers scatter more than by chance.

    Parameters
    ----------
    expected : float
        The mean.
    most : int
        The number of anomalies.
    """
    if expected <= 0:
        return 0.0, 0.0
    fall = -math.log1p(1 / expected)  # log of the ratio of the law's terms, M / (1 + M)
    low, high = (max(0, math.ceil(math.log(share) / fall - 1)) for share in (1 - _OUTSIDE, _OUTSIDE))
    return float(min(low, most)), float(min(high, most))
