"""Numbers of a file, in whatever order they lie there, put in the order of a cube: a pixel's bands are neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["in_pixels", "put_pixels"]

_WORTH_COMPILED = 2**20  # bytes: what is less is copied before compiled code is loaded
_PIECE_BYTES = 512 * 1024  # that are put in order in the processor's cache
_SIZES = (1, 2, 4, 8)


def put_pixels(image: NDArray[Any], target: NDArray[Any]) -> None:
    """Copy an image into an array of a cube's order.

    Parameters
    ----------
    image : (rows, cols, bands) ndarray
        In any order and byte order.
    target : (rows, cols, bands) ndarray
        In native byte order; a pixel's bands are neighbours.
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
    """Return an image ``(rows, cols, bands)`` in the order of a cube, as numbers of type `dtype`: itself if it is so."""
    if image.flags.c_contiguous and image.dtype == dtype:
        return image
    window = np.empty(image.shape, dtype)
    put_pixels(image, window)
    return window
