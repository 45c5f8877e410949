"""Projection of spectra on a few directions, the same to the last bit wherever a pixel lies in its array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled
from hsad.kernels.simd.triangle_microtiles import COLUMNS, HEIGHT, MICROTILES
from hsad.kernels.simd.vectors import LANES

__all__ = ["project", "squared_lengths"]

_PANEL = HEIGHT * LANES

# By the number of vectors that a panel has; a name for each, since compiled code asks for types.
_project_1, _project_2, _project_3 = (MICROTILES[min(height, HEIGHT) - 1].project for height in (1, 2, 3))


def project(
    spectra: NDArray[np.float64], vectors: NDArray[np.float64], shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``spectra @ vectors - shift``.

    A library's matrix product may round differently with the height of the array and the place of a row in it;
    here every pixel is summed in the same way, so a pixel that two blocks share is the same in both.

    Parameters
    ----------
    spectra : (rows, cols, bands) ndarray of float64
    vectors : (bands, k) ndarray of float64
    shift : (k,) ndarray of float64

    Returns
    -------
    (rows, cols, k) ndarray of float64
    """
    rows, cols, bands = spectra.shape
    projected = np.empty((rows * cols, vectors.shape[1]))
    flat = np.ascontiguousarray(spectra).reshape(-1, bands)
    if len(flat) < COLUMNS:
        flat = np.concatenate([flat, np.zeros((COLUMNS - len(flat), bands))])
    _project(flat, _panels(vectors), shift, projected)
    return projected.reshape(rows, cols, -1)


def _panels(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(bands, k)`` vectors as panels of up to `_PANEL` of them, one after the other, filled up by 0."""
    bands, count = vectors.shape
    filled = np.zeros((bands, -(-count // LANES) * LANES))
    filled[:, :count] = vectors
    return np.concatenate([np.empty(0), *(filled[:, at : at + _PANEL].ravel() for at in range(0, count, _PANEL))])


def squared_lengths(
    spectra: NDArray[np.float64], centre: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``Σ weight · (x - centre)²`` over the bands of every spectrum, exact in the same sense.

    Parameters
    ----------
    spectra : (rows, cols, bands) ndarray of float64
        C-contiguous.
    centre, weight : (bands,) ndarray of float64

    Returns
    -------
    (rows, cols) ndarray of float64
    """
    rows, cols, bands = spectra.shape
    lengths = np.empty(rows * cols)
    _squared_lengths(spectra.reshape(-1, bands), centre, weight, lengths)
    return lengths.reshape(rows, cols)


@compiled
def _squared_lengths(
    spectra: NDArray[np.float64], centre: NDArray[np.float64], weight: NDArray[np.float64], lengths: NDArray[np.float64]
) -> None:
    for pixel in range(spectra.shape[0]):
        total = 0.0
        for band in range(spectra.shape[1]):
            difference = spectra[pixel, band] - centre[band]
            total += weight[band] * difference * difference
        lengths[pixel] = total


@compiled
def _project(
    spectra: NDArray[np.float64],
    panels: NDArray[np.float64],
    shift: NDArray[np.float64],
    projected: NDArray[np.float64],
) -> None:
    """Write the projections of spectra, ``(bands,)`` each and at least `COLUMNS`, on panels into ``(n, k)``."""
    bands, (number, count) = spectra.shape[1], projected.shape
    found = np.empty(COLUMNS * _PANEL)
    for panel in range(0, count, _PANEL):
        width = (min(_PANEL, count - panel) + LANES - 1) // LANES * LANES
        for start in range(0, number, COLUMNS):
            first = max(0, min(start, number - COLUMNS))  # the last few lie over those before: written twice
            if width == _PANEL:
                _project_3(panels, bands * panel, bands, spectra, first * bands, bands, found, 0, width)
            elif width == 2 * LANES:
                _project_2(panels, bands * panel, bands, spectra, first * bands, bands, found, 0, width)
            else:
                _project_1(panels, bands * panel, bands, spectra, first * bands, bands, found, 0, width)
            for pixel in range(min(COLUMNS, number)):
                for k in range(panel, min(panel + width, count)):
                    projected[first + pixel, k] = found[pixel * width + k - panel] - shift[k]
