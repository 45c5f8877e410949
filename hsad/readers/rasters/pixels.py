"""Copies of images from any order of axes to the order of a cube, in which a pixel's bands are neighbours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["StoredArray", "block_of", "in_pixels", "put_pixels"]

_WORTH_COMPILED = 2**20  # bytes; numpy copies fewer bytes faster than compiled code loads
_PIECE_BYTES = 512 * 1024  # a piece of this size fits into the processor's cache
_SIZES = (1, 2, 4, 8)  # bytes of the numbers that the compiled code can copy


def put_pixels(image: NDArray[Any], target: NDArray[Any]) -> None:
    """Copy an image into an array in the order of a cube.

    Parameters
    ----------
    image : (rows, cols, bands) ndarray
        Image in any order of axes and any byte order.
    target : (rows, cols, bands) ndarray
        Array in native byte order, in which a pixel's bands are neighbours.
    """
    _, cols, bands = image.shape
    size = image.dtype.itemsize
    pixels_together = target.strides[1:] == (bands * size, size)
    if (
        image.nbytes >= _WORTH_COMPILED
        and image.strides[1] == size in _SIZES
        and image.dtype.newbyteorder("=") == target.dtype
        and pixels_together
    ):
        from hsad.kernels.transposition import LEAST_SIDE, turn

        if min(cols, bands) >= LEAST_SIDE:
            turn(image, target)
            if not image.dtype.isnative:
                target.byteswap(inplace=True)
            return
    order = np.argsort([-abs(stride) for stride in image.strides], kind="stable")
    rows = max(1, _PIECE_BYTES // max(1, cols * bands * size))
    for row in range(0, len(image) if cols else 0, rows):
        piece = image[row : row + rows].transpose(order)
        piece = np.ascontiguousarray(piece) if tuple(order) != (0, 1, 2) else piece
        target[row : row + rows] = piece.transpose(np.argsort(order))


def in_pixels(image: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an image ``(rows, cols, bands)`` in the order of a cube and of type `dtype`, copied only if it differs."""
    if image.flags.c_contiguous and image.dtype == dtype:
        return image
    window = np.empty(image.shape, dtype)
    put_pixels(image, window)
    return window


@dataclass(frozen=True)
class StoredArray(ABC):
    """Windows of an array of three axes in a file; subclasses implement `stored`, which reads a part of the array.

    Attributes
    ----------
    path : str
        The file.
    axes : tuple of int
        Axes of the array that are rows, columns and bands.
    shape, dtype
        Shape ``(rows, cols, bands)`` and type of the raster.
    block : tuple of int
        Rows and columns of a chunk, or of a line if the array has no chunks.
    """

    path: str
    axes: tuple[int, int, int]
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    block: tuple[int, int]

    @property
    def row_step(self) -> int:
        """Height of a chunk."""
        return self.block[0]

    @abstractmethod
    def stored(self, window: tuple[slice, ...]) -> NDArray[Any]:
        """Return a part of the array, with its axes in the order of the file."""

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, shape ``(rows, cols, bands)``."""
        window = [slice(None)] * 3
        window[self.axes[0]], window[self.axes[1]] = rows, cols
        return in_pixels(self.stored(tuple(window)).transpose(self.axes), self.dtype)


def block_of(chunks: Sequence[int] | None, axes: tuple[int, int, int], shape: tuple[int, int, int]) -> tuple[int, int]:
    """Return the rows and columns that are decoded together, which are those of a chunk, or of a line without chunks.

    Parameters
    ----------
    chunks : sequence of int, optional
        Sides of a chunk along the axes of the array.
    axes : tuple of int
        Axes of the array that are rows, columns and bands.
    shape : tuple of int
        Rows, columns and bands.
    """
    if not chunks:
        return 1, shape[1]
    return min(shape[0], int(chunks[axes[0]])), min(shape[1], int(chunks[axes[1]]))
