"""Local RX with a ridge in mixed precision: factored in single, refined in double, eight pixels together.

With m the mean of the ring, z = y - m, λ = sε and the centred atoms Z, ``zᵀC⁻¹z`` is the least value of
``(‖z - Zα‖² + λ‖α‖²)/ε``. Its system is ``(ZᵀZ + λI) α = Zᵀz``. The products ZᵀZ are picked from those of the
spectra and centred in double precision, before they are rounded. Since λ is a share of their trace, the condition is
below d/ridge + 1, whatever the spectra.

A step of refinement takes the gradient from the spectra themselves, ``g = Zᵀr - λα`` with r = z - Zα, in double
precision. The least value is below the present one by ``δᵀg = ‖L⁻¹g‖²``, with the change δ of α, up to the square of
the error of δ. So the last step needs no δ. The steps shrink by a steady factor, from which the remaining error is
estimated. If that does not become small, the pixel is left to double precision.
"""

from __future__ import annotations

from typing import NamedTuple

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
from hsad.kernels.ring.dual.patches import Patch, product
from hsad.kernels.ring.dual.systems import gather_centred
from hsad.kernels.ring.limits import CENTRED_SHARE, SINGLE_ERROR, SINGLE_GAIN, SINGLE_STEPS, VARIANCE_FLOOR
from hsad.kernels.ring.one_ring import largest_ring
from hsad.kernels.ring.task import Task
from hsad.kernels.ring.window import Window
from hsad.kernels.simd.vectors import LANES

__all__ = ["mixed_rx_patch"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Centred(NamedTuple):
    """What the rings of eight pixels are centred and regularised with.

    Attributes
    ----------
    means : (8 · bands,) ndarray
        m: for each band a vector of eight pixels.
    lengths : (8,) ndarray
        ‖m‖².
    right : (8, order) ndarray
        Zᵀz.
    epsilons, lams : (8,) ndarray
        ε and λ = sε.
    gains : (8,) ndarray
        δᵀg of the last change δ of α.
    """

    means: Vector
    lengths: Vector
    right: Matrix
    epsilons: Vector
    lams: Vector
    gains: Vector


@inner
def _centred(eight: Eight) -> Centred:
    return Centred(
        np.empty_like(eight.residuals),
        np.empty(LANES),
        np.empty_like(eight.alpha),
        np.empty(LANES),
        np.empty(LANES),
        np.empty(LANES),
    )


@inner
def _find_means(patch: Patch, cells: int, eight: Eight, rings: Centred) -> None:
    """Write the mean of each ring and its squared length, and the products of all atoms with it."""
    eight.coefficients[: cells * LANES] = 0.0
    for lane in range(LANES):
        for i in range(eight.counts[lane]):
            eight.coefficients[eight.cells[lane, i] * LANES + lane] -= 1.0 / eight.counts[lane]
    eight.residuals[:] = 0.0
    correlate_residuals(patch, cells, eight, rings.lengths)
    rings.means[:] = eight.residuals


@inner
def _describe(patch: Patch, lane: int, task: Task, eight: Eight, rings: Centred) -> None:
    """Write ``‖m‖²/2 - Xᵀm`` into v, the diagonal of the system into w, and Zᵀz, ε, λ. ε is 0 if nothing is certain."""
    count, atoms, terms = eight.counts[lane], eight.atoms[lane], eight.v[lane]
    y, bands, length = atoms[count], patch.x.shape[1], rings.lengths[lane]
    own, cross = 0.0, 0.0
    for b in range(bands):
        mean = rings.means[b * LANES + lane]
        own += (patch.x[y, b] - mean) ** 2
        cross += patch.x[y, b] * mean
    trace, whole = 0.0, 0.0
    for i in range(count):
        whole += patch.squares[atoms[i]]
        along = eight.products[eight.cells[lane, i] * LANES + lane]
        terms[i] = 0.5 * length - along
        rings.right[lane, i] = product(patch, atoms[i], y) - along - cross + length
        eight.w[lane, i] = patch.squares[atoms[i]] + 2.0 * terms[i]
        trace += eight.w[lane, i]
    terms[count:] = 0.0
    # Without digits left, a ring of equal pixels is no different from one of nearly equal ones.
    level = max(trace / count, VARIANCE_FLOOR * own) / bands if own > 0 and trace > CENTRED_SHARE * whole else 0.0
    rings.epsilons[lane] = task.lam * level
    rings.lams[lane] = count * task.lam * level
    for i in range(count):
        eight.w[lane, i] += rings.lams[lane]


@inner
def _begin(lane: int, eight: Eight, rings: Centred) -> bool:
    """Factor the system of a pixel and solve it; return whether single precision was enough for a start."""
    count, alpha, right = eight.counts[lane], eight.alpha[lane], rings.right[lane]
    if not factor_system(lane, eight):
        return False
    eight.gradients[0, :count] = right[:count]
    scale = eliminate_gradients(lane, eight, 1)
    solve_change(lane, eight)
    rings.gains[lane] = 0.0
    for i in range(count):
        alpha[i] = eight.solution[i] / scale
        rings.gains[lane] += alpha[i] * right[i]
    return True


@inner
def _spread_residuals(patch: Patch, eight: Eight, rings: Centred) -> None:
    """Write what of r does not come from the atoms, ``y - (1 - Σα) m``."""
    for lane in range(LANES):
        count = eight.counts[lane]
        if count > 0:
            y, rest = eight.atoms[lane, count], 1.0
            for i in range(count):
                rest -= eight.alpha[lane, i]
            for b in range(patch.x.shape[1]):
                eight.residuals[b * LANES + lane] = patch.x[y, b] - rest * rings.means[b * LANES + lane]


@inner
def _step(lane: int, error: float, eight: Eight, rings: Centred) -> float:
    """Change α by a step of refinement; return the score, -1 if it is not certain yet, or NaN if it cannot become so.

    `error` is ‖r‖² before the step.
    """
    count, alpha, lam = eight.counts[lane], eight.alpha[lane], rings.lams[lane]
    mean, square = 0.0, 0.0
    for i in range(count):
        mean += eight.products[eight.cells[lane, i] * LANES + lane] / count
    for i in range(count):
        gradient = eight.products[eight.cells[lane, i] * LANES + lane] - mean - lam * alpha[i]
        eight.gradients[0, i] = gradient
        error += lam * alpha[i] * alpha[i]
        square += gradient * gradient
    # No eigenvalue of the system is below λ: that bounds δᵀg without δ.
    if square < SINGLE_ERROR * lam * error:
        return float(error / rings.epsilons[lane])
    scale = eliminate_gradients(lane, eight, 1)
    gain = 0.0
    for i in range(count):
        gain += (eight.right[i] / scale) ** 2
    rate = np.sqrt(gain / rings.gains[lane]) if gain > 0 else 0.0
    rings.gains[lane] = gain
    if not rate < SINGLE_GAIN:
        return np.nan
    # δ misses the whole of what is left by a share of `rate`.
    if not 2.0 * rate * gain > SINGLE_ERROR * error:
        return float((error - gain) / rings.epsilons[lane])
    solve_change(lane, eight)
    for i in range(count):
        alpha[i] += eight.solution[i] / scale
    return -1.0


@inner
def _start(patch: Patch, task: Task, eight: Eight, rings: Centred) -> None:
    """Factor and solve the systems of eight pixels; `counts` becomes 0 for those that are left."""
    for lane in range(LANES):
        if eight.counts[lane] > 0:
            _describe(patch, lane, task, eight, rings)
    gather_centred(patch.gram, patch.starts, eight.atoms, eight.orders, eight.v, eight.lower, eight.runs)
    for lane in range(LANES):
        if eight.counts[lane] > 0 and not (rings.epsilons[lane] > 0 and _begin(lane, eight, rings)):
            eight.counts[lane] = 0


@compiled
def mixed_rx_patch(
    patch: Patch, valid: Mask, wanted: Mask, window: Window, task: Task, scores: Matrix, left: Mask
) -> None:
    """Score the pixels of a patch by local RX with a ridge.

    `left` becomes False for pixels that have a score; it stays True if single precision is not enough.
    """
    eight = eight_pixels(largest_ring(window.outer, window.inner), patch.x.shape[0], patch.x.shape[1])
    rings = _centred(eight)
    errors = np.empty(LANES)
    for row in range(0, wanted.shape[0], ROWS):
        for col in range(0, wanted.shape[1], COLS):
            list_rings(patch, valid, wanted, row, col, window, eight)
            cells = find_cells(patch, eight)
            _find_means(patch, cells, eight, rings)
            _start(patch, task, eight, rings)
            for _ in range(SINGLE_STEPS):
                if not eight.counts.any():
                    break
                spread_coefficients(cells, eight)
                _spread_residuals(patch, eight, rings)
                correlate_residuals(patch, cells, eight, errors)
                for lane in range(LANES):
                    if eight.counts[lane] == 0:
                        continue
                    score = _step(lane, errors[lane], eight, rings)
                    if score >= 0:
                        scores[row + lane // COLS, col + lane % COLS] = score
                        left[row + lane // COLS, col + lane % COLS] = False
                    if not score < 0:
                        eight.counts[lane] = 0
