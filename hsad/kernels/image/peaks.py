"""Peaks of many images at once, counted by height. Importing this file loads numba.

Values are whole numbers, so that neighbours compare and counts add the same way everywhere, and so that the maxima of a
window run in vector registers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner

__all__ = ["NONE", "ONE", "PEAK_BINS", "REACH", "VALUE_BINS", "count_peaks", "in_whole_numbers"]

#: The whole number that stands for 1.
ONE = 2**30

#: The value of a pixel without one.
NONE = -(2**31)

#: A peak is the highest of the pixels that are at most so many rows and columns away.
REACH = 2

#: Number of equal bins of the heights of peaks, from 0 to 1, and of values, from -1 to 1.
PEAK_BINS, VALUE_BINS = 4096, 2048

_PEAK_SHIFT, _VALUE_SHIFT = 18, 20

Images = NDArray[np.int32]


@compiled
def in_whole_numbers(
    along: NDArray[np.float32], scale: NDArray[np.float32], valid: NDArray[np.bool_], out: Images, first: int
) -> None:
    """Write ``along * scale`` as whole numbers of `ONE`, at most `ONE` in size; `NONE` where a pixel is invalid.

    Parameters
    ----------
    along : (images, n) ndarray
    scale, valid : (n,) ndarray
    out : (images, pixels) ndarray
    first : int
        The pixel of `out` to begin with.
    """
    limit = np.float32(ONE)
    for image in range(along.shape[0]):
        row, to = along[image], out[image, first:]
        for pixel in range(row.size):
            value = row[pixel] * scale[pixel] * limit
            value = min(max(value, -limit), limit)
            to[pixel] = np.int32(value) if valid[pixel] else np.int32(NONE)


@inner
def _turned(image: NDArray[np.int32], turn: bool, wide: NDArray[np.int32]) -> None:
    """Write an image, or its negative, with two columns of `NONE` on each side."""
    for r in range(image.shape[0]):
        source, to = image[r], wide[r]
        for c in range(REACH):
            to[c] = NONE
            to[to.size - 1 - c] = NONE
        for c in range(source.size):
            value = source[c]
            to[REACH + c] = -value if turn and value != NONE else value


@inner
def _highest_in_rows(wide: NDArray[np.int32], highest: NDArray[np.int32]) -> None:
    for r in range(highest.shape[0]):
        source, to = wide[r], highest[r]
        for c in range(to.size):
            to[c] = max(source[c], source[c + 1], source[c + 2], source[c + 3], source[c + 4])


@inner
def _highest_in_columns(highest: NDArray[np.int32], row: int, line: NDArray[np.int32]) -> None:
    first, last = max(0, row - REACH), min(highest.shape[0] - 1, row + REACH)
    for c in range(line.size):
        line[c] = highest[first, c]
    for r in range(first + 1, last + 1):
        other = highest[r]
        for c in range(line.size):
            line[c] = max(line[c], other[c])


@inner
def _count_values(line: NDArray[np.int32], counts: NDArray[np.int32]) -> None:
    for c in range(line.size):
        if line[c] != NONE:
            counts[min((line[c] + ONE) >> _VALUE_SHIFT, VALUE_BINS - 1)] += 1


@compiled
def count_peaks(
    images: Images,
    group: int,
    rows: tuple[int, int],
    cols: tuple[int, int],
    free: NDArray[np.bool_],
    peaks: NDArray[np.int32],
    values: NDArray[np.int32],
    marked: NDArray[np.bool_],
) -> None:
    """Count the peaks of images and of their negatives by height, and all values.

    The first image of each group is one of interest. A peak of another image of its group counts only where it is
    higher than the value of the first.

    Parameters
    ----------
    images : (images, rows, cols) ndarray of int32
        Whole numbers of `ONE`.
    group : int
        Number of images in a group.
    rows, cols : (int, int)
        Start and stop of the pixels that are counted; the others are their surroundings.
    free : (groups, rows, cols) ndarray of bool
        Where peaks of a group count.
    peaks : (images, 2, PEAK_BINS) ndarray of int32
        Numbers of peaks above 0 of an image and of its negative, which are added to.
    values : (images, VALUE_BINS) ndarray of int32
        Numbers of pixels by value, which are added to.
    marked : (groups, rows, cols) ndarray of bool
        Becomes True at the peaks of the first images.
    """
    height, width = images.shape[1:]
    wide = np.empty((height, width + 2 * REACH), np.int32)
    highest, line = np.empty((height, width), np.int32), np.empty(width, np.int32)
    hits = np.empty(width, np.uint8)
    for number in range(images.shape[0]):
        image, own = images[number], number // group
        first = images[own * group]
        is_first = number == own * group
        for r in range(rows[0], rows[1]):
            _count_values(image[r, cols[0] : cols[1]], values[number])
        for sign in range(2):
            _turned(image, sign == 1, wide)
            _highest_in_rows(wide, highest)
            counts = peaks[number, sign]
            for r in range(rows[0], rows[1]):
                _highest_in_columns(highest, r, line)
                here, query, usable = wide[r, REACH : REACH + width], first[r], free[own, r]
                for c in range(width):
                    hits[c] = (here[c] == line[c]) & (here[c] > 0)
                for c in range(cols[0], cols[1]):
                    if hits[c] and usable[c] and (is_first or here[c] > query[c]):
                        counts[min(here[c] >> _PEAK_SHIFT, PEAK_BINS - 1)] += 1
                        if is_first and sign == 0:
                            marked[own, r, c] = True
