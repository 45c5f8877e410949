"""Local detectors in the space of the bands: systems of order d, for eight pixels at once.

If no weight depends on the pixel, the sums XXᵀ slide from pixel to pixel. Otherwise they are computed for each pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.ring.primal.lanes import Systems, aligned, finish_crd, finish_rx, lane_systems, note_rounding
from hsad.kernels.ring.primal.padded import Pixels, box_start, make_pixels
from hsad.kernels.ring.primal.sliding import Slide, make_slide, slide_columns, slide_group, slide_row
from hsad.kernels.ring.primal.weighted import Rings, add_weighted, fill_strip, find_atoms, make_rings
from hsad.kernels.ring.task import CRD, RX, Task
from hsad.kernels.ring.window import Window
from hsad.kernels.simd.slide_microtiles import transpose
from hsad.kernels.simd.vectors import LANES

__all__ = ["score_primal"]

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]
Core = tuple[int, int, int, int]


@inner
def _own_pixels(pixels: Pixels, row: int, col: int, gather: NDArray[np.int64], y: Vector) -> None:
    """Write the pixels ``(row, col ... col + 7)`` side by side to `y`, without their ring weights."""
    at = (row + pixels.margin) * pixels.row_step + (col + pixels.margin) * pixels.step
    for lane in range(LANES):
        gather[lane] = lane * pixels.step
    for b in range(0, pixels.step, LANES):
        transpose(pixels.x, at + b, gather, 0, y, b * LANES, LANES)
    y[(pixels.lead + pixels.bands) * LANES :] = 0.0
    if pixels.lead:
        y[:LANES] = 1.0


@inner
def _report(systems: Systems, row: int, col: int, scores: Matrix, shares: Matrix) -> None:
    """Write the scores of up to eight pixels, and the smallest quotients of a pivot and its diagonal element."""
    for lane in range(min(LANES, scores.shape[1] - col)):
        scores[row, col + lane] = systems.out[lane]
        shares[row, col + lane] = 1.0 / systems.growth[lane]


@compiled
def _score_sliding(
    pixels: Pixels,
    slide: Slide,
    systems: Systems,
    core: Core,
    window: Window,
    task: Task,
    room: tuple[Vector, NDArray[np.int64]],
    scores: Matrix,
    shares: Matrix,
) -> None:
    """Write the scores of the core, with sums that slide."""
    slide_columns(slide, pixels, core[2], core[3], window)
    for row in range(core[0], core[1]):
        pairs = slide_row(slide, pixels, row, core[2], window, row == core[0])
        for col in range(core[2], core[3], LANES):
            group = (col - core[2]) // LANES
            slide_group(slide, pixels, systems.order, group, pairs)
            _own_pixels(pixels, row, col, room[1], systems.y)
            a = slide.sums[group * slide.matrix : (group + 1) * slide.matrix]
            if task.detector == RX:
                finish_rx(a, systems, task, room[0])
            else:
                finish_crd(a, systems, task)
            # Sliding sums contain the rounding errors of the brightest pixel that was ever part of them.
            note_rounding(systems, pixels.brightest, room[0])
            _report(systems, row - core[0], col - core[2], scores, shares)


@compiled
def _score_weighted(
    pixels: Pixels,
    rings: Rings,
    systems: Systems,
    valid: Mask,
    core: Core,
    window: Window,
    task: Task,
    a: Vector,
    scores: Matrix,
    shares: Matrix,
) -> None:
    """Write the scores of the core, with new sums for each pixel."""
    # First row of all rings of the core. Near an edge of the scene a ring is shifted to one side.
    top = box_start(core[0], pixels.rows, window.outer, window.border)
    for col in range(core[2], core[3], LANES):
        stop = min(col + LANES, core[3])
        fill_strip(rings, pixels, top, col)
        for row in range(core[0], core[1]):
            _own_pixels(pixels, row, col, rings.gather, systems.y)
            packed, at, count = find_atoms(rings, pixels, valid, row, col, stop, window, top)
            a[:] = 0.0
            add_weighted(rings, pixels, task, packed, at, count, systems.y, a, systems.line)
            finish_crd(a, systems, task)
            _report(systems, row - core[0], col - core[2], scores, shares)


def score_primal(
    spectra: NDArray[np.float64],
    valid: Mask,
    ring_weights: NDArray[np.float64],
    core: Core,
    window: Window,
    task: Task,
    scores: Matrix,
    shares: Matrix,
) -> None:
    """Write the scores of the core of a block, and the smallest quotients of a pivot and its diagonal element.

    Parameters
    ----------
    spectra : (rows, cols, bands) ndarray
        The block.
    valid : (rows, cols) ndarray of bool
        Pixels to use.
    ring_weights : (rows, cols) or (0, 0) ndarray
        Wᵢ; (0, 0) for no weights.
    core : tuple of int
        First and one past the last row and column to score.
    scores, shares : (core rows, core cols) ndarray
        Results; pixels without a valid score also get a number.
    """
    crd = task.detector == CRD
    pixels = make_pixels(spectra, valid, ring_weights, window, ones=not crd or task.sum_to_one, center=not crd)
    if task.distance or pixels.weighted:
        systems = lane_systems(pixels.lead, pixels.bands, pixels.step * LANES)
        rings = make_rings(pixels, window, core[1] - core[0])
        a = aligned((max(systems.order, pixels.weight) + 1) * systems.line)
        _score_weighted(pixels, rings, systems, valid, core, window, task, a, scores, shares)
    else:
        slide = make_slide(pixels, window, core[3] - core[2])
        systems = lane_systems(pixels.lead, pixels.bands, slide.line)
        room = aligned(4 * LANES), np.empty(LANES, np.int64)
        _score_sliding(pixels, slide, systems, core, window, task, room, scores, shares)
