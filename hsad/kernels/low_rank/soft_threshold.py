"""The element-wise steps of principal component pursuit (compiled: imported where they are used)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled

__all__ = ["next_state", "sparse_state"]

Matrix = NDArray[np.float64]


@compiled
def next_state(pixels: Matrix, state: Matrix, low: Matrix, ratio: float, threshold: float) -> float:
    """Replace M in `state` by the next M; return ‖X - L - S‖²."""
    x, m, rank = pixels.reshape(-1), state.reshape(-1), low.reshape(-1)
    squares = 0.0
    for i in range(x.size):
        dual = ratio * (m[i] - rank[i])
        d = x[i] - rank[i] + dual
        clipped = min(max(d, -threshold), threshold)
        m[i] = rank[i] + clipped
        # X - L - S, with S = d - clipped.
        rest = clipped - dual
        squares += rest * rest
    return squares


@compiled
def sparse_state(pixels: Matrix, state: Matrix, low: Matrix, ratio: float, threshold: float, sums: Matrix) -> float:
    """Replace M in `state` by S; add Σ|S| and the number of elements other than 0 to `sums`; return ‖X - L - S‖²."""
    x, m, rank = pixels.reshape(-1), state.reshape(-1), low.reshape(-1)
    squares, absolute, nonzero = 0.0, 0.0, 0.0
    for i in range(x.size):
        dual = ratio * (m[i] - rank[i])
        d = x[i] - rank[i] + dual
        clipped = min(max(d, -threshold), threshold)
        sparse = d - clipped
        m[i] = sparse
        rest = clipped - dual
        squares += rest * rest
        absolute += abs(sparse)
        nonzero += 1.0 if sparse != 0 else 0.0
    sums[0] += absolute
    sums[1] += nonzero
    return squares
