"""The detectors of a ring as one function of arrays; a `Task` says what it computes for each pixel.

The size of the ring, the number of bands, the weights and the device decide which algorithm runs. All algorithms give
the same numbers to rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.ring.choose import can_share, cell_side, dual_cost, primal_allowed, primal_cost, takes_single
from hsad.kernels.ring.dual.mixed_crd import mixed_patch
from hsad.kernels.ring.dual.mixed_rx import mixed_rx_patch
from hsad.kernels.ring.dual.patches import NO_WEIGHTS, Patch, part_of, patches
from hsad.kernels.ring.dual.pinv import pinv_rx_patch, truncated_crd_patch
from hsad.kernels.ring.dual.shared import shared_patch
from hsad.kernels.ring.dual.single import crd_patch, kernel_crd_patch, rx_patch
from hsad.kernels.ring.limits import REFINED_BELOW, TRUSTED_SHARE
from hsad.kernels.ring.one_ring import has_enough
from hsad.kernels.ring.primal.score import score_primal
from hsad.kernels.ring.task import LINEAR, PINV, RX, Task
from hsad.kernels.ring.window import Window

__all__ = ["score_rings"]

Spectra = NDArray[np.float64]
Core = tuple[slice, slice]


def score_rings(
    spectra: Spectra,
    valid: NDArray[np.bool_],
    core: Core,
    window: Window,
    task: Task,
    *,
    weights: NDArray[np.float64] | None = None,
    device: str = "cpu",
) -> NDArray[np.float64]:
    """Return the score of each pixel of a core by its ring.

    Parameters
    ----------
    spectra : (rows, cols, bands) ndarray of float64
        A block: the core with its halo. The values of invalid pixels are not used.
    valid : (rows, cols) ndarray of bool
        Pixels with data.
    core : tuple of two slices
        Rows and columns to score.
    window : Window
        The ring.
    task : Task
        What is solved, and what reported.
    weights : (rows, cols) ndarray of float64, optional
        Wᵢ > 0: Γᵢ² of a representation is divided by the weight of the atom.
    device : str
        ``"cpu"`` for the compiled kernels; ``"cuda"``, ``"cuda:1"`` for the same in torch.

    Returns
    -------
    (core rows, core cols) ndarray of float64
        NaN where the pixel is invalid or fewer than a quarter of its ring is valid.

    Raises
    ------
    MissingExtraError
        When another device than ``"cpu"`` is asked for and torch is not installed.
    ParameterError
        When `device` is not there.
    """
    spectra = np.ascontiguousarray(spectra, dtype=np.float64)
    span = (core[0].start, core[0].stop, core[1].start, core[1].stop)
    wanted = has_enough(valid, span, window.outer, window.inner, window.border)
    if device != "cpu":
        from hsad.kernels.device import torch_device
        from hsad.kernels.ring.torch.score import score_batched

        place = torch_device(device, f"device {device}")
        return score_batched(spectra, valid, wanted, core, window, task, weights, place)
    return _score_compiled(spectra, valid, wanted, core, window, task, NO_WEIGHTS if weights is None else weights)


def _score_compiled(
    spectra: Spectra,
    valid: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    core: Core,
    window: Window,
    task: Task,
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    scores = np.full(wanted.shape, np.nan)
    bands, weighted = spectra.shape[2], weights.size > 0
    if primal_allowed(task) and primal_cost(bands, window, task, weighted=weighted) < dual_cost(bands, window, task):
        span = (core[0].start, core[0].stop, core[1].start, core[1].stop)
        shares = np.empty_like(scores)
        score_primal(spectra, valid, weights, span, window, task, scores, shares)
        scores[~wanted] = np.nan
        wanted &= ~(shares > TRUSTED_SHARE)
    if wanted.any():
        _score_dual(spectra, valid, wanted, core, window, task, weights, scores)
    return scores


def _score_dual(
    spectra: Spectra,
    valid: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    core: Core,
    window: Window,
    task: Task,
    weights: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    shares = np.zeros_like(scores)
    shared = can_share(task, window)
    side = cell_side(window) if shared else 1
    for patch in patches(spectra, valid, wanted, core, window, task, weights=weights, side=side):
        here = part_of(core, patch)
        part, pixels = scores[here], wanted[here]
        if shared:
            shared_patch(patch, valid, pixels, window, task, side, part, shares[here])
            pixels = pixels & (shares[here] < REFINED_BELOW)
            if not pixels.any():
                continue
        if task.detector == RX and task.covariance == PINV:
            pinv_rx_patch(patch, valid, pixels, window, part)
        elif task.detector == RX:
            left = pixels.copy()
            if takes_single(task):
                mixed_rx_patch(patch, valid, pixels, window, task, part, left)
            if left.any():
                rx_patch(patch, valid, left, window, task, part)
        elif task.truncated:
            truncated_crd_patch(patch, valid, pixels, window, task, part)
        elif task.kernel == LINEAR and (shared or task.center or task.normalize or task.sum_to_one):
            crd_patch(patch, valid, pixels, window, task, True, part, shares[here])
        else:
            _score_mixed(patch, valid, pixels, window, task, part, shares[here])


def _score_mixed(
    patch: Patch,
    valid: NDArray[np.bool_],
    pixels: NDArray[np.bool_],
    window: Window,
    task: Task,
    scores: NDArray[np.float64],
    shares: NDArray[np.float64],
) -> None:
    """Score pixels by CRD: in mixed precision, then in double precision, then refined, until each has its digits."""
    left = pixels.copy()
    if takes_single(task):
        mixed_patch(patch, valid, pixels, window, task, scores, left)
    if task.kernel != LINEAR:
        if left.any():
            kernel_crd_patch(patch, valid, left, window, task, scores)
        return
    if left.any():
        crd_patch(patch, valid, left, window, task, None, scores, shares)
        left &= shares < REFINED_BELOW
    if left.any():
        crd_patch(patch, valid, left, window, task, True, scores, shares)
