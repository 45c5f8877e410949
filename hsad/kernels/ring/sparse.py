"""Sparse representation of each pixel by its ring: a few atoms (orthogonal matching pursuit), or the lasso.

All inner products come from one Gram matrix for a square of pixels and its surroundings; the bands are
touched again only for the residual ``y - Xα``, which is formed explicitly.

References
----------
R. Rubinstein, M. Zibulevsky, M. Elad, "Efficient implementation of the K-SVD algorithm using batch orthogonal matching
pursuit", Technion CS-2008-08; A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear
inverse problems", SIAM J. Imaging Sci. 2(1):183, 2009.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.ring.dual.factor import padded
from hsad.kernels.ring.dual.patches import Patch, next_ring, part_of, patches, product
from hsad.kernels.ring.one_ring import has_enough, largest_ring
from hsad.kernels.ring.task import CRD, Task
from hsad.kernels.ring.window import Window
from hsad.kernels.simd.gathering import gather_columns
from hsad.kernels.simd.symmetric import TILE, multiply_tiles
from hsad.kernels.simd.vectors import LANES

__all__ = ["SOLVERS", "SparseTask", "score_patch", "score_sparse"]

SOLVERS = ("omp", "ista", "fista")
OMP, ISTA, FISTA = range(3)

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_DEPENDENT = 1e-12
"""An atom with less than this share of its ‖x‖² outside the span of those chosen adds nothing but rounding."""

_EXPLAINED = 1e-24
"""Nothing is left to explain where the best atom's squared correlation is below this share of ‖y‖²."""

_POWER_STEPS = 100
_POWER_ACCURACY = 1e-6
_STEP_MARGIN = 1.01
"""The largest eigenvalue, found by the power method from below, is taken this much larger: the step stays safe."""


class SparseTask(NamedTuple):
    """How a pixel is represented by few atoms.

    Attributes
    ----------
    solver : int
        `OMP`: at most `atoms` atoms, by orthogonal matching pursuit; `ISTA` or `FISTA`: ½‖y − Xα‖² + λ‖α‖₁ by proximal
        gradient steps.
    atoms : int
        Of `OMP`.
    lam : float
        λ of the others; from max |Xᵀy| on it leaves no atom.
    iterations : int
        Steps of the others, from α = 0.
    """

    solver: int
    atoms: int
    lam: float
    iterations: int


@inner
def _products(patch: Patch, atoms: Numbers, before: int, count: int, of: int, out: Vector) -> None:
    """Write the inner products of one vector of the patch with the atoms, of which `before` have lower numbers."""
    for i in range(before):
        out[i] = patch.gram[patch.starts[atoms[i]] + of]
    start = patch.starts[of]
    for i in range(before, count):
        out[i] = patch.gram[start + atoms[i]]


@inner
def _lower(atoms: Numbers, count: int) -> int:
    """Return how many atoms have a lower number than the pixel itself."""
    before = count // 2
    while before > 0 and atoms[before - 1] > atoms[count]:
        before -= 1
    while before < count and atoms[before] < atoms[count]:
        before += 1
    return before


@inner
def _residual_norm(patch: Patch, atoms: Numbers, count: int, alpha: Vector, r: Vector) -> float:
    """Return ‖y - Xα‖; `r` gets the residual."""
    r[:] = patch.x[atoms[count]]
    for i in range(count):
        weight = alpha[i]
        if weight != 0:
            atom = patch.x[atoms[i]]
            for b in range(r.size):
                r[b] -= weight * atom[b]
    total = 0.0
    for b in range(r.size):
        total += r[b] * r[b]
    return float(np.sqrt(total))


@inner
def _best_atom(h: Vector, inverses: Vector, count: int) -> tuple[int, float]:
    """Return the atom with the largest correlation by its length, and that correlation squared; -1 if there is none."""
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
    _products(patch, atoms, best, count, atoms[best], row)
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
    _products(patch, atoms, _lower(atoms, count), count, atoms[count], work.h)
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
        scores[row, col] = _residual_norm(patch, chosen, taken, work.alpha, r)
    return r


@inner
def _gather_tiles(patch: Patch, atoms: Numbers, count: int, tiles: Vector) -> int:
    """Write the inner products of the atoms as `multiply_tiles` reads them, zeros beyond them; return the order.

    The atoms ascend, and there are numbers after the last up to the order.
    """
    order = padded(count)
    at = 0
    for column in range(0, order, LANES):
        for row in range(column, order, LANES):
            gather_columns(patch.gram, patch.starts, atoms, column, row, tiles, at, LANES)
            if row == column:
                for c in range(1, LANES):
                    for r in range(c):
                        tiles[at + c * LANES + r] = tiles[at + r * LANES + c]
            if row + LANES > count:
                for c in range(LANES):
                    for r in range(LANES):
                        if row + r >= count or column + c >= count:
                            tiles[at + c * LANES + r] = 0.0
            at += TILE
    return order


@inner
def _apply(tiles: Vector, order: int, x: Vector, out: Vector) -> None:
    """Write the product of a symmetric matrix, in tiles, with a vector."""
    out[:order] = 0.0
    at = 0
    for column in range(0, order, LANES):
        below = (order - column) // LANES - 1
        multiply_tiles(tiles, at, below, x, column, out)
        at += (below + 1) * TILE


@inner
def _largest_eigenvalue(tiles: Vector, order: int, v: Vector, product: Vector) -> float:
    """Return the largest eigenvalue by the power method, started at the longest atom's products."""
    start, longest, at = 0, 0.0, 0
    for column in range(0, order, LANES):
        for c in range(LANES):
            square = tiles[at + c * (LANES + 1)]
            if square > longest:
                start, longest = column + c, square
        at += (order - column) // LANES * TILE
    v[:order] = 0.0
    v[start] = 1.0
    _apply(tiles, order, v, product)
    value = 0.0
    for _ in range(_POWER_STEPS):
        norm = 0.0
        for i in range(order):
            norm += product[i] * product[i]
        if norm == 0:
            return 0.0
        scale = 1 / np.sqrt(norm)
        for i in range(order):
            v[i] = product[i] * scale
        _apply(tiles, order, v, product)
        before, value = value, 0.0
        for i in range(order):
            value += v[i] * product[i]
        if abs(value - before) <= _POWER_ACCURACY * value:
            break
    return value


@compiled
def lasso_patch(
    patch: Patch,
    valid: Mask,
    wanted: Mask,
    window: Window,
    lam: float,
    iterations: int,
    accelerated: bool,
    scores: Matrix,
) -> Vector:
    """Score the pixels of a patch by the residual after `iterations` steps of ISTA or FISTA on ½‖y - Xα‖² + λ‖α‖₁.

    Return the residual of the last pixel.
    """
    most = largest_ring(window.outer, window.inner)
    atoms = np.empty(padded(most + 1), np.int64)
    # Whole tiles: what lies beyond the atoms is 0 in the products, in b, and so in all that follows.
    order = padded(most)
    tiles, b = np.empty(order * (order + LANES) // 2), np.empty(order)
    alpha, point, gradient = np.empty(order), np.empty(order), np.empty(order)
    r = np.empty(patch.x.shape[1])
    for pixel in range(wanted.size):
        row, col, count = next_ring(patch, valid, wanted, pixel, window, atoms)
        if count == 0:
            continue
        order = _gather_tiles(patch, atoms, count, tiles)
        b[:order] = 0.0
        _products(patch, atoms, _lower(atoms, count), count, atoms[count], b)
        lipschitz = _STEP_MARGIN * _largest_eigenvalue(tiles, order, point, gradient)
        step = 1 / lipschitz if lipschitz > 0 else 0.0
        threshold = lam * step
        alpha[:order] = 0.0
        point[:order] = 0.0
        t = 1.0
        for _ in range(iterations):
            _apply(tiles, order, point, gradient)
            t_next = (1 + np.sqrt(1 + 4 * t * t)) / 2 if accelerated else 1.0
            momentum = (t - 1) / t_next
            t = t_next
            for i in range(order):
                value = point[i] + step * (b[i] - gradient[i])
                shrunk = value - min(max(value, -threshold), threshold)
                point[i] = shrunk + momentum * (shrunk - alpha[i])
                alpha[i] = shrunk
        scores[row, col] = _residual_norm(patch, atoms, count, alpha, r)
    return r


def score_sparse(
    spectra: NDArray[np.float64], valid: Mask, core: tuple[slice, slice], window: Window, task: SparseTask
) -> NDArray[np.float64]:
    """Return ‖y − Xα‖ of representing each pixel y sparsely by its ring X.

    Parameters
    ----------
    spectra, valid, core, window
        As in `hsad.kernels.ring.score.score_rings`.
    task : SparseTask
        How α is found.

    Returns
    -------
    (core rows, core cols) ndarray of float64
        NaN where the pixel is invalid or fewer than a quarter of its ring is valid.
    """
    spectra = np.ascontiguousarray(spectra, dtype=np.float64)
    span = (core[0].start, core[0].stop, core[1].start, core[1].stop)
    wanted = has_enough(valid, span, window.outer, window.inner, window.border)
    scores = np.full(wanted.shape, np.nan)
    # Of a task, patches ask for the kind of inner products only: here the plain ones.
    for patch in patches(spectra, valid, wanted, core, window, Task(CRD, task.lam)):
        here = part_of(core, patch)
        score_patch(patch, valid, wanted[here], window, task, scores[here])
    return scores


def score_patch(patch: Patch, valid: Mask, wanted: Mask, window: Window, task: SparseTask, scores: Matrix) -> Vector:
    """Score the wanted pixels of a patch; return the residual of the last one."""
    if task.solver == OMP:
        return omp_patch(patch, valid, wanted, window, task.atoms, scores)
    return lasso_patch(patch, valid, wanted, window, task.lam, task.iterations, task.solver == FISTA, scores)
