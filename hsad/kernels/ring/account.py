"""What of one pixel's score comes from each band: its system in numpy, of the order of the ring.

Few pixels are accounted for, so that compiling a kernel for them would take longer than all of their accounts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.covariance import regularize, whitener
from hsad.kernels.ring.dual.patches import NO_WEIGHTS, patches
from hsad.kernels.ring.limits import DISTANCE_FLOOR, KEPT_TRACE, VARIANCE_FLOOR
from hsad.kernels.ring.one_ring import has_enough, ring_pixels
from hsad.kernels.ring.sparse import SparseTask, score_patch
from hsad.kernels.ring.task import COVARIANCES, CRD, PINV, RIDGE, RX, Task
from hsad.kernels.ring.window import Window, largest_ring

__all__ = ["RingAccount", "account_of_ring", "account_of_sparse"]

Vector = NDArray[np.float64]

Parts = tuple[Vector, Vector, Vector | None]

_STEPS = 3
"""Solutions of the system: the first, and two that refine it."""


class RingAccount(NamedTuple):
    """One pixel, its ring, and what of the score comes from each band.

    Attributes
    ----------
    contributions : (bands,) ndarray
        They sum to the score.
    difference : (bands,) ndarray
        What of the pixel the ring does not explain, in the units of the spectra.
    slopes : (bands,) ndarray or None
        ``contributions / difference`` where the score has that form.
    ring : (n, bands) ndarray
        The spectra of the ring.
    members : (n,) ndarray of int64
        Numbers (row · columns + column) of the ring pixels in the block.
    weights : (n,) ndarray
        The weights α of a representation, of the vectors that were solved for; empty for a sparse one and local RX.
    """

    contributions: Vector
    difference: Vector
    slopes: Vector | None
    ring: Vector
    members: NDArray[np.int64]
    weights: Vector


def account_of_ring(
    spectra: Vector,
    valid: NDArray[np.bool_],
    pixel: tuple[int, int],
    window: Window,
    task: Task,
    *,
    weights: Vector = NO_WEIGHTS,
) -> RingAccount | None:
    """Return the account of a linear task for one pixel; None if its ring has too few valid pixels.

    Parameters
    ----------
    spectra, valid, window, task, weights
        As in `hsad.kernels.ring.score.score_rings`.
    pixel : tuple of two int
        Row and column in the block.
    """
    if not _wanted(valid, pixel, window).all():
        return None
    members = _members(valid, pixel, window)
    ring = spectra.reshape(-1, spectra.shape[2])[members].astype(np.float64)
    own = spectra[pixel].astype(np.float64)
    if task.detector == RX:
        parts = _rx(own - ring.mean(axis=0), ring - ring.mean(axis=0), task)
        return RingAccount(*parts, ring, members, np.empty(0))
    shares = weights.reshape(-1)[members] if weights.size else np.ones(len(ring))
    parts, alpha = _crd(own, ring, shares, task)
    return RingAccount(*parts, ring, members, alpha)


def account_of_sparse(
    spectra: Vector, valid: NDArray[np.bool_], pixel: tuple[int, int], window: Window, task: SparseTask
) -> RingAccount | None:
    """Return the account of a sparse representation for one pixel; None if its ring has too few valid pixels."""
    spectra = np.ascontiguousarray(spectra, dtype=np.float64)
    wanted = _wanted(valid, pixel, window)
    score = np.zeros((1, 1))
    if not wanted.all():
        return None
    (patch,) = patches(spectra, valid, wanted, _core(pixel), window, Task(CRD, task.lam))
    residual = score_patch(patch, valid, wanted, window, task, score)
    slopes = residual / (float(score[0, 0]) or 1.0)
    members = _members(valid, pixel, window)
    ring = spectra.reshape(-1, spectra.shape[2])[members]
    return RingAccount(slopes * residual, residual, slopes, ring, members, np.empty(0))


def _core(pixel: tuple[int, int]) -> tuple[slice, slice]:
    return slice(pixel[0], pixel[0] + 1), slice(pixel[1], pixel[1] + 1)


def _wanted(valid: NDArray[np.bool_], pixel: tuple[int, int], window: Window) -> NDArray[np.bool_]:
    """Return whether the pixel has a score, as an array of one."""
    span = (pixel[0], pixel[0] + 1, pixel[1], pixel[1] + 1)
    return np.asarray(has_enough(valid, span, window.outer, window.inner, window.border))


def _members(valid: NDArray[np.bool_], pixel: tuple[int, int], window: Window) -> NDArray[np.int64]:
    """Return the numbers of the ring pixels in the block, in the order in which the kernels have the weights."""
    numbers = np.empty(largest_ring(window.outer, window.inner), dtype=np.int64)
    count = ring_pixels(valid, *pixel, window.outer, window.inner, window.border, numbers)
    return np.sort(numbers[:count])


def _solve(atoms: Vector, right: Vector, penalty: Vector) -> Vector:
    """Return α of ``(XᵀX + P) α = Xᵀy`` for the rows X of `atoms`, y = `right` and P = diag `penalty`, refined.

    With fewer bands than atoms the system has the order of the bands (Woodbury 1950).
    """
    few = atoms.shape[1] < len(atoms)
    scaled = atoms / penalty[:, np.newaxis]
    system = np.eye(atoms.shape[1]) + atoms.T @ scaled if few else atoms @ atoms.T + np.diag(penalty)
    try:
        factor = np.linalg.inv(np.linalg.cholesky(system))
    except np.linalg.LinAlgError:  # atoms that are equal, and cost nothing
        stacked = np.concatenate([atoms, np.diag(np.sqrt(penalty))], axis=1)
        return np.asarray(np.linalg.lstsq(stacked.T, np.append(right, np.zeros(len(penalty))))[0])
    alpha = np.zeros(len(penalty))
    for _ in range(_STEPS):
        gradient = atoms @ (right - alpha @ atoms) - penalty * alpha
        if few:
            gradient = gradient / penalty
            alpha += gradient - scaled @ (factor.T @ (factor @ (atoms.T @ gradient)))
        else:
            alpha += factor.T @ (factor @ gradient)
    return alpha


def _rx(z: Vector, ring: Vector, task: Task) -> Parts:
    """Return the account ``z · C⁻¹z`` of local RX for a pixel and its ring, both less the mean of the ring."""
    count, bands = ring.shape
    squares, least = np.vecdot(ring, ring), VARIANCE_FLOOR * float(z @ z)
    rule = COVARIANCES[task.covariance]
    covariance = regularize(
        ring.T @ ring / count, rule, ridge=task.lam, count=count, fourth=float(squares @ squares) / count
    )
    if float(squares.mean()) < least and task.covariance != PINV:
        covariance = (task.lam if task.covariance == RIDGE else 1.0) * least / bands * np.eye(bands)
    if not covariance.any() or not z.any():
        return np.zeros(bands), z, np.zeros(bands)
    whitening = whitener(covariance)
    slopes = whitening @ (whitening.T @ z)
    return slopes * z, z, slopes


def _crd(own: Vector, ring: Vector, shares: Vector, task: Task) -> tuple[Parts, Vector]:
    """Return the account of a representation, and α: the squared residual of each band over its root, the score.

    The objective has the cost of the weights too. With Γᵢ = ‖y - xᵢ‖ it divides over the bands as that distance does;
    what belongs to no band (Γ = 1, the appended 1) is spread evenly.
    """
    mean = ring.mean(axis=0) if task.center else np.zeros_like(own)
    y, atoms = own - mean, ring - mean
    length = 1.0
    if task.normalize:
        length = float(np.linalg.norm(y)) or 1.0
        lengths = np.linalg.norm(atoms, axis=1, keepdims=True)
        y, atoms = y / length, atoms / np.where(lengths > 0, lengths, 1.0)
    squares = (y - atoms) ** 2 + np.finfo(np.float64).tiny if task.distance else np.ones_like(atoms)
    penalty = np.full(len(ring), task.lam)
    if task.distance:
        penalty *= np.maximum(squares.sum(axis=1) + task.softening, DISTANCE_FLOOR * float(y @ y))
    penalty /= shares
    ones = np.ones((len(ring) + 1, int(task.sum_to_one)))
    seen, right = np.hstack([atoms, ones[1:]]), np.append(y, ones[0])
    alpha = _leading(seen, right, penalty) if task.truncated else _solve(seen, right, penalty)
    residual = y - alpha @ atoms
    parts = residual**2
    if task.objective:
        parts += (penalty * alpha**2) @ (squares / squares.sum(axis=1, keepdims=True))
        if task.sum_to_one:
            parts += (1.0 - alpha.sum()) ** 2 / len(parts)
    score = float(np.sqrt(parts.sum())) or 1.0
    slopes = None if task.objective else residual / (score * length)
    return (parts / score, residual * length, slopes), alpha


def _leading(atoms: Vector, right: Vector, penalty: Vector) -> Vector:
    """Return the solution in the leading eigenvectors that hold 99.99 % of the trace."""
    values, vectors = np.linalg.eigh(atoms @ atoms.T + np.diag(penalty))
    values, vectors = values[::-1], vectors[:, ::-1]
    before = np.cumsum(values) - values
    kept = (before < KEPT_TRACE * values.sum()) & (values > 0)
    leading = vectors[:, kept]
    return np.asarray(leading @ ((leading.T @ (atoms @ right)) / values[kept]))
