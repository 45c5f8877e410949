"""Sums of products of bands over rings, with weights that depend on the pixel by its distances to the atoms.

These sums do not slide. Eight neighbouring pixels are computed side by side, in chunks of a few atoms. The atoms are
copied into the first-level cache of the processor, and their distances are summed during the copy. Then the weighted
products are computed in microtiles.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import inner
from hsad.kernels.ring.limits import DISTANCE_FLOOR
from hsad.kernels.ring.one_ring import ring_pixels
from hsad.kernels.ring.primal.lanes import aligned
from hsad.kernels.ring.primal.padded import Pixels, box_start
from hsad.kernels.ring.task import Task
from hsad.kernels.ring.window import SHIFT, Window, largest_ring
from hsad.kernels.simd.lane_microtiles import (
    BANDS_MICROTILE,
    MICROTILE,
    add_products,
    add_squares,
    copy_atoms,
    invert_distances,
)
from hsad.kernels.simd.slide_microtiles import transpose
from hsad.kernels.simd.vectors import LANES

__all__ = ["Rings", "add_weighted", "fill_strip", "find_atoms", "make_rings"]

Vector = NDArray[np.float64]
Numbers = NDArray[np.int64]

_CHUNK = 24
"""Number of atoms in a chunk, as measured. Larger chunks exceed the first-level cache; smaller chunks read and write
the sums too often."""


class Rings(NamedTuple):
    """The atoms of eight neighbouring pixels, and the arrays for computations with them.

    Attributes
    ----------
    strip : (rows + 1, bands, columns) ndarray, flat
        The surroundings of eight columns of pixels; the last row is zeros.
    band_step, row_step : int
        Distance of the bands and of the rows of the strip.
    packed : (atoms, bands, pixels) ndarray, flat
        Atoms of pixels whose rings have different shapes.
    offsets : ndarray
        First index of each atom in `packed`, or in the strip relative to the pixel.
    ring, gather : ndarray
        The atoms of one pixel, and the atoms of eight pixels.
    chunk : (bands, atoms, pixels) ndarray, flat
    weights, weighed, limits : ndarray
        Of the chunk: 1/Γ², the products of 1/Γ² and five bands, and the bounds of the distances.
    """

    strip: Vector
    band_step: int
    row_step: int
    packed: Vector
    offsets: Numbers
    ring: Numbers
    gather: Numbers
    chunk: Vector
    weights: Vector
    weighed: Vector
    limits: Vector


def make_rings(pixels: Pixels, window: Window, rows: int) -> Rings:
    """Return the arrays for columns of `rows` pixels."""
    band_step = -(-(LANES + 2 * pixels.margin) // LANES) * LANES
    row_step = band_step * pixels.step
    capacity = -(-largest_ring(window.outer, window.inner) // MICROTILE) * MICROTILE
    return Rings(
        aligned((rows + 2 * pixels.margin + 1) * row_step),
        band_step,
        row_step,
        aligned(capacity * pixels.step * LANES if window.border == SHIFT else 0),
        np.empty(capacity, np.int64),
        np.empty(capacity, np.int64),
        np.empty((capacity + 1) * LANES, np.int64),
        aligned(pixels.weight * _CHUNK * LANES),
        aligned(_CHUNK * LANES),
        aligned(BANDS_MICROTILE * _CHUNK * LANES),
        aligned(2 * LANES),
    )


@inner
def fill_strip(rings: Rings, pixels: Pixels, row: int, col: int) -> None:
    """Copy the surroundings of the columns ``col ... col + 7`` from row `row` of the block on to the strip."""
    for lane in range(LANES):
        rings.gather[lane] = lane * pixels.step
    row += pixels.margin
    for i in range(min(rings.strip.size // rings.row_step - 1, pixels.x.size // pixels.row_step - row)):
        for j in range(0, rings.band_step, LANES):
            at = (row + i) * pixels.row_step + (col + j) * pixels.step
            for b in range(0, pixels.step, LANES):
                to = i * rings.row_step + b * rings.band_step + j
                transpose(pixels.x, at + b, rings.gather, 0, rings.strip, to, rings.band_step)


@inner
def find_atoms(
    rings: Rings, pixels: Pixels, valid: NDArray[np.bool_], row: int, col: int, stop: int, window: Window, top: int
) -> tuple[bool, int, int]:
    """Write the offsets of the atoms of up to eight pixels ``(row, col ... stop - 1)``.

    Returns
    -------
    packed : bool
        Whether the atoms are in `packed`. Otherwise they are in the strip, whose first row is row `top` of the block.
    at : int
        Number that is added to the offsets.
    count : int
        Number of atoms, with zeros up to a multiple of four.
    """
    halo, guard = window.outer // 2, window.inner // 2
    count = 0
    if window.border != SHIFT or (col >= halo and stop - 1 + halo < pixels.cols):
        at = (row - top) * rings.row_step + pixels.margin
        first = box_start(row, pixels.rows, window.outer, window.border)
        for i in range(first - row, first - row + window.outer):
            inside = abs(i) <= guard
            for j in range(-halo, halo + 1):
                if not (inside and abs(j) <= guard):
                    rings.offsets[count] = i * rings.row_step + j
                    count += 1
        while count % MICROTILE:
            rings.offsets[count] = rings.strip.size - rings.row_step - at
            count += 1
        return False, at, count
    rings.gather[:] = pixels.no_row
    for lane in range(stop - col):
        found = ring_pixels(valid, row, col + lane, window.outer, window.inner, window.border, rings.ring)
        count = max(count, found)
        for k in range(found):
            i, j = rings.ring[k] // pixels.cols + pixels.margin, rings.ring[k] % pixels.cols + pixels.margin
            rings.gather[k * LANES + lane] = i * pixels.row_step + j * pixels.step
    count = (count + MICROTILE - 1) // MICROTILE * MICROTILE
    for k in range(count):
        rings.offsets[k] = k * pixels.step * LANES
        for b in range(0, pixels.step, LANES):
            transpose(pixels.x, b, rings.gather, k * LANES, rings.packed, rings.offsets[k] + b * LANES, LANES)
    return True, 0, count


@inner
def _weigh(rings: Rings, pixels: Pixels, task: Task, x: Vector, at: int, start: int, size: int) -> None:
    """Replace the squared distances of the atoms of a chunk by weights; ring weights are ``x[at + offset]``."""
    if task.distance:
        invert_distances(rings.weights, size, rings.limits)
    else:
        rings.weights[:] = 1.0
    if pixels.weighted:
        for k in range(size):
            own = at + rings.offsets[start + k]
            for lane in range(LANES):
                rings.weights[k * LANES + lane] *= x[own + lane]


@inner
def add_weighted(
    rings: Rings, pixels: Pixels, task: Task, packed: bool, at: int, count: int, y: Vector, a: Vector, line: int
) -> None:
    """Add to `a` the products of bands of the atoms, weighted by Wᵢ/Γᵢ²."""
    x = rings.packed if packed else rings.strip
    band_step = LANES if packed else rings.band_step
    apart, limits = _CHUNK * LANES, rings.limits
    # Lanes without a pixel have y = 0. Their scores are not used, so any positive floor is correct.
    limits[:LANES] = 1e-300
    limits[LANES:] = task.softening
    for b in range(pixels.lead, pixels.lead + pixels.bands):
        for lane in range(LANES):
            limits[lane] += DISTANCE_FLOOR * y[b * LANES + lane] * y[b * LANES + lane]
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        for k in range(0, size, MICROTILE):
            here = k * LANES
            copy_atoms(
                x,
                at,
                band_step,
                rings.offsets,
                start + k,
                y,
                pixels.weight,
                rings.chunk,
                here,
                apart,
                rings.weights,
                here,
            )
        _weigh(rings, pixels, task, x, at + pixels.weight * band_step, start, size)
        for i in range(0, pixels.weight, BANDS_MICROTILE):
            add_squares(rings.chunk, rings.weights, rings.weighed, apart, i, i, size, a, line)
            for j in range(0, i, BANDS_MICROTILE):
                add_products(rings.chunk, rings.weights, rings.weighed, apart, i, j, size, a, line)
