"""One iteration of principal component pursuit over rows, whose state is T = X - M in single precision.

T is of the size of the sparse part, so its rounding is a share of 6e-8 of that, not of the spectra, and half the memory
of M. With R = M - L an iteration is

    D = T + (1 + ratio) R,    S = D - clip(D, threshold),    T ← T + R - clip(D, threshold),

in which no large numbers cancel. M = X - T, and the products MᵀM are formed in double precision. So is R if the rank is
small. Else M is split along its first singular vectors, which hold nearly all of its length, and only the remainder is
multiplied in single precision. The import of this file loads numba.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.low_rank.soft_threshold import ROWS, split_number
from hsad.kernels.simd.vectors import LANES
from hsad.kernels.triangular import Scatter, Whitening, add_products, multiply, pack_whitening, padded

__all__ = ["RestMap", "next_rest", "rest_map", "sparse_rest"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Single = NDArray[np.float32]

_LEADING = LANES
"""Number of singular vectors along which M is split. With four, the scores of four scenes differed no more."""


class RestMap(NamedTuple):
    """The map from M to R = M - L, where L = M·V·diag(f)·Vᵀ.

    Attributes
    ----------
    vectors : Whitening
        V, or its first columns.
    back : Whitening
        ``diag(f)·Vᵀ``, or the transposed first columns.
    shares : (8,) or (0,) ndarray
        1 - f of the first columns; empty if these are all.
    remainder : Whitening of float32
        ``I - V·diag(f)·Vᵀ`` of the other columns, and below it the transposed first columns; or empty.
    """

    vectors: Whitening
    back: Whitening
    shares: Vector
    remainder: Whitening


def rest_map(vectors: Matrix, factors: Vector) -> RestMap:
    """Return the map for orthonormal vectors V, ``(d, r)``, and factors f, in the form that is faster."""
    bands, rank = vectors.shape
    nothing = pack_whitening(np.empty((bands, 0), np.float32), False)
    # A product in single precision takes half the time of one in double precision.
    if 4 * rank <= 4 * _LEADING + bands + _LEADING:
        return RestMap(
            pack_whitening(np.ascontiguousarray(vectors), False),
            pack_whitening(np.ascontiguousarray(factors[:, None] * vectors.T), False),
            np.empty(0),
            nothing,
        )
    first, others = vectors[:, :_LEADING], vectors[:, _LEADING:]
    remainder = np.zeros((padded(bands) + _LEADING, bands))
    remainder[:bands] = np.eye(bands) - (others * factors[_LEADING:]) @ others.T
    remainder[padded(bands) :] = first.T
    return RestMap(
        pack_whitening(np.ascontiguousarray(first), False),
        pack_whitening(np.ascontiguousarray(first.T), False),
        1.0 - factors[:_LEADING],
        pack_whitening(remainder.astype(np.float32), False),
    )


class _Piece(NamedTuple):
    """Workspace of a few rows, padded to whole SIMD vectors.

    Attributes
    ----------
    state, rest : (rows·D,) ndarray
        M, and R.
    thin : (rows·r,) ndarray
        M·V.
    split, product : ndarray of float32
        The remainder of M and the shares of M·V that are no part of L; their product with the map.
    """

    state: Vector
    rest: Vector
    thin: Vector
    split: Single
    product: Single


@inner
def _new_piece(rows: int, bands: int, to: RestMap) -> _Piece:
    rows = min(ROWS, padded(rows))
    size = rows * padded(bands)
    return _Piece(
        np.zeros(size),
        np.zeros(size),
        np.empty(rows * to.vectors.rank),
        np.empty(rows * to.remainder.width if to.shares.size > 0 else 0, np.float32),
        np.empty(rows * to.remainder.rank, np.float32),
    )


@inner
def _take(pixels: Matrix, state: NDArray[np.float32], start: int, to: RestMap, piece: _Piece) -> int:
    """Write M and R of the rows from `start` on to the piece; return the number of rows."""
    bands, width = state.shape[1], padded(state.shape[1])
    count: int = min(ROWS, state.shape[0] - start)
    for row in range(count):
        source, own, m = pixels[start + row], state[start + row], piece.state[row * width : row * width + bands]
        for b in range(bands):
            m[b] = source[b] - own[b]
    multiply(piece.state, padded(count), width, to.vectors, piece.thin)
    multiply(piece.thin, padded(count), to.vectors.rank, to.back, piece.rest)
    for i in range(padded(count) * width):
        piece.rest[i] = piece.state[i] - piece.rest[i]
    if to.shares.size > 0:
        long, columns = to.remainder.width, to.remainder.rank
        for row in range(padded(count)):
            split, rest = piece.split[row * long : row * long + long], piece.rest[row * width : row * width + width]
            for b in range(width):
                split[b] = rest[b]
            for k in range(_LEADING):
                split[width + k] = to.shares[k] * piece.thin[row * _LEADING + k]
        multiply(piece.split, padded(count), long, to.remainder, piece.product)
        for row in range(count):
            rest = piece.rest[row * width : row * width + bands]
            product = piece.product[row * columns : row * columns + bands]
            for b in range(bands):
                rest[b] = product[b]
    return count


@inner
def _step(x: Vector, t: Single, m: Vector, rest: Vector, ratio: float, threshold: float) -> float:
    """Replace a row of T and of M by the next ones; return the part of ‖X - L - S‖² of this row."""
    squares = 0.0
    for b in range(x.size):
        apart = t[b] + rest[b]
        clipped, _, left = split_number(apart, rest[b], ratio, threshold)
        t[b] = apart - clipped
        m[b] = x[b] - t[b]
        squares += left * left
    return squares


@inner
def _step_rows(
    pixels: Matrix, state: NDArray[np.float32], start: int, to: RestMap, ratio: float, threshold: float, piece: _Piece
) -> float:
    """Replace rows from `start` on by those of the next T, in `state`, and of the next M; return ‖X - L - S‖²."""
    bands, width = pixels.shape[1], padded(pixels.shape[1])
    squares = 0.0
    for row in range(_take(pixels, state, start, to, piece)):
        m, rest = (
            piece.state[row * width : row * width + bands],
            piece.rest[row * width : row * width + bands],
        )
        squares += _step(pixels[start + row], state[start + row], m, rest, ratio, threshold)
    return squares


@compiled
def next_rest(
    pixels: Matrix, state: NDArray[np.float32], to: RestMap, ratio: float, threshold: float, gram: Scatter
) -> float:
    """Replace T in `state` by the next T and add the Gram matrix of the next M to `gram`; return ‖X - L - S‖².

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
def sparse_rest(
    pixels: Matrix, state: NDArray[np.float32], to: RestMap, ratio: float, threshold: float, sums: Vector
) -> float:
    """Replace T in `state` by S; add Σ|S| and the number of elements other than 0 to `sums`; return ‖X - L - S‖²."""
    bands, width = pixels.shape[1], padded(pixels.shape[1])
    piece = _new_piece(pixels.shape[0], bands, to)
    squares, absolute, nonzero = 0.0, 0.0, 0.0
    for start in range(0, pixels.shape[0], ROWS):
        for row in range(_take(pixels, state, start, to, piece)):
            t, rest = state[start + row], piece.rest[row * width : row * width + bands]
            for b in range(bands):
                _, sparse, left = split_number(t[b] + rest[b], rest[b], ratio, threshold)
                t[b] = sparse
                squares += left * left
                absolute += abs(sparse)
                nonzero += 1.0 if sparse != 0 else 0.0
    sums[0] += absolute
    sums[1] += nonzero
    return squares
