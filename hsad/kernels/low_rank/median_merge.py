"""Overlapping patches merged into an image by the median. The import of this file loads numba."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner

__all__ = ["Covering", "covering", "median", "merge_by_median", "places_of"]

Stack = NDArray[np.float64]
Numbers = NDArray[np.int64]


class Covering(NamedTuple):
    """The patches that cover each pixel.

    Attributes
    ----------
    rows, cols : ndarray of int64
        First row and column of the patches in the image.
    patch : int
        Side of a patch in pixels.
    row_span, col_span : (rows or cols of the image, 2) ndarray of int64
        For each row or column, the first patch that covers it, and one past the last patch.
    places : (most, 2) ndarray of int64
        Workspace for the patches over a pixel, and its position in each patch.
    """

    rows: Numbers
    cols: Numbers
    patch: int
    row_span: NDArray[np.int64]
    col_span: NDArray[np.int64]
    places: NDArray[np.int64]


@inner
def _spans(starts: Numbers, patch: int, size: int) -> Numbers:
    """Return, for each position, the first patch that covers it, and one past the last; `starts` is increasing."""
    spans = np.empty((size, 2), np.int64)
    first = stop = 0
    for position in range(size):
        while first < starts.size and starts[first] + patch <= position:
            first += 1
        while stop < starts.size and starts[stop] <= position:
            stop += 1
        spans[position, 0], spans[position, 1] = first, stop
    return spans


@inner
def covering(rows: Numbers, cols: Numbers, patch: int, shape: tuple[int, int]) -> Covering:
    """Return the patches that cover the pixels of an image."""
    places = np.empty((min(patch * patch, rows.size * cols.size), 2), np.int64)
    return Covering(rows, cols, patch, _spans(rows, patch, shape[0]), _spans(cols, patch, shape[1]), places)


@inner
def places_of(over: Covering, numbers: Numbers, row: int, col: int) -> int:
    """Write each patch that covers a pixel, and the position of the pixel in it, to `places`; return their number.

    `numbers` are the numbers of the patches on the grid, negative if there is no patch.
    """
    count = 0
    for i in range(over.row_span[row, 0], over.row_span[row, 1]):
        down = (row - over.rows[i]) * over.patch + col
        for j in range(over.col_span[col, 0], over.col_span[col, 1]):
            if numbers[i, j] >= 0:
                over.places[count, 0] = numbers[i, j]
                over.places[count, 1] = down - over.cols[j]
                count += 1
    return count


@inner
def median(values: Stack, count: int, out: Stack) -> None:
    """Write the median of the first `count` rows of ``(most, bands)`` values for each band; the rows are reordered."""
    bands = values.shape[1]
    # Bubble sort, in the same order for all bands, until the middle values are in place.
    for last in range(count - 1, max((count - 1) // 2, 1) - 1, -1):
        for k in range(last):
            one, other = values[k], values[k + 1]
            for b in range(bands):
                low, high = min(one[b], other[b]), max(one[b], other[b])
                one[b] = low
                other[b] = high
    one, other = values[(count - 1) // 2], values[count // 2]
    for b in range(bands):
        out[b] = 0.5 * (one[b] + other[b])


@compiled
def merge_by_median(
    stack: Stack, numbers: Numbers, rows: Numbers, cols: Numbers, patch: int, shape: tuple[int, int]
) -> Stack:
    """Return for each pixel the median of its values in the patches that cover it, shape ``(rows, cols, bands)``.

    Parameters
    ----------
    stack : (patches, patch², bands) ndarray
    numbers : (rows, cols) ndarray of int64
        Number in the stack of the patch at each place of the grid; negative if there is no patch.
    rows, cols : ndarray of int64
        First row and column of the patches in the merged image, increasing.
    patch : int
        Side of a patch in pixels.
    shape : tuple of two int
        Size of the image. Pixels that no patch covers get NaN.
    """
    bands = stack.shape[2]
    merged = np.full((shape[0], shape[1], bands), np.nan)
    over = covering(rows, cols, patch, shape)
    values = np.empty((len(over.places), bands))
    for row in range(shape[0]):
        for col in range(shape[1]):
            count = places_of(over, numbers, row, col)
            for k in range(count):
                values[k] = stack[over.places[k, 0], over.places[k, 1]]
            if count > 0:
                median(values, count, merged[row, col])
    return merged
