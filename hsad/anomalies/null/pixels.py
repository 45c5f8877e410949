"""Distributions of the scores of background pixels: how many false pixels reach a score.

The rules of pixels (``percentile``, ``gpd``, ``chi2``, ``f``) state a number of false pixels. There are at most as many
false objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.null.tail import Tail
from hsad.errors import DataError, ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.anomalies.scoremap import ScoreMap

__all__ = ["PixelNull", "otsu", "pixel_null"]

_GPD_FROM = 0.95
"""Quantile above which the generalised Pareto distribution is fitted: 5 % of the pixels."""
_GPD_SAMPLE = 100_000
"""Pixels above the quantile that the fit uses at most: the standard error of the shape is 1/√n = 0.003 then."""
_OTSU_BINS = 256
"""Bins of the histogram, as in scikit-image's `threshold_otsu`."""


@dataclass(frozen=True, eq=False)
class PixelNull:
    """A distribution of the background's pixels.

    Attributes
    ----------
    distribution : frozen distribution of scipy.stats, or None
        With None all pixels of the scene count as background.
    tail : Tail
    share : float
        The distribution is that of the highest pixels, from this share of all on.
    """

    distribution: Any
    tail: Tail
    share: float = 1.0

    def p_value(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the share of background pixels that reach each score."""
        values = np.asarray(scores, dtype=np.float64)
        sample = self.tail.sample
        empirical = 1.0 - np.searchsorted(sample, values, side="left") / len(sample)
        if self.distribution is None:
            return np.where(np.isnan(values), np.nan, empirical)
        above = self.share * self.distribution.sf(values)
        return above if self.share == 1.0 else np.where(empirical > self.share, empirical, above)

    def expected(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the number of false pixels that reach each score: an upper bound of that of false objects."""
        return np.asarray(self.p_value(scores) * self.tail.count)

    def p_false(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return NaN: what background pixels do says nothing about how many objects there are."""
        return np.full(np.shape(scores), np.nan)

    def threshold(self, pfa: float) -> float:
        """Return the score that this share of background pixels reaches."""
        if self.distribution is None:
            return self.tail.quantile(1.0 - pfa)
        return float(self.distribution.isf(min(1.0, pfa / self.share)))


def pixel_null(rule: str, tail: Tail, scores: ScoreMap, bands: int | None) -> PixelNull:
    """Return the distribution of background pixels by a rule.

    Parameters
    ----------
    rule : {"percentile", "gpd", "chi2", "f"}
        All pixels of the scene; a generalised Pareto distribution of those above the 95th percentile; the laws that
        squared Mahalanobis distances of Gaussian background follow, with a covariance that is known or estimated.
    tail : Tail
    scores : ScoreMap
        Says by which method, for ``chi2`` and ``f``.
    bands : int, optional
        Degrees of freedom for ``chi2`` and ``f``, when the scores do not state them.

    Raises
    ------
    ParameterError
        When ``chi2`` or ``f`` does not fit the method, or the number of bands is not known.
    """
    from scipy import stats

    if rule == "percentile":
        return PixelNull(None, tail)
    if rule == "gpd":
        start = tail.quantile(_GPD_FROM)
        above = tail.sample[tail.sample > start]
        if len(above) < 20:
            raise DataError(f"gpd: {len(above)} pixels above the 95th percentile are too few to fit a tail to")
        above = above[:: max(1, len(above) // _GPD_SAMPLE)]
        shape, _, scale = stats.genpareto.fit(above - start, floc=0)
        return PixelNull(stats.genpareto(shape, loc=start, scale=scale), tail, 1.0 - _GPD_FROM)
    if scores.method and scores.method not in ("rx", "lrx"):
        raise ParameterError(f"rule {rule}: is about the squared distances of rx and lrx, not about {scores.method}")
    count = bands or scores.background.get("rank") or scores.parameters.get("pca")
    if not isinstance(count, int | np.integer):
        raise ParameterError(f"rule {rule}: the scores do not say of how many bands they are: give degrees_of_freedom")
    if rule == "chi2":
        return PixelNull(stats.chi2(int(count)), tail)
    return PixelNull(_f_law(int(count), tail, scores), tail)


def _f_law(bands: int, tail: Tail, scores: ScoreMap) -> Any:
    """Return the law of r when mean and covariance come from s pixels: r·s(s−d)/(d(s²−1)) ~ F(d, s−d)."""
    from scipy import stats

    sides = [scores.parameters.get(name) for name in ("outer", "inner")]
    pixels = tail.count if None in sides else sides[0] ** 2 - sides[1] ** 2  # type: ignore[operator]  # None is out
    if pixels <= bands:
        raise ParameterError(f"rule f: {pixels} ring pixels are not more than {bands} bands: use fewer (pca)")
    return stats.f(bands, pixels - bands, scale=bands * (pixels**2 - 1) / (pixels * (pixels - bands)))


def otsu(tail: Tail) -> float:
    """Return the score that divides the pixels into two classes of least variance within (Otsu 1979), by 256 bins."""
    counts, edges = np.histogram(tail.sample, bins=_OTSU_BINS)
    centers = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    total = np.cumsum(counts * centers)
    mean_below = total / np.maximum(below, 1)
    mean_above = (np.cumsum((counts * centers)[::-1])[::-1]) / np.maximum(above, 1)
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return float(centers[int(np.argmax(between))])
