"""Windows of uncompressed TIFF files, copied from the mapped file strip by strip or tile by tile.

GDAL takes ten times as long, because it opens the file and reads whole blocks for each window.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from hsad.errors import SceneError
from hsad.readers.rasters.mapped import mapped
from hsad.readers.rasters.pixels import put_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.scene.cube import Raster

__all__ = ["TiffRaster", "plain_tiff"]

# Numbers of the tags (TIFF 6.0).
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _SAMPLES, _PLANAR, _FORMAT = 256, 257, 258, 259, 277, 284, 339
_STRIP_OFFSETS, _STRIP_ROWS, _STRIP_BYTES = 273, 278, 279
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_PHOTOMETRIC, _FILL_ORDER = 262, 266
_YCBCR = 6  # this photometric interpretation stores colours at every other pixel only
_NUMBERS = {1: "u1", 3: "u2", 4: "u4", 16: "u8"}
_KINDS = {1: "u", 2: "i", 3: "f"}


class _Entry(NamedTuple):
    """Position in the file, number and type of the values of a tag."""

    position: int
    number: int
    dtype: str


class _Piece(NamedTuple):
    """Numbers of neighbouring blocks along an axis, the part of each block, and its place in the window."""

    blocks: slice
    inside: slice
    target: slice


@dataclass(frozen=True)
class TiffRaster:
    """Windows of an uncompressed TIFF.

    Attributes
    ----------
    path : str
    shape : tuple of int
        Rows, columns, bands.
    dtype : numpy.dtype
        Type of the numbers that `read` returns, in native byte order.
    stored : numpy.dtype
        Type of the numbers in the file.
    tile : tuple of int
        Rows and columns of a strip or tile.
    planar : bool
        Whether each strip or tile holds one band only.
    table : _Entry
        Position, count and type of the table of the blocks' offsets.
    lengths : _Entry or None
        Position, count and type of the table of the blocks' sizes in bytes.
    through_gdal : Raster
        The same file through GDAL, which reads the file if it cannot be mapped.
    size : int
        Bytes from the start of the file to the end of the last block.
    """

    path: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    stored: np.dtype[Any]
    tile: tuple[int, int]
    planar: bool
    table: _Entry
    lengths: _Entry | None
    through_gdal: Raster
    size: int = 0
    row_step: int = 1

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, shape ``(rows, cols, bands)``."""
        try:
            with open(self.path, "rb", buffering=0) as file, mapped(file) as content:  # noqa: PTH123  GDAL's names
                if content is not None:
                    return self._window(content, rows, cols)
        except (OSError, ValueError) as error:
            raise SceneError(f"{self.path}: {error}") from error
        return self.through_gdal.read(rows, cols)

    def _window(self, content: NDArray[np.uint8], rows: slice, cols: slice) -> NDArray[Any]:
        if content.size < self.size:
            raise SceneError(f"{self.path}: its directory promises {self.size} bytes, the file has {content.size}")
        offsets = self.offsets(content)
        window = np.empty((rows.stop - rows.start, cols.stop - cols.start, self.shape[2]), self.dtype)
        for down, across in itertools.product(_pieces(rows, self.tile[0]), _pieces(cols, self.tile[1])):
            self._copy(
                content,
                offsets[:, down.blocks, across.blocks].astype(np.int64),
                down,
                across,
                window[down.target, across.target],
            )
        return window

    def offsets(self, content: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the position of each block in the file, shape ``(planes, blocks down, blocks across)``."""
        return self._blocks(content, self.table)

    def have_bytes(self, content: NDArray[np.uint8], offsets: NDArray[np.int64], sizes: NDArray[np.int64]) -> bool:
        """Tell whether the table of the blocks' sizes states enough bytes for each block.

        A block without bytes stands for nodata, whatever its offset is. GDAL reads files with such blocks.
        """
        if self.lengths is None:
            return False
        lengths = self._blocks(content, self.lengths)
        return lengths.shape == offsets.shape and bool(np.all(lengths >= sizes))

    def _blocks(self, content: NDArray[np.uint8], entry: _Entry) -> NDArray[Any]:
        position, count, dtype = entry
        table = np.ndarray((count,), dtype, buffer=content, offset=position)
        down, across = (-(-size // side) for size, side in zip(self.shape[:2], self.tile, strict=True))
        return table.reshape(-1, down, across)

    def _copy(
        self, mapped: NDArray[np.uint8], offsets: NDArray[np.int64], down: _Piece, across: _Piece, target: NDArray[Any]
    ) -> None:
        """Copy the same part of some blocks, in one step if the blocks are evenly spaced, else in two halves."""
        steps = [_even_step(offsets, axis) for axis in range(3)]
        if None in steps:
            axis = next(axis for axis in (1, 2, 0) if steps[axis] is None)
            middle = offsets.shape[axis] // 2
            share = target.shape[(2, 0, 1)[axis]] // offsets.shape[axis] * middle
            for half, part in ((slice(middle), slice(share)), (slice(middle, None), slice(share, None))):
                block_index, target_index = [slice(None)] * 3, [slice(None)] * 3
                block_index[axis], target_index[(2, 0, 1)[axis]] = half, part
                self._copy(mapped, offsets[tuple(block_index)], down, across, target[tuple(target_index)])
            return
        plane, block_down, block_across = steps
        samples = 1 if self.planar else self.shape[2]
        pixel = samples * self.stored.itemsize
        row = self.tile[1] * pixel
        (high, wide), (_, many_down, many_across) = (
            (piece.inside.stop - piece.inside.start for piece in (down, across)),
            offsets.shape,
        )
        if many_across == 1 and block_down == high * row:  # strips without gaps between them are one strip
            many_down, high = 1, many_down * high
        blocks = np.ndarray(
            (len(offsets), many_down, high, many_across, wide, samples),
            self.stored,
            buffer=mapped,
            offset=int(offsets[0, 0, 0]) + down.inside.start * row + across.inside.start * pixel,
            strides=(plane or 0, block_down or 0, row, block_across or 0, pixel, self.stored.itemsize),
        )
        into = target.reshape(many_down, high, many_across, wide, target.shape[2])
        if not self.planar:
            into[...] = blocks[0]
            return
        for row, col in itertools.product(range(many_down), range(many_across)):
            put_pixels(np.moveaxis(blocks[:, row, :, col, :, 0], 0, 2), into[row, :, col])


def _pieces(window: slice, side: int) -> Iterator[_Piece]:
    """Yield the parts of a range of rows or columns in its first block, in whole blocks, and in its last block."""
    first, last = window.start // side, (window.stop - 1) // side
    for blocks in sorted({(first, first + 1), (first + 1, last), (last, last + 1)}):
        start, stop = max(window.start, blocks[0] * side), min(window.stop, blocks[1] * side)
        if blocks[0] < blocks[1] and start < stop:
            inside = slice(start - blocks[0] * side, side if blocks[1] - blocks[0] > 1 else stop - blocks[0] * side)
            yield _Piece(slice(*blocks), inside, slice(start - window.start, stop - window.start))


def _even_step(offsets: NDArray[np.int64], axis: int) -> int | None:
    """Return the distance of neighbouring blocks along an axis in bytes, or None if the distance varies."""
    steps = np.diff(offsets, axis=axis)
    if not steps.size:
        return 0
    return int(steps.flat[0]) if np.all(steps == steps.flat[0]) else None


def plain_tiff(path: str, through_gdal: Raster) -> Raster:
    """Return the fastest raster for a TIFF, which maps an uncompressed file and reads others through GDAL.

    Parameters
    ----------
    path : str
    through_gdal : Raster
        The same file through GDAL, with the shape ``(rows, columns, bands)`` and the type that GDAL reports.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123  GDAL's names of files are not always paths
            raster = _described(path, file, through_gdal)
        if raster is None or (raster.shape, raster.dtype) != (through_gdal.shape, through_gdal.dtype):
            return through_gdal
        with open(path, "rb", buffering=0) as unbuffered, mapped(unbuffered) as content:  # noqa: PTH123  as above
            checked = None if content is None else _checked(raster, content)
    except Exception:  # noqa: BLE001  GDAL may read what this reader cannot
        return through_gdal
    return checked or through_gdal


def _checked(raster: TiffRaster, content: NDArray[np.uint8]) -> TiffRaster | None:
    """Return the raster with the number of bytes that it needs, or None if the file lacks a part of a block."""
    shape = raster.shape
    planes = shape[2] if raster.planar else 1
    row_bytes = raster.tile[1] * raster.stored.itemsize * shape[2] // planes
    if row_bytes * raster.tile[0] > 2**62:
        return None
    offsets = raster.offsets(content).astype(np.int64)
    # The last strip may be shorter. A block at position 0 was never written; GDAL reads it as nodata.
    last = (shape[0] - 1) % raster.tile[0] + 1 if raster.tile[1] == shape[1] else raster.tile[0]
    sizes = row_bytes * np.where(np.arange(offsets.shape[1]) + 1 == offsets.shape[1], last, raster.tile[0])
    sizes = sizes[None, :, None]
    if len(offsets) != planes or offsets.min() <= 0 or np.any(offsets > content.size - sizes):
        return None
    if not raster.have_bytes(content, offsets, sizes):
        return None
    ends = offsets + sizes
    return replace(raster, size=int(ends.max()))


def _described(path: str, file: BinaryIO, through_gdal: Raster) -> TiffRaster | None:
    order = {b"II": "<", b"MM": ">"}[file.read(2)]
    big = {42: False, 43: True}[struct.unpack(f"{order}H", file.read(2))[0]]
    if big:
        file.read(4)
    file.seek(struct.unpack(f"{order}{'Q' if big else 'I'}", file.read(8 if big else 4))[0])
    (count,) = struct.unpack(f"{order}{'Q' if big else 'H'}", file.read(8 if big else 2))
    entries: dict[int, _Entry] = {}
    for _ in range(count):
        tag, kind, values = struct.unpack(f"{order}HH{'Q' if big else 'I'}", file.read(12 if big else 8))
        position, room = file.tell(), 8 if big else 4
        field = file.read(room)
        if kind in _NUMBERS:
            dtype = np.dtype(order + _NUMBERS[kind])
            inline = values * dtype.itemsize <= room
            entries[tag] = _Entry(
                position if inline else struct.unpack(f"{order}{'Q' if big else 'I'}", field)[0], values, dtype.str
            )

    def values_of(tag: int, default: int) -> NDArray[Any]:
        if tag not in entries:
            return np.array([default])
        position, number, dtype = entries[tag]
        file.seek(position)
        return np.frombuffer(file.read(number * np.dtype(dtype).itemsize), dtype)

    def value_of(tag: int, default: int = 0) -> int:
        return int(values_of(tag, default)[0])

    bits, kinds = set(values_of(_BITS, 1).tolist()), set(values_of(_FORMAT, 1).tolist())
    bare = value_of(_COMPRESSION, 1) == value_of(_FILL_ORDER, 1) == 1 and value_of(_PHOTOMETRIC) != _YCBCR
    if not bare or len(bits) != 1 or len(kinds) != 1 or not kinds <= set(_KINDS):
        return None
    size = bits.pop()
    if size not in (8, 16, 32, 64):
        return None
    stored = np.dtype(f"{order}{_KINDS[kinds.pop()]}{size // 8}")
    rows, cols, bands = value_of(_LENGTH), value_of(_WIDTH), value_of(_SAMPLES, 1)
    tiled = _TILE_OFFSETS in entries
    block = (value_of(_TILE_LENGTH), value_of(_TILE_WIDTH)) if tiled else (min(rows, value_of(_STRIP_ROWS, rows)), cols)
    return TiffRaster(
        path,
        (rows, cols, bands),
        stored.newbyteorder("="),
        stored,
        block,
        value_of(_PLANAR, 1) == 2,
        entries[_TILE_OFFSETS if tiled else _STRIP_OFFSETS],
        entries.get(_TILE_BYTES if tiled else _STRIP_BYTES),
        through_gdal,
    )
