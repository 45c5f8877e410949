"""Detectors of anomalous change: how unlikely a pair of spectra is, beyond how unlikely each of them is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Scan
from hsad.detectors.block import Block
from hsad.detectors.change.base import ChangeDetector
from hsad.detectors.change.dates import DATES, Dates, Held
from hsad.detectors.change.pairs import Factors, Measured, Weights, joint_gaussian
from hsad.detectors.described import for_users
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import require_valid
from hsad.kernels.summaries import Totals

__all__ = ["Chronochrome", "CovarianceEqualisation", "Hyperbolic"]


@for_users
@dataclass(frozen=True)
class Chronochrome(ChangeDetector):
    """Squared distance of a spectrum from what the other date predicts: ``ξ(x, y) − ξ(x)``.

    x is the spectrum of the first date, y that of the second. The second date is predicted by linear regression on the
    first, ``ŷ = μ_y + C_yx C_xx⁻¹ (x − μ_x)``. The score is the squared Mahalanobis distance of ``y − ŷ``, which is
    ``ξ(x, y) − ξ(x)``. ``direction="new"`` gives this score, ``gone`` the same with the dates exchanged, ``either`` the
    larger of the two, after they have been given the same mean over the scene.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> before = np.random.default_rng(0).normal(size=(40, 50, 6))
    >>> after = 2 * before + 1  # other light
    >>> after[20, 30] += 8  # something new
    >>> scores = hsad.change(before, after, hsad.Chronochrome())
    >>> np.unravel_index(scores.argmax(), scores.shape) == (20, 30)
    True
    """

    title: ClassVar[str] = "chronochrome: distance of a spectrum from its regression on the other date (two dates)"
    reference: ClassVar[str] = "Schaum & Stocker, Proc. ISSSR, 1997"
    cites: ClassVar[tuple[str, ...]] = ("theiler2008", "schaum2004")

    direction: Literal["either", "new", "gone"] = parameter(
        "either", "changes that count: what is new on the second date, what is gone, or the larger of both"
    )

    @property
    def _held(self) -> tuple[Held, ...]:
        return {"either": DATES, "new": DATES[1:], "gone": DATES[:1]}[self.direction]

    def _factors(self, measured: Measured, dates: Dates, held: Held) -> Factors:  # noqa: ARG002  no factor varies
        joint, before, after = dates.sizes
        expected = joint - before if held == "after" else joint - after
        # The mean scores of the two directions are made equal: they differ where the dates have different bands.
        scale = (joint - (before + after) / 2) / expected if self.direction == "either" else 1.0
        return Factors(scale, scale, 0.0) if held == "after" else Factors(scale, 0.0, scale)


@for_users
@dataclass(frozen=True)
class CovarianceEqualisation(ChangeDetector):
    """Squared distance between the spectra of two dates after both have been whitened.

    Each date is whitened, so that a different illumination, haze or sensor is undone without a pixel on both dates that
    is the same. The whitened dates are turned so that they agree best (optimal covariance equalisation). The score is
    the squared Mahalanobis distance of their difference, ``Σ (u_i − v_i)² / (2 (1 − ρ_i))`` in the canonical
    coordinates u and v with the correlations ρ. Where one date has more bands, its further coordinates do not count.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> before = np.random.default_rng(0).normal(size=(40, 50, 6))
    >>> after = 2 * before + 1  # other light
    >>> after[20, 30] += 8  # something new
    >>> scores = hsad.change(before, after, hsad.CovarianceEqualisation())
    >>> np.unravel_index(scores.argmax(), scores.shape) == (20, 30)
    True
    """

    title: ClassVar[str] = "covariance equalisation: distance between two whitened dates"
    reference: ClassVar[str] = "Schaum & Stocker, Proc. SPIE 5425:77, 2004"
    cites: ClassVar[tuple[str, ...]] = ("schaum2004", "theiler2008")

    def _weights(self, dates: Dates) -> Weights:
        unlike = 1 / (2 * (1 - dates.correlation))
        return Weights(unlike, 2 * unlike, 0.0)

    def _factors(self, measured: Measured, dates: Dates, held: Held) -> Factors:  # noqa: ARG002  no factor varies
        return Factors(1.0, 0.0, 0.0)


@for_users
@dataclass(frozen=True)
class Hyperbolic(ChangeDetector):
    """Anomalous change: how unlikely a pair of spectra is, beyond how unlikely each spectrum is on its own date.

    With Gaussian tails the score is ``ξ(x, y) − ξ(x) − ξ(y)``, whose contours are hyperbolas (HACD). With
    ``elliptical`` tails both dates together have a multivariate t distribution with ν degrees of freedom, and the score
    is ``g(ξ(x, y), b + a) − g(ξ(x), b) − g(ξ(y), a)`` with ``g(ξ, d) = (d + ν) ln(1 + ξ/(ν − 2))`` for b and a bands
    (EC-HACD). ν is estimated from the scene: ``ν = 2 + κ/(κ − d − 1)`` with ``κ = ⟨ξ^(3/2)⟩ / ⟨ξ^(1/2)⟩`` and d all
    bands. With ``shrink`` the numbers of bands are replaced by the means of ξ, which are smaller. A score can be
    negative.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> before = np.random.default_rng(0).normal(size=(40, 50, 6))
    >>> after = 2 * before + 1  # other light
    >>> after[20, 30] += 8  # something new
    >>> scores = hsad.change(before, after, hsad.Hyperbolic())
    >>> np.unravel_index(scores.argmax(), scores.shape) == (20, 30)
    True
    """

    title: ClassVar[str] = "hyperbolic anomalous change: pairs of spectra that are unlikely together (two dates)"
    reference: ClassVar[str] = "Theiler, Applied Optics 47(28):F12, 2008"
    cites: ClassVar[tuple[str, ...]] = ("theiler2008", "theiler2010")

    tails: Literal["elliptical", "gaussian"] = parameter(
        "elliptical", "distribution of both dates together: elliptically contoured (a t distribution) or Gaussian"
    )

    def learn(self, scan: Scan) -> Dates:
        """Return the Gaussian of both dates, and with elliptical tails their degrees of freedom after a second pass."""
        dates = super().learn(scan)
        if self.tails == "gaussian":
            return dates
        totals = require_valid(scan(_radii, dates))
        return replace(dates, tails=_tails(totals.total[0] / max(totals.total[1], _TINY), dates.sizes[0]))

    def _factors(self, measured: Measured, dates: Dates, held: Held) -> Factors:  # noqa: ARG002  no factor varies
        if not dates.tails:
            return Factors(1.0, 1.0, 1.0)
        sizes = dates.sizes
        return Factors(*(_logarithmic(square, size, dates.tails) for square, size in zip(measured, sizes, strict=True)))


#: Smallest number that is no zero.
_TINY = float(np.finfo(np.float64).tiny)

#: Largest ν − 2: with more, a t distribution is a Gaussian.
_MOST_FREE = 1e6


def _radii(block: Block, dates: Dates) -> Totals | None:
    """Return the sums of the third and the first power of the distances of a block's pixels."""
    weights, count, total = joint_gaussian(dates), 0, np.zeros(2)
    for pixels in block.pieces():
        squares = np.maximum(weights.form(*dates.coordinates(pixels)), 0.0)
        count += len(pixels)
        total += np.sum(squares**1.5), np.sum(squares**0.5)
    return Totals(count, total) if count else None


def _tails(ratio: float, size: float) -> float:
    """Return ν − 2 of the t distribution in which ``⟨ξ^(3/2)⟩ / ⟨ξ^(1/2)⟩`` has this value."""
    excess = ratio - (size + 1)
    return float(min(ratio / excess, _MOST_FREE)) if excess > 0 else _MOST_FREE


def _logarithmic(square: NDArray[np.float64], size: float, tails: float) -> NDArray[np.float64]:
    """Return ``g(ξ)/ξ``."""
    small = square < _TINY
    known = np.where(small, 1.0, square)
    found = np.where(small, 1 / tails, np.log1p(known / tails) / known)
    return np.asarray((size + tails + 2) * found)
