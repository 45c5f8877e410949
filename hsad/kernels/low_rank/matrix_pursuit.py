"""Principal component pursuit of a matrix in memory. The import of this file loads numba."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled
from hsad.kernels.low_rank.pursuit import GROWTH, MOST_GROWTH, Extent, shrink_spectrum, start
from hsad.kernels.low_rank.soft_threshold import low_rank_map, next_state, shrink_factors, sparse_state
from hsad.kernels.low_rank.spectrum import leading_vectors
from hsad.kernels.triangular import new_scatter, scatter_matrix

__all__ = ["sparse_part"]

Matrix = NDArray[np.float64]

_MANY = 2**20
"""Number of rows for which the last map chooses its form; with this number its computation does not count."""


class _Schedule(NamedTuple):
    """The parameters of the iterations.

    Attributes
    ----------
    lam, limit : float
        λ, and the largest penalty.
    least : float
        The iterations end when ‖X - L - S‖ is below this number.
    most : int
        Largest number of iterations.
    """

    lam: float
    limit: float
    least: float
    most: int


class _Now(NamedTuple):
    """The state of the iterations.

    Attributes
    ----------
    done : int
        Number of iterations so far.
    shrunk_by, penalty : float
        The penalty of the last shrinkage of the singular values, and the penalty of the next iteration.
    ratio, threshold, vectors, factors
        The attributes of a `Step`.
    """

    done: int
    shrunk_by: float
    penalty: float
    ratio: float
    threshold: float
    vectors: Matrix
    factors: NDArray[np.float64]


@compiled
def _iterate(matrix: Matrix, state: Matrix, schedule: _Schedule, now: _Now) -> tuple[bool, bool, _Now, Matrix]:
    """Run the iterations of `hsad.kernels.low_rank.pursuit.iterate`, until they end or singular values are too close.

    Returns
    -------
    bool, bool
        Whether the spectrum of the last Gram matrix was found, and whether the iterations are at their end.
    _Now
    Matrix
        The last Gram matrix.
    """
    rows, bands = matrix.shape
    gram = new_scatter(bands)
    while True:
        gram.lower[:] = 0.0
        to = low_rank_map(now.vectors, now.factors, rows)
        squares = next_state(matrix, state, to, now.ratio, now.threshold, gram)
        products = scatter_matrix(gram)
        found, values, vectors = leading_vectors(products, now.penalty**-2, bands)
        factors, _ = shrink_factors(values, now.penalty)
        following = min(GROWTH * now.penalty, schedule.limit)
        vectors = np.ascontiguousarray(vectors[:, : factors.size])
        done = now.done + 1
        now = _Now(done, now.penalty, following, now.penalty / following, schedule.lam / following, vectors, factors)
        last = np.sqrt(squares) < schedule.least or done >= schedule.most
        if last or not found:
            return found, last, now, products


def sparse_part(matrix: Matrix, lam: float, tolerance: float, max_iterations: int) -> tuple[Matrix, float]:
    """Return the sparse part S of a matrix in memory, and the residual of the decomposition.

    Parameters
    ----------
    matrix : (n, d) ndarray of float64
        X. The work grows with the third power of the smaller side.
    lam, tolerance, max_iterations
        See `hsad.kernels.low_rank.pursuit.iterate`.

    Returns
    -------
    (n, d) ndarray of float64, float
        S, and the residual ‖X - L - S‖/‖X‖.
    """
    if matrix.shape[0] < matrix.shape[1]:
        transposed, residual = sparse_part(matrix.T, lam, tolerance, max_iterations)
        return transposed.T, residual
    matrix = np.ascontiguousarray(matrix)
    extent = Extent.of(matrix)
    if extent is None or not extent.largest > 0:
        return np.zeros_like(matrix), 0.0
    state = matrix.copy()
    penalty, first = start(extent, lam)
    schedule = _Schedule(lam, penalty * MOST_GROWTH, tolerance * extent.norm, max_iterations)
    now = _Now(0, penalty, penalty, first.ratio, first.threshold, first.vectors, first.factors)
    last = False
    while not last:
        found, last, now, gram = _iterate(matrix, state, schedule, now)
        if not found:
            vectors, factors, _ = shrink_spectrum(gram, now.shrunk_by)
            now = now._replace(vectors=vectors, factors=factors)
    to = low_rank_map(now.vectors, now.factors, _MANY)
    squares = sparse_state(matrix, state, to, now.ratio, now.threshold, np.zeros(2))
    return state, float(np.sqrt(squares)) / extent.norm
