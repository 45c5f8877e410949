"""One iteration of principal component pursuit over rows: product, soft threshold and Gram matrix in one pass.

The pass handles a few rows at a time, which stay in the processor's cache. The import of this file loads numba.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.triangular import Scatter, Whitening, add_products, multiply, pack_whitening, padded

__all__ = ["ROWS", "LowRankMap", "low_rank_map", "next_state", "shrink_factors", "sparse_state", "split_number"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

ROWS = 256
"""Number of rows that are computed together, a multiple of the length of a SIMD vector."""


class LowRankMap(NamedTuple):
    """The map from M to L: ``L = M A B`` with two thin matrices if these are faster, else one square matrix.

    Attributes
    ----------
    first : Whitening
        A, or the square matrix.
    second : Whitening
        B, or empty.
    thin : bool
        Whether there are two matrices.
    """

    first: Whitening
    second: Whitening
    thin: bool


@compiled
def shrink_factors(values: Vector, penalty: float) -> tuple[Vector, float]:
    """Return max(σ - 1/penalty, 0)/σ for the singular values σ above 1/penalty, and the sum of max(σ - 1/penalty, 0).

    Parameters
    ----------
    values : (n,) ndarray
        σ², the largest first.
    penalty : float

    Returns
    -------
    (r,) ndarray
    float
    """
    factors = np.empty(values.size)
    rank, total = 0, 0.0
    for k in range(values.size):
        singular = np.sqrt(max(values[k], 0.0))
        if singular * penalty > 1:
            factors[rank] = 1 - 1 / (penalty * singular)
            total += singular * factors[rank]
            rank += 1
    return factors[:rank], total


@compiled
def low_rank_map(vectors: Matrix, factors: Vector, rows: int) -> LowRankMap:
    """Return the map V·diag(factors)·Vᵀ of orthonormal vectors V, ``(d, r)``, in the form that is faster for `rows`."""
    bands, rank = vectors.shape
    weighted = np.empty((rank, bands))
    for k in range(rank):
        for b in range(bands):
            weighted[k, b] = factors[k] * vectors[b, k]
    packed = pack_whitening(weighted, False)
    # The computation of the square matrix takes time, too.
    if 2 * rows * rank < bands * (rows + rank):
        return LowRankMap(pack_whitening(vectors, False), packed, True)
    width = padded(rank)
    rows_of, whole = np.zeros(padded(bands) * width), np.empty(padded(bands) * packed.rank)
    for b in range(bands):
        for k in range(rank):
            rows_of[b * width + k] = vectors[b, k]
    multiply(rows_of, padded(bands), width, packed, whole)
    square = np.empty((bands, bands))
    for b in range(bands):
        for c in range(bands):
            square[b, c] = whole[b * packed.rank + c]
    return LowRankMap(pack_whitening(square, False), packed, False)


class _Piece(NamedTuple):
    """Workspace of a few rows, padded to whole SIMD vectors.

    Attributes
    ----------
    state, low : (rows·D,) ndarray
        M and L.
    thin : (rows·r,) ndarray
        M·A.
    """

    state: Vector
    low: Vector
    thin: Vector


@inner
def _new_piece(rows: int, bands: int, to: LowRankMap) -> _Piece:
    rows = min(ROWS, padded(rows))
    size = rows * padded(bands)
    return _Piece(np.zeros(size), np.empty(size), np.empty(rows * to.first.rank if to.thin else 0))


@inner
def _take(state: Matrix, start: int, to: LowRankMap, piece: _Piece) -> int:
    """Copy rows of M from `start` on to the piece and write their L; return the number of rows."""
    bands, width = state.shape[1], padded(state.shape[1])
    count: int = min(ROWS, state.shape[0] - start)
    for row in range(count):
        source, copy = state[start + row], piece.state[row * width : row * width + bands]
        for b in range(bands):
            copy[b] = source[b]
    if to.thin:
        multiply(piece.state, padded(count), width, to.first, piece.thin)
        multiply(piece.thin, padded(count), to.first.rank, to.second, piece.low)
    else:
        multiply(piece.state, padded(count), width, to.first, piece.low)
    return count


@inner
def split_number(apart: float, rest: float, ratio: float, threshold: float) -> tuple[float, float, float]:
    """Return clip(D, threshold), S and X - L - S for one number, where D = X - L + ratio (M - L) and S = D - clip(D).

    Parameters
    ----------
    apart, rest : float
        X - L, and M - L.
    ratio, threshold : float
    """
    dual = ratio * rest
    d = apart + dual
    clipped = min(max(d, -threshold), threshold)
    return clipped, d - clipped, clipped - dual


@inner
def _step(x: Vector, m: Vector, low: Vector, ratio: float, threshold: float) -> float:
    """Replace a row of M by the row of the next M; return the part of ‖X - L - S‖² of this row."""
    squares = 0.0
    for b in range(x.size):
        clipped, _, left = split_number(x[b] - low[b], m[b] - low[b], ratio, threshold)
        m[b] = low[b] + clipped
        squares += left * left
    return squares


@inner
def _step_rows(
    pixels: Matrix, state: Matrix, start: int, to: LowRankMap, ratio: float, threshold: float, piece: _Piece
) -> float:
    """Replace rows from `start` on by those of the next M, in `state` and in the piece; return ‖X - L - S‖²."""
    bands = pixels.shape[1]
    count, width = _take(state, start, to, piece), padded(bands)
    squares = 0.0
    for row in range(count):
        m = piece.state[row * width : row * width + bands]
        squares += _step(pixels[start + row], m, piece.low[row * width : row * width + bands], ratio, threshold)
        target = state[start + row]
        for b in range(bands):
            target[b] = m[b]
    return squares


@compiled
def next_state(pixels: Matrix, state: Matrix, to: LowRankMap, ratio: float, threshold: float, gram: Scatter) -> float:
    """Replace M in `state` by the next M and add its Gram matrix to `gram`; return ‖X - L - S‖².

    If `gram` has no bands, no products are computed. Both cases share one kernel: in two kernels the compiler could
    round the same lines differently, and a resumed run would not give the same bits.
    """
    piece = _new_piece(pixels.shape[0], pixels.shape[1], to)
    squares = 0.0
    for start in range(0, pixels.shape[0], ROWS):
        squares += _step_rows(pixels, state, start, to, ratio, threshold, piece)
        if gram.lower.size > 0:
            count = min(ROWS, pixels.shape[0] - start)
            add_products(piece.state, 0, count, padded(pixels.shape[1]), gram.lower, 0)
    return squares


@compiled
def sparse_state(pixels: Matrix, state: Matrix, to: LowRankMap, ratio: float, threshold: float, sums: Vector) -> float:
    """Replace M in `state` by S; add Σ|S| and the number of elements other than 0 to `sums`; return ‖X - L - S‖²."""
    bands = pixels.shape[1]
    piece, width = _new_piece(pixels.shape[0], bands, to), padded(bands)
    squares, absolute, nonzero = 0.0, 0.0, 0.0
    for start in range(0, pixels.shape[0], ROWS):
        for row in range(_take(state, start, to, piece)):
            x, target = pixels[start + row], state[start + row]
            low = piece.low[row * width : row * width + bands]
            for b in range(bands):
                _, sparse, left = split_number(x[b] - low[b], target[b] - low[b], ratio, threshold)
                target[b] = sparse
                squares += left * left
                absolute += abs(sparse)
                nonzero += 1.0 if sparse != 0 else 0.0
    sums[0] += absolute
    sums[1] += nonzero
    return squares
