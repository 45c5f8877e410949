"""Patches and their rank-k backgrounds, all bands side by side. The import of this file loads numba."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled, inner
from hsad.kernels.low_rank.median_merge import Covering, covering, median, places_of
from hsad.kernels.simd.slide_microtiles import transpose
from hsad.kernels.simd.vectors import LANES
from hsad.kernels.triangular import add_products, padded, whole_matrix

__all__ = ["Places", "background_residuals", "patch_products"]

Stack = NDArray[np.float64]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_TOGETHER = 32
"""Number of patches whose products are computed together."""


class Places(NamedTuple):
    """The first rows and columns of patches in the image, and their side in pixels."""

    rows: Numbers
    cols: Numbers
    patch: int


@inner
def _copy_valid(spectra: Stack, valid: Mask, patch: int, values: Stack, mean: Stack) -> int:
    """Copy the valid pixels of a patch and write their mean; return their number."""
    bands = spectra.shape[2]
    count = 0
    mean[:] = 0.0
    for i in range(patch * patch):
        if valid[i // patch, i % patch]:
            count += 1
            source, target = spectra[i // patch, i % patch], values[i]
            for b in range(bands):
                target[b] = source[b]
                mean[b] += source[b]
    for b in range(bands):
        mean[b] /= max(1, count)
    return count


@inner
def _take(
    spectra: Stack, valid: Mask, row: int, col: int, patch: int, center: bool, values: Stack, mean: Stack
) -> bool:
    """Write the patch that starts at (row, col), ``(patch², bands)``; return False if none of its pixels is valid.

    An invalid pixel gets the mean of the valid pixels. With `center` this mean is subtracted and written to `mean`.
    """
    bands = spectra.shape[2]
    spectra, valid = spectra[row : row + patch, col : col + patch], valid[row : row + patch, col : col + patch]
    count = _copy_valid(spectra, valid, patch, values, mean)
    if 0 < count < patch * patch:
        for i in range(patch * patch):
            if not valid[i // patch, i % patch]:
                target = values[i]
                for b in range(bands):  # an assignment of a slice would take seconds to compile
                    target[b] = mean[b]
    if center:
        for i in range(patch * patch):
            target = values[i]
            for b in range(bands):
                target[b] -= mean[b]
    else:
        mean[:] = 0.0
    return count > 0


@inner
def _all_valid(valid: Mask, row: int, col: int, patch: int) -> bool:
    for i in range(row, row + patch):
        for j in range(col, col + patch):
            if not valid[i, j]:
                return False
    return True


@inner
def _turn(x: Stack, start: int, offsets: Numbers, stack: Stack, number: int, lanes: int, width: int) -> None:
    """Write a patch, whose pixels have these offsets, to the stack as one row for each band."""
    for first in range(0, width, LANES):
        for b in range(0, lanes, LANES):
            transpose(x, start + b, offsets, first, stack, (b * _TOGETHER + number) * width + first, _TOGETHER * width)


@inner
def _add_stack(stack: Stack, count: int, bands: int, width: int, lower: Stack) -> None:
    """Add the products of the patches in the stack to `lower`."""
    for b in range(bands):
        add_products(stack, b * _TOGETHER * width, count, width, lower, b * width * width)


@compiled
def patch_products(spectra: Stack, valid: Mask, places: Places, center: bool) -> tuple[int, Stack]:
    """Return the number of patches with a valid pixel, and the sums of their products, ``(bands, patch², patch²)``.

    Parameters
    ----------
    spectra : (rows, cols, bands) ndarray of float64
    valid : (rows, cols) ndarray of bool
    places : Places
    center : bool
        Whether the mean of each patch is subtracted.
    """
    bands, patch = spectra.shape[2], places.patch
    size = patch * patch
    width, lanes = padded(size), padded(bands)
    # The transposition needs whole vectors of bands and of pixels; the padding stays 0.
    values, mean = np.zeros((width, lanes)), np.empty(bands)
    flat, offsets = values.reshape(-1), np.arange(width) * lanes
    stack = np.zeros(lanes * _TOGETHER * width)
    lower = np.zeros(bands * width * width)
    scene, cols = spectra.reshape(-1), spectra.shape[1]
    there = np.zeros(width, np.int64)
    for i in range(size):
        there[i] = (i // patch * cols + i % patch) * bands
    count = taken = 0
    for i in range(places.rows.size):
        for j in range(places.cols.size):
            row, col = places.rows[i], places.cols[j]
            start = (row * cols + col) * bands
            # The vectors of the last pixel of the scene may end beyond the array. The vectors of other pixels may
            # extend into the next pixel, whose numbers are not used.
            if not center and start + there[size - 1] + lanes <= scene.size and _all_valid(valid, row, col, patch):
                _turn(scene, start, there, stack, taken, lanes, width)
            elif _take(spectra, valid, row, col, patch, center, values, mean):
                _turn(flat, 0, offsets, stack, taken, lanes, width)
            else:
                continue
            count += 1
            taken += 1
            if taken == _TOGETHER:
                _add_stack(stack, taken, bands, width, lower)
                taken = 0
    _add_stack(stack, taken, bands, width, lower)
    products = np.empty((bands, size, size))
    for b in range(bands):
        whole_matrix(lower, b * width * width, width, products[b])
    return count, products


@inner
def _coefficients(
    spectra: Stack, valid: Mask, places: Places, center: bool, vectors: Stack, weights: Stack, means: Stack
) -> Numbers:
    """Write the weights and the mean of each patch; return the patch numbers on the grid, -1 without valid pixels."""
    bands = spectra.shape[2]
    values = np.empty((places.patch * places.patch, bands))
    numbers = np.full((places.rows.size, places.cols.size), -1)
    count = 0
    for i in range(places.rows.size):
        for j in range(places.cols.size):
            row, col = places.rows[i], places.cols[j]
            if not _take(spectra, valid, row, col, places.patch, center, values, means[count]):
                continue
            for r in range(vectors.shape[1]):
                weight = weights[count, r]
                weight[:] = 0.0
                for k in range(len(values)):
                    value, vector = values[k], vectors[k, r]
                    for b in range(bands):
                        weight[b] += value[b] * vector[b]
            numbers[i, j] = count
            count += 1
    return numbers


@compiled
def background_residuals(
    spectra: Stack, valid: Mask, core: tuple[int, int, int, int], places: Places, center: bool, vectors: Stack
) -> tuple[Stack, Stack]:
    """Return ‖x − b‖ of the pixels of a core, and b of the last pixel.

    b is the median of the backgrounds of all patches that cover a pixel.

    Parameters
    ----------
    spectra : (rows, cols, bands) ndarray of float64
    valid : (rows, cols) ndarray of bool
    core : tuple of four int
        First row, one past the last row, first column, one past the last column.
    places : Places
        All patches that overlap the core.
    center : bool
        Whether the mean of each patch is part of its background.
    vectors : (patch², rank, bands) ndarray of float64
        Orthonormal for each band. The background is the projection of a patch on their span.

    Returns
    -------
    (core rows, core cols) ndarray
        NaN if no patch over the pixel has a valid pixel.
    (bands,) ndarray
    """
    bands, rank = spectra.shape[2], vectors.shape[1]
    most = places.rows.size * places.cols.size
    weights, means = np.empty((most, rank, bands)), np.empty((most, bands))
    numbers = _coefficients(spectra, valid, places, center, vectors, weights, means)
    top, bottom, left, right = core
    scores = np.full((bottom - top, right - left), np.nan)
    over: Covering = covering(places.rows - top, places.cols - left, places.patch, scores.shape)
    values, found = np.empty((len(over.places), bands)), np.empty(bands)
    for row in range(bottom - top):
        for col in range(right - left):
            count = places_of(over, numbers, row, col)
            if count == 0:
                continue
            for k in range(count):
                patch, position = over.places[k, 0], over.places[k, 1]
                value, mean = values[k], means[patch]
                for b in range(bands):
                    value[b] = mean[b]
                for r in range(rank):
                    weight, vector = weights[patch, r], vectors[position, r]
                    for b in range(bands):
                        value[b] += weight[b] * vector[b]
            median(values, count, found)
            spectrum = spectra[top + row, left + col]
            total = 0.0
            for b in range(bands):
                rest = spectrum[b] - found[b]
                total += rest * rest
            scores[row, col] = np.sqrt(total)
    return scores, found
