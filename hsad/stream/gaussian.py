"""Global RX line by line: a mean and a covariance that follow the lines."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.engine.runners.blas import one_blas_thread
from hsad.errors import ParameterError
from hsad.kernels.summaries import Moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.detectors.global_rx import Gaussian, GlobalRX
    from hsad.kernels.triangular import Scatter, Whitening

__all__ = ["RunningGaussian"]

#: Part of the lines so far after which the covariance is factored again, while they are few.
_EARLY = 8


class RunningGaussian:
    """The Gaussian of the lines so far, in which a line counts less the longer ago it came.

    With the n pixels of a new line, of mean m and scatter S about m, number N, mean μ and scatter T become

    ``N' = f·N,  μ ← μ + (m - μ)·n/(N' + n),  T ← f·T + S + (m - μ)(m - μ)ᵀ·N'n/(N' + n),  N ← N' + n``

    with the forgetting factor f, which is 1 where nothing is forgotten (Chan, Golub, LeVeque 1982 merge two samples in
    this way). The covariance is T/N. It is factored again after `refresh` lines, or sooner, after an eighth of the
    lines so far. A line is scored before it is added. So its score comes from the lines before it, up to the last time
    that the covariance was factored.

    Parameters
    ----------
    detector : GlobalRX
        With ``trim``, pixels whose score exceeds a limit are not added. The limit is that quantile of the scores of the
        last `recent` lines which leaves this share of them out. It is found again with each factor.
    gaussian : Gaussian
        Of the first lines.
    forgetting : float
        f.
    refresh : int
        Most lines after which the covariance is factored again.
    recent : int
        See `detector`.
    """

    def __init__(self, detector: GlobalRX, gaussian: Gaussian, forgetting: float, refresh: int, recent: int) -> None:
        from hsad.kernels.triangular import new_scatter

        if detector.covariance == "ledoit-wolf":
            raise ParameterError(
                "covariance ledoit-wolf needs every line again for its fourth moments; line by line choose oas or "
                "ridge, or keep the background of the first lines (clean_start)"
            )
        self.detector = detector
        self.forgetting = forgetting
        self.refresh = refresh
        self.gaussian = gaussian
        self._scatter: Scatter = new_scatter(len(gaussian.mean))
        self._packed: Whitening | None = None
        self._lines = self._since = 0
        self._limit = np.inf
        self._recent: deque[NDArray[np.float64]] = deque(maxlen=recent)

    def begin(self, spectra: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the scores of the first lines, from which the Gaussian was learned, and take them in."""
        scores = self._scores(spectra, valid)
        self._recent.extend(scores)
        self._set_limit()
        self._lines = len(spectra)
        for line, usable, score in zip(spectra, valid, scores, strict=True):
            self._add(line, usable, score)
        return scores

    def follow(self, spectra: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the scores of lines ``(n, samples, bands)``, shape ``(n, samples)``, each before it is taken in."""
        scores = np.empty(valid.shape)
        for line in range(len(spectra)):
            one = slice(line, line + 1)
            scores[one] = self._scores(spectra[one], valid[one])
            if self.detector.trim:
                self._recent.append(scores[line])
            self._add(spectra[line], valid[line], scores[line])
            self._lines += 1
            self._since += 1
            if self._since >= min(self.refresh, max(1, self._lines // _EARLY)):
                self._factor()
        return scores

    def state(self) -> dict[str, Any]:
        """Return all that changes with the lines, as numbers and arrays."""
        return {
            "gaussian": self.gaussian,
            "number": self._scatter.number,
            "mean": self._scatter.mean,
            "lower": self._scatter.lower,
            "lines": self._lines,
            "since": self._since,
            "limit": float(self._limit),
            "recent": np.array(self._recent) if self.detector.trim else np.empty((0, 0)),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` describes a Gaussian of the same detector and options."""
        self.gaussian, self._packed = state["gaussian"], None
        for name in ("number", "mean", "lower"):
            getattr(self._scatter, name)[:] = state[name]
        self._lines, self._since, self._limit = state["lines"], state["since"], state["limit"]
        self._recent.extend(state["recent"])

    def _scores(self, spectra: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
        from hsad.kernels.triangular import distances, pack_whitening

        if self._packed is None:
            whitening = np.ascontiguousarray(self.gaussian.whitening)
            self._packed = pack_whitening(whitening, whitening.shape[0] == whitening.shape[1])
        everywhere = bool(valid.all())
        pixels = spectra.reshape(-1, spectra.shape[2]) if everywhere else spectra[valid]
        found = np.empty(len(pixels))
        distances(np.ascontiguousarray(pixels), self.gaussian.mean, self._packed, found)
        if everywhere:
            return found.reshape(valid.shape)
        scores = np.full(valid.shape, np.nan)
        scores[valid] = found
        return scores

    def _add(self, line: NDArray[np.float64], valid: NDArray[np.bool_], scores: NDArray[np.float64]) -> None:
        from hsad.kernels.triangular import add_pixels

        usable = valid if self._limit == np.inf else valid & (scores <= self._limit)
        pixels = line if usable.all() else line[usable]
        if self.forgetting < 1:
            self._scatter.number[:] *= self.forgetting
            self._scatter.lower[:] *= self.forgetting
        if len(pixels):
            add_pixels(np.ascontiguousarray(pixels), self._scatter)

    def _factor(self) -> None:
        """Learn the Gaussian from the moments as they are now."""
        from hsad.kernels.triangular import scatter_matrix

        self._since = 0
        self._set_limit()
        number = float(self._scatter.number[0])
        count = max(int(number), 1)
        scatter = scatter_matrix(self._scatter) * (count / number)
        moments = Moments(count, self._scatter.mean.copy(), scatter)
        with one_blas_thread():
            self.gaussian = self.detector.gaussian_of(moments, lambda: 0.0)
        self._packed = None

    def _set_limit(self) -> None:
        if not self.detector.trim:
            return
        scores = np.concatenate(self._recent)
        scores = scores[np.isfinite(scores)]
        if len(scores):
            self._limit = float(np.quantile(scores, 1 - self.detector.trim, method="inverted_cdf"))
