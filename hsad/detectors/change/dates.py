"""Two dates of one place as one Gaussian, in the coordinates in which the dates are correlated one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Background
from hsad.errors import DataError
from hsad.kernels.covariance import whitener
from hsad.kernels.summaries import Moments

__all__ = ["DATES", "Dates", "Held", "dates_of"]

#: A date; in a pair, the one whose spectrum stays that of the pixel while the other date is shifted.
Held = Literal["before", "after"]

DATES: tuple[Held, ...] = ("before", "after")

#: Largest canonical correlation. Two equal dates have the correlation 1, and a difference of no size at all.
_MOST_CORRELATED = 1 - 1e-9


@dataclass(frozen=True, eq=False)
class Dates(Background):
    """The Gaussian of two dates in canonical coordinates.

    The coordinates of a spectrum are ``(x - mean) @ axes``. Over the scene each has the variance 1 and is correlated
    with the coordinate of the same number on the other date only.

    Attributes
    ----------
    before_mean, after_mean : (b,), (a,) ndarray of float64
    before_axes, after_axes : (b, k), (a, m) ndarray of float64
    correlation : (min(k, m),) ndarray of float64
        Canonical correlations, largest first.
    sizes : (3,) ndarray of float64
        Means of the squared distances over the scene: of both spectra together, of the first and of the second. Without
        shrinkage they are the numbers of coordinates.
    count : int
        Number of pixels that have data on both dates.
    tails : float
        ν − 2 of the multivariate t distribution with the degrees of freedom ν; 0 for a Gaussian.
    """

    shapes: ClassVar[dict[str, Any]] = {
        "before_mean": ("before",),
        "after_mean": ("after",),
        "before_axes": ("before", "before_rank"),
        "after_axes": ("after", "after_rank"),
        "correlation": ("shared",),
        "sizes": (3,),
    }

    before_mean: NDArray[np.float64]
    after_mean: NDArray[np.float64]
    before_axes: NDArray[np.float64]
    after_axes: NDArray[np.float64]
    correlation: NDArray[np.float64]
    sizes: NDArray[np.float64]
    count: int
    tails: float = 0.0

    def spectra(self, name: Held, stacked: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the part of stacked spectra ``(…, b + a)`` that one date has."""
        first = len(self.before_mean)
        return stacked[..., :first] if name == "before" else stacked[..., first:]

    def mean(self, name: Held) -> NDArray[np.float64]:
        """Return the mean spectrum of a date."""
        return self.before_mean if name == "before" else self.after_mean

    def axes(self, name: Held) -> NDArray[np.float64]:
        """Return the axes of a date, ``(bands, coordinates)``."""
        return self.before_axes if name == "before" else self.after_axes

    def coordinates(self, stacked: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the coordinates of stacked spectra ``(…, b + a)`` on the first date ``(…, k)`` and the second."""
        before, after = (
            (self.spectra(name, stacked).reshape(-1, len(self.mean(name))) - self.mean(name)) @ self.axes(name)
            for name in DATES
        )
        places = stacked.shape[:-1]
        return before.reshape(*places, -1), after.reshape(*places, -1)


def dates_of(moments: Moments, first: int, shrink: float) -> Dates:
    """Return the Gaussian of two dates from the moments of their stacked spectra.

    Parameters
    ----------
    moments : Moments
        Of spectra ``(first date, second date)``.
    first : int
        Number of bands of the first date.
    shrink : float
        Added to the diagonal of the correlation matrix, not of the covariance: so a gain of a band changes nothing.

    Raises
    ------
    DataError
        When one date has the same spectrum everywhere.
    """
    covariance = moments.covariance
    variance = np.diag(covariance)
    # What rounding leaves of a constant band is no variance.
    scale = np.sqrt(np.where(variance > 1e-24 * moments.mean**2, variance, 0.0))
    for name, part in (("first", scale[:first]), ("second", scale[first:])):
        if not part.any():
            raise DataError(f"the {name} date is constant: every valid pixel has the same spectrum")
    gain = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    measured = covariance * np.outer(gain, gain)
    matrix = measured + shrink * np.eye(len(scale))
    parts = slice(None), slice(first), slice(first, None)
    whole, before, after = (whitener(matrix[part, part]) for part in parts)
    left, shared, right = np.linalg.svd(before.T @ matrix[:first, first:] @ after)
    sizes = [
        float(np.einsum("ij,ik,kj->", axes, measured[part, part], axes))
        for axes, part in zip((whole, before, after), parts, strict=True)
    ]
    return Dates(
        moments.mean[:first],
        moments.mean[first:],
        np.ascontiguousarray(gain[:first, np.newaxis] * (before @ left)),
        np.ascontiguousarray(gain[first:, np.newaxis] * (after @ right.T)),
        np.minimum(shared, _MOST_CORRELATED),
        np.array(sizes),
        moments.count,
    )
