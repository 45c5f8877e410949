"""Local detectors in the space of the ring pixels: one system of order s a pixel, whatever the number of bands.

The inner products of all pixels of a small patch and its surroundings are formed once, as one Gram matrix; the
system of each pixel of the patch is picked from it. That is the only place where bands are touched, apart from the
residual ``y - Xα``, which is formed explicitly: its shortcut ``yᵀy - bᵀα - ...`` cancels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled
from hsad.kernels.factor import multiply, padded
from hsad.kernels.patches import Patch, pixel_atoms
from hsad.kernels.rings import largest_ring
from hsad.kernels.solve import REFINED_BELOW, Workspace, refine, residual, solve, sum_of_squares, workspace
from hsad.kernels.systems import (
    center_system,
    distances,
    entry,
    fill_padding,
    gather,
    normalize_system,
    shift_system,
    shrinkage,
)
from hsad.kernels.tasks import RIDGE, VARIANCE_FLOOR, Task, Window

__all__ = ["crd_patch", "kernel_crd_patch", "prepare_crd", "rx_patch"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@compiled
def prepare_crd(
    x: Matrix, atoms: Numbers, count: int, order: int, ring_weights: Vector, task: Task, work: Workspace
) -> None:
    """Turn inner products in `work.a` into the system of CRD; write the scale of the vectors and Γ²."""
    if task.center:
        center_system(work.a, count, order, work.scale, work.alpha, work.sums)
    if task.normalize:
        normalize_system(work.a, count, order, work.scale)
    else:
        work.scale[:order] = 1.0
    if task.distance:
        distances(work.a, x, atoms, count, order, work.scale, task, work.penalty)
    else:
        work.penalty[:count] = 1.0
    if ring_weights.size > 0:
        for i in range(count):
            work.penalty[i] /= ring_weights[atoms[i]]
    if task.sum_to_one:
        work.alpha[:order] = 0.0
        shift_system(work.a, order, work.alpha, 1.0)
    fill_padding(work.a, count, order)


@compiled
def crd_score(x: Matrix, count: int, task: Task, work: Workspace) -> float:
    """Return the residual norm, or the square root of the objective with all that is in it."""
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
    patch: Patch, valid: Mask, wanted: Mask, ring_weights: Vector, window: Window, task: Task, scores: Matrix
) -> None:
    """Score the pixels of a patch by CRD; those that have no score keep what `scores` holds."""
    most = largest_ring(window.outer, window.inner)
    work = workspace(most, patch.x.shape[1])
    ring = np.empty(most, np.int64)
    atoms = np.empty(padded(most + 1), np.int64)
    for row in range(patch.rows[0], patch.rows[1]):
        for col in range(patch.cols[0], patch.cols[1]):
            count = pixel_atoms(patch, valid, wanted, row, col, window, ring, atoms)
            if count == 0:
                continue
            order = padded(count + 1)
            gather(patch.gram, patch.x.shape[0], atoms, order, work.a)
            prepare_crd(patch.x, atoms, count, order, ring_weights, task, work)
            share = solve(count, order, task.lam, work)
            residual(patch.x, atoms, count, work.alpha, work.scale, task.center, work.r)
            if share < REFINED_BELOW:
                refine(patch.x, atoms, count, order, task.lam, task.sum_to_one, task.center, work)
            scores[row - patch.rows[0], col - patch.cols[0]] = crd_score(patch.x, count, task, work)


@compiled
def kernel_crd_patch(patch: Patch, valid: Mask, wanted: Mask, window: Window, task: Task, scores: Matrix) -> None:
    """Score the pixels of a patch, whose `gram` holds kernel values, by kernel CRD."""
    most = largest_ring(window.outer, window.inner)
    work = workspace(most, patch.x.shape[1])
    ring = np.empty(most, np.int64)
    atoms = np.empty(padded(most + 1), np.int64)
    for row in range(patch.rows[0], patch.rows[1]):
        for col in range(patch.cols[0], patch.cols[1]):
            count = pixel_atoms(patch, valid, wanted, row, col, window, ring, atoms)
            if count == 0:
                continue
            order = padded(count + 1)
            gather(patch.gram, patch.x.shape[0], atoms, order, work.a)
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
            scores[row - patch.rows[0], col - patch.cols[0]] = np.sqrt(max(0.0, error))


@compiled
def rx_patch(patch: Patch, valid: Mask, wanted: Mask, window: Window, task: Task, scores: Matrix) -> None:
    """Score the pixels of a patch by local RX.

    With C = ZZᵀ/s + εI and λ = sε, ``zᵀC⁻¹z = (‖r‖² + λ‖α‖²)/ε``: the representation of z by the centred ring.
    """
    most = largest_ring(window.outer, window.inner)
    bands = patch.x.shape[1]
    work = workspace(most, bands)
    ring = np.empty(most, np.int64)
    atoms = np.empty(padded(most + 1), np.int64)
    for row in range(patch.rows[0], patch.rows[1]):
        for col in range(patch.cols[0], patch.cols[1]):
            count = pixel_atoms(patch, valid, wanted, row, col, window, ring, atoms)
            if count == 0:
                continue
            order = padded(count + 1)
            gather(patch.gram, patch.x.shape[0], atoms, order, work.a)
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
                score = own / epsilon
            scores[row - patch.rows[0], col - patch.cols[0]] = score
