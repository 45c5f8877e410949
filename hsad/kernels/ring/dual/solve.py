"""Solving one pixel's system, and what follows from the solution: the residual and its refinement."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import inner
from hsad.kernels.ring.dual.factor import BLOCK, back_substitute, factor, forward_substitute, packed_size, padded
from hsad.kernels.ring.dual.systems import entry
from hsad.kernels.ring.limits import PIVOT_FLOOR, REFINEMENTS

__all__ = ["Workspace", "refine", "residual", "solve", "sum_of_squares", "workspace"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Numbers = NDArray[np.int64]


class Workspace(NamedTuple):
    """The arrays that solving the system of a pixel writes to, large enough for the largest ring."""

    a: Vector
    lower: Vector
    inverse: Vector
    floor: Vector
    penalty: Vector
    scale: Vector
    alpha: Vector
    change: Vector
    sums: Vector
    r: Vector
    runs: Numbers


@inner
def workspace(most: int, bands: int) -> Workspace:
    """Return the arrays for rings of at most `most` pixels."""
    order = padded(most + 1)
    packed = packed_size(order)
    return Workspace(
        np.empty(packed),
        np.empty(packed),
        np.empty(order),
        np.empty(order),
        np.empty(order),
        np.empty(order),
        np.empty(order),
        np.empty(order),
        np.empty(BLOCK * BLOCK),
        np.empty(bands),
        np.empty(order, np.int64),
    )


@inner
def solve(count: int, order: int, lam: float, work: Workspace) -> float:
    """Solve (A + λ diag Γ²) α = b, with A and b packed in `work.a`; return the least quotient of pivot and diagonal.

    The quotient tells how many digits were lost: it is 1 for orthogonal atoms, and 1e-16 for dependent ones.
    """
    for i in range(count):
        at = entry(i, i, order)
        work.a[at] += lam * work.penalty[i]
        work.floor[i] = PIVOT_FLOOR * work.a[at]
    for i in range(count, order):
        work.floor[i] = 0.0
    factor(work.a, order, work.floor, work.lower, work.inverse)
    share = 1.0
    for i in range(count):
        at = entry(i, i, order)
        dropped = work.inverse[i] == 0
        share = 0.0 if dropped else min(share, 1.0 / (work.inverse[i] * work.inverse[i] * work.a[at]))
        work.a[at] -= lam * work.penalty[i]
        work.alpha[i] = work.lower[entry(count, i, order)]
    work.alpha[count:order] = 0.0
    back_substitute(work.lower, order, order, work.inverse, work.alpha, work.sums)
    return share


@inner
def residual(x: Matrix, atoms: Numbers, count: int, alpha: Vector, scale: Vector, center: bool, r: Vector) -> None:
    """Write ``y - Xα`` into `r`, of the vectors as they were centred (on the ring) and scaled."""
    bands = x.shape[1]
    rest = 0.0
    if center:
        rest = scale[count]
        for i in range(count):
            rest -= alpha[i] * scale[i]
        rest /= count
    own = scale[count]
    for b in range(bands):
        r[b] = own * x[atoms[count], b]
    whole = count - count % 4
    for i in range(0, whole, 4):
        x0, x1, x2, x3 = x[atoms[i]], x[atoms[i + 1]], x[atoms[i + 2]], x[atoms[i + 3]]
        c0, c1 = alpha[i] * scale[i] + rest, alpha[i + 1] * scale[i + 1] + rest
        c2, c3 = alpha[i + 2] * scale[i + 2] + rest, alpha[i + 3] * scale[i + 3] + rest
        for b in range(bands):
            r[b] -= c0 * x0[b] + c1 * x1[b] + c2 * x2[b] + c3 * x3[b]
    for i in range(whole, count):
        c0 = alpha[i] * scale[i] + rest
        for b in range(bands):
            r[b] -= c0 * x[atoms[i], b]


@inner
def correlate(x: Matrix, atoms: Numbers, count: int, r: Vector, scale: Vector, center: bool, out: Vector) -> None:
    """Write ``Xᵀr`` into `out`, for the atoms as they were centred and scaled."""
    mean = 0.0
    for i in range(count):
        total = 0.0
        for b in range(x.shape[1]):
            total += x[atoms[i], b] * r[b]
        out[i] = total
        mean += total / count
    for i in range(count):
        out[i] = scale[i] * (out[i] - mean if center else out[i])


@inner
def refine(
    x: Matrix, atoms: Numbers, count: int, order: int, lam: float, ones: bool, center: bool, work: Workspace
) -> None:
    """Improve α (and the residual) by the residual of its normal equations, formed from the spectra themselves.

    The condition of the Gram matrix is the square of that of the spectra; the refinement restores the digits lost so.
    """
    change, alpha = work.change, work.alpha
    previous = np.inf
    for _ in range(REFINEMENTS):
        correlate(x, atoms, count, work.r, work.scale, center, change)
        rest = 1.0
        for i in range(count):
            rest -= alpha[i]
        for i in range(count):
            change[i] += (rest if ones else 0.0) - lam * work.penalty[i] * alpha[i]
        change[count:order] = 0.0
        forward_substitute(work.lower, order, work.inverse, change, work.sums)
        # The rows past the atoms belong to the right-hand side that was factored along.
        change[count:order] = 0.0
        back_substitute(work.lower, order, order, work.inverse, change, work.sums)
        size = sum_of_squares(change, count)
        if not size < previous:
            return
        previous = size
        for i in range(count):
            alpha[i] += change[i]
        residual(x, atoms, count, alpha, work.scale, center, work.r)
        if size <= 1e-24 * sum_of_squares(alpha, count):
            return


@inner
def sum_of_squares(values: Vector, count: int) -> float:
    """Return the squared norm of the first `count` values."""
    total = 0.0
    for i in range(count):
        total += values[i] * values[i]
    return total
