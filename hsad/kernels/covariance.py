"""Covariance matrices that can be inverted, and the distance they define."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.shrinkage import ledoit_wolf_ratio, oas_ratio

__all__ = [
    "Covariance",
    "floored_whitener",
    "ledoit_wolf_shrinkage",
    "mahalanobis",
    "oas_shrinkage",
    "raised",
    "regularize",
    "whitener",
]

Covariance = Literal["pinv", "ridge", "ledoit-wolf", "oas"]

#: Eigenvalues below this share of the largest one count as zero.
RANK_TOLERANCE = 1e-12


def ledoit_wolf_shrinkage(covariance: NDArray[np.float64], count: int, fourth: float) -> float:
    """Return the share of the scaled identity in the Ledoit-Wolf estimate.

    Parameters
    ----------
    covariance : (d, d) ndarray
        Divided by n.
    count : int
        Number of samples n.
    fourth : float
        Mean of ‖x − mean‖⁴ over the samples.
    """
    trace, square = float(np.trace(covariance)), float(np.sum(covariance**2))
    if square * len(covariance) <= trace**2:
        return 1.0
    return min(1.0, max(0.0, float(ledoit_wolf_ratio(trace, square, fourth, count, len(covariance)))))


def oas_shrinkage(covariance: NDArray[np.float64], count: int) -> float:
    """Return the share of the scaled identity in the oracle approximating shrinkage estimate."""
    trace, square = float(np.trace(covariance)), float(np.sum(covariance**2))
    if square * len(covariance) <= trace**2:
        return 1.0
    return min(1.0, float(oas_ratio(trace, square, count, len(covariance))))


def regularize(
    covariance: NDArray[np.float64], estimate: Covariance, *, ridge: float, count: int, fourth: float
) -> NDArray[np.float64]:
    """Return the estimate of the covariance, shape ``(d, d)``.

    ``pinv`` leaves it as it is, ``ridge`` adds ridge · tr(C)/d to the diagonal, ``ledoit-wolf`` and ``oas`` shrink
    it towards tr(C)/d · I; `fourth` is read by ``ledoit-wolf`` only (see `ledoit_wolf_shrinkage`).
    """
    bands = len(covariance)
    level = np.trace(covariance) / bands
    if estimate == "pinv":
        return covariance
    if estimate == "ridge":
        ridged: NDArray[np.float64] = covariance + ridge * level * np.eye(bands)
        return ridged
    shrinkage = (
        ledoit_wolf_shrinkage(covariance, count, fourth)
        if estimate == "ledoit-wolf"
        else oas_shrinkage(covariance, count)
    )
    shrunk: NDArray[np.float64] = (1 - shrinkage) * covariance + shrinkage * level * np.eye(bands)
    return shrunk


def whitener(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return W of shape ``(d, rank)`` with W·Wᵀ the (pseudo-)inverse of the covariance.

    Eigenvalues at or below `RANK_TOLERANCE` times the largest count as zero. At full rank W is upper triangular.
    """
    from scipy.linalg import solve_triangular

    factor = _well_conditioned_factor(covariance)
    if factor is None:
        values, vectors = np.linalg.eigh(covariance)
        kept = values > RANK_TOLERANCE * values[-1]
        if not kept.all():
            return np.ascontiguousarray(vectors[:, kept] / np.sqrt(values[kept]))
        factor = np.asarray(np.linalg.cholesky(covariance))
    return np.ascontiguousarray(solve_triangular(factor, np.eye(len(factor)), lower=True).T)


def _well_conditioned_factor(covariance: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the Cholesky factor if the condition number is certain to allow full rank, else None.

    An estimate of the condition number from the factor takes a small part of the time of all eigenvalues. It can be
    some times too small, so it must lie a thousand times below the limit.
    """
    from scipy.linalg.lapack import dpocon

    try:
        factor: NDArray[np.float64] = np.asarray(np.linalg.cholesky(covariance))
    except np.linalg.LinAlgError:
        return None
    reciprocal, _ = dpocon(factor.T, float(np.abs(covariance).sum(axis=0).max()), uplo="U")
    return factor if reciprocal > 1e3 * RANK_TOLERANCE else None


def floored_whitener(covariance: NDArray[np.float64], floor: float = 0.1) -> NDArray[np.float64]:
    """Return W of shape ``(d, d)`` with W·Wᵀ the inverse of the covariance whose small eigenvalues are raised.

    Eigenvalues below `floor` times their median are raised to it: the directions of least variance are noise that a
    target seldom has. Signs and order of the columns are arbitrary; lengths and angles of whitened spectra are not.

    Parameters
    ----------
    covariance : (d, d) ndarray
    floor : float
        Share of the median eigenvalue.

    Examples
    --------
    >>> import numpy as np
    >>> whitening = floored_whitener(np.diag([4.0, 1.0, 1e-6]))
    >>> np.round(np.sort(np.abs(whitening).sum(axis=1)), 3).tolist()
    [0.5, 1.0, 3.162]
    """
    values, vectors = _raised_eigenvalues(covariance, floor)
    whitening: NDArray[np.float64] = vectors / np.sqrt(values)
    return whitening


def raised(covariance: NDArray[np.float64], floor: float = 0.1) -> NDArray[np.float64]:
    """Return the covariance with its small eigenvalues raised, as `floored_whitener` raises them."""
    values, vectors = _raised_eigenvalues(covariance, floor)
    return np.asarray((vectors * values) @ vectors.T)


def _raised_eigenvalues(
    covariance: NDArray[np.float64], floor: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, vectors = np.linalg.eigh(covariance)
    least = max(floor * float(np.median(values)), 4 * RANK_TOLERANCE * float(values[-1]))
    return np.maximum(values, least), vectors


def mahalanobis(
    spectra: NDArray[np.float64] | Iterable[NDArray[np.float64]],
    mean: NDArray[np.float64],
    whitening: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return ``(x − mean)ᵀ W Wᵀ (x − mean)`` for each of ``(n, d)`` spectra, shape ``(n,)``; W is `whitener`'s.

    `spectra` may be an iterable of several pieces.
    """
    from hsad.kernels.triangular import distances, pack_whitening

    packed = pack_whitening(np.ascontiguousarray(whitening), whitening.shape[0] == whitening.shape[1])
    found = [np.empty(0)]
    for piece in [spectra] if isinstance(spectra, np.ndarray) else spectra:
        found.append(np.empty(len(piece)))
        distances(np.ascontiguousarray(piece), mean, packed, found[-1])
    return np.concatenate(found)
