"""What of one pixel's score comes from each band: read from the solution that the kernels of `dual` leave behind."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.ring.dual.patches import NO_WEIGHTS, Patch, patches
from hsad.kernels.ring.dual.pinv import pinv_rx_patch, truncated_crd_patch
from hsad.kernels.ring.dual.single import crd_patch, rx_patch
from hsad.kernels.ring.dual.solve import Workspace
from hsad.kernels.ring.limits import RANK_CUTOFF
from hsad.kernels.ring.one_ring import has_enough, ring_pixels
from hsad.kernels.ring.sparse import SparseTask, score_patch
from hsad.kernels.ring.task import CRD, PINV, RX, Task
from hsad.kernels.ring.window import Window, largest_ring

__all__ = ["RingAccount", "account_of_ring", "account_of_sparse"]

Vector = NDArray[np.float64]
Parts = tuple[Vector, Vector, Vector | None]


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
        The weights α of a representation, of the vectors that were solved for; empty for a sparse one.
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
    spectra = np.ascontiguousarray(spectra, dtype=np.float64)
    wanted = _wanted(valid, pixel, window)
    score = np.zeros((1, 1))
    if not wanted.all():
        return None
    (patch,) = patches(spectra, valid, wanted, _core(pixel), window, task, weights=weights)
    members = _members(valid, pixel, window)
    ring, own = spectra.reshape(-1, spectra.shape[2])[members], spectra[pixel]
    work = _solved(patch, valid, wanted, window, task, score)
    if task.detector == RX:
        contributions, difference, slopes = _rx(own - ring.mean(axis=0), ring, work, task, float(score[0, 0]))
    else:
        contributions, difference, slopes = _crd(own, ring, work, task, float(score[0, 0]))
    return RingAccount(contributions, difference, slopes, ring, members, work.alpha[: len(ring)].copy())


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


def _solved(
    patch: Patch, valid: NDArray[np.bool_], wanted: NDArray[np.bool_], window: Window, task: Task, score: Vector
) -> Workspace:
    """Score the one pixel, and return the workspace with the solution."""
    if task.detector == RX and task.covariance == PINV:
        return pinv_rx_patch(patch, valid, wanted, window, score)
    if task.detector == RX:
        return rx_patch(patch, valid, wanted, window, task, score)
    if task.truncated:
        return truncated_crd_patch(patch, valid, wanted, window, task, score)
    return crd_patch(patch, valid, wanted, window, task, True, score, np.empty((1, 1)))


def _rx(difference: Vector, ring: Vector, work: Workspace, task: Task, score: float) -> Parts:
    """Return the account ``z · C⁻¹z`` of local RX, z the pixel less the mean of its ring.

    With C = ZZᵀ/s + εI the representation's residual r = z - Zα is ε·C⁻¹z. With the pseudo-inverse α = Z⁺z, and
    C⁺z = s·(Z⁺)ᵀα.
    """
    slopes = np.zeros_like(difference)
    if score > 0:
        slopes = work.r.copy()
        if task.covariance == PINV:
            centred = ring - ring.mean(axis=0)
            slopes = np.linalg.lstsq(centred, work.alpha[: len(ring)], rcond=np.sqrt(RANK_CUTOFF))[0]
        slopes *= score / float(difference @ slopes)
    return slopes * difference, difference, slopes


def _crd(own: Vector, ring: Vector, work: Workspace, task: Task, score: float) -> Parts:
    """Return the account of a representation: the squared residual of each band over its root, the score.

    The objective has the cost of the weights too. With Γᵢ = ‖y - xᵢ‖ it divides over the bands as that distance does;
    what belongs to no band (Γ = 1, the appended 1) is spread evenly.
    """
    count, residual = len(ring), work.r.copy()
    slopes = residual / (score or 1.0)
    length = 1.0 / work.scale[count] if task.normalize else 1.0
    if not task.objective:
        return slopes * residual, residual * length, slopes / length
    mean = ring.mean(axis=0) if task.center else np.zeros_like(own)
    scale = work.scale[: count + 1, np.newaxis] if task.normalize else np.ones((count + 1, 1))
    own, ring_seen = (own - mean) * scale[-1], (ring - mean) * scale[:-1]
    alpha = work.alpha[:count]
    cost = task.lam * work.penalty[:count] * alpha**2
    squares = np.ones_like(ring_seen)
    if task.distance:
        squares = (own - ring_seen) ** 2 + np.finfo(np.float64).tiny
    parts = residual**2 + cost @ (squares / squares.sum(axis=1, keepdims=True))
    if task.sum_to_one:
        parts += (1.0 - alpha.sum()) ** 2 / len(parts)
    return parts / (score or 1.0), residual * length, None
