"""The element-wise step of principal component pursuit (compiled: imported where it is used)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled

__all__ = ["shrink"]

Matrix = NDArray[np.float64]


@compiled
def shrink(
    pixels: Matrix, state: Matrix, low: Matrix, ratio: float, threshold: float, last: bool, sums: Matrix
) -> None:
    """Replace M in `state` by the next M, or by S in the `last` step; add to `sums` what `Tally` counts."""
    x, m, rank = pixels.reshape(-1), state.reshape(-1), low.reshape(-1)
    squares, absolute, nonzero = 0.0, 0.0, 0.0
    for i in range(x.size):
        rest = x[i] - rank[i]
        d = rest + ratio * (m[i] - rank[i])
        clipped = min(max(d, -threshold), threshold)
        sparse = d - clipped
        m[i] = sparse if last else rank[i] + clipped
        rest -= sparse
        squares += rest * rest
        absolute += abs(sparse)
        nonzero += 1.0 if sparse != 0 else 0.0
    sums[0] += squares
    sums[1] += absolute
    sums[2] += nonzero
