"""Training data of networks: pieces of scenes, and pieces with implanted objects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Example", "Piece"]


class Piece(NamedTuple):
    """Images ``(k, rows, cols)`` of float32, and the mask of their valid pixels."""

    images: NDArray[np.float32]
    valid: NDArray[np.bool_]


class Example(NamedTuple):
    """A piece with implanted objects.

    Attributes
    ----------
    images : (k, rows, cols) ndarray of float32
        The images with the objects.
    change : (k, rows, cols) ndarray of float32
        The images with the objects minus the images without them.
    target : (rows, cols) ndarray of float32
        1 in the pixels of an object, else 0.
    weight : (rows, cols) ndarray of float32
        Weight of each pixel in the loss.
    """

    images: NDArray[np.float32]
    change: NDArray[np.float32]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]
