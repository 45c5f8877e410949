"""The lasso of a pixel on the atoms of its ring, by proximal gradient steps.

All inner products come from one Gram matrix for a square of pixels and its surroundings. Only the residual ``y - Xα``,
which is formed explicitly, reads the spectra again.

References
----------
A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse problems", SIAM J. Imaging
Sci. 2(1):183, 2009.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.ring.dual.factor import padded
from hsad.kernels.ring.dual.patches import Patch, next_ring
from hsad.kernels.ring.one_ring import largest_ring
from hsad.kernels.ring.represent import atoms_before, residual_norm, write_products
from hsad.kernels.ring.window import Window
from hsad.kernels.simd.gathering import gather_columns
from hsad.kernels.simd.symmetric import TILE, multiply_tiles
from hsad.kernels.simd.vectors import LANES

__all__ = ["lasso_patch"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_POWER_STEPS = 100
"""Most steps of the power method; where they are not enough, the steps of the lasso find out, see `_descend`."""

_POWER_ACCURACY = 1e-6
"""The power method ends when the eigenvalue changes by less than this share of it."""

_STEP_MARGIN = 1.01
"""The power method finds the largest eigenvalue from below: steps are shorter than its inverse by this factor."""

_NOTHING_MOVED = 1e-16
"""Below this share of ‖α‖² the squared length of a step is rounding, and says nothing about the curvature along it."""


@inner
def _gather_tiles(patch: Patch, atoms: Numbers, count: int, tiles: Vector) -> int:
    """Write the inner products of the atoms as `multiply_tiles` reads them, zeros beyond them; return the order.

    The atoms ascend, and there are numbers after the last up to the order.
    """
    order = padded(count)
    at = 0
    for column in range(0, order, LANES):
        for row in range(column, order, LANES):
            gather_columns(patch.gram, patch.starts, atoms, column, row, tiles, at, LANES)
            if row == column:
                for c in range(1, LANES):
                    for r in range(c):
                        tiles[at + c * LANES + r] = tiles[at + r * LANES + c]
            if row + LANES > count:
                for c in range(LANES):
                    for r in range(LANES):
                        if row + r >= count or column + c >= count:
                            tiles[at + c * LANES + r] = 0.0
            at += TILE
    return order


@inner
def _apply(tiles: Vector, order: int, x: Vector, out: Vector) -> None:
    """Write the product of a symmetric matrix, in tiles, with a vector."""
    out[:order] = 0.0
    at = 0
    for column in range(0, order, LANES):
        below = (order - column) // LANES - 1
        multiply_tiles(tiles, at, below, x, column, out)
        at += (below + 1) * TILE


@inner
def _start_anywhere(tiles: Vector, order: int, v: Vector) -> None:
    """Write a vector that is orthogonal to no eigenvector but by chance: multiples of the golden ratio, modulo 1."""
    at = 0
    for column in range(0, order, LANES):
        for c in range(LANES):
            v[column + c] = np.sqrt(tiles[at + c * (LANES + 1)]) * (0.25 + (column + c) * 0.6180339887498949 % 1.0)
        at += (order - column) // LANES * TILE


@inner
def _largest_eigenvalue(tiles: Vector, order: int, v: Vector, product: Vector) -> float:
    """Return the largest eigenvalue of a symmetric matrix, found by the power method from v on; v is overwritten."""
    value = 0.0
    for _ in range(_POWER_STEPS):
        norm = 0.0
        for i in range(order):
            norm += v[i] * v[i]
        if norm == 0:
            return 0.0
        scale = 1 / np.sqrt(norm)
        for i in range(order):
            v[i] *= scale
        _apply(tiles, order, v, product)
        before, value = value, 0.0
        for i in range(order):
            value += v[i] * product[i]
            v[i], product[i] = product[i], v[i]
        if abs(value - before) <= _POWER_ACCURACY * value:
            break
    return value


class _Descent(NamedTuple):
    """The arrays of the proximal gradient steps, ``(order,)`` each; those named `of_` are products with XᵀX.

    Attributes
    ----------
    b : ndarray
        Xᵀy.
    alpha, of_alpha : ndarray
        The weights after the last step.
    point, of_point : ndarray
        Where the next step begins.
    shrunk, of_shrunk : ndarray
        Where it ends.
    """

    b: Vector
    alpha: Vector
    of_alpha: Vector
    point: Vector
    of_point: Vector
    shrunk: Vector
    of_shrunk: Vector


@inner
def _descend(
    tiles: Vector, order: int, lam: float, iterations: int, accelerated: bool, lipschitz: float, work: _Descent
) -> bool:
    """Take the steps of ISTA or FISTA from α = 0; return whether `lipschitz` was large enough for all of them.

    A step d must not be longer than the curvature allows: ``dᵀXᵀXd ≤ lipschitz · ‖d‖²``. Then ISTA never raises the
    objective, and the bounds of Beck & Teboulle hold. The products with XᵀX are linear, so that checking costs none.
    """
    step = 1 / lipschitz if lipschitz > 0 else 0.0
    threshold = lam * step
    for i in range(order):
        work.alpha[i] = work.of_alpha[i] = work.point[i] = work.of_point[i] = 0.0
    t = 1.0
    for _ in range(iterations):
        for i in range(order):
            value = work.point[i] + step * (work.b[i] - work.of_point[i])
            work.shrunk[i] = value - min(max(value, -threshold), threshold)
        _apply(tiles, order, work.shrunk, work.of_shrunk)
        t_next = (1 + np.sqrt(1 + 4 * t * t)) / 2 if accelerated else 1.0
        momentum = (t - 1) / t_next
        t = t_next
        length, curvature, size = 0.0, 0.0, 0.0
        for i in range(order):
            moved, of_moved = work.shrunk[i] - work.point[i], work.of_shrunk[i] - work.of_point[i]
            length += moved * moved
            curvature += moved * of_moved
            size += work.shrunk[i] * work.shrunk[i]
            work.point[i] = work.shrunk[i] + momentum * (work.shrunk[i] - work.alpha[i])
            work.of_point[i] = work.of_shrunk[i] + momentum * (work.of_shrunk[i] - work.of_alpha[i])
            work.alpha[i], work.of_alpha[i] = work.shrunk[i], work.of_shrunk[i]
            work.shrunk[i] = moved
        if curvature > lipschitz * length and length > _NOTHING_MOVED * size:
            return False
    return True


@inner
def _solve_lasso(tiles: Vector, order: int, lam: float, iterations: int, accelerated: bool, work: _Descent) -> None:
    """Write the weights after the steps of ISTA or FISTA on ½αᵀXᵀXα − bᵀα + λ‖α‖₁ into `work.alpha`."""
    _start_anywhere(tiles, order, work.shrunk)
    lipschitz = _STEP_MARGIN * _largest_eigenvalue(tiles, order, work.shrunk, work.of_shrunk)
    while not _descend(tiles, order, lam, iterations, accelerated, lipschitz, work):
        # The step that was too long lies along an eigenvector with a larger eigenvalue.
        found = _largest_eigenvalue(tiles, order, work.shrunk, work.of_shrunk)
        lipschitz = _STEP_MARGIN * max(found, lipschitz)


@compiled
def lasso_patch(
    patch: Patch,
    valid: Mask,
    wanted: Mask,
    window: Window,
    lam: float,
    iterations: int,
    accelerated: bool,
    scores: Matrix,
) -> Vector:
    """Score the pixels of a patch by the residual after `iterations` steps of ISTA or FISTA on ½‖y - Xα‖² + λ‖α‖₁.

    Return the residual of the last pixel.
    """
    most = largest_ring(window.outer, window.inner)
    atoms = np.empty(padded(most + 1), np.int64)
    # Whole tiles: beyond the atoms the products are 0, and so is b and everything that follows from them.
    order = padded(most)
    tiles = np.empty(order * (order + LANES) // 2)
    work = _Descent(
        np.empty(order),
        np.empty(order),
        np.empty(order),
        np.empty(order),
        np.empty(order),
        np.empty(order),
        np.empty(order),
    )
    r = np.empty(patch.x.shape[1])
    for pixel in range(wanted.size):
        row, col, count = next_ring(patch, valid, wanted, pixel, window, atoms)
        if count == 0:
            continue
        order = _gather_tiles(patch, atoms, count, tiles)
        work.b[:order] = 0.0
        write_products(patch, atoms, atoms_before(atoms, count), count, atoms[count], work.b)
        _solve_lasso(tiles, order, lam, iterations, accelerated, work)
        scores[row, col] = residual_norm(patch, atoms, count, work.alpha, r)
    return r
