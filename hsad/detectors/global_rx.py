"""Global RX: one Gaussian for the whole scene."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Background, Scan
from hsad.detectors.block import Block
from hsad.detectors.checks import above, at_least
from hsad.detectors.columns import ByColumns, ColumnDetector, columns_parameter, learned_by_columns
from hsad.detectors.described import for_users
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import require_valid
from hsad.errors import ConvergenceWarning, DataError, RankWarning
from hsad.kernels.covariance import Covariance, mahalanobis, regularize, whitener
from hsad.kernels.summaries import Histogram, Moments, Totals, in_single_precision, quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Gaussian", "GlobalRX"]

#: Trimming usually settles within five rounds. After this number of rounds it is taken to cycle.
_MOST_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class Gaussian(Background):
    """A multivariate Gaussian.

    Attributes
    ----------
    mean : (d,) ndarray of float64
    whitening : (d, rank) ndarray of float64
        W with W·Wᵀ the (pseudo-)inverse of the covariance.
    count : int
        Number of pixels that it was learned from.
    rank : int
        Rank of the covariance. If it is less than d, some directions do not count.
    """

    shapes: ClassVar[dict[str, Any]] = {"mean": ("bands",), "whitening": ("bands", "rank")}

    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]
    count: int
    rank: int

    def distance(self, spectra: NDArray[np.float64] | Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the squared Mahalanobis distance of ``(n, d)`` spectra, or of several such pieces, shape ``(n,)``."""
        return mahalanobis(spectra, self.mean, self.whitening)

    def reason(self, spectrum: NDArray[np.float64]) -> Reason:
        """Return what of a spectrum's squared distance comes from each band: ``z · C⁻¹z`` with z = x − mean."""
        difference = spectrum - self.mean
        slopes = self.whitening @ (self.whitening.T @ difference)
        return Reason("", slopes * difference, self.mean, difference, slopes)


@for_users
@dataclass(frozen=True)
class GlobalRX(ColumnDetector):
    """Squared Mahalanobis distance to the mean of the scene: ``(x − μ)ᵀ C⁻¹ (x − μ)``.

    μ is the mean of the n valid pixels and ``C = (1/n) Σ (xᵢ − μ)(xᵢ − μ)ᵀ``: it is divided by n, not by n − 1. So with
    ``covariance="pinv"`` and full rank the mean score of the scene is the number of bands. The score does not change
    under an affine map of the spectra (with ``pinv``).

    Notes
    -----
    ``pinv`` inverts the eigenvalues above 1e-12 of the largest one and ignores the other directions with a
    `RankWarning`. ``ridge`` adds ``ridge · tr(C)/d`` to the diagonal. ``ledoit-wolf`` and ``oas`` take
    ``(1 − δ) C + δ tr(C)/d · I`` with the δ of their papers. Frequent anomalies shape C and so hide
    themselves. ``trim`` leaves this share of the pixels, those with the highest scores, out of the statistics, and
    repeats that until it leaves out the same pixels again.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 12))
    >>> scene[20, 30] += 9
    >>> scores = hsad.detect(scene, hsad.GlobalRX())
    >>> np.unravel_index(scores.argmax(), scores.shape) == (20, 30)
    True
    >>> float(round(scores.mean(), 3))  # the number of bands
    12.0
    """

    title: ClassVar[str] = "global RX: squared Mahalanobis distance to the scene's mean"
    cites: ClassVar[tuple[str, ...]] = ("reed1990", "ledoit2004", "chen2010")

    covariance: Covariance = parameter("pinv", "how the covariance is made invertible")
    ridge: float = parameter(
        1e-2,
        "with --covariance ridge: added to the diagonal, times trace/bands",
        check=above(0),
    )
    trim: float = parameter(
        0.0,
        "share of the highest scores left out of the statistics, iterated",
        check=at_least(0, below=1),
    )
    columns: int = columns_parameter()

    def learn(self, scan: Scan) -> Gaussian | ByColumns:
        """Return mean and covariance after one pass, or after a few for trimming, Ledoit-Wolf or groups of columns."""
        if self.columns:
            return learned_by_columns(replace(self, columns=0), scan, self.columns)
        moments = require_valid(scan(_moments))
        gaussian = self._gaussian(scan, moments, None)
        if self.trim > 0:
            gaussian = self._trimmed(scan, moments, gaussian)
        bands = len(gaussian.mean)
        if gaussian.rank < bands:
            warnings.warn(
                f"the covariance has rank {gaussian.rank} of {bands}: the other directions are ignored",
                RankWarning,
                stacklevel=2,
            )
        return gaussian

    def score(self, block: Block, background: Any) -> NDArray[np.float64]:
        """Return the squared distances of the block's core."""
        if isinstance(background, ByColumns):
            return replace(self, columns=0).score(background.even(block), background.inner)
        return block.spread(background.distance(block.pieces()))

    def account(self, block: Block, background: Any) -> Reason:
        """Return the account ``z · C⁻¹z`` with z = x − μ, which sums to the squared distance."""
        if isinstance(background, ByColumns):
            return replace(self, columns=0).account(background.even(block), background.inner)
        score = float(self.score(block, background)[0, 0])
        reason: Reason = background.reason(block.pixel).summing_to(score)
        average = ""
        if self.covariance == "pinv" and not self.trim:
            average = f", {background.rank} on average over the scene"
        covariance = np.linalg.pinv(background.whitening @ background.whitening.T, hermitian=True)
        return replace(
            reason,
            sentence=f"its squared Mahalanobis distance to the scene's mean is {score:.4g}{average}",
            mean=background.mean,
            spread=np.sqrt(np.maximum(np.diag(covariance), 0.0)),
            unlike="the whole scene",
        )

    def _trimmed(self, scan: Scan, moments: Moments, gaussian: Gaussian) -> Gaussian:
        total = moments.count
        for _ in range(_MOST_ROUNDS):
            histogram = _histogram_pass(scan, gaussian)
            # The score of the last pixel that stays: floor(trim · N) pixels are left out, more if scores are equal.
            limit = quantile(histogram, 1 - np.floor(self.trim * total) / total)
            rest = scan(_moments, gaussian, limit)
            if rest is None:
                raise DataError(f"trim {self.trim} leaves no pixel to learn from")
            if rest.count == moments.count and np.array_equal(rest.mean, moments.mean):
                return gaussian
            gaussian, moments = self._gaussian(scan, rest, (gaussian, limit)), rest
        warnings.warn(
            f"trimming did not settle within {_MOST_ROUNDS} rounds: the statistics of the last round are used",
            ConvergenceWarning,
            stacklevel=3,
        )
        return gaussian

    def _gaussian(self, scan: Scan, moments: Moments, trimming: tuple[Gaussian, float] | None) -> Gaussian:
        def fourth() -> float:
            totals = scan(_fourth_powers, moments.mean, trimming)
            assert totals is not None  # noqa: S101  the pixels that gave the moments
            return float(totals.mean)

        return self.gaussian_of(moments, fourth)

    def gaussian_of(self, moments: Moments, fourth: Callable[[], float]) -> Gaussian:
        """Return the Gaussian of pixels with these moments; `fourth` gives the mean of ‖x − μ‖⁴ for Ledoit-Wolf.

        Raises
        ------
        DataError
            When the pixels are too few or do not vary.
        """
        count, bands = moments.count, len(moments.mean)
        if count < 2 or (self.covariance == "pinv" and count < bands):
            raise DataError(
                f"{count} valid pixels are fewer than the {max(bands, 2)} bands: choose fewer (bands, pca) "
                "or covariance ridge, ledoit-wolf or oas"
            )
        covariance = moments.covariance
        if not np.trace(covariance) > 0:
            raise DataError("all valid pixels are equal: there is no variation to measure an anomaly by")
        power = fourth() if self.covariance == "ledoit-wolf" else 0.0
        whitening = whitener(regularize(covariance, self.covariance, ridge=self.ridge, count=count, fourth=power))
        return Gaussian(moments.mean, whitening, count, whitening.shape[1])


def _untrimmed(block: Block, trimming: tuple[Gaussian, float] | None) -> NDArray[np.float64]:
    """Return the block's pixels whose distance, rounded to float32 as in the histogram, does not exceed the limit."""
    pixels = block.pixels
    if trimming is None or not len(pixels):
        return pixels
    gaussian, limit = trimming
    return pixels[in_single_precision(gaussian.distance(pixels)) <= limit]


def _moments(block: Block, gaussian: Gaussian | None = None, limit: float = np.inf) -> Moments | None:
    return Moments.of(block.pieces() if gaussian is None else _untrimmed(block, (gaussian, limit)))


def _fourth_powers(block: Block, mean: NDArray[np.float64], trimming: tuple[Gaussian, float] | None) -> Totals | None:
    pixels = _untrimmed(block, trimming)
    if not len(pixels):
        return None
    return Totals(len(pixels), float(np.sum(np.einsum("ij,ij->i", pixels - mean, pixels - mean) ** 2)))


def _distances(block: Block, gaussian: Gaussian, prefix: int | None) -> Histogram | None:
    distances = gaussian.distance(block.pieces())
    return Histogram.of(distances, prefix) if len(distances) else None


def _histogram_pass(scan: Scan, gaussian: Gaussian) -> Callable[[int | None], Histogram | None]:
    return lambda prefix: scan(_distances, gaussian, prefix)
