"""Overlapping patches merged into an image by the median (compiled: imported where it is used)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled

__all__ = ["merge_by_median"]

Stack = NDArray[np.float64]
Numbers = NDArray[np.int64]


@compiled
def _covering(row: int, col: int, numbers: Numbers, rows: Numbers, cols: Numbers, patch: int, places: Numbers) -> int:
    """Write patch and position in it, for each patch that covers a pixel, into `places`; return how many."""
    count = 0
    for i in range(rows.size):
        down = row - rows[i]
        if down < 0 or down >= patch:
            continue
        for j in range(cols.size):
            right = col - cols[j]
            if 0 <= right < patch and numbers[i, j] >= 0:
                places[count, 0] = numbers[i, j]
                places[count, 1] = down * patch + right
                count += 1
    return count


@compiled
def merge_by_median(
    stack: Stack, numbers: Numbers, rows: Numbers, cols: Numbers, patch: int, shape: tuple[int, int]
) -> Stack:
    """Return for each pixel the median of its values in the patches that cover it, shape ``(rows, cols, bands)``.

    Parameters
    ----------
    stack : (bands, patches, patch²) ndarray
    numbers : (rows, cols) ndarray of int64
        Which patch of the stack lies at each place of the grid; negative where there is none.
    rows, cols : ndarray of int64
        First row and column of the patches, in the merged image.
    patch : int
        Side of a patch.
    shape : tuple of two int
        Size of the image. Pixels that no patch covers get NaN.
    """
    bands = stack.shape[0]
    merged = np.full((shape[0], shape[1], bands), np.nan)
    places = np.empty((min(patch * patch, rows.size * cols.size), 2), np.int64)
    values = np.empty(len(places))
    for row in range(shape[0]):
        for col in range(shape[1]):
            count = _covering(row, col, numbers, rows, cols, patch, places)
            if count == 0:
                continue
            for band in range(bands):
                for k in range(count):
                    value = stack[band, places[k, 0], places[k, 1]]
                    at = k
                    while at > 0 and values[at - 1] > value:
                        values[at] = values[at - 1]
                        at -= 1
                    values[at] = value
                merged[row, col, band] = 0.5 * (values[(count - 1) // 2] + values[count // 2])
    return merged
