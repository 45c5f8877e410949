"""Files of bare numbers, and where in them each number lies."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["INTERLEAVES", "Gunzip", "Layout", "RawRaster"]

# The axes of (rows, columns, bands) in the order in which a file runs through them, the slowest first.
INTERLEAVES = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}

_PIECE_BYTES = 512 * 1024  # of a window that are transposed in the processor's cache


@dataclass(frozen=True)
class Layout:
    """Where each number of an image lies in its file.

    Attributes
    ----------
    shape : tuple of int
        Rows, columns, bands.
    dtype : numpy.dtype
        As stored, with its byte order.
    interleave : str
        ``bsq``, ``bil`` or ``bip``: (bands, rows, columns), (rows, bands, columns), (rows, columns, bands).
    offset : int
        Bytes before the image.
    major, minor : tuple of int
        Bytes before and after each major frame (the outermost axis of the interleave) and minor frame (the
        next).
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    interleave: str
    offset: int = 0
    major: tuple[int, int] = (0, 0)
    minor: tuple[int, int] = (0, 0)

    @property
    def _frames(self) -> tuple[int, int]:
        """Bytes from one major frame to the next, and from one minor frame to the next."""
        _, middle, inner = (self.shape[axis] for axis in INTERLEAVES[self.interleave])
        minor = sum(self.minor) + inner * self.dtype.itemsize
        return sum(self.major) + middle * minor, minor

    @property
    def size(self) -> int:
        """Bytes that the file must have."""
        return self.offset + self.shape[INTERLEAVES[self.interleave][0]] * self._frames[0]

    def view(self, buffer: Any) -> NDArray[Any]:
        """Return the image in a buffer as an array ``(rows, cols, bands)``, nothing copied."""
        order = INTERLEAVES[self.interleave]
        strides = (*self._frames, self.dtype.itemsize)
        by_axis = dict(zip(order, strides, strict=True))
        return np.ndarray(
            self.shape,
            self.dtype,
            buffer=buffer,
            offset=self.offset + self.major[0] + self.minor[0],
            strides=(by_axis[0], by_axis[1], by_axis[2]),
        )


@dataclass(frozen=True)
class RawRaster:
    """Windows of a file of bare numbers, mapped into memory for the time of one read."""

    path: str
    layout: Layout
    row_step: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns, bands."""
        return self.layout.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers, in native byte order."""
        return self.layout.dtype.newbyteorder("=")

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, shape ``(rows, cols, bands)``, native byte order."""
        try:
            # Mapped pages count as the process's memory while the mapping lives: it ends with this call.
            mapped = np.memmap(self.path, dtype=np.uint8, mode="r")
        except (OSError, ValueError) as error:
            raise SceneError(f"{self.path}: {error}") from error
        if mapped.size < self.layout.size:
            raise SceneError(f"{self.path}: its header promises {self.layout.size} bytes, the file has {mapped.size}")
        return self._by_pixel(self.layout.view(mapped)[rows, cols])

    def _by_pixel(self, view: NDArray[Any]) -> NDArray[Any]:
        """Return a copy in which the bands of a pixel are neighbours.

        Some rows at a time, read in the order of the file: numpy would follow the order of the copy, and go from page
        to page for each number of a BSQ file.
        """
        window = np.empty(view.shape, self.dtype)
        order = INTERLEAVES[self.layout.interleave]
        if order == (0, 1, 2):
            window[:] = view
            return window
        step = max(1, _PIECE_BYTES // view[0].nbytes)
        for row in range(0, len(view), step):
            piece = np.ascontiguousarray(view[row : row + step].transpose(order))
            window[row : row + step] = piece.transpose(np.argsort(order))
        return window


@dataclass(frozen=True)
class Gunzip:
    """Loader of a gzip-compressed image."""

    layout: Layout

    def __call__(self, path: str) -> NDArray[Any]:
        """Return the image in a compressed file, shape ``(rows, cols, bands)``, native byte order."""
        try:
            with gzip.open(path) as file:
                content = file.read()
        except (OSError, EOFError, zlib.error) as error:
            raise SceneError(f"{path}: the compressed file is damaged: {error}") from error
        if len(content) < self.layout.size:
            raise SceneError(
                f"{path}: its header promises {self.layout.size} bytes, uncompressed it has {len(content)}"
            )
        return np.array(self.layout.view(content), dtype=self.layout.dtype.newbyteorder("="), order="C")
