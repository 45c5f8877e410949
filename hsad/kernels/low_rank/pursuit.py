"""Principal component pursuit by the inexact augmented Lagrangian method, one block of rows at a time.

``min ‖L‖_* + λ‖S‖₁`` subject to ``X = L + S`` for a tall matrix X whose rows are spread over many blocks. An
iteration of the method (Lin, Chen, Ma 2010) with multipliers Y and penalty μ is

    S = soft(X - L + Y/μ, λ/μ),    M = X - S + Y/μ,    L = M with its singular values less 1/μ,    Y += μ (X - L - S).

The new Y is μ(M - L), so M alone carries everything from one iteration to the next. And L = M·W with a d × d matrix W
that follows from the Gram matrix MᵀM. So with W known every row goes its own way, and an iteration is one pass over
the rows and one sum of d × d matrices. With ``D = X - L + (Y/μ)``, the pass computes ``S = soft(D, λ/μ)`` and
the next ``M = L + (D - S)`` in place.

The pass measures ``‖X - L - S‖`` for the L of an iteration and the S that follows from it, the pair that is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.errors import DataError

__all__ = ["Extent", "Step", "Tally", "advance", "finish", "iterate", "sparse_part"]

Matrix = NDArray[np.float64]

_GROWTH = 1.5
"""ρ: the penalty μ grows by this factor an iteration."""

_MOST_GROWTH = 1e7
"""μ ends at this multiple of its first value."""

_ROWS = 256
"""Rows that are dealt with at a time, so that they stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Step:
    """What turns M of one iteration into S and M of the next.

    Attributes
    ----------
    vectors : (d, r) ndarray
        Right singular vectors V of M that the shrinkage leaves, r the rank of L.
    factors : (r,) ndarray
        What is left of their singular values: L = M·V·diag(factors)·Vᵀ.
    ratio : float
        μ of this iteration over μ of the next; Y/μ = ratio · (M - L).
    threshold : float
        λ/μ of the next iteration.
    """

    shapes: ClassVar[dict[str, tuple[str, ...]]] = {"vectors": ("bands", "rank"), "factors": ("rank",)}

    vectors: Matrix
    factors: NDArray[np.float64]
    ratio: float
    threshold: float


@dataclass(frozen=True, eq=False)
class Extent:
    """What the first iteration needs to know of X.

    Attributes
    ----------
    count : int
        Rows N.
    gram : (d, d) ndarray of float64
        XᵀX.
    low, high : (d,) ndarray of float64
        Smallest and largest element of each column.
    """

    count: int
    gram: Matrix
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Matrix) -> Extent | None:
        """Return the extent of ``(n, d)`` rows, None when there are none."""
        return cls(len(rows), rows.T @ rows, rows.min(axis=0), rows.max(axis=0)) if len(rows) else None

    def __add__(self, other: Extent) -> Extent:
        return Extent(
            self.count + other.count,
            self.gram + other.gram,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    @property
    def largest(self) -> float:
        """The largest absolute value of X."""
        return float(max(self.high.max(), -self.low.min()))

    @property
    def norm(self) -> float:
        """The Frobenius norm of X."""
        return float(np.sqrt(np.trace(self.gram)))

    @property
    def spectral_norm(self) -> float:
        """The largest singular value of X."""
        return float(np.sqrt(np.linalg.eigvalsh(self.gram)[-1]))


@dataclass(frozen=True, eq=False)
class Tally:
    """What a pass brings home.

    Attributes
    ----------
    squares : float
        ‖X - L - S‖² (Frobenius).
    absolute : float
        Sum of the absolute values of S; counted by `finish`.
    nonzero : int
        Elements of S that are not 0; counted by `finish`.
    gram : (d, d) ndarray of float64
        MᵀM of the next iteration; empty where nobody goes on.
    """

    squares: float
    absolute: float
    nonzero: int
    gram: Matrix

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.squares + other.squares,
            self.absolute + other.absolute,
            self.nonzero + other.nonzero,
            self.gram + other.gram,
        )


def iterate(
    extent: Extent,
    lam: float,
    tolerance: float,
    max_iterations: int,
    advance_all: Callable[[tuple[Step, ...]], Tally],
) -> tuple[tuple[Step, ...], float]:
    """Run the iteration until ‖X - L - S‖ ≤ tolerance · ‖X‖, and then take one step more.

    Parameters
    ----------
    extent : Extent
        Of X, which is not 0.
    lam : float
        λ.
    tolerance : float
    max_iterations : int
    advance_all : callable
        ``advance_all(steps)`` takes all rows through the steps that they have not been through yet (the last one, if
        nothing was lost) and returns the tally.

    Returns
    -------
    tuple of Step, float
        The start and one step an iteration, the last of which no row has been through; the nuclear norm of its L.
    """
    norm, spectral_norm = extent.norm, extent.spectral_norm
    if not spectral_norm > 0:
        raise DataError("the numbers of the scene are so small that their squares vanish: scale them")
    penalty = 1.25 / spectral_norm
    limit = penalty * _MOST_GROWTH
    # From M = X, L = 0: the first multipliers are Y = X/max(‖X‖₂, max|X|/λ).
    scale = max(spectral_norm, extent.largest / lam)
    steps: tuple[Step, ...] = (Step(np.empty((len(extent.low), 0)), np.empty(0), 1 / (scale * penalty), lam / penalty),)
    while True:
        tally = advance_all(steps)
        vectors, factors, nuclear = _shrink_spectrum(tally.gram, penalty)
        following = min(_GROWTH * penalty, limit)
        steps = (*steps, Step(vectors, factors, penalty / following, lam / following))
        penalty = following
        if np.sqrt(tally.squares) < tolerance * norm or len(steps) > max_iterations:
            return steps, nuclear


def sparse_part(matrix: Matrix, lam: float, tolerance: float, max_iterations: int) -> tuple[Matrix, float]:
    """Decompose a matrix in memory.

    Parameters
    ----------
    matrix : (n, d) ndarray of float64
        X; the work grows with the third power of the smaller side.
    lam, tolerance, max_iterations
        As for `iterate`.

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
    steps, _ = iterate(extent, lam, tolerance, max_iterations, lambda steps: advance(matrix, state, steps[-1:]))
    tally = finish(matrix, state, steps[-1:])
    return state, float(np.sqrt(tally.squares)) / extent.norm


def _shrink_spectrum(gram: Matrix, penalty: float) -> tuple[Matrix, NDArray[np.float64], float]:
    """Return vectors and factors (see `Step`) of L for ``gram = MᵀM``, and the nuclear norm of L."""
    values, vectors = np.linalg.eigh(gram)
    singular = np.sqrt(np.maximum(values, 0.0))
    kept = singular * penalty > 1
    factors = 1 - 1 / (penalty * singular[kept])
    return np.ascontiguousarray(vectors[:, kept]), factors, float(np.sum(singular[kept] * factors))


def advance(pixels: Matrix, state: Matrix, steps: Sequence[Step]) -> Tally:
    """Take the rows through `steps`; the M of the last iteration done becomes that of the last step.

    Parameters
    ----------
    pixels : (n, d) ndarray of float64, C-contiguous
        Rows of X.
    state : (n, d) ndarray of float64, C-contiguous
        Rows of M; changed in place.
    steps : sequence of Step
        At least one.

    Returns
    -------
    Tally
        Of the last step.
    """
    from hsad.kernels.low_rank.soft_threshold import next_state
    from hsad.kernels.triangular import add_as_they_are, new_scatter, scatter_matrix

    gram = new_scatter(pixels.shape[1])
    squares = 0.0
    for x, m, low, step in _pieces(pixels, state, steps):
        squares += next_state(x, m, low, step.ratio, step.threshold)
        # While these rows are in the cache. Not by scipy's BLAS: it would keep other threads waiting.
        add_as_they_are(m, gram)
    return Tally(squares, 0.0, 0, scatter_matrix(gram))


def finish(pixels: Matrix, state: Matrix, steps: Sequence[Step]) -> Tally:
    """Take the rows through `steps` and leave the sparse part S of the last one in `state`; see `advance`."""
    from hsad.kernels.low_rank.soft_threshold import sparse_state

    sums = np.zeros(2)
    squares = 0.0
    for x, m, low, step in _pieces(pixels, state, steps):
        squares += sparse_state(x, m, low, step.ratio, step.threshold, sums)
    return Tally(squares, float(sums[0]), int(sums[1]), np.zeros((0, 0)))


def _pieces(pixels: Matrix, state: Matrix, steps: Sequence[Step]) -> Iterator[tuple[Matrix, Matrix, Matrix, Step]]:
    """Take some rows at a time through all steps but the last; yield their X, M, L of the last step, and that step."""
    from hsad.kernels.low_rank.soft_threshold import next_state

    buffer = np.empty((min(_ROWS, len(pixels)), pixels.shape[1]))
    maps = [_low_rank_map(step) for step in steps]
    for first in range(0, len(pixels), _ROWS):
        x, m = pixels[first : first + _ROWS], state[first : first + _ROWS]
        low = buffer[: len(x)]
        for number, (step, (left, right)) in enumerate(zip(steps, maps, strict=True), start=1):
            np.matmul(m if right is None else m @ right, left, out=low)
            if number < len(steps):
                next_state(x, m, low, step.ratio, step.threshold)
        yield x, m, low, steps[-1]


def _low_rank_map(step: Step) -> tuple[Matrix, Matrix | None]:
    """Return A and B with L = M·B·A: two thin matrices while they are cheaper than the square one, A alone after."""
    weighted = (step.vectors * step.factors).T
    bands, rank = step.vectors.shape
    # Half as many columns would be as many operations; thin products reach less of the processor's speed.
    return (weighted, step.vectors) if 5 * rank < 2 * bands else (step.vectors @ weighted, None)
