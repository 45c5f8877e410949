"""Eight pixels side by side, whose systems are factored in single precision, and the steps all detectors share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import inner
from hsad.kernels.ring.dual.factor import BLOCK, SINGLE_BLOCK, SINGLE_PANEL, factor, packed_size, padded
from hsad.kernels.ring.dual.patches import Patch, next_ring
from hsad.kernels.ring.dual.substitution import backward, forward, forward_two
from hsad.kernels.ring.dual.systems import entry
from hsad.kernels.ring.limits import SINGLE_SHARE
from hsad.kernels.ring.window import Window
from hsad.kernels.simd.atom_products import BANDS, correlate_atoms, subtract_atoms
from hsad.kernels.simd.vectors import LANES

__all__ = [
    "COLS",
    "ROWS",
    "Eight",
    "correlate_residuals",
    "eight_pixels",
    "eliminate_gradients",
    "factor_system",
    "find_cells",
    "list_rings",
    "solve_change",
    "spread_coefficients",
]

ROWS, COLS = 2, 4
"""Rows and columns of the eight pixels: their rings have a fifth fewer atoms together than those of eight in a row."""

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Single = NDArray[np.float32]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Eight(NamedTuple):
    """Eight pixels side by side, and the arrays that solving their systems needs.

    Attributes
    ----------
    atoms, cells : (8, order) ndarray of int
        Numbers of the atoms in the strip, and among the atoms of all eight.
    counts, orders : (8,) ndarray of int
        Number of atoms, 0 if the pixel is done or not wanted; order of the packed system, with a row for v if there is
        room.
    squares, gains, sizes : (8,) ndarray
        ‖y‖², 1 + vᵀw, and λ‖Γα‖² or that of the last change.
    lower : (8, packed) ndarray of float32
        Factors.
    inverse : (8, order) ndarray of float32
        Inverse diagonals of the factors.
    v, w, penalty, alpha : (8, order) ndarray
        See the module; `penalty` is λΓ².
    known : (pixels,) ndarray of int
        Number of a pixel of the strip among the atoms, or -1.
    numbers, places : ndarray of int
        The atoms of all eight pixels in ascending order, and where they stand in the spectra of the strip.
    coefficients, products : ndarray
        For each atom a vector: α, and Xᵀr.
    residuals : ndarray
        For each band a vector.
    gradients : (2, order) ndarray
        Right-hand sides of one system.
    runs : (8, order) ndarray of int
        Workspace of `gather_projected`.
    floor, right, solution, sums : ndarray of float32
        Workspace of one system; `right` holds two right-hand sides.
    """

    atoms: Numbers
    cells: Numbers
    counts: Numbers
    orders: Numbers
    squares: Vector
    gains: Vector
    sizes: Vector
    lower: NDArray[np.float32]
    inverse: NDArray[np.float32]
    v: Matrix
    w: Matrix
    penalty: Matrix
    alpha: Matrix
    known: Numbers
    numbers: Numbers
    places: Numbers
    coefficients: Vector
    products: Vector
    residuals: Vector
    gradients: Matrix
    floor: Single
    right: Single
    solution: Single
    sums: Single
    runs: NDArray[np.int64]


@inner
def eight_pixels(most: int, pixels: int, bands: int) -> Eight:
    """Return the arrays for rings of at most `most` pixels."""
    order = padded(most + 1, SINGLE_BLOCK)
    cells = LANES * (most + 1)
    return Eight(
        np.empty((LANES, order), np.int64),
        np.empty((LANES, order), np.int64),
        np.zeros(LANES, np.int64),
        np.zeros(LANES, np.int64),
        np.empty(LANES),
        np.empty(LANES),
        np.empty(LANES),
        np.empty((LANES, packed_size(order, SINGLE_PANEL)), np.float32),
        np.empty((LANES, order), np.float32),
        np.empty((LANES, order)),
        np.empty((LANES, order)),
        np.empty((LANES, order)),
        np.empty((LANES, order)),
        np.full(pixels, -1, np.int64),
        np.empty(cells, np.int64),
        np.empty(cells, np.int64),
        np.empty(cells * LANES),
        np.empty(cells * LANES),
        np.empty(padded(bands, BANDS) * LANES),
        np.empty((2, order)),
        np.empty(order, np.float32),
        np.empty(2 * order, np.float32),
        np.empty(order, np.float32),
        np.empty(BLOCK * SINGLE_BLOCK, np.float32),
        np.empty((LANES, order), np.int64),
    )


@inner
def find_cells(patch: Patch, eight: Eight) -> int:
    """Give numbers to the atoms of all eight pixels; return how many there are, rounded up to whole vectors."""
    low, high = eight.known.size, 0
    for lane in range(LANES):
        count = eight.counts[lane]
        for i in range(count):
            eight.known[eight.atoms[lane, i]] = 0
        if count > 0:
            low, high = min(low, eight.atoms[lane, 0]), max(high, eight.atoms[lane, count - 1] + 1)
    found = 0
    for atom in range(low, high):
        if eight.known[atom] == 0:
            eight.known[atom] = found
            eight.numbers[found], eight.places[found] = atom, atom * patch.x.shape[1]
            found += 1
    for lane in range(LANES):
        for i in range(eight.counts[lane]):
            eight.cells[lane, i] = eight.known[eight.atoms[lane, i]]
    for cell in range(found):
        eight.known[eight.numbers[cell]] = -1
    while found % LANES:
        eight.numbers[found], eight.places[found] = eight.numbers[found - 1], eight.places[found - 1]
        found += 1
    return found


@inner
def spread_coefficients(cells: int, eight: Eight) -> None:
    """Write α of the eight pixels beside each other, for each atom."""
    eight.coefficients[: cells * LANES] = 0.0
    for lane in range(LANES):
        for i in range(eight.counts[lane]):
            # A mirrored ring may hold an atom twice.
            eight.coefficients[eight.cells[lane, i] * LANES + lane] += eight.alpha[lane, i]


@inner
def correlate_residuals(patch: Patch, cells: int, eight: Eight, errors: Vector) -> None:
    """Subtract the atoms times `coefficients` from the residuals r; write all products Xᵀr, and ‖r‖² into `errors`."""
    bands, spectra = patch.x.shape[1], patch.x.reshape(-1)
    for band in range(0, bands, BANDS):
        subtract_atoms(spectra, band, eight.places, cells, eight.coefficients, eight.residuals)
    for cell in range(0, cells, LANES):
        correlate_atoms(spectra, eight.places, cell, bands, eight.residuals, eight.products)
    errors[:] = 0.0
    for b in range(bands):
        for lane in range(LANES):
            errors[lane] += eight.residuals[b * LANES + lane] ** 2


@inner
def list_rings(patch: Patch, valid: Mask, wanted: Mask, row: int, col: int, window: Window, eight: Eight) -> None:
    """List the atoms of eight pixels, the first at `row` and `col`; `counts` is 0 for a pixel without a ring."""
    eight.counts[:] = 0
    eight.orders[:] = 0
    for lane in range(LANES):
        own_row, own_col = row + lane // COLS, col + lane % COLS
        if own_row < wanted.shape[0] and own_col < wanted.shape[1]:
            pixel = own_row * wanted.shape[1] + own_col
            _, _, count = next_ring(patch, valid, wanted, pixel, window, eight.atoms[lane])
            if count > 0:
                eight.counts[lane], eight.orders[lane] = count, padded(count, SINGLE_BLOCK)


@inner
def factor_system(lane: int, eight: Eight) -> bool:
    """Factor the system of a pixel, whose diagonal is in w; return whether each pivot has digits left."""
    count, order, lower, inverse = eight.counts[lane], eight.orders[lane], eight.lower[lane], eight.inverse[lane]
    for i in range(count):
        lower[entry(i, i, order, SINGLE_PANEL)] = eight.w[lane, i]
        eight.floor[i] = SINGLE_SHARE * eight.w[lane, i]
    # None of the rows past the atoms has a pivot.
    eight.floor[count:order] = np.inf
    factor(lower, order, eight.floor, lower, inverse)
    certain = True
    for i in range(count):
        certain &= inverse[i] > 0
    return certain


@inner
def eliminate_gradients(lane: int, eight: Eight, sides: int) -> float:
    """Multiply the gradients by L⁻¹, scaled to what single precision holds, into the rows of `right`.

    Returns the scale, by which `right` is to be divided.

    Parameters
    ----------
    sides : int
        1 for the first row of `gradients`, 2 for the second row, too.
    """
    count, order, step = eight.counts[lane], eight.orders[lane], eight.floor.size
    largest = 0.0
    for side in range(sides):
        for i in range(count):
            largest = max(largest, abs(eight.gradients[side, i]))
    scale = 1.0 / largest if largest > 0 else 1.0
    for side in range(sides):
        for i in range(count):
            eight.right[side * step + i] = scale * eight.gradients[side, i]
        for i in range(count, order):
            eight.right[side * step + i] = 0.0
    if sides == 2:
        forward_two(eight.lower[lane], order, eight.inverse[lane], eight.right, step)
    else:
        forward(eight.lower[lane], order, eight.inverse[lane], eight.right)
    return scale


@inner
def solve_change(lane: int, eight: Eight) -> None:
    """Go on from `eliminate_gradients`: write the change of α for the first gradient, scaled, into `solution`."""
    eight.right[eight.counts[lane] : eight.orders[lane]] = 0.0
    backward(eight.lower[lane], eight.orders[lane], eight.inverse[lane], eight.right, eight.solution, eight.sums)
