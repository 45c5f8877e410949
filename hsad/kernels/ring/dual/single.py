"""Local detectors in the space of the ring pixels: each pixel has one system of order s, whatever the number of bands.

The inner products of all pixels of a small patch and its surroundings are formed once, as one Gram matrix, and the
system of each pixel of the patch is picked from it. Spectra are read a second time for the residual ``y - Xα`` only. It
is formed explicitly, because its shortcut ``yᵀy - bᵀα - ...`` cancels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.ring.dual.factor import multiply, padded
from hsad.kernels.ring.dual.patches import Patch, next_system
from hsad.kernels.ring.dual.solve import Workspace, refine, residual, solve, sum_of_squares, workspace
from hsad.kernels.ring.dual.systems import (
    center_system,
    distances,
    entry,
    fill_padding,
    normalize_system,
    shift_system,
    shrinkage,
)
from hsad.kernels.ring.limits import REFINED_BELOW, VARIANCE_FLOOR
from hsad.kernels.ring.one_ring import largest_ring
from hsad.kernels.ring.task import RIDGE, Task
from hsad.kernels.ring.window import Window

__all__ = ["crd_patch", "kernel_crd_patch", "prepare_crd", "rx_patch"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@inner
def prepare_crd(
    patch: Patch, atoms: Numbers, count: int, order: int, task: Task, work: Workspace, rare: bool | None
) -> None:
    """Replace the inner products in `work.a` by the system of CRD; write the scale of the vectors, and Γ²."""
    work.scale[:order] = 1.0
    if rare is not None:
        if task.center:
            center_system(work.a, count, order, work.scale, work.alpha, work.sums)
            work.scale[:order] = 1.0
        if task.normalize:
            normalize_system(work.a, count, order, work.scale)
    if task.distance:
        distances(work.a, patch.x, atoms, count, order, work.scale, task, work.penalty)
    else:
        work.penalty[:count] = 1.0
    if patch.weights.size > 0:
        for i in range(count):
            work.penalty[i] /= patch.weights[atoms[i]]
    if rare is not None and task.sum_to_one:
        work.alpha[:order] = 0.0
        shift_system(work.a, order, work.alpha, 1.0)
    fill_padding(work.a, count, order)


@inner
def crd_score(x: Matrix, count: int, task: Task, work: Workspace) -> float:
    """Return the residual norm or, if the task asks for it, the square root of the whole objective."""
    error = sum_of_squares(work.r, x.shape[1])
    if task.objective:
        rest = 1.0
        for i in range(count):
            error += task.lam * work.penalty[i] * work.alpha[i] * work.alpha[i]
            rest -= work.alpha[i]
        if task.sum_to_one:
            error += rest * rest
    return float(np.sqrt(error))


@compiled
def crd_patch(
    patch: Patch,
    valid: Mask,
    wanted: Mask,
    window: Window,
    task: Task,
    rare: bool | None,
    scores: Matrix,
    shares: Matrix,
) -> None:
    """Score the pixels of a patch by CRD.

    A pixel that has no score keeps what `scores` holds.

    `shares` gets the least pivots, as shares of their diagonals. With `rare` None, the code that most tasks do not
    need is not even compiled: centring, normalising, an appended row of ones, and the refinement of α.
    """
    most = largest_ring(window.outer, window.inner)
    work = workspace(most, patch.x.shape[1])
    atoms = np.empty(padded(most + 1), np.int64)
    for pixel in range(wanted.size):
        row, col, count = next_system(patch, valid, wanted, pixel, window, atoms, work.a, work.runs)
        if count == 0:
            continue
        order = padded(count + 1)
        prepare_crd(patch, atoms, count, order, task, work, rare)
        share = solve(count, order, task.lam, work)
        residual(patch.x, atoms, count, work.alpha, work.scale, task.center, work.r)
        if rare is not None and share < REFINED_BELOW:
            refine(patch.x, atoms, count, order, task.lam, task.sum_to_one, task.center, work)
        scores[row, col] = crd_score(patch.x, count, task, work)
        shares[row, col] = share


@compiled
def kernel_crd_patch(patch: Patch, valid: Mask, wanted: Mask, window: Window, task: Task, scores: Matrix) -> None:
    """Score the pixels of a patch, whose `gram` holds kernel values, by kernel CRD."""
    most = largest_ring(window.outer, window.inner)
    work = workspace(most, patch.x.shape[1])
    atoms = np.empty(padded(most + 1), np.int64)
    for pixel in range(wanted.size):
        row, col, count = next_system(patch, valid, wanted, pixel, window, atoms, work.a, work.runs)
        if count == 0:
            continue
        order = padded(count + 1)
        work.scale[:order] = 1.0
        work.penalty[:count] = 1.0
        if task.distance:
            distances(work.a, patch.x, atoms, count, order, work.scale, task, work.penalty)
        fill_padding(work.a, count, order)
        solve(count, order, task.lam, work)
        # k(y, y) - 2 αᵀk + αᵀKα, with α = -1 for the pixel itself.
        work.alpha[count] = -1.0
        multiply(work.a, order, work.alpha, work.change, work.sums)
        error = 0.0
        for i in range(count + 1):
            error += work.alpha[i] * work.change[i]
        scores[row, col] = np.sqrt(max(0.0, error))


@compiled
def rx_patch(patch: Patch, valid: Mask, wanted: Mask, window: Window, task: Task, scores: Matrix) -> None:
    """Score the pixels of a patch by local RX.

    With C = ZZᵀ/s + εI and λ = sε, ``zᵀC⁻¹z = (‖r‖² + λ‖α‖²)/ε``: the representation of z by the centred ring.
    """
    most = largest_ring(window.outer, window.inner)
    bands = patch.x.shape[1]
    work = workspace(most, bands)
    atoms = np.empty(padded(most + 1), np.int64)
    for pixel in range(wanted.size):
        row, col, count = next_system(patch, valid, wanted, pixel, window, atoms, work.a, work.runs)
        if count == 0:
            continue
        order = padded(count + 1)
        center_system(work.a, count, order, work.scale, work.alpha, work.sums)
        fill_padding(work.a, count, order)
        work.scale[:order] = 1.0
        work.penalty[:count] = 1.0
        own = work.a[entry(count, count, order)]
        score = 0.0
        if own > 0:
            trace = 0.0
            for i in range(count):
                trace += work.a[entry(i, i, order)]
            level = max(trace / count, VARIANCE_FLOOR * own) / bands
            weight, epsilon = 0.0, task.lam * level
            if task.covariance != RIDGE:
                weight = shrinkage(count, bands, order, task.covariance, work.a)
                epsilon = weight * level
            if weight < 1:
                lam = count * epsilon / (1.0 - weight)
                share = solve(count, order, lam, work)
                residual(patch.x, atoms, count, work.alpha, work.scale, True, work.r)
                if share < REFINED_BELOW:
                    refine(patch.x, atoms, count, order, lam, False, True, work)
                own = sum_of_squares(work.r, bands) + lam * sum_of_squares(work.alpha, count)
            else:
                work.alpha[:count] = 0.0
                residual(patch.x, atoms, count, work.alpha, work.scale, True, work.r)
            score = own / epsilon
        scores[row, col] = score
