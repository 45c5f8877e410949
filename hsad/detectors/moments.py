"""Moments of a block's pixels, and the directions in which they vary most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.block import Block
from hsad.kernels.summaries import Moments

__all__ = ["leading", "moments_of", "with_signs"]


def moments_of(block: Block) -> Moments | None:
    """Return count, mean and scatter of the valid pixels of a block's core; None if no pixel is valid."""
    return Moments.of(block.pieces())


def leading(matrix: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the `count` largest eigenvalues of a symmetric matrix, largest first, and their eigenvectors."""
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1][:count], vectors[:, ::-1][:, :count]


def with_signs(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vectors, one a column, with the signs that make the largest element of each positive.

    The sign of an eigenvector is arbitrary: libraries and machines choose it differently.
    """
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    return np.asarray(vectors * np.sign(largest))
