"""Eight pixels side by side: their sums of products of bands, factored together.

For few bands the d × d system of a pixel is too small for a vector, so a vector holds the same number of eight
neighbouring pixels instead. The band images are kept as planes, padded so that every ring can be read by offsets
from its pixel; invalid pixels are zero there, and vanish from every sum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled
from hsad.kernels.lane_tiles import (
    TILE,
    add_plain,
    add_weighted,
    copy_atoms,
    lane_factor,
    lane_solve,
    lane_solve_row,
    subtract_column,
    subtract_plain,
)
from hsad.kernels.rings import REFLECT, SHIFT, largest_ring, ring_pixels
from hsad.kernels.tasks import Window
from hsad.kernels.vectors import LANES

__all__ = [
    "Chunk",
    "Planes",
    "Strip",
    "Systems",
    "add_chunk",
    "add_products",
    "back_substitute_lanes",
    "factor_lanes",
    "fill_chunk",
    "fill_strip",
    "is_uniform",
    "lane_systems",
    "make_chunk",
    "make_strip",
    "pack_rings",
    "packed_capacity",
    "planes",
    "ring_offsets",
    "slide_offsets",
]

Vector = NDArray[np.float64]
Numbers = NDArray[np.int64]


_NEAREST_CACHE = 4096
"""Numbers that a chunk of atoms may take: 32 KB."""


class Planes(NamedTuple):
    """The bands of a block as padded images.

    Attributes
    ----------
    x : (order · band_step,) ndarray
        The images one after the other; `order` is the number of bands with the leading image of ones, if any,
        rounded up to whole tiles by images of zeros.
    order : int
        Images.
    lead : int
        1 if the first image is one at valid pixels, else 0.
    bands : int
        Bands of the spectra.
    band_step, row_step : int
        Distance of images and of rows.
    margin : int
        Rows and columns of padding before the first pixel.
    weighted : bool
        Whether one more image, after those, holds the ring weights.
    """

    x: Vector
    order: int
    lead: int
    bands: int
    band_step: int
    row_step: int
    margin: int
    weighted: bool


def planes(
    spectra: NDArray[np.float64],
    valid: NDArray[np.bool_],
    ring_weights: NDArray[np.float64],
    window: Window,
    *,
    ones: bool,
    center: bool,
) -> Planes:
    """Return the padded images of a block; with `center`, less the mean of its valid pixels."""
    rows, cols, bands = spectra.shape
    lead = int(ones)
    order = -(-(bands + lead) // TILE) * TILE
    margin = window.outer // 2
    weighted = ring_weights.size > 0
    images = np.zeros((order + weighted, rows + 2 * margin, cols + 2 * margin + LANES))
    inside = images[:, margin : margin + rows, margin : margin + cols]
    image = inside[lead : lead + bands]
    np.copyto(image, np.moveaxis(spectra, 2, 0))
    if center and valid.any():
        image -= spectra[valid].mean(axis=0)[:, None, None]
    if not valid.all():
        image *= valid
    if ones:
        inside[0] = valid
    if weighted:
        inside[order] = ring_weights
    if window.border == REFLECT:
        images[:, :, : cols + 2 * margin] = np.pad(
            inside, ((0, 0), (margin, margin), (margin, margin)), mode="symmetric"
        )
    return Planes(images.reshape(-1), order, lead, bands, images[0].size, images.shape[2], margin, weighted)


class Strip(NamedTuple):
    """Columns of the images that the rings of eight neighbouring columns of pixels read: close together in memory.

    Attributes
    ----------
    x : ndarray
        Rows, in them images, in them columns.
    band_step, row_step : int
        Distance of images and of rows.
    """

    x: Vector
    band_step: int
    row_step: int


@compiled
def make_strip(images: Planes, rows: int) -> Strip:
    """Return room for a strip of `rows` rows of pixels and their surroundings."""
    band_step = (LANES + 2 * images.margin + LANES - 1) // LANES * LANES
    row_step = band_step * (images.order + images.weighted)
    return Strip(np.zeros((rows + 2 * images.margin) * row_step), band_step, row_step)


@compiled
def fill_strip(strip: Strip, images: Planes, row: int, col: int) -> None:
    """Copy the surroundings of the columns ``col ... col + 7`` of pixels, from the pixels' row `row` on."""
    width = LANES + 2 * images.margin
    for i in range(strip.x.size // strip.row_step):
        for b in range(images.order + images.weighted):
            to = i * strip.row_step + b * strip.band_step
            at = b * images.band_step + (row + i) * images.row_step + col
            for j in range(width):
                strip.x[to + j] = images.x[at + j]


@compiled
def ring_offsets(outer: int, inner: int, row_step: int) -> Numbers:
    """Return the offsets of the atoms of a ring from its pixel."""
    offsets = np.empty(outer * outer - inner * inner, np.int64)
    count = 0
    for i in range(-(outer // 2), outer // 2 + 1):
        for j in range(-(outer // 2), outer // 2 + 1):
            if max(abs(i), abs(j)) > inner // 2:
                offsets[count] = i * row_step + j
                count += 1
    return offsets


@compiled
def slide_offsets(outer: int, inner: int, row_step: int) -> tuple[Numbers, Numbers]:
    """Return the offsets, from the new pixel, of the atoms that enter and that leave a ring moved down by a row."""
    enter = np.empty(outer + inner, np.int64)
    leave = np.empty(outer + inner, np.int64)
    for k in range(outer):
        j = k - outer // 2
        enter[k] = (outer // 2) * row_step + j
        leave[k] = -(outer // 2 + 1) * row_step + j
    for k in range(inner):
        j = k - inner // 2
        enter[outer + k] = -(inner // 2 + 1) * row_step + j
        leave[outer + k] = (inner // 2) * row_step + j
    return enter, leave


@compiled
def is_uniform(rows: int, cols: int, row: int, col: int, last: int, window: Window) -> bool:
    """Return whether the rings of the pixels ``(row, col ... last)`` are the same offsets from each."""
    reach = window.outer // 2
    if window.border != SHIFT:
        return True
    return row >= reach and row + reach < rows and col >= reach and last + reach < cols


class Systems(NamedTuple):
    """Eight systems side by side, and what solving them needs; entry (i, j) is the vector at ``(i·order + j)·8``."""

    a: Vector
    lower: Vector
    ridge: Vector
    share: Vector
    y: Vector
    solution: Vector


@compiled
def lane_systems(order: int) -> Systems:
    """Return the arrays for systems of `order` unknowns, with one more row for the right-hand side."""
    return Systems(
        np.zeros((order + 1) * order * LANES),
        np.zeros((order + 1) * order * LANES),
        np.zeros(order * LANES),
        np.zeros(LANES),
        np.zeros(order * LANES),
        np.zeros(order * LANES),
    )


class Chunk(NamedTuple):
    """A few atoms of eight pixels, copied side by side: aligned, and small enough for the nearest cache.

    A vector of neighbouring pixels mostly straddles two cache lines, and each is needed once a tile.
    """

    x: Vector
    atoms: int
    offsets: Numbers


@compiled
def make_chunk(order: int) -> Chunk:
    """Return room for as many atoms of `order` bands as fit."""
    atoms = max(TILE, min(64, _NEAREST_CACHE // (order * LANES)) // TILE * TILE)
    room = np.empty((order * atoms + 1) * LANES)
    # Start at a cache line: the data of an array is aligned to 16 or 32 bytes only.
    skip = (-(room.ctypes.data // 8)) % LANES
    return Chunk(room[skip : skip + order * atoms * LANES], atoms, np.arange(atoms) * LANES)


@compiled
def fill_chunk(chunk: Chunk, x: Vector, at: int, band_step: int, order: int, offsets: Numbers, first: int) -> int:
    """Copy the atoms from `first` on, return how many there are."""
    count = min(chunk.atoms, offsets.size - first)
    for b in range(order):
        copy_atoms(x, at + b * band_step, offsets, first, count, chunk.x, b * chunk.atoms * LANES)
    return count


@compiled
def add_chunk(chunk: Chunk, count: int, order: int, weights: Vector, sign: int, a: Vector) -> None:
    """Add to `a` the products of bands of the atoms of a chunk: weighted (`sign` 0), plain (1), taken away (-1)."""
    step = order * LANES
    apart = chunk.atoms * LANES
    for i in range(0, order, TILE):
        for j in range(0, i + TILE, TILE):
            if sign == 0:
                add_weighted(chunk.x, 0, apart, i, j, chunk.offsets, count, weights, a, step)
            elif sign > 0:
                add_plain(chunk.x, 0, apart, i, j, chunk.offsets, count, weights, a, step)
            else:
                subtract_plain(chunk.x, 0, apart, i, j, chunk.offsets, count, weights, a, step)


@compiled
def add_products(
    chunk: Chunk, x: Vector, at: int, band_step: int, order: int, offsets: Numbers, sign: int, a: Vector
) -> None:
    """Add to `a` (`sign` 1) or take away (-1) the products of bands of the atoms at `offsets`."""
    for first in range(0, offsets.size, chunk.atoms):
        count = fill_chunk(chunk, x, at, band_step, order, offsets, first)
        add_chunk(chunk, count, order, chunk.x, sign, a)


@compiled
def factor_lanes(systems: Systems, order: int) -> None:
    """Factor A + diag(ridge), with the right-hand side `y` as one more row: it becomes L⁻¹y."""
    a, lower, step = systems.a, systems.lower, order * LANES
    systems.share[:] = 1.0
    for k in range(step):
        a[order * step + k] = systems.y[k]
    for i in range(0, order, TILE):
        for j in range(0, i, TILE):
            lane_solve(a, lower, step, i, j, systems.ridge, systems.share)
        lane_factor(a, lower, step, i, i, systems.ridge, systems.share)
    for j in range(0, order, TILE):
        lane_solve_row(a, lower, step, order, j, systems.ridge, systems.share)


@compiled
def back_substitute_lanes(systems: Systems, order: int) -> None:
    """Solve Lᵀ x = L⁻¹y into `solution`."""
    lower, x, step = systems.lower, systems.solution, order * LANES
    for k in range(step):
        x[k] = lower[order * step + k]
    for j in range(order - 1, -1, -1):
        here = j * LANES
        subtract_column(lower, (j + 1) * step + here, step, x, here + LANES, order - 1 - j, here)
        for lane in range(LANES):
            x[here + lane] *= lower[j * step + here + lane]


@compiled
def pack_rings(
    images: Planes,
    valid: NDArray[np.bool_],
    row: int,
    col: int,
    stop: int,
    window: Window,
    ring: Numbers,
    packed: Vector,
) -> None:
    """Copy the rings of up to eight pixels ``(row, col ... stop - 1)`` side by side; the rest is zero."""
    capacity = packed.size // ((images.order + images.weighted) * LANES)
    packed[:] = 0.0
    cols = valid.shape[1]
    for lane in range(stop - col):
        count = ring_pixels(valid, row, col + lane, window.outer, window.inner, window.border, ring)
        for k in range(count):
            i, j = ring[k] // cols, ring[k] % cols
            at = (i + images.margin) * images.row_step + j + images.margin
            for b in range(images.order + images.weighted):
                packed[(b * capacity + k) * LANES + lane] = images.x[b * images.band_step + at]


@compiled
def packed_capacity(outer: int, inner: int) -> int:
    """Return the atoms to make room for, a multiple of four."""
    return (largest_ring(outer, inner) + TILE - 1) // TILE * TILE
