"""Solving with a packed Cholesky factor in single precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import inner
from hsad.kernels.ring.dual.factor import BLOCK, SINGLE_BLOCK, SINGLE_PANEL, panel_height, panel_start
from hsad.kernels.simd.microtiles import add_dots
from hsad.kernels.simd.substitution import (
    forward_panel_1,
    forward_panel_2,
    forward_panel_3,
    forward_two_1,
    forward_two_2,
    forward_two_3,
    sum_dots,
)

__all__ = ["backward", "forward", "forward_two"]

Single = NDArray[np.float32]


@inner
def forward(lower: Single, order: int, inverse: Single, x: Single) -> None:
    """Solve L x = x in place."""
    for panel in range((order + SINGLE_PANEL - 1) // SINGLE_PANEL):
        height, at = panel_height(panel, order, SINGLE_PANEL), panel_start(panel, SINGLE_PANEL)
        if height == SINGLE_PANEL:
            forward_panel_3(lower, at, inverse, x, SINGLE_PANEL * panel, 0)
        elif height == 2 * SINGLE_BLOCK:
            forward_panel_2(lower, at, inverse, x, SINGLE_PANEL * panel, 0)
        else:
            forward_panel_1(lower, at, inverse, x, SINGLE_PANEL * panel, 0)


@inner
def forward_two(lower: Single, order: int, inverse: Single, x: Single, step: int) -> None:
    """Solve L x = x in place for two right-hand sides, which lie `step` apart in x."""
    for panel in range((order + SINGLE_PANEL - 1) // SINGLE_PANEL):
        height, at = panel_height(panel, order, SINGLE_PANEL), panel_start(panel, SINGLE_PANEL)
        if height == SINGLE_PANEL:
            forward_two_3(lower, at, inverse, x, SINGLE_PANEL * panel, step)
        elif height == 2 * SINGLE_BLOCK:
            forward_two_2(lower, at, inverse, x, SINGLE_PANEL * panel, step)
        else:
            forward_two_1(lower, at, inverse, x, SINGLE_PANEL * panel, step)


@inner
def backward(lower: Single, order: int, inverse: Single, right: Single, x: Single, sums: Single) -> None:
    """Solve Lᵀ x = right."""
    panels = (order + SINGLE_PANEL - 1) // SINGLE_PANEL
    x[:order] = 0.0
    for block in range(order - BLOCK, -1, -BLOCK):
        panel = block // SINGLE_PANEL
        height, first = panel_height(panel, order, SINGLE_PANEL), SINGLE_PANEL * panel
        at = panel_start(panel, SINGLE_PANEL) + block * height
        # Whole vectors: what they hold of unknowns that are not solved yet is zero in x.
        above = (block + BLOCK - first) // SINGLE_BLOCK * SINGLE_BLOCK
        sums[:] = 0.0
        add_dots(lower, at + above, height, x, first + above, (height - above) // SINGLE_BLOCK, sums)
        for below in range(panel + 1, panels):
            rows = panel_height(below, order, SINGLE_PANEL)
            start = panel_start(below, SINGLE_PANEL) + block * rows
            add_dots(lower, start, rows, x, SINGLE_PANEL * below, rows // SINGLE_BLOCK, sums)
        sum_dots(sums)
        at -= first
        for c in range(BLOCK - 1, -1, -1):
            column = block + c
            total = right[column] - sums[c]
            for i in range(column + 1, block + BLOCK):
                total -= lower[at + c * height + i] * x[i]
            x[column] = total * inverse[column]
