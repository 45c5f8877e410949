"""The local level of clutter of a score map, which is a smoothed running quantile, the same in every tile.

Scores are rounded to steps of 1/64, and means are computed from whole numbers. So the result does not depend on the
order of the additions or on the position of a pixel in its block, not even in the last digit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner

__all__ = ["clutter_level"]

_STEPS = 64.0
"""Number of steps of the quantised scores per unit."""

_LOWEST, _HIGHEST = -8.0, 24.0
"""Scores are clipped to this range."""


def clutter_level(scores: NDArray[np.float64], side: int, share: float = 0.75) -> NDArray[np.float64]:
    """Return, for each pixel, the mean over its neighbours of the quantile of the scores around each neighbour.

    Parameters
    ----------
    scores : (rows, cols) ndarray of float64
        NaN for pixels without a score, which do not count. Windows are cut at the edges of the map.
    side : int
        Odd side of the window of the quantile, in pixels. `mean_side` is the side of the window of the mean.
    share : float
        Share of the scores of the window that are not above the quantile.

    Returns
    -------
    (rows, cols) ndarray of float64
        Quantiles are rounded to 1/64 before the mean. NaN if no pixel nearby has a score.
    """
    known = ~np.isnan(scores)
    steps = np.where(known, np.clip(scores, _LOWEST, _HIGHEST) - _LOWEST, 0.0) * _STEPS
    levels = np.where(known, np.rint(steps), -1).astype(np.int64)
    quantiles = _running_quantile(levels, int((_HIGHEST - _LOWEST) * _STEPS) + 1, side // 2, share)
    counted = (quantiles >= 0).astype(np.int64)
    near = mean_side(side) // 2
    with np.errstate(invalid="ignore"):
        mean = _box_sum(np.maximum(quantiles, 0), near) / _box_sum(counted, near)
    return mean / _STEPS + _LOWEST


def mean_side(side: int) -> int:
    """Return the side of the window of the mean, half of `side` made odd."""
    return side // 2 | 1


def _box_sum(values: NDArray[np.int64], radius: int) -> NDArray[np.int64]:
    """Return sums over squares, cut at the edges."""
    for axis in (0, 1):
        size = values.shape[axis]
        total = np.concatenate([np.zeros_like(values.take([0], axis)), values.cumsum(axis)], axis)
        here = np.arange(size)
        values = total.take(np.minimum(here + radius + 1, size), axis) - total.take(np.maximum(here - radius, 0), axis)
    return values


@inner
def _count(
    levels: NDArray[np.int64],
    top: int,
    bottom: int,
    col: int,
    sign: int,
    place: int,
    histogram: NDArray[np.int64],
    inside: int,
    below: int,
) -> tuple[int, int]:
    """Add (sign 1) or remove (-1) a column of the window; return the numbers of scores in it, and below `place`."""
    if 0 <= col < levels.shape[1]:
        for row in range(top, bottom):
            level = levels[row, col]
            if level >= 0:
                histogram[level] += sign
                inside += sign
                if level < place:
                    below += sign
    return inside, below


@compiled
def _running_quantile(levels: NDArray[np.int64], count: int, radius: int, share: float) -> NDArray[np.int64]:
    """Return the quantile of the levels in the square around each pixel; a level of -1 is no data.

    A histogram is updated from pixel to pixel along each row, with the index of the quantile (Huang, Yang, Tang, 1979).
    """
    rows, cols = levels.shape
    quantiles = np.full((rows, cols), -1, np.int64)
    histogram = np.zeros(count, np.int64)
    for row in range(rows):
        top, bottom = max(0, row - radius), min(rows, row + radius + 1)
        histogram[:] = 0
        inside = 0  # number of scores in the window
        below = 0  # number of scores in the window below `place`
        place = 0
        for col in range(-radius, cols):
            inside, below = _count(levels, top, bottom, col + radius, 1, place, histogram, inside, below)
            inside, below = _count(levels, top, bottom, col - radius - 1, -1, place, histogram, inside, below)
            if col < 0 or inside == 0:
                continue
            wanted = max(1, int(np.ceil(share * inside)))
            while below >= wanted:
                place -= 1
                below -= histogram[place]
            while below + histogram[place] < wanted:
                below += histogram[place]
                place += 1
            quantiles[row, col] = place
    return quantiles
