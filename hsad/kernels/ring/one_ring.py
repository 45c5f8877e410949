"""One ring for compiled kernels: its pixels, whether they are enough, how far its covariance is shrunk.

Arithmetic that torch needs too, for many rings at once, stands in `window` and `kernels.shrinkage`; it is compiled
in this file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels import shrinkage
from hsad.kernels.compiled import compiled, inner
from hsad.kernels.ring import window
from hsad.kernels.ring.task import LEDOIT_WOLF
from hsad.kernels.ring.window import LEAST_SHARE, REFLECT, SHIFT, TRUNCATE

__all__ = [
    "has_enough",
    "largest_ring",
    "mirrored",
    "ring_extent",
    "ring_numbers",
    "ring_pixels",
    "ring_size",
    "shrinkage_weight",
]

ring_size = inner(window.ring_size)
largest_ring = inner(window.largest_ring)
_ledoit_wolf = inner(shrinkage.ledoit_wolf_ratio)
_oas = inner(shrinkage.oas_ratio)


@inner
def shrinkage_weight(trace: float, square: float, fourth: float, count: int, bands: int, rule: int) -> float:
    """Return the weight of the mean variance, 0 … 1, by the rule `LEDOIT_WOLF` or `OAS`; see `kernels.shrinkage`."""
    level = trace / bands
    if not square - bands * level * level > 0:
        return 1.0
    ratio: float
    if rule == LEDOIT_WOLF:
        ratio = _ledoit_wolf(trace, square, fourth, count, bands)
    else:
        ratio = _oas(trace, square, count, bands)
    return min(1.0, max(0.0, ratio))


@compiled
def ring_extent(position: int, size: int, outer: int, border: int) -> tuple[int, int]:
    """Return the first and one past the last position of the outer window along one axis of length `size`."""
    halo = outer // 2
    first, stop = position - halo, position + halo + 1
    if border == SHIFT:
        first = max(0, min(first, size - outer))
        stop = min(size, first + outer)
    elif border == TRUNCATE:
        first, stop = max(0, first), min(size, stop)
    return first, stop


@inner
def mirrored(position: int, size: int) -> int:
    """Return the position inside ``0 ... size - 1`` that a position outside has when the scene is mirrored."""
    position %= 2 * size
    return position if position < size else 2 * size - 1 - position


@compiled
def has_enough(
    valid: NDArray[np.bool_], core: tuple[int, int, int, int], outer: int, inner: int, border: int
) -> NDArray[np.bool_]:
    """Return, for the pixels of a core, whether each is valid and its ring has enough valid pixels to be scored.

    The core is given by its first and one past its last row and column.
    """
    rows, cols = valid.shape
    # Only `truncate` takes anything from a ring where all pixels are valid.
    if border != TRUNCATE and min(rows, cols) >= outer and valid.all():
        return np.ones((core[1] - core[0], core[3] - core[2]), np.bool_)
    margin = outer // 2 if border == REFLECT else 0
    guard = inner // 2
    table = np.zeros((rows + 2 * margin + 1, cols + 2 * margin + 1), np.int64)
    for i in range(rows + 2 * margin):
        total = 0
        at = mirrored(i - margin, rows)
        for j in range(cols + 2 * margin):
            total += valid[at, mirrored(j - margin, cols)]
            table[i + 1, j + 1] = table[i, j + 1] + total
    found = np.zeros((core[1] - core[0], core[3] - core[2]), np.bool_)
    for row in range(core[0], core[1]):
        first_row, stop_row = ring_extent(row, rows, outer, border)
        top, bottom = max(row - guard, first_row) + margin, min(row + guard + 1, stop_row) + margin
        first_row, stop_row = first_row + margin, stop_row + margin
        for col in range(core[2], core[3]):
            if not valid[row, col]:
                continue
            first_col, stop_col = ring_extent(col, cols, outer, border)
            left, right = max(col - guard, first_col) + margin, min(col + guard + 1, stop_col) + margin
            first_col, stop_col = first_col + margin, stop_col + margin
            count = table[stop_row, stop_col] - table[first_row, stop_col]
            count += table[first_row, first_col] - table[stop_row, first_col]
            count -= table[bottom, right] - table[top, right] + table[top, left] - table[bottom, left]
            found[row - core[0], col - core[2]] = count > 0 and count * LEAST_SHARE >= ring_size(outer, inner)
    return found


@compiled
def ring_pixels(
    valid: NDArray[np.bool_],
    row: int,
    col: int,
    outer: int,
    inner: int,
    border: int,
    ring: NDArray[np.int64],
) -> int:
    """Write the numbers (row · columns + column) of the valid ring pixels into `ring`, return how many they are.

    `ring` has room for ``largest_ring(outer, inner)`` numbers; the order is row by row. Under `reflect` a pixel may
    stand in the ring more than once.
    """
    cols = valid.shape[1]
    return ring_numbers(valid, row, col, outer, inner, border, cols, 0, ring)


@inner
def ring_numbers(
    valid: NDArray[np.bool_],
    row: int,
    col: int,
    outer: int,
    inner: int,
    border: int,
    width: int,
    origin: int,
    ring: NDArray[np.int64],
) -> int:
    """Write the numbers row · width + column - origin of the valid ring pixels into `ring`, return how many they are.

    These are the numbers of the pixels in a piece that was cut out of the block; see `ring_pixels`.
    """
    rows, cols = valid.shape
    guard = inner // 2
    first_row, stop_row = ring_extent(row, rows, outer, border)
    first_col, stop_col = ring_extent(col, cols, outer, border)
    count = 0
    for i in range(first_row, stop_row):
        inside = abs(i - row) <= guard
        at = i if 0 <= i < rows else mirrored(i, rows)
        for j in range(first_col, stop_col):
            if inside and abs(j - col) <= guard:
                continue
            beside = j if 0 <= j < cols else mirrored(j, cols)
            if valid[at, beside]:
                ring[count] = at * width + beside - origin
                count += 1
    return count
