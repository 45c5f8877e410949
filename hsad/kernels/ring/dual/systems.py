"""The system of inner products of one pixel, in packed order: picked from a Gram matrix, centred, scaled, weighted.

Row and column i belong to the i-th atom of the ring. The row after the last atom belongs to the pixel itself: it holds
the products of the pixel with the atoms, which are the right-hand side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import inner
from hsad.kernels.ring.dual.factor import BLOCK, PANEL, SINGLE_PANEL, multiply, panel_height, panel_start
from hsad.kernels.ring.limits import CLOSE, DISTANCE_FLOOR
from hsad.kernels.ring.one_ring import shrinkage_weight
from hsad.kernels.ring.task import LINEAR, Task
from hsad.kernels.simd.gathering import RUN, center_columns, gather_rows, join_columns, project_columns
from hsad.kernels.simd.microtiles import shift_columns

__all__ = [
    "center_system",
    "distances",
    "entry",
    "fill_padding",
    "gather",
    "gather_across",
    "gather_centred",
    "gather_projected",
    "gather_row",
    "lift",
    "normalize_system",
    "penalty_of",
    "shift_system",
    "shrinkage",
]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Numbers = NDArray[np.int64]


@inner
def entry(row: int, column: int, order: int, size: int = PANEL) -> int:
    """Return where an entry of the lower triangle lies in packed storage."""
    panel = row // size
    return panel_start(panel, size) + column * panel_height(panel, order, size) + row - size * panel


@inner
def gather(table: Vector, starts: Numbers, atoms: Numbers, order: int, a: Vector, runs: Numbers) -> None:
    """Pick the packed lower triangle of the rows and columns `atoms` of a symmetric table.

    The product of the pixels i and j ≥ i is ``table[starts[i] + j]``, so that `atoms` have to ascend. Ring pixels
    come in runs of consecutive numbers: eight of them are mostly one to three runs. Reading a run as a vector may
    read up to seven numbers before and after those of the matrix. `runs` is a workspace of 5 · order / 8 numbers.
    """
    _find_runs(atoms, order, runs)
    # Few columns at a time, because the columns of the table lie a page of memory apart.
    for column in range(0, order, BLOCK):
        for panel in range(column // PANEL, (order + PANEL - 1) // PANEL):
            height, first = panel_height(panel, order), max(column, PANEL * panel)
            at = panel_start(panel) + column * height + first - PANEL * panel
            blocks, run = (PANEL * panel + height - first) // BLOCK, RUN * (first // BLOCK)
            join_columns(table, starts, atoms, column, first, blocks, runs, run, a, at, height)


@inner
def gather_projected(
    table: Vector,
    starts: Numbers,
    atoms: NDArray[np.int64],
    orders: Numbers,
    terms: Matrix,
    a: NDArray[np.float32],
    runs: NDArray[np.int64],
) -> None:
    """Pick the packed lower triangles of ``table - terms termsᵀ`` for several systems, rounded to single precision.

    Each system is a row of the arrays; a system of order 0 is left out. See `gather` for the table. Systems that have
    most atoms in common are picked together, because the second one finds the table in the processor's cache.
    """
    for column in range(0, _prepare_runs(atoms, orders, runs), BLOCK):
        for system in range(orders.size):
            numbers, term, own, where = atoms[system], terms[system], a[system], runs[system]
            for panel in range(column // SINGLE_PANEL, (orders[system] + SINGLE_PANEL - 1) // SINGLE_PANEL):
                first, blocks, run, at, height = _part(panel, column, orders[system])
                project_columns(table, starts, numbers, column, first, blocks, where, run, term, own, at, height)


@inner
def gather_centred(
    table: Vector,
    starts: Numbers,
    atoms: NDArray[np.int64],
    orders: Numbers,
    terms: Matrix,
    a: NDArray[np.float32],
    runs: NDArray[np.int64],
) -> None:
    """Pick the packed lower triangles of ``table + terms 1ᵀ + 1 termsᵀ``; otherwise as `gather_projected`."""
    for column in range(0, _prepare_runs(atoms, orders, runs), BLOCK):
        for system in range(orders.size):
            numbers, term, own, where = atoms[system], terms[system], a[system], runs[system]
            for panel in range(column // SINGLE_PANEL, (orders[system] + SINGLE_PANEL - 1) // SINGLE_PANEL):
                first, blocks, run, at, height = _part(panel, column, orders[system])
                center_columns(table, starts, numbers, column, first, blocks, where, run, term, own, at, height)


@inner
def _prepare_runs(atoms: NDArray[np.int64], orders: Numbers, runs: NDArray[np.int64]) -> int:
    """Describe the runs of several systems, and return the largest order."""
    most = 0
    for system in range(orders.size):
        _find_runs(atoms[system], orders[system], runs[system])
        most = max(most, orders[system])
    return most


@inner
def _part(panel: int, column: int, order: int) -> tuple[int, int, int, int, int]:
    """Return the first row, the blocks, the place in `runs`, the place and the height of a panel's part of a column."""
    height, first = panel_height(panel, order, SINGLE_PANEL), max(column, SINGLE_PANEL * panel)
    at = panel_start(panel, SINGLE_PANEL) + column * height + first - SINGLE_PANEL * panel
    return first, (SINGLE_PANEL * panel + height - first) // BLOCK, RUN * (first // BLOCK), at, height


@inner
def _find_runs(atoms: Numbers, order: int, runs: Numbers) -> None:
    """Write five numbers for each eight atoms, which describe the runs of consecutive numbers among them.

    The numbers are those of `hsad.kernels.simd.gathering`: for each of three runs the number that the first of the
    eight would have if it were in that run, then the lanes in which the second and the third run begin. If there are
    more than three runs, the last number is 0.
    """
    for first in range(0, order, BLOCK):
        at = RUN * (first // BLOCK)
        lane = 0
        for run in range(3):
            # If there are fewer runs, the last one is repeated.
            start = atoms[first + min(lane, BLOCK - 1)] - min(lane, BLOCK - 1)
            while lane < BLOCK and atoms[first + lane] == start + lane:
                lane += 1
            runs[at + run] = start
            if run < 2:
                runs[at + 3 + run] = lane
        if lane < BLOCK:
            runs[at + RUN - 1] = 0


@inner
def gather_row(table: Vector, starts: Numbers, atoms: Numbers, row: int, order: int, a: Vector) -> None:
    """Pick one row of the lower triangle again, for an atom whose number is below that of an atom before it."""
    panel = row // PANEL
    height = panel_height(panel, order)
    at = panel_start(panel) + row - PANEL * panel
    own = atoms[row]
    for column in range(row):
        if atoms[column] > own:
            a[at + column * height] = table[starts[own] + atoms[column]]


@inner
def gather_across(
    table: Vector, starts: Numbers, atoms: Numbers, leading: int, rows: int, order: int, a: Vector
) -> None:
    """Pick the entries again that `gather` read from the wrong side, where the second atom has the smaller number.

    The first `leading` atoms, whole panels of them, ascend, and so do the atoms from there to `rows`. The rows after
    these are in no order and are left as they are.
    """
    for first in range(leading, rows, BLOCK):
        if first + BLOCK > rows:
            for row in range(first, rows):
                gather_row(table, starts, atoms, row, order, a)
            return
        panel = first // PANEL
        height = panel_height(panel, order)
        at = panel_start(panel) + first - PANEL * panel
        for column in range(0, leading, BLOCK):
            if atoms[first + BLOCK - 1] < atoms[column]:
                gather_rows(table, starts, atoms, column, first, a, at + column * height, height)
            elif atoms[first] < atoms[column + BLOCK - 1]:
                for c in range(column, column + BLOCK):
                    for i in range(BLOCK):
                        low, high = min(atoms[first + i], atoms[c]), max(atoms[first + i], atoms[c])
                        a[at + c * height + i] = table[starts[low] + high]


@inner
def fill_padding(a: Vector, count: int, order: int) -> None:
    """Write rows of an identity matrix to the rows after the pixel, which fill up the last block."""
    for row in range(count + 1, order):
        for column in range(row + 1):
            a[entry(row, column, order)] = 1.0 if column == row else 0.0


@inner
def shift_system(a: Vector, order: int, terms: Vector, value: float) -> None:
    """Add ``value + terms[i] + terms[j]`` to every entry; `terms` is overwritten."""
    rows = terms.copy()
    for i in range(order):
        terms[i] += value
    for first in range(0, order, BLOCK):
        panel = first // PANEL
        height = panel_height(panel, order)
        at = panel_start(panel) + first - PANEL * panel
        shift_columns(a, at, height, PANEL * panel + height, terms, rows, first)


@inner
def center_system(a: Vector, count: int, order: int, means: Vector, members: Vector, sums: Vector) -> None:
    """Replace inner products by those of the same vectors minus the mean of the first `count` of them.

    `means`, `members` (`order` numbers each) and `sums` (64) are workspace.
    """
    for i in range(order):
        members[i] = 1.0 / count if i < count else 0.0
    multiply(a, order, members, means, sums)
    grand = 0.0
    for i in range(count):
        grand += means[i] / count
    for i in range(order):
        means[i] = -means[i]
    shift_system(a, order, means, grand)


@inner
def normalize_system(a: Vector, count: int, order: int, scale: Vector) -> None:
    """Replace inner products by those of unit vectors; `scale` gets one over the lengths, 0 for a null vector."""
    for i in range(order):
        square = a[entry(i, i, order)]
        # Centring may leave a square below 0 beside large products: rounding, of a vector that counts as null.
        scale[i] = 1.0
        if i <= count:
            scale[i] = 1.0 / np.sqrt(square) if square > 0 else 0.0
    for panel in range((order + PANEL - 1) // PANEL):
        height = panel_height(panel, order)
        first = PANEL * panel
        at = panel_start(panel)
        for column in range(min(first + height, count + 1)):
            for i in range(height):
                a[at + i] *= scale[column] * scale[first + i]
            at += height


@inner
def lift(a: Vector, count: int, order: int, value: float) -> None:
    """Add `value` to the inner products of the atoms with each other; the right-hand side stays."""
    for panel in range((order + PANEL - 1) // PANEL):
        height = panel_height(panel, order)
        first = PANEL * panel
        at = panel_start(panel)
        members = min(height, count - first)
        for _ in range(min(first + height, count)):
            for i in range(members):
                a[at + i] += value
            at += height


@inner
def squared_distance(x: Matrix, i: int, j: int, scale_i: float, scale_j: float) -> float:
    """Return ‖scale_i x_i - scale_j x_j‖²."""
    total = 0.0
    for b in range(x.shape[1]):
        difference = scale_i * x[i, b] - scale_j * x[j, b]
        total += difference * difference
    return total


@inner
def penalty_of(
    x: Matrix, y: int, atom: int, square: float, cross: float, own: float, scales: tuple[float, float], task: Task
) -> float:
    """Return Γᵢ² = ‖y - xᵢ‖² of an atom, from inner products or, if these cancel, from the spectra.

    `square`, `cross` and `own` are the products of the atom with itself, of the atom with the pixel, and of the pixel
    with itself. `scales` are the scales of the pixel and of the atom.
    """
    direct = task.kernel == LINEAR and not (task.center and task.normalize)
    distance = square + own - 2.0 * cross
    if direct and distance < CLOSE * (square + own):
        distance = squared_distance(x, y, atom, scales[0], scales[1])
    return max(distance + task.softening, DISTANCE_FLOOR * own)


@inner
def distances(
    a: Vector, x: Matrix, atoms: Numbers, count: int, order: int, scale: Vector, task: Task, penalty: Vector
) -> None:
    """Write Γᵢ² = ‖y - xᵢ‖² into `penalty`."""
    own = a[entry(count, count, order)]
    for i in range(count):
        square, cross = a[entry(i, i, order)], a[entry(count, i, order)]
        penalty[i] = penalty_of(x, atoms[count], atoms[i], square, cross, own, (scale[count], scale[i]), task)


@inner
def shrinkage(count: int, bands: int, order: int, rule: int, a: Vector) -> float:
    """Return the weight of the mean variance in a Ledoit-Wolf or OAS covariance, from the centred Gram matrix."""
    trace = 0.0
    fourth = 0.0
    total = 0.0
    for i in range(count):
        square = a[entry(i, i, order)]
        trace += square
        fourth += square * square
    for panel in range((count + PANEL - 1) // PANEL):
        height = panel_height(panel, order)
        first = PANEL * panel
        at = panel_start(panel)
        stop = min(height, count - first)
        for column in range(first + stop):
            for i in range(max(0, column + 1 - first), stop):
                total += 2.0 * a[at + i] * a[at + i]
            at += height
    total += fourth
    return shrinkage_weight(trace / count, total / (count * count), fourth / count, count, bands, rule)
