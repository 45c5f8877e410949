"""Windows of files of bare numbers, and the position of each number in such a file."""

from __future__ import annotations

import contextlib
import gzip
import os
import zlib
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.rasters.mapped import mapped
from hsad.readers.rasters.pixels import put_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["INTERLEAVES", "Gunzip", "Layout", "RawRaster"]

# Axes of (rows, columns, bands) in the order in which they vary in a file, the slowest first.
INTERLEAVES = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}

_MOST_GROWTH = 1032  # largest ratio of unpacked to packed bytes that deflate can reach
_PIECE_BYTES = 2**20  # bytes of a window that are read in one step if the file is not mapped
_CALL_BYTES = 16 * 1024  # bytes that are copied in the time of one system call


@dataclass(frozen=True)
class Layout:
    """Position of each number of an image in its file.

    Attributes
    ----------
    shape : tuple of int
        Rows, columns, bands.
    dtype : numpy.dtype
        Type of the numbers in the file, with its byte order.
    interleave : str
        ``bsq`` (bands, rows, columns), ``bil`` (rows, bands, columns) or ``bip`` (rows, columns, bands).
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
    def frames(self) -> tuple[int, int]:
        """Bytes from one major frame to the next, and from one minor frame to the next."""
        _, middle, inner = (self.shape[axis] for axis in INTERLEAVES[self.interleave])
        minor = sum(self.minor) + inner * self.dtype.itemsize
        return sum(self.major) + middle * minor, minor

    @property
    def size(self) -> int:
        """Bytes that the file must have."""
        return self.offset + self.shape[INTERLEAVES[self.interleave][0]] * self.frames[0]

    def view(self, buffer: Any) -> NDArray[Any]:
        """Return the image in a buffer as an array ``(rows, cols, bands)`` without a copy."""
        order = INTERLEAVES[self.interleave]
        strides = (*self.frames, self.dtype.itemsize)
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
    """Windows of a file of bare numbers.

    Long lines of pixels are read. All other windows are copied from the mapped file if the system grants a lease.
    """

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
        high, wide, bands = rows.stop - rows.start, cols.stop - cols.start, self.shape[2]
        window = np.empty((high, wide, bands), self.dtype)
        backwards = np.argsort(INTERLEAVES[self.layout.interleave])
        step = max(1, _PIECE_BYTES // max(1, wide * bands * self.dtype.itemsize))
        try:
            with contextlib.ExitStack() as stack:
                file = stack.enter_context(open(self.path, "rb", buffering=0))  # noqa: PTH123  GDAL's names
                self._check_length(file)
                if self.pixelwise and wide * bands * self.dtype.itemsize >= _CALL_BYTES:
                    self._read_lines(file, rows, cols, window)
                    return window
                content = stack.enter_context(mapped(file))
                if content is not None:
                    put_pixels(self.layout.view(content)[rows, cols], window)
                    return window
                for row in range(0, high if wide else 0, step):
                    part = slice(rows.start + row, min(rows.start + row + step, rows.stop))
                    piece = self._piece(file, (part, cols, slice(0, bands)))
                    put_pixels(piece.transpose(backwards), window[row : row + step])
        except (OSError, ValueError) as error:
            raise SceneError(f"{self.path}: {getattr(error, 'strerror', None) or error}") from error
        return window

    @property
    def pixelwise(self) -> bool:
        """Whether the pixels of a row lie in the file one after the other, so that small windows are read fast too."""
        layout = self.layout
        return layout.interleave == "bip" and layout.frames[1] == layout.shape[2] * layout.dtype.itemsize

    def _read_lines(self, file: FileIO, rows: slice, cols: slice, window: NDArray[Any]) -> None:
        """Read the lines of a window in which pixels follow each other.

        Threads that map files wait for each other, because each first use of a mapped page changes the one table of
        pages of the process.
        """
        layout = self.layout
        (line, pixel), start = layout.frames, layout.offset + layout.major[0] + layout.minor[0]
        for row in range(rows.start, rows.stop):
            self._fill(file, window[row - rows.start], start + row * line + cols.start * pixel)
        if not layout.dtype.isnative:
            window.byteswap(inplace=True)

    def _piece(self, file: FileIO, window: tuple[slice, slice, slice]) -> NDArray[Any]:
        """Return the numbers of a window with its axes in the order of the file."""
        layout = self.layout
        outer, middle, inner = (window[axis] for axis in INTERLEAVES[layout.interleave])
        size = layout.dtype.itemsize
        (major, minor), start = layout.frames, layout.offset + layout.major[0] + layout.minor[0]
        counts = tuple(part.stop - part.start for part in (outer, middle, inner))
        piece = np.empty(counts, layout.dtype)
        first = start + outer.start * major + middle.start * minor + inner.start * size
        run, span = counts[2] * size, (counts[1] - 1) * minor + counts[2] * size
        if span == major and run == minor:  # no gaps, so one read is enough
            self._fill(file, piece, first)
            return piece
        # If the gaps between runs are short, reading the gaps takes less time than one system call per run.
        together = run == minor or span < counts[1] * _CALL_BYTES
        whole = np.empty(span, np.uint8)
        for number in range(counts[0]):
            position = first + number * major
            if together:
                self._fill(file, whole, position)
                piece[number] = np.ndarray(counts[1:], layout.dtype, buffer=whole, strides=(minor, size))
            else:
                for line in range(counts[1]):
                    self._fill(file, piece[number, line], position + line * minor)
        return piece

    def _fill(self, file: FileIO, target: NDArray[Any], position: int) -> None:
        """Read bytes into a contiguous array."""
        left = memoryview(target.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # numpy declares no buffer
        while left:
            file.seek(position)
            got = file.readinto(left)
            if not got:
                self._check_length(file)
                raise SceneError(f"{self.path}: cannot be read at byte {position}")
            left, position = left[got:], position + got

    def _check_length(self, file: FileIO) -> None:
        length = os.fstat(file.fileno()).st_size
        if length < self.layout.size:
            raise SceneError(f"{self.path}: its header promises {self.layout.size} bytes, the file has {length}")


@dataclass(frozen=True)
class Gunzip:
    """Loader of a gzip-compressed image."""

    layout: Layout

    def __call__(self, path: str) -> NDArray[Any]:
        """Return the image in a compressed file, shape ``(rows, cols, bands)``, native byte order."""
        packed = Path(path).stat().st_size
        if self.layout.size > _MOST_GROWTH * packed:
            raise SceneError(
                f"{path}: its header promises {self.layout.size} bytes, {packed} compressed cannot hold them"
            )
        try:
            with gzip.open(path) as file:
                content = file.read(self.layout.size)  # no more, because a small file may unpack to any size
        except (OSError, EOFError, zlib.error) as error:
            raise SceneError(f"{path}: the compressed file is damaged: {error}") from error
        if len(content) < self.layout.size:
            raise SceneError(
                f"{path}: its header promises {self.layout.size} bytes, uncompressed it has {len(content)}"
            )
        return np.array(self.layout.view(content), dtype=self.layout.dtype.newbyteorder("="), order="C")
