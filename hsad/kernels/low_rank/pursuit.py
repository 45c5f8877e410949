"""Principal component pursuit by the inexact augmented Lagrangian method, one block of rows at a time.

``min ‖L‖_* + λ‖S‖₁`` subject to ``X = L + S`` for a tall matrix X whose rows are spread over many blocks. An
iteration of the method (Lin, Chen, Ma 2010) with multipliers Y and penalty μ is

    S = soft(X - L + Y/μ, λ/μ),    M = X - S + Y/μ,    L = M with its singular values minus 1/μ,    Y += μ (X - L - S).

The new Y is μ(M - L), so M is the whole state of the iteration. And L = M·W with a d × d matrix W that follows from the
Gram matrix MᵀM. If W is known, the rows are independent of each other, and an iteration is one pass over the rows and
one sum of d × d matrices. With ``D = X - L + (Y/μ)``, the pass computes ``S = soft(D, λ/μ)`` and the next
``M = L + (D - S)`` in place. What is stored is X - M, in single precision (`hsad.kernels.low_rank.rest_state`).

The pass computes ``‖X - L - S‖`` for the L of an iteration and the S that follows from it. This pair is the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.errors import DataError

if TYPE_CHECKING:
    from hsad.kernels.low_rank.rest_state import RestMap

__all__ = [
    "GROWTH",
    "MOST_GROWTH",
    "Extent",
    "Step",
    "Tally",
    "advance",
    "finish",
    "iterate",
    "shrink_spectrum",
    "start",
]

Matrix = NDArray[np.float64]

GROWTH = 1.5
"""ρ, the factor by which the penalty μ grows in each iteration."""

MOST_GROWTH = 1e7
"""Largest quotient of μ and its first value."""


@dataclass(frozen=True, eq=False)
class Step:
    """The numbers that turn M of one iteration into S and M of the next.

    Attributes
    ----------
    vectors : (d, r) ndarray
        Right singular vectors V of M whose singular values are above 0 after the shrinkage; r is the rank of L.
    factors : (r,) ndarray
        Singular values after the shrinkage, divided by those before it: L = M·V·diag(factors)·Vᵀ.
    ratio : float
        μ of this iteration divided by μ of the next; Y/μ = ratio · (M - L).
    threshold : float
        λ/μ of the next iteration.
    """

    shapes: ClassVar[dict[str, tuple[str, ...]]] = {"vectors": ("bands", "rank"), "factors": ("rank",)}

    vectors: Matrix
    factors: NDArray[np.float64]
    ratio: float
    threshold: float

    @cached_property
    def rest_map(self) -> RestMap:
        """The map from M to M - L, packed for the kernels; it is the same for all rows."""
        from hsad.kernels.low_rank.rest_state import rest_map

        return rest_map(self.vectors, self.factors)


@dataclass(frozen=True, eq=False)
class Extent:
    """The numbers of X that the first iteration needs.

    Attributes
    ----------
    count : int
        Number of rows N.
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
        """Return the extent of ``(n, d)`` rows, None for n = 0."""
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
        from hsad.kernels.low_rank.spectrum import largest_vectors

        return float(np.sqrt(largest_vectors(self.gram, 1)[0][0]))


@dataclass(frozen=True, eq=False)
class Tally:
    """The sums that a pass over the rows returns.

    Attributes
    ----------
    squares : float
        ‖X - L - S‖² (Frobenius).
    absolute : float
        Sum of the absolute values of S; only `finish` computes it.
    nonzero : int
        Number of elements of S that are not 0; only `finish` computes it.
    gram : (d, d) ndarray of float64
        MᵀM of the next iteration; empty after `finish`.
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
    """Return the steps of the iteration until ‖X - L - S‖ < tolerance · ‖X‖, and one more step.

    Parameters
    ----------
    extent : Extent
        The extent of X, which is not 0.
    lam : float
        λ.
    tolerance : float
    max_iterations : int
    advance_all : callable
        ``advance_all(steps)`` applies to all rows the steps that were not applied yet, and returns the tally. This is
        the last step, or more steps for rows whose state was lost.

    Returns
    -------
    tuple of Step, float
        The first step and one step for each iteration, and the nuclear norm of L of the last step. The last step has
        not been applied to any row.
    """
    norm = extent.norm
    penalty, first = start(extent, lam)
    limit = penalty * MOST_GROWTH
    steps: tuple[Step, ...] = (first,)
    while True:
        tally = advance_all(steps)
        vectors, factors, nuclear = shrink_spectrum(tally.gram, penalty)
        following = min(GROWTH * penalty, limit)
        steps = (*steps, Step(vectors, factors, penalty / following, lam / following))
        penalty = following
        if np.sqrt(tally.squares) < tolerance * norm or len(steps) > max_iterations:
            return steps, nuclear


def start(extent: Extent, lam: float) -> tuple[float, Step]:
    """Return the first penalty, and the step from M = X, L = 0 and Y = X/max(‖X‖₂, max|X|/λ) to the first M."""
    spectral_norm = extent.spectral_norm
    if not spectral_norm > 0:
        raise DataError("the numbers of the scene are so small that their squares vanish: scale them")
    penalty = 1.25 / spectral_norm
    scale = max(spectral_norm, extent.largest / lam)
    return penalty, Step(np.empty((len(extent.low), 0)), np.empty(0), 1 / (scale * penalty), lam / penalty)


def shrink_spectrum(gram: Matrix, penalty: float) -> tuple[Matrix, NDArray[np.float64], float]:
    """Return the vectors and factors (see `Step`) of L for ``gram = MᵀM``, and the nuclear norm of L."""
    from hsad.kernels.low_rank.soft_threshold import shrink_factors
    from hsad.kernels.low_rank.spectrum import leading_vectors

    found, values, vectors = leading_vectors(gram, penalty**-2, len(gram))
    if not found:
        values, vectors = np.linalg.eigh(gram)
        values, vectors = np.ascontiguousarray(values[::-1]), vectors[:, ::-1]
    factors, nuclear = shrink_factors(values, penalty)
    return np.ascontiguousarray(vectors[:, : len(factors)]), factors, nuclear


def advance(pixels: Matrix, state: NDArray[np.float32], steps: Sequence[Step]) -> Tally:
    """Apply `steps` to the rows of T = X - M, and return the tally.

    Parameters
    ----------
    pixels : (n, d) ndarray of float64, C-contiguous
        Rows of X.
    state : (n, d) ndarray of float32, C-contiguous
        Rows of T, 0 before the first step; changed in place.
    steps : sequence of Step
        At least one.

    Returns
    -------
    Tally
        The tally of the last step.
    """
    from hsad.kernels.low_rank.rest_state import next_rest
    from hsad.kernels.triangular import new_scatter, scatter_matrix

    last = _catch_up(pixels, state, steps)
    gram = new_scatter(pixels.shape[1])
    squares = next_rest(pixels, state, last.rest_map, last.ratio, last.threshold, gram)
    return Tally(squares, 0.0, 0, scatter_matrix(gram))


def finish(pixels: Matrix, state: NDArray[np.float32], steps: Sequence[Step]) -> Tally:
    """Apply `steps` to the rows, write the sparse part S to `state`, and return the tally; see `advance`."""
    from hsad.kernels.low_rank.rest_state import sparse_rest

    last = _catch_up(pixels, state, steps)
    sums = np.zeros(2)
    squares = sparse_rest(pixels, state, last.rest_map, last.ratio, last.threshold, sums)
    return Tally(squares, float(sums[0]), int(sums[1]), np.zeros((0, 0)))


def _catch_up(pixels: Matrix, state: NDArray[np.float32], steps: Sequence[Step]) -> Step:
    """Apply all steps but the last to the rows; return the last step."""
    from hsad.kernels.low_rank.rest_state import next_rest
    from hsad.kernels.triangular import new_scatter

    nowhere = new_scatter(0)
    for step in steps[:-1]:
        next_rest(pixels, state, step.rest_map, step.ratio, step.threshold, nowhere)
    return steps[-1]
