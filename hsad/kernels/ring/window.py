"""The ring of a pixel: the pixels between a guard window and an outer window, and what happens at the border.

The ring of the pixel p holds the pixels q with ``inner//2 < max(|row q - row p|, |col q - col p|) <= outer//2``.
An edge of the block nearer than ``outer//2`` is an edge of the scene, where one of three rules holds:

``shift``
    The outer window is moved inside the scene; the guard window stays on the pixel. The default.
``truncate``
    The outer window is cut at the edge.
``reflect``
    The scene is mirrored with the edge pixel repeated (numpy's ``symmetric``). A pixel near an edge, or its
    neighbours, then stand in its own ring. It is there to reproduce published tables.

Invalid pixels leave every ring.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.errors import ParameterError
from hsad.kernels.compiled import compiled

__all__ = [
    "BORDERS",
    "Window",
    "border_code",
    "has_enough",
    "largest_ring",
    "ring_extent",
    "ring_numbers",
    "ring_pixels",
    "ring_size",
]

BORDERS = ("shift", "truncate", "reflect")
SHIFT, TRUNCATE, REFLECT = range(3)

LEAST_SHARE = 4
"""A ring with less than one part in this many of its nominal pixels scores NaN: a corner of `truncate` just passes."""


class Window(NamedTuple):
    """The dual window: side lengths in pixels and the number of the border rule."""

    outer: int
    inner: int
    border: int


def border_code(border: str) -> int:
    """Return the number by which compiled kernels know a border rule.

    Raises
    ------
    ParameterError
        When there is no rule of that name.
    """
    if border not in BORDERS:
        raise ParameterError(f"border: {border!r} is not one of {', '.join(BORDERS)}")
    return BORDERS.index(border)


@compiled
def ring_size(outer: int, inner: int) -> int:
    """Return the nominal number of pixels of a ring."""
    return outer * outer - inner * inner


@compiled
def largest_ring(outer: int, inner: int) -> int:
    """Return the most pixels that a ring can have: shifted into a corner, where most of the guard window is outside."""
    quarter = inner // 2 + 1
    return outer * outer - quarter * quarter


@compiled
def ring_extent(position: int, size: int, outer: int, border: int) -> tuple[int, int]:
    """Return the first and one past the last position of the outer window along one axis of length `size`."""
    reach = outer // 2
    first, stop = position - reach, position + reach + 1
    if border == SHIFT:
        first = max(0, min(first, size - outer))
        stop = min(size, first + outer)
    elif border == TRUNCATE:
        first, stop = max(0, first), min(size, stop)
    return first, stop


@compiled
def mirrored(position: int, size: int) -> int:
    """Return where a position outside ``0 ... size - 1`` comes to lie when the scene is mirrored at its edges."""
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


@compiled
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
    """Do as `ring_pixels` for the numbers row · width + column - origin: those of pixels cut out of the block."""
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
