"""The local detectors as functions of arrays: local RX, collaborative representation, its kernel form.

Each takes a block of spectra with the surroundings of its core and gives the scores of the core. The algorithm
behind is chosen by the size of the ring, the number of bands and the weights; every choice gives the same numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.ring.choose import can_share, dual_cost, primal_allowed, primal_cost, tile_side
from hsad.kernels.ring.dual.patches import NO_WEIGHTS, patches
from hsad.kernels.ring.dual.pinv import pinv_rx_patch, truncated_crd_patch
from hsad.kernels.ring.dual.shared import shared_patch
from hsad.kernels.ring.dual.single import crd_patch, kernel_crd_patch, rx_patch
from hsad.kernels.ring.limits import REFINED_BELOW, TRUSTED_SHARE
from hsad.kernels.ring.primal.score import score_primal
from hsad.kernels.ring.task import LINEAR, PINV, RX, Task, crd_task, kernel_crd_task, rx_task
from hsad.kernels.ring.window import Window, border_code, has_enough

__all__ = ["crd", "kernel_crd", "local_rx"]

Spectra = NDArray[np.float64]
Core = tuple[slice, slice]


def _score(
    spectra: Spectra,
    valid: NDArray[np.bool_],
    core: Core,
    window: Window,
    task: Task,
    ring_weights: NDArray[np.float64] = NO_WEIGHTS,
) -> NDArray[np.float64]:
    spectra = np.ascontiguousarray(spectra, dtype=np.float64)
    span = (core[0].start, core[0].stop, core[1].start, core[1].stop)
    wanted = has_enough(valid, span, window.outer, window.inner, window.border)
    scores = np.full(wanted.shape, np.nan)
    weighted = ring_weights.size > 0
    bands = spectra.shape[2]
    if primal_allowed(task) and primal_cost(bands, window, task, weighted=weighted) < dual_cost(bands, window, task):
        shares = np.empty_like(scores)
        score_primal(spectra, valid, ring_weights, span, window, task, scores, shares)
        scores[~wanted] = np.nan
        wanted &= ~(shares > TRUSTED_SHARE)
    if wanted.any():
        _score_dual(spectra, valid, wanted, core, window, task, ring_weights, scores)
    return scores


def _score_dual(
    spectra: Spectra,
    valid: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    core: Core,
    window: Window,
    task: Task,
    ring_weights: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    shares = np.zeros_like(scores)
    shared = can_share(task, window)
    side = tile_side(window) if shared else 1
    for patch in patches(spectra, valid, wanted, core, window, task, ring_weights=ring_weights, side=side):
        top, left = patch.rows[0] - core[0].start, patch.cols[0] - core[1].start
        here = np.s_[top : top + patch.rows[1] - patch.rows[0], left : left + patch.cols[1] - patch.cols[0]]
        part, pixels = scores[here], wanted[here]
        if shared:
            shared_patch(patch, valid, pixels, window, task, side, part, shares[here])
            pixels = pixels & (shares[here] < REFINED_BELOW)
            if not pixels.any():
                continue
        if task.detector == RX and task.covariance == PINV:
            pinv_rx_patch(patch, valid, pixels, window, part)
        elif task.detector == RX:
            rx_patch(patch, valid, pixels, window, task, part)
        elif task.kernel != LINEAR:
            kernel_crd_patch(patch, valid, pixels, window, task, part)
        elif task.truncated:
            truncated_crd_patch(patch, valid, pixels, window, task, part)
        elif shared or task.center or task.normalize or task.sum_to_one:
            crd_patch(patch, valid, pixels, window, task, True, part, shares[here])
        else:
            crd_patch(patch, valid, pixels, window, task, None, part, shares[here])
            pixels = pixels & (shares[here] < REFINED_BELOW)
            if pixels.any():
                crd_patch(patch, valid, pixels, window, task, True, part, shares[here])


def local_rx(
    spectra: Spectra,
    valid: NDArray[np.bool_],
    core: Core,
    *,
    outer: int,
    inner: int,
    covariance: str = "ridge",
    ridge: float = 1e-2,
    border: str = "shift",
) -> NDArray[np.float64]:
    """Return squared Mahalanobis distances to the mean and covariance (÷ s) of each pixel's ring.

    Parameters
    ----------
    spectra : (rows, cols, bands) ndarray of float64
        A block with the surroundings of its core; the values of invalid pixels are not used.
    valid : (rows, cols) ndarray of bool
        Pixels with data.
    core : tuple of two slices
        Rows and columns to score.
    outer, inner : int
        Odd side lengths of the outer and the guard window, in pixels.
    covariance : {"ridge", "pinv", "ledoit-wolf", "oas"}
        C + εI with ε = ridge · tr C / bands; the pseudo-inverse with eigenvalues above 1e-12 of the largest; or a
        convex combination of C and its mean variance.
    ridge : float
        Of ``covariance="ridge"``.
    border : {"shift", "truncate", "reflect"}
        See `hsad.kernels.ring.window`.

    Returns
    -------
    (core rows, core cols) ndarray of float64
        NaN where the pixel is invalid or fewer than a quarter of its ring is valid.

    Raises
    ------
    ParameterError
        When `covariance` or `border` is not one of its choices.
    """
    window = Window(outer, inner, border_code(border))
    task = rx_task(covariance=covariance, ridge=ridge)
    return _score(spectra, valid, core, window, task)


def crd(
    spectra: Spectra,
    valid: NDArray[np.bool_],
    core: Core,
    *,
    outer: int,
    inner: int,
    lam: float = 1e-3,
    weights: str = "distance",
    sum_to_one: bool = False,
    center: bool = False,
    normalize: bool = False,
    solver: str = "exact",
    score: str = "residual",
    border: str = "shift",
    ring_weights: NDArray[np.float64] | None = None,
    softening: float = 0.0,
) -> NDArray[np.float64]:
    """Return the residuals of representing each pixel by its ring (Li & Du 2015).

    Minimises ``‖y - Xα‖² + λ Σ Γᵢ² αᵢ²``, with Γᵢ = ‖y - xᵢ‖ (not below 1e-5 ‖y‖) or 1. The steps come in this
    order: centring on the mean of the ring, scaling to unit length, the distances Γ, the appended ones.

    Parameters
    ----------
    spectra, valid, core, outer, inner, border
        As in `local_rx`.
    lam : float
        λ.
    weights : {"distance", "none"}
        Γ.
    sum_to_one : bool
        Append a 1 to the pixel and to every atom.
    center, normalize : bool
        Subtract the mean of the ring; scale the pixel and the atoms to unit length.
    solver : {"exact", "truncated"}
        `truncated` is the pseudo-inverse with 99.99 % of the trace that much published code uses.
    score : {"residual", "objective"}
        ‖y - Xα‖ without the appended row, or the square root of the minimum with everything that is in it.
    ring_weights : (rows, cols) ndarray of float64, optional
        Wᵢ > 0: Γᵢ² is divided by the weight of the atom.
    softening : float
        Added to every Γᵢ² (before the weights).

    Returns
    -------
    (core rows, core cols) ndarray of float64
        NaN where the pixel is invalid or fewer than a quarter of its ring is valid.

    Raises
    ------
    ParameterError
        When `weights`, `solver`, `score` or `border` is not one of its choices.
    """
    task = crd_task(
        lam=lam,
        weights=weights,
        sum_to_one=sum_to_one,
        center=center,
        normalize=normalize,
        solver=solver,
        score=score,
        softening=softening,
    )
    window = Window(outer, inner, border_code(border))
    return _score(spectra, valid, core, window, task, NO_WEIGHTS if ring_weights is None else ring_weights)


def kernel_crd(
    spectra: Spectra,
    valid: NDArray[np.bool_],
    core: Core,
    *,
    outer: int,
    inner: int,
    lam: float = 1e-3,
    weights: str = "distance",
    kernel: str = "rbf",
    gamma: float = 1.0,
    border: str = "shift",
) -> NDArray[np.float64]:
    """Return the residuals of representing each pixel by its ring in the feature space of a kernel (Li & Du 2015).

    Parameters
    ----------
    spectra, valid, core, outer, inner, lam, weights, border
        As in `crd`.
    kernel : {"rbf", "polynomial", "linear"}
        ``exp(-γ‖a - b‖²)``, ``(γ aᵀb + 1)³`` or ``aᵀb``; the linear one is `crd`.
    gamma : float
        γ, in inverse squared units of the spectra.

    Returns
    -------
    (core rows, core cols) ndarray of float64
        NaN where the pixel is invalid or fewer than a quarter of its ring is valid.

    Raises
    ------
    ParameterError
        When `weights`, `kernel` or `border` is not one of its choices.
    """
    task = kernel_crd_task(lam=lam, weights=weights, kernel=kernel, gamma=gamma)
    return _score(spectra, valid, core, Window(outer, inner, border_code(border)), task)
