"""Patches: small squares of pixels that share the inner products of all pixels in and around them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled
from hsad.kernels.rings import REFLECT, ring_extent, ring_pixels
from hsad.kernels.systems import GRAM_MARGIN
from hsad.kernels.tasks import POLYNOMIAL, RBF, Task, Window

__all__ = ["Patch", "patches", "pixel_atoms"]

_GRAM_ENTRIES = 500_000
"""Largest Gram matrix of a patch: 4 MB."""


class Patch(NamedTuple):
    """A square of pixels to score, the spectra in and around it, and their inner products or kernel values.

    Attributes
    ----------
    rows, cols : tuple of two int
        First and one past the last pixel to score, in the block.
    origin : tuple of two int
        Row and column of the first pixel of `x` in the block.
    width : int
        Pixels of `x` in a row.
    x : (pixels, bands) ndarray
        Spectra, row by row.
    gram : ndarray
        Inner products of all of them, (pixels, pixels) from `GRAM_MARGIN` numbers on.
    """

    rows: tuple[int, int]
    cols: tuple[int, int]
    origin: tuple[int, int]
    width: int
    x: NDArray[np.float64]
    gram: NDArray[np.float64]


def patch_side(outer: int) -> int:
    """Return the side of the patches: least work a pixel within bounded memory."""
    sides = [side for side in range(2, 2 * outer) if (side + outer - 1) ** 4 <= _GRAM_ENTRIES] or [1]
    return min(sides, key=lambda side: (side + outer - 1) ** 4 / side**2)


def intervals(span: slice, size: int) -> list[tuple[int, int]]:
    """Cut a span into pieces of nearly equal length, none longer than `size`."""
    pieces = -(-(span.stop - span.start) // size)
    edges = np.linspace(span.start, span.stop, pieces + 1).round().astype(int).tolist()
    return list(itertools.pairwise(edges))


def surroundings(piece: tuple[int, int], size: int, window: Window) -> slice:
    """Return the positions along one axis that the rings of a piece read."""
    low, _ = ring_extent(piece[0], size, window.outer, window.border)
    _, high = ring_extent(piece[1] - 1, size, window.outer, window.border)
    return slice(max(0, low), min(size, high)) if window.border == REFLECT else slice(low, high)


def patches(
    spectra: NDArray[np.float64], wanted: NDArray[np.bool_], core: tuple[slice, slice], window: Window, task: Task
) -> Iterator[Patch]:
    """Yield the patches of a block's core that hold a wanted pixel.

    Where vectors are centred, the mean of a patch's surroundings is subtracted from its spectra: subtracting one
    vector from all of them changes nothing that is centred on a ring later, but keeps the digits of the products.
    """
    rows, cols, bands = spectra.shape
    side = patch_side(window.outer)
    room = np.zeros((side + window.outer - 1) ** 4 + 2 * GRAM_MARGIN)
    for piece in intervals(core[0], side):
        near_rows = surroundings(piece, rows, window)
        for across in intervals(core[1], side):
            near_cols = surroundings(across, cols, window)
            top, left = piece[0] - core[0].start, across[0] - core[1].start
            if not wanted[top : top + piece[1] - piece[0], left : left + across[1] - across[0]].any():
                continue
            x = np.ascontiguousarray(spectra[near_rows, near_cols]).reshape(-1, bands)
            if task.center:
                x = x - x.mean(axis=0)
            gram = room[GRAM_MARGIN : GRAM_MARGIN + len(x) ** 2].reshape(len(x), len(x))
            np.dot(x, x.T, out=gram)
            apply_kernel(gram, task)
            width = near_cols.stop - near_cols.start
            yield Patch(piece, across, (near_rows.start, near_cols.start), width, x, room)


def apply_kernel(gram: NDArray[np.float64], task: Task) -> None:
    """Turn inner products into kernel values in place: ``exp(-γ‖a - b‖²)`` or ``(γ aᵀb + 1)³``."""
    if task.kernel == RBF:
        squares = gram.diagonal().copy()
        gram *= -2.0
        gram += squares[:, None]
        gram += squares
        np.fill_diagonal(gram, 0.0)
        np.maximum(gram, 0.0, out=gram)
        gram *= -task.gamma
        np.exp(gram, out=gram)
    elif task.kernel == POLYNOMIAL:
        gram *= task.gamma
        gram += 1.0
        np.multiply(gram, gram * gram, out=gram)


@compiled
def pixel_atoms(
    patch: Patch,
    valid: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    row: int,
    col: int,
    window: Window,
    ring: NDArray[np.int64],
    atoms: NDArray[np.int64],
) -> int:
    """Write the numbers, in the patch, of the ring pixels and then of the pixel itself; return how many atoms.

    0 where the pixel of the patch is not `wanted`.
    """
    if not wanted[row - patch.rows[0], col - patch.cols[0]]:
        return 0
    cols = valid.shape[1]
    count = ring_pixels(valid, row, col, window.outer, window.inner, window.border, ring)
    for i in range(count):
        atoms[i] = (ring[i] // cols - patch.origin[0]) * patch.width + ring[i] % cols - patch.origin[1]
    atoms[count:] = (row - patch.origin[0]) * patch.width + col - patch.origin[1]
    return count
