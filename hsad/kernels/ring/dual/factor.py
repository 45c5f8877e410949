"""Cholesky factorization of one symmetric positive definite system, in a packed order made for vectors.

The lower triangle is cut into panels of 24 rows (the last panel has 8, 16 or 24). A panel holds its columns one after
the other, each as 24 contiguous numbers. So the row operand of a microtile update is three vector loads, and the column
operand (rows of another panel) is eight broadcasts from neighbouring addresses.

In single precision a vector holds 16 numbers instead of 8, and a panel has 48 rows.

A right-hand side b is one more row of the matrix; the factorization replaces it by L⁻¹b.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import inner
from hsad.kernels.simd.microtiles import (
    add_columns,
    add_dots,
    factor_half_1,
    factor_half_2,
    factor_half_3,
    factor_microtile_1,
    factor_microtile_2,
    factor_microtile_3,
    solve_microtile_1,
    solve_microtile_2,
    solve_microtile_3,
    update_microtile_1,
    update_microtile_2,
    update_microtile_3,
)

__all__ = [
    "PANEL",
    "SINGLE_BLOCK",
    "SINGLE_PANEL",
    "back_substitute",
    "complement",
    "eliminate",
    "factor",
    "forward_substitute",
    "multiply",
    "packed_size",
    "padded",
    "panel_height",
    "panel_start",
]

PANEL = 24
BLOCK = 8
SINGLE_PANEL = 48
SINGLE_BLOCK = 16

_VECTOR = 64
"""Bytes of a vector."""

Vector = NDArray[np.float64]
Either = NDArray[np.float64] | NDArray[np.float32]


@inner
def padded(order: int, block: int = BLOCK) -> int:
    """Return the order rounded up to whole blocks."""
    return (order + block - 1) // block * block


@inner
def panel_start(panel: int, size: int = PANEL) -> int:
    """Return where a panel begins in packed storage."""
    return size * size * panel * (panel + 1) // 2


@inner
def panel_height(panel: int, order: int, size: int = PANEL) -> int:
    """Return the number of rows of a panel of a matrix of padded order `order`."""
    return min(size, order - size * panel)


@inner
def packed_size(order: int, size: int = PANEL) -> int:
    """Return the size of the packed lower triangle of a matrix of order `order`."""
    order = padded(order, size // 3)
    last = (order - 1) // size
    return panel_start(last, size) + panel_height(last, order, size) * order


@inner
def factor(a: Either, order: int, floor: Either, lower: Either, inverse: Either) -> None:
    """Factor A = L Lᵀ, both packed: `eliminate` for all unknowns."""
    eliminate(a, order, order, floor, lower, inverse)


@inner
def _factor_block(
    a: Either,
    start: int,
    above: int,
    height: int,
    lanes: int,
    floor: Either,
    lower: Either,
    inverse: Either,
    block: int,
) -> None:
    """Factor the eight columns of a panel from `block` on, `above` rows of the panel being above the diagonal."""
    half = above % lanes
    at, columns = start + above - half, start + above
    a_at = at + block * height
    rest = (height - above + half) // lanes
    if half:
        if rest == 3:
            factor_half_3(a, a_at, lower, at, height, lower, columns, height, block, inverse, floor, block)
        elif rest == 2:
            factor_half_2(a, a_at, lower, at, height, lower, columns, height, block, inverse, floor, block)
        else:
            factor_half_1(a, a_at, lower, at, height, lower, columns, height, block, inverse, floor, block)
    elif rest == 3:
        factor_microtile_3(a, a_at, lower, at, height, lower, columns, height, block, inverse, floor, block)
    elif rest == 2:
        factor_microtile_2(a, a_at, lower, at, height, lower, columns, height, block, inverse, floor, block)
    else:
        factor_microtile_1(a, a_at, lower, at, height, lower, columns, height, block, inverse, floor, block)


@inner
def eliminate(a: Either, order: int, leading: int, floor: Either, lower: Either, inverse: Either) -> None:
    """Write the first `leading` columns of the factor L of A = L Lᵀ, both packed; `inverse` gets 1/diag L.

    A pivot at or below `floor` is rounding: its row depends on the rows above. Its inverse becomes 0, which takes its
    unknown out of the system.

    Parameters
    ----------
    a, lower : (packed_size(order),) ndarray of float64, or float32 with panels of `SINGLE_PANEL` rows
        Matrix and factor; they may be the same array.
    order : int
        Padded order.
    leading : int
        Whole panels, or all of the order.
    floor, inverse : (leading,) ndarray
        Smallest pivot to accept, and the inverse of the diagonal of L.
    """
    lanes = _VECTOR // a.itemsize
    size = 3 * lanes
    for panel in range((order + size - 1) // size):
        height = panel_height(panel, order, size)
        start = panel_start(panel, size)
        first = size * panel
        for block in range(0, min(first, leading), BLOCK):
            other = block // size
            columns = panel_start(other, size) + block - size * other
            a_at = start + block * height
            if height == size:
                solve_microtile_3(a, a_at, lower, start, height, lower, columns, size, block, inverse, floor, block)
            elif height == 2 * lanes:
                solve_microtile_2(a, a_at, lower, start, height, lower, columns, size, block, inverse, floor, block)
            else:
                solve_microtile_1(a, a_at, lower, start, height, lower, columns, size, block, inverse, floor, block)
        for block in range(first, min(first + height, leading), BLOCK):
            _factor_block(a, start, block - first, height, lanes, floor, lower, inverse, block)


@inner
def complement(a: Vector, order: int, leading: int, lower: Vector, out: Vector, out_at: int, step: int) -> None:
    """Write the Schur complement A₂₂ - L₂₁L₂₁ᵀ of whole leading panels that were eliminated.

    Column j of its lower triangle begins, with row 0, at ``out[out_at + j * step]``.
    """
    for panel in range(leading // PANEL, (order + PANEL - 1) // PANEL):
        height = panel_height(panel, order)
        start = panel_start(panel)
        first = PANEL * panel
        for block in range(leading, first + height, BLOCK):
            other = block // PANEL
            wide = panel_height(other, order)
            columns = panel_start(other) + block - PANEL * other
            above = max(0, block - first)
            at = start + above
            a_at = at + block * height
            to = out_at + (block - leading) * step + first + above - leading
            if height - above == PANEL:
                update_microtile_3(a, a_at, lower, at, height, lower, columns, wide, leading, out, to, step)
            elif height - above == 2 * BLOCK:
                update_microtile_2(a, a_at, lower, at, height, lower, columns, wide, leading, out, to, step)
            else:
                update_microtile_1(a, a_at, lower, at, height, lower, columns, wide, leading, out, to, step)


@inner
def back_substitute(lower: Vector, order: int, unknowns: int, inverse: Vector, x: Vector, sums: Vector) -> None:
    """Solve Lᵀ x = x in place for the first `unknowns` numbers, whole blocks of them; the others are known and stay.

    `x` has `order` (padded) numbers, and `sums` is a workspace of 64. If nothing is known, `unknowns` is `order`.
    """
    panels = (order + PANEL - 1) // PANEL
    for block in range(unknowns - BLOCK, -1, -BLOCK):
        sums[:] = 0.0
        panel = block // PANEL
        height = panel_height(panel, order)
        at = panel_start(panel) + block * height
        above = block + BLOCK - PANEL * panel
        add_dots(lower, at + above, height, x, block + BLOCK, (height - above) // BLOCK, sums)
        for below in range(panel + 1, panels):
            rows = panel_height(below, order)
            add_dots(lower, panel_start(below) + block * rows, rows, x, PANEL * below, rows // BLOCK, sums)
        at -= PANEL * panel
        for c in range(BLOCK - 1, -1, -1):
            column = block + c
            total = x[column]
            for i in range(BLOCK):
                total -= sums[BLOCK * c + i]
            for i in range(column + 1, block + BLOCK):
                total -= lower[at + c * height + i] * x[i]
            x[column] = total * inverse[column]


@inner
def forward_substitute(lower: Vector, order: int, inverse: Vector, x: Vector, sums: Vector) -> None:
    """Solve L x = x in place; `sums` is a workspace of 64."""
    for block in range(0, order, BLOCK):
        panel = block // PANEL
        height = panel_height(panel, order)
        at = panel_start(panel) + block - PANEL * panel
        sums[:BLOCK] = 0.0
        add_columns(lower, at, height, block, x, sums, 0)
        for c in range(BLOCK):
            total = x[block + c] - sums[c]
            for k in range(c):
                total -= lower[at + (block + k) * height + c] * x[block + k]
            x[block + c] = total * inverse[block + c]


@inner
def multiply(a: Vector, order: int, x: Vector, out: Vector, sums: Vector) -> None:
    """Write A x of a packed symmetric matrix into `out`; `sums` is a workspace of 64."""
    panels = (order + PANEL - 1) // PANEL
    out[:order] = 0.0
    for block in range(0, order, BLOCK):
        panel = block // PANEL
        height = panel_height(panel, order)
        row = panel_start(panel) + block - PANEL * panel
        add_columns(a, row, height, block, x, out, block)
        sums[:] = 0.0
        above = block + BLOCK - PANEL * panel
        at = panel_start(panel) + block * height
        add_dots(a, at + above, height, x, block + BLOCK, (height - above) // BLOCK, sums)
        for below in range(panel + 1, panels):
            rows = panel_height(below, order)
            add_dots(a, panel_start(below) + block * rows, rows, x, PANEL * below, rows // BLOCK, sums)
        for c in range(BLOCK):
            total = 0.0
            for i in range(BLOCK):
                total += sums[BLOCK * c + i]
                total += a[row + (block + min(c, i)) * height + max(c, i)] * x[block + i]
            out[block + c] += total
