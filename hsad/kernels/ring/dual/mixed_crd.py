"""Weighted CRD and kernel CRD in mixed precision: factored in single, refined in double, eight pixels together.

With v = Xᵀy/‖y‖ the system is ``(B + λΓ² + vvᵀ) α = ‖y‖ v``. ``B = G - vvᵀ`` holds the products of the parts of the
atoms that are perpendicular to y. The common brightness is nearly all of G, but no part of B, so that it is not rounded
to single precision. Since ``B_ii ≤ Γᵢ²``, the system scaled by Γ has a condition below s/λ + 1, whatever the spectra.
The factor gives α = ‖y‖ w/(1 + vᵀw) with w = (B + λΓ²)⁻¹v (Sherman & Morrison 1950).

A step of refinement takes the gradient from the spectra themselves, ``g = Xᵀr - λΓ²α`` with r = y - Xα, in double
precision, and solves for the change δ. The residual after the step needs no second product with the spectra:
``‖r - Xδ‖² = ‖r‖² - 2 δᵀXᵀr + δᵀg - λ‖Γδ‖²``, up to the square of the error of g. Two products with L⁻¹ give
``δᵀXᵀr`` and ``δᵀg``, which bounds the last two terms; δ itself is only needed where that bound is not small. The steps
shrink by a steady factor, from which the remaining error is estimated. If that does not become small, the pixel is left
to double precision.

With a kernel the products of α come from the kernel values, and ``‖r‖² = k(y,y) - αᵀk_y - αᵀΦᵀr``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.ring.dual.eight import (
    COLS,
    ROWS,
    Eight,
    correlate_residuals,
    eight_pixels,
    eliminate_gradients,
    factor_system,
    find_cells,
    list_rings,
    solve_change,
    spread_coefficients,
)
from hsad.kernels.ring.dual.factor import SINGLE_PANEL
from hsad.kernels.ring.dual.patches import Patch, product
from hsad.kernels.ring.dual.substitution import backward, forward
from hsad.kernels.ring.dual.systems import entry, gather_projected, penalty_of
from hsad.kernels.ring.limits import CLOSE, DISTANCE_FLOOR, SINGLE_ERROR, SINGLE_GAIN, SINGLE_STEPS
from hsad.kernels.ring.one_ring import largest_ring
from hsad.kernels.ring.task import LINEAR, Task
from hsad.kernels.ring.window import Window
from hsad.kernels.simd.atom_products import ROWS as GRAM_ROWS
from hsad.kernels.simd.atom_products import multiply_atoms
from hsad.kernels.simd.vectors import LANES

__all__ = ["mixed_patch"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]


@inner
def _penalties(count: int, crosses: Vector, squares: Vector, own: float, task: Task, penalty: Vector) -> bool:
    """Write λΓ² from the products; return whether an atom is so close to the pixel that they cancel."""
    least = np.inf
    for i in range(count):
        distance = squares[i] + own - 2.0 * crosses[i]
        penalty[i] = task.lam * max(distance + task.softening, DISTANCE_FLOOR * own)
        least = min(least, distance - CLOSE * (squares[i] + own))
    return least < 0


@inner
def _describe(patch: Patch, lane: int, task: Task, eight: Eight) -> None:
    """Write v and λΓ² of a pixel, and the diagonal of its system into w."""
    count, atoms, v, w, penalty = (
        eight.counts[lane],
        eight.atoms[lane],
        eight.v[lane],
        eight.w[lane],
        eight.penalty[lane],
    )
    y = atoms[count]
    own = patch.squares[y]
    length = np.sqrt(own)
    eight.squares[lane] = own
    for i in range(count):
        v[i], w[i], penalty[i] = product(patch, atoms[i], y), patch.squares[atoms[i]], task.lam
    if task.distance:
        close = _penalties(count, v, w, own, task, penalty)
        for i in range(count if close else 0):
            penalty[i] = task.lam * penalty_of(patch.x, y, atoms[i], w[i], v[i], own, (1.0, 1.0), task)
    if patch.weights.size > 0:
        for i in range(count):
            penalty[i] /= patch.weights[atoms[i]]
    for i in range(count):
        v[i] /= length
        w[i] += penalty[i] - v[i] * v[i]
    v[count:] = 0.0


@inner
def _begin(lane: int, eight: Eight) -> bool:
    """Factor the system of a pixel and solve it; return whether single precision was enough for a start."""
    count, order, lower = eight.counts[lane], eight.orders[lane], eight.lower[lane]
    v, w, inverse, right = eight.v[lane], eight.w[lane], eight.inverse[lane], eight.right
    if not eight.squares[lane] > 0:
        return False
    for i in range(count):
        right[i] = v[i]
        if count < order:
            lower[entry(count, i, order, SINGLE_PANEL)] = v[i]
    if not factor_system(lane, eight):
        return False
    if count < order:
        for i in range(count):
            right[i] = lower[entry(count, i, order, SINGLE_PANEL)]
    if count == order:
        forward(lower, order, inverse, right)
    right[count:order] = 0.0
    backward(lower, order, inverse, right, eight.solution, eight.sums)
    gain, size = 1.0, 0.0
    for i in range(count):
        w[i] = eight.solution[i]
        gain += v[i] * w[i]
    share = np.sqrt(eight.squares[lane]) / gain
    for i in range(count):
        eight.alpha[lane, i] = share * w[i]
        size += eight.penalty[lane, i] * eight.alpha[lane, i] ** 2
    eight.gains[lane], eight.sizes[lane] = gain, size
    return True


@inner
def _correlate(patch: Patch, cells: int, eight: Eight, errors: Vector) -> None:
    """Write the products of all atoms with the residuals y - Xα of the eight pixels, and ‖y - Xα‖²."""
    eight.residuals[:] = 0.0
    for lane in range(LANES):
        if eight.counts[lane] > 0:
            own = patch.x[eight.atoms[lane, eight.counts[lane]]]
            for b in range(patch.x.shape[1]):
                eight.residuals[b * LANES + lane] = own[b]
    correlate_residuals(patch, cells, eight, errors)


@inner
def _correlate_kernel(patch: Patch, cells: int, eight: Eight, errors: Vector) -> None:
    """Write the products of all atoms with the residuals, and the squared residuals, in the space of a kernel."""
    eight.products[: cells * LANES] = 0.0
    for cell in range(0, cells, GRAM_ROWS):
        multiply_atoms(patch.gram, patch.starts, eight.numbers, cell, cells, eight.coefficients, eight.products)
    for lane in range(LANES):
        errors[lane] = eight.squares[lane]
        length = np.sqrt(eight.squares[lane])
        for i in range(eight.counts[lane]):
            place, cross = eight.cells[lane, i] * LANES + lane, eight.v[lane, i] * length
            eight.products[place] = cross - eight.products[place]
            errors[lane] -= eight.alpha[lane, i] * (cross + eight.products[place])


@inner
def _step(lane: int, task: Task, error: float, eight: Eight) -> float:
    """Change α by a step of refinement; return the score, -1 if it is not certain yet, or NaN if it cannot become so.

    `error` is ‖r‖² before the step.
    """
    count, w, penalty, alpha = eight.counts[lane], eight.w[lane], eight.penalty[lane], eight.alpha[lane]
    v, gradients = eight.v[lane], eight.gradients
    size, along, across = 0.0, 0.0, 0.0
    for i in range(count):
        spread, pull = eight.products[eight.cells[lane, i] * LANES + lane], penalty[i] * alpha[i]
        gradients[0, i], gradients[1, i] = spread - pull, -spread - pull
        size += pull * alpha[i]
        along += w[i] * gradients[0, i]
        across += w[i] * gradients[1, i]
    # What lies along v is solved by w. Without it no large numbers cancel.
    inside = eight.gains[lane] - 1.0
    along, across = (along / inside, across / inside) if inside > 0 else (0.0, 0.0)
    for i in range(count):
        gradients[0, i] -= along * v[i]
        gradients[1, i] -= across * v[i]
    scale = eliminate_gradients(lane, eight, 2)
    step, gain, change = eight.floor.size, 0.0, 0.0
    for i in range(count):
        gain += eight.right[i] * eight.right[i]
        change += eight.right[i] * eight.right[step + i]
    share = inside / eight.gains[lane]
    # δᵀg, which is ‖Xδ‖² and λ‖Γδ‖² together; and δᵀ(g - 2Xᵀr).
    gain = gain / scale**2 + along * along * share
    change = change / scale**2 + along * across * share
    rate = np.sqrt(gain / eight.sizes[lane]) if gain > 0 else 0.0
    # The next change δ' will change ‖r‖² by 2λ(Γα)ᵀ(Γδ') at most.
    if rate < SINGLE_GAIN and gain + 2.0 * rate * np.sqrt(gain * size) < 2.0 * SINGLE_ERROR * error:
        return float(np.sqrt(error + size - gain if task.objective else error + change - 0.5 * gain))
    solve_change(lane, eight)
    return _take_step(lane, task, error, along / eight.gains[lane], scale, eight)


@inner
def _take_step(lane: int, task: Task, error: float, along: float, scale: float, eight: Eight) -> float:
    """Change α by the solution for the gradient and `along` times w; return what `_step` returns."""
    count, w, penalty, alpha = eight.counts[lane], eight.w[lane], eight.penalty[lane], eight.alpha[lane]
    size, change, after = 0.0, 0.0, 0.0
    for i in range(count):
        delta = eight.solution[i] / scale + along * w[i]
        size += penalty[i] * delta * delta
        change -= delta * (eight.products[eight.cells[lane, i] * LANES + lane] + penalty[i] * alpha[i])
        alpha[i] += delta
        after += penalty[i] * alpha[i] * alpha[i]
    error += change - size
    rate = np.sqrt(size / eight.sizes[lane]) if size > 0 else 0.0
    eight.sizes[lane] = size
    if not rate < SINGLE_GAIN:
        return np.nan
    if 2.0 * rate * np.sqrt(size * after) > 2.0 * SINGLE_ERROR * error:
        return -1.0
    return float(np.sqrt(error + (after if task.objective else 0.0)))


@inner
def _start(
    patch: Patch, valid: Mask, wanted: Mask, row: int, col: int, window: Window, task: Task, eight: Eight
) -> None:
    """Factor and solve the systems of up to eight pixels of a row; `counts` is 0 for a pixel without one."""
    list_rings(patch, valid, wanted, row, col, window, eight)
    for lane in range(LANES):
        if eight.counts[lane] > 0:
            _describe(patch, lane, task, eight)
    gather_projected(patch.gram, patch.starts, eight.atoms, eight.orders, eight.v, eight.lower, eight.runs)
    for lane in range(LANES):
        if eight.counts[lane] > 0 and not _begin(lane, eight):
            eight.counts[lane] = 0


@inner
def _refine(patch: Patch, row: int, col: int, task: Task, eight: Eight, scores: Matrix, left: Mask) -> None:
    """Refine the solutions of eight pixels until each score is certain, or cannot become so."""
    errors = np.empty(LANES)
    cells = find_cells(patch, eight)
    for _ in range(SINGLE_STEPS):
        if not eight.counts.any():
            return
        spread_coefficients(cells, eight)
        if task.kernel == LINEAR:
            _correlate(patch, cells, eight, errors)
        else:
            _correlate_kernel(patch, cells, eight, errors)
        for lane in range(LANES):
            if eight.counts[lane] == 0:
                continue
            score = _step(lane, task, errors[lane], eight)
            if score >= 0:
                scores[row + lane // COLS, col + lane % COLS] = score
                left[row + lane // COLS, col + lane % COLS] = False
            if not score < 0:
                eight.counts[lane] = 0


@compiled
def mixed_patch(
    patch: Patch, valid: Mask, wanted: Mask, window: Window, task: Task, scores: Matrix, left: Mask
) -> None:
    """Score the pixels of a patch by CRD, without centring, normalising or an appended row of ones.

    `left` becomes False for pixels that have a score; it stays True if single precision is not enough.
    """
    eight = eight_pixels(largest_ring(window.outer, window.inner), patch.x.shape[0], patch.x.shape[1])
    for row in range(0, wanted.shape[0], ROWS):
        for col in range(0, wanted.shape[1], COLS):
            _start(patch, valid, wanted, row, col, window, task, eight)
            _refine(patch, row, col, task, eight, scores, left)
