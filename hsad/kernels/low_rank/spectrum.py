"""A number of leading eigenvectors of a symmetric matrix. The import of this file loads numba.

Reflections make the matrix tridiagonal. The signs of pivots (Sturm) count the eigenvalues above a floor and enclose
each in an interval, for eight eigenvalues in a SIMD vector. Inverse iteration with the twisted factorization finds each
eigenvalue with its vector. If this fails, the caller uses LAPACK, which takes the time of all vectors even for a few.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.simd.reflections import ROWS, reflect_1, reflect_2, reflect_3, reflect_rows
from hsad.kernels.simd.twisted import TWISTED, twist
from hsad.kernels.simd.vectors import LANES
from hsad.kernels.triangular import add_products, multiply, pack_whitening, padded

__all__ = ["largest_vectors", "leading_vectors"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

_GRID = 64
"""Number of points between floor and trace at which eigenvalues are counted first."""

_HALVINGS = 6
"""Smallest number of times that an interval is halved before inverse iteration begins."""

_MOST_HALVINGS = 30
"""Largest number of times that an interval is halved until it contains one eigenvalue only."""

_SMALLEST = 1e-15
"""An eigenvalue below this share of the sum of all eigenvalues is a rounding error."""

_MOST_STEPS = 12
"""Largest number of steps of an inverse iteration; three or four are sufficient for eigenvalues that are not close."""

_ROUNDING = 2.0**-52
"""Machine epsilon of float64."""

_NOTHING = 1e-200
"""Added to squares, so that no pivot is 0/0."""

_ORTHONORMAL = 1e-12
"""Sum of the squared deviations from orthonormality below which one more first-order correction is sufficient."""

_INDEPENDENT = 0.1
"""Sum of the squared deviations from orthonormality above which vectors are not made orthonormal."""


@inner
def _tridiagonal(a: Vector, size: int, width: int, diagonal: Vector, beside: Vector, inverses: Vector) -> Vector:
    """Make the matrix tridiagonal by reflections ``I - v vᵀ · inverse``; return the vectors v as rows.

    The reflection of row i changes the rows and columns before it. `a`, ``(width, width)``, is overwritten.
    """
    reflectors = np.zeros((size + 1) * width)
    w, product = np.zeros(width), np.empty(width)
    for i in range(size - 1, -1, -1):
        v, following = reflectors[(i + 1) * width : (i + 2) * width], reflectors[i * width : (i + 1) * width]
        # Row i after the previous reflection.
        row, own_v, own_w = a[i * width : (i + 1) * width], v[i], w[i]
        square = 0.0
        for k in range(i - 1):
            value = row[k] - (own_v * w[k] + own_w * v[k])
            following[k] = value
            square += value * value
        diagonal[i] = row[i] - 2 * own_v * own_w
        if i == 0:
            break
        last = row[i - 1] - (own_v * w[i - 1] + own_w * v[i - 1])
        if square > 0:
            length = -np.copysign(np.sqrt(square + last * last), last)
            beside[i], following[i - 1] = length, last - length
            inverses[i] = 1 / (square + last * last - last * length)
        else:
            beside[i], inverses[i] = last, 0.0
        product[:] = 0.0
        for first in range(0, i, ROWS):
            reflect_rows(a, first * width, width, first, padded(i) // LANES, v, w, following, product)
        along = 0.0
        for k in range(i):
            along += product[k] * following[k]
        inverse = inverses[i]
        share = 0.5 * along * inverse
        for k in range(i):
            w[k] = inverse * (product[k] - share * following[k])
        w[i:] = 0.0
    return reflectors


@inner
def _count_below(diagonal: Vector, squares: Vector, at: Vector, pivots: Vector, counts: Vector) -> None:
    """Write the number of eigenvalues of the tridiagonal matrix below each of the points."""
    counts[:] = 0.0
    pivots[:] = 1.0
    before = 0.0
    for i in range(diagonal.size):
        own = diagonal[i]
        for j in range(at.size):
            pivot = (own - at[j]) - before / pivots[j]
            pivots[j] = pivot
            counts[j] += 1.0 if pivot < 0 else 0.0
        before = squares[i + 1]


@inner
def _corner(diagonal: Vector, squares: Vector, floor: float, top: float, count: int, low: Vector, high: Vector) -> bool:
    """Write an interval around each of the `count` largest eigenvalues, the largest first; False if two overlap."""
    size = diagonal.size
    grid, pivots, counts = np.empty(_GRID), np.empty(_GRID), np.empty(_GRID)
    ratio = (top / floor) ** (1 / (_GRID + 1))
    for k in range(_GRID):
        grid[k] = floor * ratio ** (k + 1)
    _count_below(diagonal, squares, grid, pivots, counts)
    for j in range(low.size):
        # Number of eigenvalues below the eigenvalue j.
        number = max(size - 1 - j, size - count)
        k = 0
        while k < _GRID and counts[k] <= number:
            k += 1
        low[j] = floor if k == 0 else grid[k - 1]
        high[j] = top if k == _GRID else grid[k]
    lanes = padded(count)
    middle, pivots, counts = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    for halving in range(_MOST_HALVINGS):
        for j in range(lanes):
            middle[j] = 0.5 * (low[j] + high[j])
        _count_below(diagonal, squares, middle, pivots, counts)
        alone = True
        for j in range(lanes):
            if counts[j] <= max(size - 1 - j, size - count):
                low[j] = middle[j]
            else:
                high[j] = middle[j]
            if 0 < j < count and low[j - 1] < high[j]:
                alone = False
        if alone and halving >= _HALVINGS - 1:
            low[count:], high[count:] = low[count - 1], high[count - 1]
            return True
    return False


@inner
def _approach(
    at: Vector, below: Vector, rests: Vector, norms: Vector, accuracy: float, low: Vector, high: Vector, first: int,
    size: int, count: int,
) -> bool:  # fmt: skip
    """Move the points towards their eigenvalues; return True if all points were accurate already.

    A step is that of the Rayleigh quotient, limited to the interval. Each factorization makes the interval narrower.
    """
    found = True
    for j in range(TWISTED):
        k = first + j
        if abs(rests[j]) <= accuracy * np.sqrt(norms[j]):
            continue  # the point is accurate up to rounding
        found = False
        if below[j] <= max(size - 1 - k, size - count):
            low[k] = max(low[k], at[j])
        else:
            high[k] = min(high[k], at[j])
        # A step ends at the edge of the interval, near which the eigenvalue may lie. A point that would not move goes
        # to the middle.
        better = at[j] + rests[j] / norms[j]
        if better > high[k]:
            better = high[k]
        elif not better >= low[k]:
            better = low[k]
        at[j] = better if better != at[j] else 0.5 * (low[k] + high[k])
    return found


@inner
def _find(
    diagonal: Vector, beside: Vector, squares: Vector, low: Vector, high: Vector, count: int, z: Vector, width: int
) -> bool:
    """Write the unit vectors of the enclosed eigenvalues, and the eigenvalues to `low`; False if one is not found."""
    size = diagonal.size
    at, below, rests, norms = np.empty(TWISTED), np.empty(TWISTED), np.empty(TWISTED), np.empty(TWISTED)
    work = np.empty(3 * size * TWISTED)
    accuracy = 16 * _ROUNDING * high[0]
    for first in range(0, width, TWISTED):
        for j in range(TWISTED):
            at[j] = 0.5 * (low[first + j] + high[first + j])
        for _ in range(_MOST_STEPS):
            twist(diagonal, beside, squares, size, at, below, rests, norms, work, z, first, width)
            if _approach(at, below, rests, norms, accuracy, low, high, first, size, count):
                break
        else:
            return False
        for j in range(TWISTED):
            low[first + j] = at[j] + rests[j] / norms[j]
            norms[j] = 1 / np.sqrt(norms[j]) if first + j < count else 0.0
        for i in range(size):
            row = z[i * width + first : i * width + first + TWISTED]
            for j in range(TWISTED):
                row[j] *= norms[j]
    return True


@inner
def _orthonormalize(z: Vector, size: int, rows: int, width: int, count: int) -> tuple[bool, Vector]:
    """Return nearly orthonormal vectors made orthonormal in their order; False if they deviate too much.

    `z` has room for `width` vectors, the result for `count` vectors rounded up to whole SIMD vectors.
    """
    change = np.zeros((count, count))
    for _ in range(_MOST_STEPS):
        products = np.zeros(width * width)
        add_products(z, 0, size, width, products, 0)
        # First-order approximation of the inverse Cholesky factor.
        total = 0.0
        for k in range(count):
            row, target = products[k * width : k * width + count], change[k]
            rest = 1 - row[k]
            total += rest * rest
            for c in range(k + 1, count):
                total += 2 * row[c] * row[c]
                target[c] = -row[c]
            target[k] = 1 + 0.5 * rest
        if not total < _INDEPENDENT:
            break
        turned = np.empty(rows * padded(count))
        multiply(z, rows, width, pack_whitening(change, True), turned)
        z, width = turned, padded(count)
        # The remaining error is of second order.
        if total <= _ORTHONORMAL:
            return True, z
    return False, z


@inner
def _reflect_back(z: Vector, size: int, width: int, reflectors: Vector, step: int, inverses: Vector) -> None:
    """Transform the eigenvectors of the tridiagonal matrix to those of the original matrix, in place."""
    sums = np.zeros(width)
    for i in range(size):
        # The reflection of row i - 1 is applied while that of row i is prepared; both change the rows before i.
        v_at, following_at = max(i - 1, 0) * step, i * step
        for column in range(0, width, 3 * LANES):
            vectors = min(3, (width - column) // LANES)
            if vectors == 3:
                reflect_3(z, column, width, i, reflectors, v_at, following_at, sums, column)
            elif vectors == 2:
                reflect_2(z, column, width, i, reflectors, v_at, following_at, sums, column)
            else:
                reflect_1(z, column, width, i, reflectors, v_at, following_at, sums, column)
        for k in range(width):
            sums[k] *= inverses[i]
    for r in range(size - 1):
        factor = reflectors[(size - 1) * step + r]
        for k in range(width):
            z[r * width + k] -= factor * sums[k]


@inner
def _scaled(matrix: Matrix, scale: float, step: int) -> Vector:
    """Return the matrix times a number, padded to rows of `step`."""
    a = np.zeros(step * step)
    for i in range(matrix.shape[0]):
        source, copy = matrix[i], a[i * step : (i + 1) * step]
        for j in range(source.size):
            copy[j] = scale * source[j]
    return a


@compiled
def leading_vectors(matrix: Matrix, floor: float, most: int) -> tuple[bool, Vector, Matrix]:
    """Return the eigenvalues above `floor`, the largest first, at most `most` of them, and their vectors.

    Parameters
    ----------
    matrix : (n, n) ndarray of float64
        Symmetric, with eigenvalues that are not negative, up to rounding.
    floor : float
        Above 0.
    most : int

    Returns
    -------
    bool
        False if eigenvalues are so close that their vectors were not found; LAPACK can find them.
    (count,) ndarray
    (n, count) ndarray
    """
    size = matrix.shape[0]
    step = padded(size)
    nothing = np.empty(0), np.empty((size, 0))
    trace = 0.0
    for i in range(size):
        trace += matrix[i, i]
    if not trace > floor:
        return True, *nothing
    # Below, the matrix is scaled so that the sum of the eigenvalues is 1.
    a, floor = _scaled(matrix, 1 / trace, step), floor / trace
    diagonal, beside, squares, inverses = np.empty(size), np.zeros(size + 1), np.zeros(size + 1), np.zeros(size)
    reflectors = _tridiagonal(a, size, step, diagonal, beside, inverses)
    for i in range(1, size):
        squares[i] = beside[i] * beside[i] + _NOTHING
    at, pivot, below = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    at[:] = floor
    _count_below(diagonal, squares, at, pivot, below)
    count = min(size - int(below[0]), most)
    if count == 0:
        return True, *nothing
    width = (count + TWISTED - 1) // TWISTED * TWISTED
    low, high, z = np.empty(width), np.empty(width), np.zeros(step * width)
    if not (
        _corner(diagonal, squares, floor, 1.0, count, low, high)
        and _find(diagonal, beside, squares, low, high, count, z, width)
    ):
        return False, *nothing
    found, z = _orthonormalize(z, size, step, width, count)
    if not found:
        return False, *nothing
    width = padded(count)
    _reflect_back(z, size, width, reflectors, step, inverses)
    values, vectors = np.empty(count), np.empty((size, count))
    for j in range(count):
        values[j] = trace * low[j]
    for i in range(size):
        row = vectors[i]
        for j in range(count):
            row[j] = z[i * width + j]
    return True, values, vectors


def largest_vectors(matrix: Matrix, count: int) -> tuple[Vector, Matrix]:
    """Return the `count` largest eigenvalues, the largest first, and their vectors, if necessary by LAPACK."""
    found, values, vectors = leading_vectors(matrix, _SMALLEST * np.trace(matrix), count)
    if not found or len(values) < count:
        values, vectors = np.linalg.eigh(matrix)
        values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    return values, vectors
