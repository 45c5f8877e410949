"""Projection of spectra on a few directions, the same to the last bit wherever a pixel lies in its array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled

__all__ = ["project", "squared_lengths"]


def project(
    spectra: NDArray[np.float64], vectors: NDArray[np.float64], shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``spectra @ vectors - shift``.

    A library's matrix product may round differently with the height of the array and the place of a row in it;
    here every pixel is summed in the same way, so a pixel that two blocks share is the same in both.

    Parameters
    ----------
    spectra : (rows, cols, bands) ndarray of float64
        C-contiguous.
    vectors : (bands, k) ndarray of float64
    shift : (k,) ndarray of float64

    Returns
    -------
    (rows, cols, k) ndarray of float64
    """
    rows, cols, bands = spectra.shape
    projected = np.empty((rows * cols, vectors.shape[1]))
    _project(spectra.reshape(-1, bands), np.ascontiguousarray(vectors.T), shift, projected)
    return projected.reshape(rows, cols, -1)


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
    vectors: NDArray[np.float64],
    shift: NDArray[np.float64],
    projected: NDArray[np.float64],
) -> None:
    """Write the projections of ``(n, bands)`` spectra on ``(k, bands)`` vectors into ``(n, k)``."""
    for pixel in range(spectra.shape[0]):
        for k in range(vectors.shape[0]):
            total = 0.0
            for band in range(spectra.shape[1]):
                total += spectra[pixel, band] * vectors[k, band]
            projected[pixel, k] = total - shift[k]
