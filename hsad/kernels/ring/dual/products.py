"""Inner products of the pixels of a row with those of the next rows that may be in one ring with them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled
from hsad.kernels.simd.triangle_microtiles import COLUMNS, HEIGHT, MICROTILES
from hsad.kernels.simd.vectors import LANES

__all__ = ["LEAST_BEYOND", "fill_products", "turn_row"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

LEAST_BEYOND = COLUMNS + LANES
"""A strip has to be wider by this than twice the reach: vectors of neighbours must not leave it."""

_multiply_1, _multiply_2, _multiply_3 = (MICROTILES[min(k, HEIGHT - 1)].project for k in range(3))


@compiled
def turn_row(x: Matrix, first: int, turned: Matrix) -> None:
    """Write the spectra from number `first` on as columns of `turned`, ``(bands, width)``."""
    for b in range(turned.shape[0]):
        row = turned[b]
        for col in range(row.size):
            row[col] = x[first + col, b]


@compiled
def fill_products(x: Matrix, row: int, stop: int, reach: int, turned: Matrix, place: int, table: Vector) -> None:
    """Write the products of the pixels of a row with pixels of the rows ``row ... stop - 1``.

    Those of the pixel in column i with the column j of a row are written if ``|i - j| <= reach``, in the own row if
    also ``j >= i``; others may be written or not. A number does not depend on where a pixel lies.

    Parameters
    ----------
    x : (pixels, bands) ndarray
        Spectra of a strip, row by row.
    row, stop, reach : int
    turned : (slots · bands, width) ndarray
        The rows as columns: row r in the slot r modulo the number of slots.
    place : int
        Where the products of the first pixel of the row, with the first pixel of the row, lie in `table`. Those of the
        next row follow after `width`, those of the next pixel after `width` times the number of slots.
    table : ndarray
    """
    bands, width = x.shape[1], turned.shape[1]
    slots, spectra, columns = turned.shape[0] // bands, x.reshape(-1), turned.reshape(-1)
    span = slots * width
    for near in range(row, stop):
        panel, along = near % slots * bands * width, place + (near - row) * width
        for group in range(0, width, COLUMNS):
            col = min(group, width - COLUMNS)
            low, high = col if near == row else max(0, col - reach), min(width, col + COLUMNS + reach)
            vectors = (high - low + LANES - 1) // LANES
            at = min(low, width - LANES * vectors)
            x_at, out_at = (row * width + col) * bands, along + col * span
            while vectors > 0:
                if vectors >= HEIGHT and vectors != HEIGHT + 1:
                    taken = HEIGHT
                    _multiply_3(columns, panel + at, width, bands, spectra, x_at, bands, table, out_at + at, span)
                elif vectors > 1:
                    taken = min(2, HEIGHT)
                    _multiply_2(columns, panel + at, width, bands, spectra, x_at, bands, table, out_at + at, span)
                else:
                    taken = 1
                    _multiply_1(columns, panel + at, width, bands, spectra, x_at, bands, table, out_at + at, span)
                vectors -= taken
                at += LANES * taken
