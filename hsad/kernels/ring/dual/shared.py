"""CRD whose penalties do not depend on the pixel: the pixels of a cell share one factorization.

Most atoms are in the rings of all pixels of a small cell. They are eliminated once, from the system of all atoms of the
cell. Each pixel then solves the Schur complement of the atoms that are in some of the rings only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.ring.dual.factor import (
    PANEL,
    back_substitute,
    complement,
    eliminate,
    factor,
    multiply,
    packed_size,
    padded,
)
from hsad.kernels.ring.dual.patches import Patch, pixel_atoms
from hsad.kernels.ring.dual.single import crd_score
from hsad.kernels.ring.dual.solve import Workspace, residual, workspace
from hsad.kernels.ring.dual.systems import entry, fill_padding, gather, gather_across, gather_row, shift_system
from hsad.kernels.ring.limits import PIVOT_FLOOR
from hsad.kernels.ring.one_ring import largest_ring
from hsad.kernels.ring.task import LINEAR, Task
from hsad.kernels.ring.window import Window

__all__ = ["shared_patch"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_MARGIN = 8


class Cell(NamedTuple):
    """The system of all atoms of a cell, and the arrays that solving it needs.

    The shared atoms come first, whole panels of them, then the other atoms, then the pixels of the cell.

    Attributes
    ----------
    atoms : (pixels, most) ndarray of int
        The rings of the pixels, and the pixels themselves.
    counts : (pixels,) ndarray of int
        Atoms in each ring.
    members : ndarray of int
        The numbers of the vectors of the system.
    hits, places : (strip pixels,) ndarray of int
        Number of rings that hold a pixel of the strip, and its place in `members`.
    a, lower, inverse, floor
        The packed system, the part of its factor that is shared, its inverse diagonal, and the smallest pivots.
    penalty, x, out : ndarray
        λ Γ², a vector of coefficients of all members, and its product with the system.
    rest : ndarray
        Schur complement of the others and the pixels, columns of its lower triangle at `starts`.
    """

    atoms: NDArray[np.int64]
    counts: Numbers
    members: Numbers
    hits: Numbers
    places: Numbers
    a: Vector
    lower: Vector
    inverse: Vector
    floor: Vector
    penalty: Vector
    x: Vector
    out: Vector
    rest: Vector
    starts: Numbers
    runs: Numbers


@inner
def make_cell(side: int, most: int, outer: int, strip_pixels: int) -> Cell:
    """Return the arrays for cells of `side` × `side` pixels with rings of at most `most` pixels."""
    pixels = side * side
    order = padded(min(pixels * most, (outer + side - 1) ** 2) + pixels)
    size = packed_size(order)
    return Cell(
        np.empty((pixels, padded(most + 1)), np.int64),
        np.empty(pixels, np.int64),
        np.empty(order, np.int64),
        np.zeros(strip_pixels, np.int64),
        np.empty(strip_pixels, np.int64),
        np.empty(size),
        np.empty(size),
        np.empty(order),
        np.zeros(order),
        np.empty(order),
        np.empty(order),
        np.empty(order),
        np.zeros(order * order + 2 * _MARGIN),
        _MARGIN + order * np.arange(order),
        np.empty(order, np.int64),
    )


@inner
def list_members(cell: Cell, pixels: int) -> tuple[int, int]:
    """List the atoms of the rings of a cell; return the number of shared atoms (whole panels) and of all atoms."""
    low, high = cell.atoms[0, 0], cell.atoms[0, 0]
    for k in range(pixels):
        low, high = min(low, cell.atoms[k, 0]), max(high, cell.atoms[k, cell.counts[k] - 1])
        for i in range(cell.counts[k]):
            cell.hits[cell.atoms[k, i]] += 1
    shared = 0
    for number in range(low, high + 1):
        shared += cell.hits[number] == pixels
    shared = shared // PANEL * PANEL
    first, other = 0, shared
    for number in range(low, high + 1):
        hits = cell.hits[number]
        if hits == pixels and first < shared:
            cell.places[number] = first
            cell.members[first] = number
            first += 1
        elif hits > 0:
            cell.places[number] = other
            cell.members[other] = number
            other += 1
        cell.hits[number] = 0
    for k in range(pixels):
        cell.members[other + k] = cell.atoms[k, cell.counts[k]]
    cell.members[other + pixels :] = cell.members[other + pixels - 1]
    return shared, other


@inner
def eliminate_shared(patch: Patch, cell: Cell, shared: int, atoms: int, pixels: int, task: Task) -> float:
    """Eliminate the shared atoms of a cell; return their least pivot, as a share of its diagonal."""
    order = padded(atoms + pixels)
    gather(patch.gram, patch.starts, cell.members, order, cell.a, cell.runs)
    gather_across(patch.gram, patch.starts, cell.members, shared, atoms, order, cell.a)
    for row in range(atoms, atoms + pixels):
        gather_row(patch.gram, patch.starts, cell.members, row, order, cell.a)
    if task.sum_to_one:
        cell.x[:order] = 0.0
        shift_system(cell.a, order, cell.x, 1.0)
    fill_padding(cell.a, atoms + pixels - 1, order)
    for i in range(atoms):
        weight = patch.weights[cell.members[i]] if patch.weights.size > 0 else 1.0
        cell.penalty[i] = task.lam / weight
        at = entry(i, i, order)
        cell.a[at] += cell.penalty[i]
        cell.floor[i] = PIVOT_FLOOR * cell.a[at]
    eliminate(cell.a, order, shared, cell.floor, cell.lower, cell.inverse)
    complement(cell.a, order, shared, cell.lower, cell.rest, _MARGIN, cell.starts[1] - cell.starts[0])
    share = 1.0
    for i in range(shared):
        inverse = cell.inverse[i]
        share = 0.0 if inverse == 0 else min(share, PIVOT_FLOOR / (inverse * inverse * cell.floor[i]))
    return share


@inner
def solve_pixel(cell: Cell, k: int, shared: int, atoms: int, pixels: int, own: Numbers, work: Workspace) -> float:
    """Solve the system of one pixel of a cell; return the least pivot, as a share of its diagonal.

    The coefficients of all members are written to ``cell.x``, with -1 for the pixel itself.
    """
    count = 0
    for i in range(cell.counts[k]):
        place = cell.places[cell.atoms[k, i]]
        if place >= shared:
            own[count] = place - shared
            count += 1
    order = padded(count + 1)
    own[count:order] = atoms - shared + k
    gather(cell.rest, cell.starts, own, order, work.a, work.runs)
    fill_padding(work.a, count, order)
    work.floor[count:order] = 0.0
    for i in range(count):
        work.floor[i] = cell.floor[shared + own[i]]
    factor(work.a, order, work.floor, work.lower, work.inverse)
    share = 1.0
    for i in range(count):
        inverse = work.inverse[i]
        share = 0.0 if inverse == 0 else min(share, PIVOT_FLOOR / (inverse * inverse * work.floor[i]))
        work.alpha[i] = work.lower[entry(count, i, order)]
    work.alpha[count:order] = 0.0
    back_substitute(work.lower, order, order, work.inverse, work.alpha, work.sums)
    cell.x[: padded(atoms + pixels)] = 0.0
    for i in range(count):
        cell.x[shared + own[i]] = work.alpha[i]
    cell.x[atoms + k] = -1.0
    back_substitute(cell.lower, padded(atoms + pixels), shared, cell.inverse, cell.x, work.sums)
    return share


@inner
def kernel_score(cell: Cell, atoms: int, pixels: int, sums: Vector) -> float:
    """Return the residual norm in the space of a kernel, ``√(αᵀKα)`` with α = -1 for the pixel itself."""
    order = padded(atoms + pixels)
    multiply(cell.a, order, cell.x, cell.out, sums)
    error = 0.0
    for i in range(atoms + pixels):
        error += cell.x[i] * cell.out[i]
    for i in range(atoms):
        error -= cell.penalty[i] * cell.x[i] * cell.x[i]
    return float(np.sqrt(max(0.0, error)))


@inner
def list_rings(
    patch: Patch, valid: Mask, wanted: Mask, at: tuple[int, int], side: int, window: Window, cell: Cell
) -> int:
    """Write the rings of the wanted pixels of a cell; return how many there are."""
    pixels = 0
    for row in range(at[0], min(at[0] + side, patch.rows[1])):
        for col in range(at[1], min(at[1] + side, patch.cols[1])):
            cell.counts[pixels] = pixel_atoms(patch, valid, wanted, row, col, window, cell.atoms[pixels])
            pixels += cell.counts[pixels] > 0
    return pixels


@compiled
def shared_patch(
    patch: Patch, valid: Mask, wanted: Mask, window: Window, task: Task, side: int, scores: Matrix, shares: Matrix
) -> None:
    """Score the pixels of a patch by plain CRD or kernel CRD, cell by cell.

    `shares` gets the least pivots as shares of their diagonals, which tell how many digits are left. The border must
    not be mirrored.
    """
    most = largest_ring(window.outer, window.inner)
    work = workspace(most, patch.x.shape[1])
    cell = make_cell(side, most, window.outer, patch.x.shape[0])
    own = np.empty(padded(most + 1), np.int64)
    work.scale[:] = 1.0
    work.penalty[:] = 1.0
    for top in range(patch.rows[0], patch.rows[1], side):
        for left in range(patch.cols[0], patch.cols[1], side):
            pixels = list_rings(patch, valid, wanted, (top, left), side, window, cell)
            if pixels == 0:
                continue
            shared, atoms = list_members(cell, pixels)
            cell_share = eliminate_shared(patch, cell, shared, atoms, pixels, task)
            for k in range(pixels):
                share = min(cell_share, solve_pixel(cell, k, shared, atoms, pixels, own, work))
                if task.kernel == LINEAR:
                    count = cell.counts[k]
                    for i in range(count):
                        number = cell.atoms[k, i]
                        work.alpha[i] = cell.x[cell.places[number]]
                        if patch.weights.size > 0:
                            work.penalty[i] = 1.0 / patch.weights[number]
                    residual(patch.x, cell.atoms[k], count, work.alpha, work.scale, False, work.r)
                    score = crd_score(patch.x, count, task, work)
                else:
                    score = kernel_score(cell, atoms, pixels, work.sums)
                number = cell.members[atoms + k]
                row = number // patch.width + patch.origin[0] - patch.rows[0]
                col = number % patch.width + patch.origin[1] - patch.cols[0]
                scores[row, col] = score
                shares[row, col] = share
