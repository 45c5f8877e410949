"""How far score maps of one scene agree: by the ranks of their pixels, since detectors have scales of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsad.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Disagreement", "disagreements", "rank_correlation", "rarities"]


@dataclass(frozen=True)
class Disagreement:
    """A pixel that one score map ranks high and another one low.

    Attributes
    ----------
    row, col : int
    ranks : tuple of int
        Rank of the pixel in each map, from 1 for the highest score; equal scores share the worst of their ranks.
    """

    row: int
    col: int
    ranks: tuple[int, ...]


def rank_correlation(maps: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Return the rank correlation (Spearman) of each pair of score maps, over the pixels that all of them score.

    Parameters
    ----------
    maps : sequence of (rows, cols) ndarray
        NaN for no score.

    Returns
    -------
    (n, n) ndarray of float64
        1 on the diagonal; NaN for a map of equal scores.

    Raises
    ------
    DataError
        When fewer than two pixels have a score in all maps.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> rank_correlation([one, one**2, -one]).round(3).tolist()
    [[1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]]
    """
    from scipy.stats import rankdata

    common = _common(maps)
    if common.sum() < 2:
        raise DataError("fewer than two pixels have a score by all methods: there is no correlation")
    ranks = np.array([rankdata(scores[common]) for scores in maps])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = centred @ centred.T / np.outer(length, length)
    np.fill_diagonal(correlation, np.where(length > 0, 1.0, np.nan))
    return np.asarray(np.clip(correlation, -1.0, 1.0))


def _common(maps: Sequence[NDArray[np.floating]]) -> NDArray[np.bool_]:
    return np.asarray(np.logical_and.reduce([np.isfinite(scores) for scores in maps]))


def rarities(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how rare the score of each pixel is in its map: log10 of the number of pixels for one as high.

    Returns
    -------
    (rows, cols) ndarray of float64
        0 for the lowest score, 2 for a score that one pixel in 100 reaches; NaN without a score.

    Examples
    --------
    >>> import numpy as np
    >>> rarities(np.array([[1.0, 2.0], [np.nan, 4.0]])).round(3).tolist()
    [[0.0, 0.176], [nan, 0.477]]
    """
    known = np.isfinite(scores)
    ranked = np.sort(scores[known])
    reached = ranked.size - np.searchsorted(ranked, scores[known], side="left")
    found = np.full(scores.shape, np.nan)
    found[known] = np.log10(ranked.size / reached)
    return found


def disagreements(maps: Sequence[NDArray[np.floating]], *, number: int = 10, apart: int = 10) -> list[Disagreement]:
    """Return the pixels on which score maps disagree most, the largest disagreement first.

    The disagreement on a pixel is the difference between its highest and its lowest rarity (`rarities`).

    Parameters
    ----------
    maps : sequence of (rows, cols) ndarray
        At least two.
    number : int
        Most pixels to return.
    apart : int
        Two of them differ by at least this many rows or columns.
    """
    common = _common(maps)
    known = [np.where(common, scores, np.nan) for scores in maps]
    rare = np.array([rarities(scores) for scores in known])
    spread = np.where(common, rare.max(axis=0) - rare.min(axis=0), -np.inf)
    found: list[Disagreement] = []
    while len(found) < number and spread.max(initial=-np.inf) > 0:
        row, col = (int(place) for place in np.unravel_index(spread.argmax(), spread.shape))
        ranks = tuple(int((scores[common] >= scores[row, col]).sum()) for scores in known)
        found.append(Disagreement(row, col, ranks))
        spread[max(0, row - apart + 1) : row + apart, max(0, col - apart + 1) : col + apart] = -np.inf
    return found
