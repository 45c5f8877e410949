"""Patches: small rectangles of pixels that share the inner products of all pixels in and around them.

The products are stored as a band: for each pixel its products with the pixels of the same row and of the next rows.
From patch to patch down a strip of the block, the products of new rows replace those of rows that no ring needs any
more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import inner
from hsad.kernels.ring.dual.factor import padded
from hsad.kernels.ring.dual.products import LEAST_BEYOND, fill_products, turn_row
from hsad.kernels.ring.dual.systems import gather, gather_row
from hsad.kernels.ring.one_ring import ring_extent, ring_numbers
from hsad.kernels.ring.task import LINEAR, POLYNOMIAL, RBF, Task
from hsad.kernels.ring.window import REFLECT, Window
from hsad.kernels.simd.atom_products import BANDS

__all__ = [
    "NO_WEIGHTS",
    "Patch",
    "next_ring",
    "next_system",
    "part_of",
    "patches",
    "pixel_atoms",
    "product",
    "strip_width",
]

NO_WEIGHTS = np.empty((0, 0))

_LEAST_WIDTH = 32
"""Least width of a strip in pixels: with small windows, each call into compiled code still has enough work."""

_ROWS = 6
"""Rows of pixels in a patch."""

_PAIR = 2
"""The rows of a patch are a multiple of this, because mixed precision takes two rows at a time."""

_MARGIN = 8
"""Numbers before and after the products that a vector may read."""

_OUTSHINES = 1e12
"""A pixel whose ‖x‖² exceeds the median of its strip this many times, 10⁶ in brightness, has no part in the mean."""

_HUGE = 1 << 19
"""Least number of doubles in a table (4 MB): from this size on numpy asks for huge pages of memory, in which columns
that lie a page apart are found faster."""


class Patch(NamedTuple):
    """A rectangle of pixels to score, the spectra of the strip it lies in, and their inner products or kernel values.

    Attributes
    ----------
    rows, cols : tuple of two int
        First and one past the last pixel to score, in the block.
    origin : tuple of two int
        Row and column of the first pixel of `x` in the block.
    width : int
        Pixels of `x` in a row.
    x : (pixels, bands) ndarray
        Spectra of the strip, row by row, zero where invalid. `BANDS` more numbers follow, because vectors read them.
    gram : ndarray
        The product of the pixels i and j ≥ i is ``gram[starts[i] + j]`` if both are in the rings of the patch.
    starts : (pixels,) ndarray of int
        See `gram`.
    squares : (pixels,) ndarray
        The product of each pixel with itself.
    weights : (pixels,) or (0,) ndarray
        Ring weights of the strip, if there are any.
    """

    rows: tuple[int, int]
    cols: tuple[int, int]
    origin: tuple[int, int]
    width: int
    x: NDArray[np.float64]
    gram: NDArray[np.float64]
    starts: NDArray[np.int64]
    squares: NDArray[np.float64]
    weights: NDArray[np.float64]


def part_of(core: tuple[slice, slice], patch: Patch) -> tuple[slice, slice]:
    """Return the rows and columns of the core that a patch scores."""
    top, left = core[0].start, core[1].start
    return (
        slice(patch.rows[0] - top, patch.rows[1] - top),
        slice(patch.cols[0] - left, patch.cols[1] - left),
    )


def intervals(span: slice, size: int, side: int) -> list[tuple[int, int]]:
    """Cut a span into pieces of nearly equal length, none much longer than `size`, of whole cells of `side`."""
    length = span.stop - span.start
    pieces = -(-length // size)
    edges = np.minimum(side * np.round(np.linspace(0, length, pieces + 1) / side), length)
    edges[-1] = length
    return [(low, high) for low, high in itertools.pairwise((span.start + edges.astype(int)).tolist()) if low < high]


def strip_width(outer: int, side: int) -> int:
    """Return the number of pixels in a row of a strip, whole cells of them, that needs about the least products."""
    return -(-max(outer - 1, _LEAST_WIDTH) // side) * side


def surroundings(piece: tuple[int, int], size: int, window: Window) -> slice:
    """Return the positions along one axis that the rings of a piece read."""
    low, _ = ring_extent(piece[0], size, window.outer, window.border)
    _, high = ring_extent(piece[1] - 1, size, window.outer, window.border)
    return slice(max(0, low), min(size, high))


def _strip(spectra: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a copy of spectra with `BANDS` zeros behind the last number."""
    room = np.empty(spectra.size + BANDS)
    room[spectra.size :] = 0.0
    x = room[: spectra.size].reshape(spectra.shape)
    x[...] = spectra
    return x


def _common(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean spectrum of a strip, without pixels so bright that the others would lose their digits."""
    squares = np.vecdot(x, x)
    lit = squares[squares > 0]
    bound = _OUTSHINES * np.median(lit) if lit.size else 0.0
    mean: NDArray[np.float64] = (x if squares.max() <= bound else x[squares <= bound]).mean(axis=0)
    return mean


def patches(
    spectra: NDArray[np.float64],
    valid: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    core: tuple[slice, slice],
    window: Window,
    task: Task,
    *,
    weights: NDArray[np.float64] = NO_WEIGHTS,
    side: int = 1,
) -> Iterator[Patch]:
    """Yield the patches of a block's core that hold a wanted pixel, cut along cells of `side` × `side` pixels.

    The arrays of a patch are overwritten when the next patch is asked for. If vectors are to be centred on their rings,
    the mean of a strip is subtracted from its spectra first. That changes no centred vector, and keeps the digits of
    the products.
    """
    rows, cols, bands = spectra.shape
    near_rows = surroundings((core[0].start, core[0].stop), rows, window)
    width = strip_width(window.outer, side)
    for across in intervals(core[1], width, side):
        near_cols = surroundings(across, cols, window)
        left = across[0] - core[1].start
        here = wanted[:, left : left + across[1] - across[0]]
        if not here.any():
            continue
        x = _strip(spectra[near_rows, near_cols])
        # Most strips have no invalid pixel, and a plain copy is several times faster than a choice for each number.
        if not valid[near_rows, near_cols].all():
            x[~valid[near_rows, near_cols]] = 0.0
        x = x.reshape(-1, bands)
        if task.center:
            x -= _common(x)
        near_weights = np.ascontiguousarray(weights[near_rows, near_cols]).reshape(-1)
        band = Band(x, near_cols.stop - near_cols.start, window.outer + side - 1, _ROWS + window.outer + side, task)
        for piece in intervals(core[0], _ROWS, max(side, _PAIR)):
            top = piece[0] - core[0].start
            if here[top : top + piece[1] - piece[0]].any():
                near = surroundings(piece, rows, window)
                band.reach(near.start - near_rows.start, near.stop - near_rows.start)
                origin = near_rows.start, near_cols.start
                yield Patch(
                    piece, across, origin, band.width, x, band.products, band.starts, band.squares, near_weights
                )


class Band:
    """The inner products or kernel values of the pixels of a strip, some rows of it at a time.

    Parameters
    ----------
    x : (pixels, bands) ndarray
        Spectra of the strip.
    width : int
        Pixels in a row.
    reach : int
        Number of rows that the products of a pixel span, with the row of the pixel.
    slots : int
        Number of rows whose products are in memory.
    task : Task
        Kernel.
    """

    def __init__(self, x: NDArray[np.float64], width: int, reach: int, slots: int, task: Task) -> None:
        self.x, self.width, self._task = x, width, task
        self._far, self._turned_rows = reach - 1, 0
        # The other kernels are functions of whole rows of products.
        self._turned = np.empty((0, width))
        if task.kernel == LINEAR and width >= 2 * self._far + LEAST_BEYOND:
            self._turned = np.empty((reach * x.shape[1], width))
        self._span, self._slots, self._filled = reach * width, slots, 0
        # Vectors of eight may touch a few numbers before and after; entries above the diagonal are read, not used.
        margin = self._span + _MARGIN
        size = slots * width * self._span
        self.products = np.zeros(max(margin + size + margin, _HUGE))
        self._rows = self.products[margin : margin + size].reshape(slots, width, self._span)
        row, col = np.divmod(np.arange(len(x)), width)
        self.starts = margin + (row % slots * width + col) * self._span - row * width
        self._squares = np.vecdot(x, x)
        self.squares = self._squares
        if task.kernel == RBF:
            self.squares = np.ones(len(x))
        elif task.kernel == POLYNOMIAL:
            self.squares = (task.gamma * self._squares + 1.0) ** 3

    def reach(self, first: int, stop: int) -> None:
        """Make the products of the rows ``first ... stop - 1`` available, in place of those of earlier rows."""
        for row in range(max(first, self._filled), stop):
            if self._turned.size:
                self._fill(row)
                continue
            own = slice(row * self.width, (row + 1) * self.width)
            near = slice(own.start, min(own.start + self._span, len(self.x)))
            values = self._rows[row % self._slots, :, : near.stop - near.start]
            np.matmul(self.x[own], self.x[near].T, out=values)
            if self._task.kernel == RBF:
                self._apply_rbf(values, own, near)
            elif self._task.kernel == POLYNOMIAL:
                values *= self._task.gamma
                values += 1.0
                values *= values * values
        self._filled = max(stop, self._filled)

    def _fill(self, row: int) -> None:
        """Write the products of a row with the pixels that may be in one ring with its pixels."""
        bands, reach = self.x.shape[1], self._far + 1
        stop = min(row + reach, len(self.x) // self.width)
        for near in range(max(row, self._turned_rows), stop):
            slot = near % reach * bands
            turn_row(self.x, near * self.width, self._turned[slot : slot + bands])
        self._turned_rows = stop
        place = int(self.starts[row * self.width]) + row * self.width
        fill_products(self.x, row, stop, self._far, self._turned, place, self.products)

    def _apply_rbf(self, values: NDArray[np.float64], own: slice, near: slice) -> None:
        """Turn inner products into ``exp(-γ‖a - b‖²)``."""
        values *= 2.0
        values -= self._squares[own, None]
        values -= self._squares[near]
        np.fill_diagonal(values, 0.0)
        np.minimum(values, 0.0, out=values)
        values *= self._task.gamma
        np.exp(values, out=values)


@inner
def product(patch: Patch, i: int, j: int) -> float:
    """Return the inner product of two pixels of a patch."""
    return float(patch.gram[patch.starts[min(i, j)] + max(i, j)])


@inner
def pixel_atoms(
    patch: Patch,
    valid: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    row: int,
    col: int,
    window: Window,
    atoms: NDArray[np.int64],
) -> int:
    """Write the numbers, in the strip, of the ring pixels and then of the pixel itself; return how many atoms.

    The ring pixels ascend. 0 where the pixel of the patch is not `wanted`.
    """
    if not wanted[row - patch.rows[0], col - patch.cols[0]]:
        return 0
    origin = patch.origin[0] * patch.width + patch.origin[1]
    count = ring_numbers(valid, row, col, window.outer, window.inner, window.border, patch.width, origin, atoms)
    if window.border == REFLECT:
        # Mirrored rows and columns run backwards.
        for i in range(1, count):
            number, j = atoms[i], i
            while j > 0 and atoms[j - 1] > number:
                atoms[j] = atoms[j - 1]
                j -= 1
            atoms[j] = number
    atoms[count:] = row * patch.width + col - origin
    return count


@inner
def next_ring(
    patch: Patch,
    valid: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    pixel: int,
    window: Window,
    atoms: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Return row and column in the patch of the pixel with a number, and its number of atoms; see `pixel_atoms`."""
    row, col = pixel // wanted.shape[1], pixel % wanted.shape[1]
    count = pixel_atoms(patch, valid, wanted, patch.rows[0] + row, patch.cols[0] + col, window, atoms)
    return row, col, count


@inner
def next_system(
    patch: Patch,
    valid: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    pixel: int,
    window: Window,
    atoms: NDArray[np.int64],
    a: NDArray[np.float64],
    runs: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Return the same as `next_ring`, and write the packed products of the atoms and of the pixel (last row) into `a`.

    `runs` is the workspace of `gather`.
    """
    row, col, count = next_ring(patch, valid, wanted, pixel, window, atoms)
    if count > 0:
        order = padded(count + 1)
        gather(patch.gram, patch.starts, atoms, order, a, runs)
        gather_row(patch.gram, patch.starts, atoms, count, order, a)
    return row, col, count
