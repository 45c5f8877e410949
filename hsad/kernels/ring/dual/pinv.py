"""The pseudo-inverses: local RX without a regulariser, and the truncated solver of published CRD code.

They need the eigenvectors of one dense matrix for each pixel, a hundred times the work of a factorization. If full rank
is certain, a factorization gives the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.ring.dual.factor import padded
from hsad.kernels.ring.dual.patches import Patch, next_system
from hsad.kernels.ring.dual.single import crd_score, prepare_crd
from hsad.kernels.ring.dual.solve import Workspace, refine, residual, solve, sum_of_squares, workspace
from hsad.kernels.ring.dual.systems import center_system, entry, fill_padding, lift
from hsad.kernels.ring.limits import KEPT_TRACE, RANK_CERTAIN, RANK_CUTOFF
from hsad.kernels.ring.one_ring import largest_ring
from hsad.kernels.ring.task import Task
from hsad.kernels.ring.window import Window

__all__ = ["pinv_rx_patch", "truncated_crd_patch"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]


@inner
def dense_system(count: int, order: int, lam: float, work: Workspace) -> Matrix:
    """Return A + λ diag Γ² as an ordinary matrix."""
    dense = np.empty((count, count))
    for i in range(count):
        for j in range(i + 1):
            dense[i, j] = dense[j, i] = work.a[entry(i, j, order)]
        dense[i, i] += lam * work.penalty[i]
    return dense


@inner
def projection(vectors: Matrix, k: int, count: int, order: int, work: Workspace) -> float:
    """Return the product of an eigenvector with the right-hand side."""
    product = 0.0
    for i in range(count):
        product += vectors[i, k] * work.a[entry(count, i, order)]
    return product


@compiled
def truncated_crd_patch(patch: Patch, valid: Mask, wanted: Mask, window: Window, task: Task, scores: Matrix) -> None:
    """Score the pixels of a patch by CRD, solved in the leading eigenvectors that hold 99.99 % of the trace."""
    most = largest_ring(window.outer, window.inner)
    work = workspace(most, patch.x.shape[1])
    atoms = np.empty(padded(most + 1), np.int64)
    for pixel in range(wanted.size):
        row, col, count = next_system(patch, valid, wanted, pixel, window, atoms, work.a, work.runs)
        if count == 0:
            continue
        order = padded(count + 1)
        prepare_crd(patch, atoms, count, order, task, work, True)
        values, vectors = np.linalg.eigh(dense_system(count, order, task.lam, work))
        work.alpha[:order] = 0.0
        remaining = KEPT_TRACE * values.sum()
        for k in range(count - 1, -1, -1):
            if remaining <= 0 or values[k] <= 0:
                break
            remaining -= values[k]
            part = projection(vectors, k, count, order, work) / values[k]
            for i in range(count):
                work.alpha[i] += vectors[i, k] * part
        residual(patch.x, atoms, count, work.alpha, work.scale, task.center, work.r)
        scores[row, col] = crd_score(patch.x, count, task, work)


@compiled
def pinv_rx_patch(patch: Patch, valid: Mask, wanted: Mask, window: Window, scores: Matrix) -> None:
    """Score the pixels of a patch by ``zᵀC⁺z = s ‖G⁺b‖²``, from the centred inner products G and b.

    If the ring has no more pixels than the spectra have bands, G usually lacks one rank only, because of the mean. Then
    G + c·11ᵀ has an inverse, whose product with b is the same, since b is orthogonal to 1. Otherwise the eigenvectors
    of G decide.
    """
    most = largest_ring(window.outer, window.inner)
    work = workspace(most, patch.x.shape[1])
    atoms = np.empty(padded(most + 1), np.int64)
    for pixel in range(wanted.size):
        row, col, count = next_system(patch, valid, wanted, pixel, window, atoms, work.a, work.runs)
        if count == 0:
            continue
        order = padded(count + 1)
        center_system(work.a, count, order, work.scale, work.alpha, work.sums)
        fill_padding(work.a, count, order)
        work.scale[:order] = 1.0
        work.penalty[:count] = 0.0
        trace = 0.0
        for i in range(count):
            trace += work.a[entry(i, i, order)]
        score = 0.0
        certain = False
        if count <= patch.x.shape[1] and trace > 0:
            lift(work.a, count, order, trace / (count * count))
            certain = solve(count, order, 0.0, work) > RANK_CERTAIN
            lift(work.a, count, order, -trace / (count * count))
        if certain:
            residual(patch.x, atoms, count, work.alpha, work.scale, True, work.r)
            refine(patch.x, atoms, count, order, 0.0, False, True, work)
            score = count * sum_of_squares(work.alpha, count)
        elif trace > 0:
            values, vectors = np.linalg.eigh(dense_system(count, order, 0.0, work))
            work.alpha[:count] = 0.0
            for k in range(count - 1, -1, -1):
                if values[k] <= RANK_CUTOFF * values[count - 1]:
                    break
                part = projection(vectors, k, count, order, work) / values[k]
                score += count * part**2
                for i in range(count):
                    work.alpha[i] += vectors[i, k] * part
        scores[row, col] = score
