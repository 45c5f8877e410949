"""Projection of spectra on a few directions, the same to the last bit at any position of a pixel in its array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled
from hsad.kernels.triangular import PANEL, Whitening, multiply, padded

__all__ = ["Projection", "project", "squared_lengths"]

_PIXELS = 64
"""Number of pixels that are projected together, a multiple of the length of a SIMD vector."""


def project(
    spectra: NDArray[np.float64], vectors: NDArray[np.float64], shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``spectra @ vectors - shift``.

    The rounding of a library's matrix product may depend on the height of the array and on the position of a row. This
    function adds in the same order for every pixel, so a pixel that two blocks share has the same result in both.

    Parameters
    ----------
    spectra : (rows, cols, bands) ndarray of float64
    vectors : (bands, k) ndarray of float64
    shift : (k,) ndarray of float64

    Returns
    -------
    (rows, cols, k) ndarray of float64
    """
    return Projection(vectors, shift)(spectra)


class Projection:
    """`project` with the same vectors many times: they are arranged once.

    Parameters
    ----------
    vectors : (bands, k) ndarray of float64
    shift : (k,) ndarray of float64
    """

    def __init__(self, vectors: NDArray[np.float64], shift: NDArray[np.float64]) -> None:
        self._panels = _panels(vectors)
        self._shift = shift

    def __call__(self, spectra: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the projections, ``(rows, cols, k)``, of ``(rows, cols, bands)`` spectra."""
        rows, cols, bands = spectra.shape
        projected = np.empty((rows * cols, len(self._shift)))
        flat = np.ascontiguousarray(spectra).reshape(-1, bands)
        if len(flat) < _PIXELS:
            flat = np.concatenate([flat, np.zeros((_PIXELS - len(flat), bands))])
        _project(flat.reshape(-1), self._panels, self._shift, projected)
        return projected.reshape(rows, cols, -1)


def _panels(vectors: NDArray[np.float64]) -> Whitening:
    """Return ``(bands, k)`` vectors in panels with one row for each band, because spectra are not padded."""
    bands, count = vectors.shape
    filled = np.zeros((bands, padded(count)))
    filled[:, :count] = vectors
    panels = [filled[:, at : at + PANEL].ravel() for at in range(0, count, PANEL)]
    return Whitening(np.concatenate([np.empty(0), *panels]), bands, filled.shape[1], False)


def squared_lengths(
    spectra: NDArray[np.float64], centre: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``Σ weight · (x - centre)²`` over the bands of every spectrum, the same at any position of a pixel.

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
    spectra: NDArray[np.float64], vectors: Whitening, shift: NDArray[np.float64], projected: NDArray[np.float64]
) -> None:
    """Write the projections of at least `_PIXELS` contiguous spectra to `projected`, ``(n, k)``."""
    bands, (number, count) = vectors.width, projected.shape
    found = np.empty(_PIXELS * vectors.rank)
    for start in range(0, number, _PIXELS):
        first = max(0, min(start, number - _PIXELS))  # the last group overlaps the one before it
        multiply(spectra[first * bands :], _PIXELS, bands, vectors, found)
        for pixel in range(min(_PIXELS, number)):
            for k in range(count):
                projected[first + pixel, k] = found[pixel * vectors.rank + k] - shift[k]
