"""Orthogonal matching pursuit: a pixel represented by a few atoms of its ring, chosen one after the other.

All inner products come from one Gram matrix for a square of pixels and its surroundings. Only the residual ``y - Xα``,
which is formed explicitly, reads the spectra again.

References
----------
R. Rubinstein, M. Zibulevsky, M. Elad, "Efficient implementation of the K-SVD algorithm using batch orthogonal matching
pursuit", Technion CS-2008-08.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.ring.dual.patches import Patch, next_ring, product
from hsad.kernels.ring.one_ring import largest_ring
from hsad.kernels.ring.represent import atoms_before, residual_norm, write_products
from hsad.kernels.ring.window import Window

__all__ = ["omp_patch"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_DEPENDENT = 1e-12
"""An atom with less than this share of its ‖x‖² outside the span of those chosen adds nothing but rounding."""

_EXPLAINED = 1e-24
"""Nothing is left to explain where the best atom's squared correlation is below this share of ‖y‖²."""


@inner
def _best_atom(h: Vector, inverses: Vector, count: int) -> tuple[int, float]:
    """Return the atom with the largest correlation divided by its length, -1 if there is none, and its square."""
    best, most = -1, 0.0
    for i in range(count):
        correlation = h[i] * h[i] * inverses[i]
        if correlation > most:
            best, most = i, correlation
    return best, most


class _Matching(NamedTuple):
    """The arrays that matching pursuit writes to.

    Attributes
    ----------
    h : (most,) ndarray
        Inner products of the atoms with the residual.
    inverses : (most,) ndarray
        1/‖x‖² of the atoms that were not tried yet, 0 of the others and of black ones.
    basis : (limit, most) ndarray
        Inner products of all atoms with the chosen ones, made orthonormal; at the chosen atoms, the Cholesky factor.
    along : (limit,) ndarray
        Inner products of the pixel with the chosen atoms, made orthonormal.
    chosen : (limit,) ndarray of int64
    alpha : (most,) ndarray
    """

    h: Vector
    inverses: Vector
    basis: Matrix
    along: Vector
    chosen: Numbers
    alpha: Vector


@inner
def _subtract(weight: float, part: Vector, count: int, of: Vector) -> None:
    for i in range(count):
        of[i] -= weight * part[i]


@inner
def _add_atom(patch: Patch, atoms: Numbers, count: int, best: int, taken: int, work: _Matching) -> bool:
    """Make an atom orthonormal to those taken and take its part out of the residual; False if nothing is left of it."""
    square = product(patch, atoms[best], atoms[best])
    pivot = square
    for k in range(taken):
        pivot -= work.basis[k, best] * work.basis[k, best]
    if pivot <= _DEPENDENT * square:
        return False
    row = work.basis[taken]
    write_products(patch, atoms, best, count, atoms[best], row)
    for k in range(taken):
        other = work.basis[k]
        _subtract(other[best], other, count, row)
    scale = 1 / np.sqrt(pivot)
    along = work.h[best] * scale
    h = work.h
    for i in range(count):
        row[i] *= scale
        h[i] -= along * row[i]
    work.along[taken] = along
    work.chosen[taken] = best
    return True


@inner
def _match(patch: Patch, atoms: Numbers, count: int, limit: int, work: _Matching) -> int:
    """Write the weights of at most `limit` atoms, chosen one after the other, into `work.alpha`; return how many."""
    write_products(patch, atoms, atoms_before(atoms, count), count, atoms[count], work.h)
    least = _EXPLAINED * product(patch, atoms[count], atoms[count])
    taken = 0
    while taken < limit:
        best, correlation = _best_atom(work.h, work.inverses, count)
        if best < 0 or correlation <= least:
            break
        work.inverses[best] = 0.0
        if _add_atom(patch, atoms, count, best, taken, work):
            taken += 1
    for k in range(taken - 1, -1, -1):
        rest = work.along[k]
        for j in range(k + 1, taken):
            rest -= work.basis[k, work.chosen[j]] * work.alpha[j]
        work.alpha[k] = rest / work.basis[k, work.chosen[k]]
    return taken


@compiled
def omp_patch(patch: Patch, valid: Mask, wanted: Mask, window: Window, most_atoms: int, scores: Matrix) -> Vector:
    """Score the pixels of a patch by the residual of orthogonal matching pursuit with at most `most_atoms` atoms.

    Return the residual of the last pixel.

    An atom is chosen by its correlation with the residual, divided by its length; the weights are least squares on
    the atoms as they are.
    """
    most = largest_ring(window.outer, window.inner)
    limit = min(most_atoms, most)
    atoms = np.empty(most + 1, np.int64)
    chosen = np.empty(limit + 1, np.int64)
    work = _Matching(
        np.empty(most),
        np.empty(most),
        np.empty((limit, most)),
        np.empty(limit),
        np.empty(limit, np.int64),
        np.empty(limit),
    )
    # Once for all pixels: the squares lie far from each other in the table of products.
    inverses = np.zeros(len(patch.x))
    filled = np.zeros(len(patch.x), np.bool_)
    r = np.empty(patch.x.shape[1])
    for pixel in range(wanted.size):
        row, col, count = next_ring(patch, valid, wanted, pixel, window, atoms)
        if count == 0:
            continue
        for i in range(count):
            atom = atoms[i]
            if not filled[atom]:
                square = product(patch, atom, atom)
                inverses[atom] = 1 / square if square > 0 else 0.0
                filled[atom] = True
            work.inverses[i] = inverses[atom]
        taken = _match(patch, atoms, count, limit, work)
        for k in range(taken):
            chosen[k] = atoms[work.chosen[k]]
        chosen[taken] = atoms[count]
        scores[row, col] = residual_norm(patch, chosen, taken, work.alpha, r)
    return r
