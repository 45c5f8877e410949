"""Sums of products of bands over rings that slide, for weights that do not depend on the pixel.

The sum over a ring is O - I, with O the sum over the outer window and I the sum over the guard window. From one row to
the next, O and I change by a line of pixels that enters the window and a line that leaves it. From one pixel to the
next, this change itself changes by the four corners of each window. So a sum takes eight products for any window.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import inner
from hsad.kernels.ring.primal.lanes import aligned
from hsad.kernels.ring.primal.padded import Pixels, box_start
from hsad.kernels.ring.window import Window
from hsad.kernels.simd.lane_microtiles import MICROTILE
from hsad.kernels.simd.slide_microtiles import PAIRS, add_corners, slide_microtile
from hsad.kernels.simd.vectors import LANES

__all__ = ["Slide", "make_slide", "slide_columns", "slide_group", "slide_row"]

Vector = NDArray[np.float64]
Numbers = NDArray[np.int64]


class Slide(NamedTuple):
    """The sums of a row of pixels, and the arrays for their computation.

    Attributes
    ----------
    sums : ndarray
        A matrix of vectors for each group of eight pixels, entry (i, j) at ``i * line + j * 8``.
    line, matrix : int
        Distance of the rows of a matrix, and distance of the matrices.
    slope : ndarray
        The last sum minus the sum of the row above, in microtiles.
    changes : ndarray
        The changes of the slope for eight pixels and one microtile.
    columns : (4, pixels) ndarray
        Offsets of the columns that enter and leave the outer window, then of those of the guard window.
    rows : (terms, 3) ndarray
        Offset of the row whose products are added, offset of the row whose products are subtracted, and 0 for the
        outer window or 1 for the guard window.
    corners : ndarray
        Pairs of offsets (see `add_corners`) for the first pixel of a row, then for the other pixels.
    """

    sums: Vector
    line: int
    matrix: int
    slope: Vector
    changes: Vector
    columns: NDArray[np.int64]
    rows: NDArray[np.int64]
    corners: Numbers


def make_slide(pixels: Pixels, window: Window, cols: int) -> Slide:
    """Return the arrays for rows of up to `cols` pixels."""
    order, outer, inner = pixels.step, window.outer, window.inner
    groups = -(-cols // LANES)
    matrix = (order + 1) * order * LANES
    return Slide(
        aligned(groups * matrix),
        order * LANES,
        matrix,
        aligned(order * order),
        aligned(MICROTILE * LANES * LANES),
        np.empty((4, groups * LANES), np.int64),
        np.empty((outer + inner, 3), np.int64),
        np.empty(2 * (outer**2 + inner**2 + PAIRS + groups * LANES * (2 * (outer + inner) + PAIRS)), np.int64),
    )


@inner
def slide_columns(slide: Slide, pixels: Pixels, first: int, stop: int, window: Window) -> None:
    """Write the columns that enter and leave the windows of the pixels ``first ... stop - 1`` of a row."""
    slide.columns[:] = pixels.no_col
    for col in range(first + 1, stop):
        k, start = col - first, box_start(col, pixels.cols, window.outer, window.border)
        before = box_start(col - 1, pixels.cols, window.outer, window.border)
        if start > before:
            slide.columns[0, k] = (start + window.outer - 1 + pixels.margin) * pixels.step
            slide.columns[1, k] = (before + pixels.margin) * pixels.step
        slide.columns[2, k] = (col + window.inner // 2 + pixels.margin) * pixels.step
        slide.columns[3, k] = (col - window.inner // 2 - 1 + pixels.margin) * pixels.step


@inner
def _fill_up(pixels: Pixels, corners: Numbers, at: int, count: int) -> int:
    """Add pairs of zeros after `count` pairs that start at the pair `at`; return the new number of pairs."""
    while count % PAIRS:
        corners[2 * (at + count)] = corners[2 * (at + count) + 1] = pixels.no_row
        count += 1
    return count


@inner
def slide_row(slide: Slide, pixels: Pixels, row: int, col: int, window: Window, anew: bool) -> tuple[int, int]:
    """Write the corners for a row of pixels from `col` on; return the number of pairs of the first and other pixels.

    The sums are those of the row above or, if `anew`, all zero.
    """
    outer, inner, border = window.outer, window.inner, window.border
    top, guard = box_start(row, pixels.rows, outer, border) + pixels.margin, row - inner // 2 + pixels.margin
    terms = slide.rows
    if anew:
        count = outer + inner
        for k in range(outer):
            terms[k, 0], terms[k, 1], terms[k, 2] = (top + k) * pixels.row_step, pixels.no_row, 0
        for k in range(inner):
            terms[outer + k, 0] = pixels.no_row
            terms[outer + k, 1], terms[outer + k, 2] = (guard + k) * pixels.row_step, 1
    else:
        count = 2
        moved = top > box_start(row - 1, pixels.rows, outer, border) + pixels.margin
        terms[0, 0] = (top + outer - 1) * pixels.row_step if moved else pixels.no_row
        terms[0, 1] = (top - 1) * pixels.row_step if moved else pixels.no_row
        terms[0, 2], terms[1, 2] = 0, 1
        terms[1, 0], terms[1, 1] = (guard - 1) * pixels.row_step, (guard + inner - 1) * pixels.row_step
    pairs, corners = 0, slide.corners
    left = box_start(col, pixels.cols, outer, border) + pixels.margin, col - inner // 2 + pixels.margin
    for t in range(count):
        plus, minus, kind = terms[t, 0], terms[t, 1], terms[t, 2]
        for k in range(inner if kind else outer):
            across = (left[kind] + k) * pixels.step
            corners[2 * pairs], corners[2 * pairs + 1] = plus + across, minus + across
            pairs += 1
    pairs = _fill_up(pixels, corners, 0, pairs)
    width = -(-2 * count // PAIRS) * PAIRS
    for k in range(slide.columns.shape[1]):
        at = pairs + k * width
        for t in range(count):
            plus, minus, kind = terms[t, 0], terms[t, 1], terms[t, 2]
            enter, leave = slide.columns[2 * kind, k], slide.columns[2 * kind + 1, k]
            place = 2 * at + 4 * t
            corners[place], corners[place + 1] = plus + enter, minus + enter
            corners[place + 2], corners[place + 3] = minus + leave, plus + leave
        _fill_up(pixels, corners, at, 2 * count)
    return pairs, width


@inner
def slide_group(slide: Slide, pixels: Pixels, order: int, group: int, pairs: tuple[int, int]) -> None:
    """Update the sums of the eight pixels of a group, after those of the groups before it."""
    at = 0
    for i in range(0, order, MICROTILE):
        for j in range(0, i + MICROTILE, LANES):
            if group == 0:
                add_corners(pixels.x, slide.corners, 0, pairs[0], 1, i, j, slide.changes)
                for k in range(MICROTILE * LANES):
                    slide.slope[at + k] = slide.changes[k]
            first = pairs[0] + group * LANES * pairs[1]
            add_corners(pixels.x, slide.corners, first, pairs[1], LANES, i, j, slide.changes)
            place = group * slide.matrix + i * slide.line + j * LANES
            slide_microtile(slide.changes, slide.slope, at, slide.sums, place, slide.line)
            at += MICROTILE * LANES
