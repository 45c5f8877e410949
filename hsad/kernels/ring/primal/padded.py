"""The spectra of a block with a margin, so that every ring is read by offsets from its pixel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.ring.one_ring import mirrored
from hsad.kernels.ring.primal.lanes import aligned
from hsad.kernels.ring.window import REFLECT, SHIFT, Window
from hsad.kernels.simd.lane_microtiles import BANDS_MICROTILE
from hsad.kernels.simd.vectors import LANES

__all__ = ["Pixels", "box_start", "make_pixels"]

Vector = NDArray[np.float64]


class Pixels(NamedTuple):
    """The spectra of a block with a margin, pixel by pixel; invalid pixels and those outside are zero.

    Attributes
    ----------
    x : ndarray
        The numbers of the pixels, in the order of rows. A pixel consists of a leading one (if `lead`), its bands,
        zeros, and (if `weighted`) its ring weight at the index `weight`.
    rows, cols : int
        Size of the block.
    lead : int
        1 if the first number of a valid pixel is one, else 0.
    bands : int
        Number of bands.
    weight : int
        Index of the ring weight in a pixel, after whole microtiles of bands.
    weighted : bool
        Whether there are ring weights.
    step, row_step : int
        Distance of pixels and of rows in `x`.
    margin : int
        Number of rows and of columns before the first pixel.
    no_row, no_col : int
        Offsets of a row and of a column of zeros.
    brightest : float
        The largest squared norm of a spectrum.
    """

    x: Vector
    rows: int
    cols: int
    lead: int
    bands: int
    weight: int
    weighted: bool
    step: int
    row_step: int
    margin: int
    no_row: int
    no_col: int
    brightest: float


@compiled
def _fill(  # noqa: C901  loops over pixels and bands, no more
    pixels: Pixels,
    spectra: NDArray[np.float64],
    valid: NDArray[np.bool_],
    ring_weights: NDArray[np.float64],
    border: int,
    mean: Vector,
    center: bool,
) -> float:
    """Copy the spectra, with `center` minus their mean; return the largest squared norm."""
    count = 0
    if center:
        for i in range(pixels.rows):
            for j in range(pixels.cols):
                if valid[i, j]:
                    count += 1
                    for b in range(pixels.bands):
                        mean[b] += spectra[i, j, b]
        for b in range(pixels.bands):
            mean[b] /= max(1, count)
    brightest = 0.0
    beyond = pixels.margin if border == REFLECT else 0
    for i in range(-beyond, pixels.rows + beyond):
        row = mirrored(i, pixels.rows) if beyond else i
        for j in range(-beyond, pixels.cols + beyond):
            col = mirrored(j, pixels.cols) if beyond else j
            if valid[row, col]:
                at = (i + pixels.margin) * pixels.row_step + (j + pixels.margin) * pixels.step
                if pixels.lead:
                    pixels.x[at] = 1.0
                square = 0.0
                for b in range(pixels.bands):
                    value = spectra[row, col, b] - mean[b]
                    pixels.x[at + pixels.lead + b] = value
                    square += value * value
                brightest = max(brightest, square)
                if pixels.weighted:
                    pixels.x[at + pixels.weight] = ring_weights[row, col]
    return brightest


def make_pixels(
    spectra: NDArray[np.float64],
    valid: NDArray[np.bool_],
    ring_weights: NDArray[np.float64],
    window: Window,
    *,
    ones: bool,
    center: bool,
) -> Pixels:
    """Return the pixels of a block; with `center`, minus the mean of the valid pixels."""
    rows, cols, bands = spectra.shape
    margin = window.outer // 2
    # The array has room for an outer window in a smaller block, for whole vectors of pixels, and for the final zeros.
    height = max(rows, window.outer) + 2 * margin + 1
    width = max(cols, window.outer) + 2 * margin + LANES + 1
    weighted = ring_weights.size > 0
    weight = -(-(bands + ones) // BANDS_MICROTILE) * BANDS_MICROTILE
    step = -(-(weight + weighted) // LANES) * LANES
    pixels = Pixels(
        aligned(height * width * step),
        rows,
        cols,
        int(ones),
        bands,
        weight,
        weighted,
        step,
        width * step,
        margin,
        (height - 1) * width * step,
        (width - 1) * step,
        0.0,
    )
    brightest = _fill(pixels, spectra, valid, ring_weights, window.border, np.zeros(bands), center)
    return pixels._replace(brightest=brightest)


@inner
def box_start(position: int, size: int, outer: int, border: int) -> int:
    """Return the first position of an outer window along an axis; it may lie in the margin."""
    start = position - outer // 2
    return max(0, min(start, size - outer)) if border == SHIFT else start
