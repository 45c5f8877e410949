"""What networks learn from: pieces of scenes, and pieces with objects in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Example", "Piece"]


class Piece(NamedTuple):
    """Images ``(k, rows, cols)`` of float32 and where they are valid."""

    images: NDArray[np.float32]
    valid: NDArray[np.bool_]


class Example(NamedTuple):
    """A piece with objects.

    Attributes
    ----------
    images, change : (k, rows, cols) ndarray of float32
        With the objects; what was added.
    target, weight : (rows, cols) ndarray of float32
        1 where an object is; how much a pixel counts for the loss.
    """

    images: NDArray[np.float32]
    change: NDArray[np.float32]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]
