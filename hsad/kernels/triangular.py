"""The two passes of a Gaussian at the speed of a triangular product. Importing this file loads numba.

Spectra are shifted and padded a few at a time, in the cache of the processor. Then microtiles form the sums of their
products and their whitened lengths, with half of the operations of a general matrix product.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.simd.triangle_microtiles import COLUMNS, HEIGHT, MICROTILES, add_lanes
from hsad.kernels.simd.vectors import LANES

__all__ = [
    "PANEL",
    "Scatter",
    "Whitening",
    "add_pixels",
    "add_products",
    "distances",
    "multiply",
    "new_scatter",
    "pack_whitening",
    "padded",
    "scatter_matrix",
    "whole_matrix",
]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Either = NDArray[np.float64] | NDArray[np.float32]

_VECTOR = 64
"""Bytes of a vector."""

_PIXELS = 64
"""Number of pixels that are shifted together, a multiple of a vector."""

PANEL = HEIGHT * LANES
"""Columns of a panel."""

# One name for each number of vectors in a panel, because numba has to know the types of globals.
_project_1, _project_2, _project_3 = (MICROTILES[min(k, HEIGHT - 1)].project for k in range(3))
_add_products_1, _add_squares_1 = MICROTILES[0].add_products, MICROTILES[0].add_squares
_add_products_2, _add_squares_2 = (
    MICROTILES[min(1, HEIGHT - 1)].add_products,
    MICROTILES[min(1, HEIGHT - 1)].add_squares,
)
_add_products_3, _add_squares_3 = MICROTILES[HEIGHT - 1].add_products, MICROTILES[HEIGHT - 1].add_squares


@compiled
def padded(bands: int) -> int:
    """Return the bands rounded up to whole vectors."""
    return (bands + LANES - 1) // LANES * LANES


class Scatter(NamedTuple):
    """Number and mean of some spectra, and the sums of products of the deviations from the mean.

    Attributes
    ----------
    number : (1,) ndarray
        Number of spectra.
    mean : (d,) ndarray
    lower : (D·D,) ndarray
        The sums column by column, with D the bands rounded up to vectors. Rows above the diagonal have no meaning.
    piece : (pixels·D,) ndarray
        Workspace for shifted spectra.
    """

    number: Vector
    mean: Vector
    lower: Vector
    piece: Vector


@compiled
def new_scatter(bands: int) -> Scatter:
    """Return the scatter of no spectra."""
    width = padded(bands)
    return Scatter(np.zeros(1), np.zeros(bands), np.zeros(width * width), np.zeros((_PIXELS + 1) * width))


@inner
def add_products(x: Vector, x_at: int, count: int, width: int, lower: Vector, lower_at: int) -> None:
    """Add the sums of products of `count` vectors of `width` numbers, whole SIMD vectors, from ``x[x_at]`` on.

    The column j of their lower triangle begins, with row 0, at ``lower[lower_at + j * width]``.
    """
    for panel in range(0, width, PANEL):
        stop = min(panel + PANEL, width)
        for column in range(0, stop, COLUMNS):
            row = max(panel, column // LANES * LANES)
            at = lower_at + column * width + row
            vectors = (stop - row) // LANES
            if vectors == HEIGHT:
                _add_products_3(x, x_at, width, row, column, count, lower, at, width)
            elif vectors == 2:
                _add_products_2(x, x_at, width, row, column, count, lower, at, width)
            else:
                _add_products_1(x, x_at, width, row, column, count, lower, at, width)


@compiled
def add_pixels(spectra: Matrix, scatter: Scatter) -> None:
    """Add ``(n, d)`` spectra, C-contiguous.

    A few spectra at a time are shifted by their own mean. The difference between this mean and the mean so far is one
    more deviation, times ``√(n·m/(n + m))`` (Chan, Golub, LeVeque 1982).
    """
    bands = spectra.shape[1]
    width = padded(bands)
    mean, own = scatter.mean, np.empty(bands)
    for start in range(0, spectra.shape[0], _PIXELS):
        count = min(_PIXELS, spectra.shape[0] - start)
        own[:] = 0.0
        for pixel in range(count):
            spectrum = spectra[start + pixel]
            for b in range(bands):
                own[b] += spectrum[b]
        for b in range(bands):
            own[b] /= count
        for pixel in range(count):
            spectrum, shifted = spectra[start + pixel], scatter.piece[pixel * width :]
            for b in range(bands):
                shifted[b] = spectrum[b] - own[b]
        before = scatter.number[0]
        scatter.number[0] += count
        weight, share = np.sqrt(before * count / scatter.number[0]), count / scatter.number[0]
        between = scatter.piece[count * width :]
        for b in range(bands):
            step = own[b] - mean[b]
            between[b] = weight * step
            mean[b] += share * step
        add_products(scatter.piece, 0, count + 1, width, scatter.lower, 0)


@inner
def whole_matrix(lower: Vector, at: int, width: int, whole: Matrix) -> None:
    """Write a symmetric matrix, whose lower triangle is stored as in `add_products`."""
    size = whole.shape[0]
    for j in range(size):
        row, column = whole[j], lower[at + j * width : at + j * width + size]
        for i in range(j):
            row[i] = whole[i, j]
        for i in range(j, size):
            row[i] = column[i]


@compiled
def scatter_matrix(scatter: Scatter) -> Matrix:
    """Return the whole symmetric matrix, ``(d, d)``."""
    bands = scatter.mean.size
    whole = np.empty((bands, bands))
    whole_matrix(scatter.lower, 0, padded(bands), whole)
    return whole


class Whitening(NamedTuple):
    """A whitening matrix W, ``(d, rank)``, in panels of columns.

    Attributes
    ----------
    panels : ndarray of float64 or float32
        The rows of a panel one after the other, those of a triangular W down to its diagonal.
    width, rank : int
        Its rows, and its columns rounded up to whole vectors; so are the rows where it is triangular or distances are
        formed.
    triangular : bool
    """

    panels: Either
    width: int
    rank: int
    triangular: bool


@compiled
def pack_whitening(matrix: Either, triangular: bool) -> Whitening:
    """Return W in panels; if it is `triangular`, numbers below the diagonal are not read.

    A matrix of float32 is for `multiply` only, and not triangular: its vectors hold sixteen numbers.
    """
    bands, columns = matrix.shape
    lanes = _VECTOR // matrix.itemsize
    width, rank = padded(bands), (columns + lanes - 1) // lanes * lanes
    panels = np.zeros(width * rank, matrix.dtype)
    at = 0
    for panel in range(0, rank, HEIGHT * lanes):
        stop = min(panel + HEIGHT * lanes, rank)
        rows = stop if triangular else width
        for i in range(min(rows, bands)):
            for j in range(max(panel, i) if triangular else panel, min(stop, columns)):
                panels[at + i * (stop - panel) + j - panel] = matrix[i, j]
        at += rows * (stop - panel)
    return Whitening(panels, width, rank, triangular)


@inner
def multiply(x: Either, rows: int, step: int, matrix: Whitening, out: Either) -> None:
    """Write ``X W`` to rows of ``W.rank`` numbers; the `rows` of X, whole vectors of them, lie `step` apart.

    All arrays are of float64, or all of float32.
    """
    lanes = _VECTOR // x.itemsize
    at = 0
    for panel in range(0, matrix.rank, HEIGHT * lanes):
        vectors = min(HEIGHT, (matrix.rank - panel) // lanes)
        count = panel + vectors * lanes if matrix.triangular else matrix.width
        for row in range(0, rows, COLUMNS):
            x_at, to = row * step, row * matrix.rank + panel
            if vectors == HEIGHT:
                _project_3(matrix.panels, at, vectors * lanes, count, x, x_at, step, out, to, matrix.rank)
            elif vectors == 2:
                _project_2(matrix.panels, at, vectors * lanes, count, x, x_at, step, out, to, matrix.rank)
            else:
                _project_1(matrix.panels, at, vectors * lanes, count, x, x_at, step, out, to, matrix.rank)
        at += vectors * lanes * count


@compiled
def distances(spectra: Matrix, mean: Vector, whitening: Whitening, squares: Vector) -> None:
    """Write ``‖Wᵀ(x - mean)‖²`` of ``(n, d)`` spectra, C-contiguous, to `squares`."""
    bands, width = spectra.shape[1], whitening.width
    piece, sums, found = np.zeros(_PIXELS * width), np.empty(_PIXELS * LANES), np.empty(_PIXELS)
    later = LANES if whitening.triangular else 0
    for start in range(0, spectra.shape[0], _PIXELS):
        count = min(_PIXELS, spectra.shape[0] - start)
        for pixel in range(count):
            spectrum, shifted = spectra[start + pixel], piece[pixel * width :]
            for b in range(bands):
                shifted[b] = spectrum[b] - mean[b]
        sums[:] = 0.0
        at = 0
        for panel in range(0, whitening.rank, PANEL):
            vectors = min(HEIGHT, (whitening.rank - panel) // LANES)
            rows = panel + LANES if whitening.triangular else width
            for pixel in range(0, count, COLUMNS):
                x_at, to = pixel * width, pixel * LANES
                if vectors == HEIGHT:
                    _add_squares_3(whitening.panels, at, rows, later, piece, x_at, width, sums, to)
                elif vectors == 2:
                    _add_squares_2(whitening.panels, at, rows, later, piece, x_at, width, sums, to)
                else:
                    _add_squares_1(whitening.panels, at, rows, later, piece, x_at, width, sums, to)
            at += vectors * LANES * (rows + (vectors - 1) * later)
        add_lanes(sums, padded(count) // LANES, found)
        for pixel in range(count):  # numba takes seconds to compile an assignment of a slice
            squares[start + pixel] = found[pixel]
