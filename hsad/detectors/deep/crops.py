"""Training samples of bounded size from one or several scenes: whole cells of a grid, chosen by a hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Scan
from hsad.detectors.block import Block
from hsad.detectors.deep.components import ComponentImages
from hsad.errors import DataError
from hsad.kernels.summaries import pixel_keys

__all__ = ["Crop", "Crops", "sample_crops"]

_SIDE = 128
"""Side of a cell in pixels. A scene that is not larger is one cell."""

_MOST = 16
"""Number of cells in the sample, of all scenes together. It bounds the memory and time of the training."""

_LEAST_VALID = 0.02
"""Smallest share of valid pixels in a cell; with fewer, a cell adds cost but hardly any pixels."""


class Crop(NamedTuple):
    """A piece of a scene: images ``(k, rows, cols)`` of float32, mask of valid pixels, and position.

    `origin` is the row and column of the first pixel, `cols` the width of the scene, `scene` the number of the scene.
    """

    images: NDArray[np.float32]
    valid: NDArray[np.bool_]
    origin: tuple[int, int]
    cols: int
    scene: int


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell, or the part of it that lies in the blocks so far; all other pixels are invalid and 0."""

    images: NDArray[np.float32]
    valid: NDArray[np.bool_]
    row: int
    col: int
    cols: int
    scene: int

    def __add__(self, other: Cell) -> Cell:
        return Cell(self.images + other.images, self.valid | other.valid, self.row, self.col, self.cols, self.scene)


@dataclass(frozen=True, eq=False)
class Crops:
    """The cells with the smallest keys.

    Attributes
    ----------
    cells : dict of int to Cell
        The cells by key.
    """

    cells: dict[int, Cell]

    def __add__(self, other: Crops) -> Crops:
        merged = dict(self.cells)
        for key, cell in other.cells.items():
            merged[key] = merged[key] + cell if key in merged else cell
        return Crops({key: merged[key] for key in sorted(merged)[:_MOST]})


def sample_crops(scan: Scan, images: ComponentImages, seed: int) -> list[Crop]:
    """Return the sample in the order of its keys, in one pass; it does not depend on the tiles of the scene.

    Cells lie side by side; the last ones are shifted so that they end at the edge of the scene. The key of a cell is a
    hash of the number of its first pixel, the number of its scene and the seed.

    Raises
    ------
    DataError
        When no cell has enough valid pixels.
    """
    found = scan(_crops, images, seed)
    crops = []
    for _, cell in sorted(found.cells.items()) if found is not None else ():
        if cell.valid.mean() >= _LEAST_VALID or cell.valid.shape != (_SIDE, _SIDE):
            filled = np.where(cell.valid, cell.images, images.filling[:, None, None].astype(np.float32))
            crops.append(Crop(filled, cell.valid, (cell.row, cell.col), cell.cols, cell.scene))
    if not crops:
        raise DataError(f"seed: the {_MOST} random parts of the scene hold too few valid pixels; choose another seed")
    return crops


def _starts(size: int) -> NDArray[np.int64]:
    """Return the first rows or columns of the cells along an axis."""
    count = -(-size // _SIDE)
    return np.minimum(np.arange(count) * _SIDE, max(0, size - _SIDE))


def _crops(block: Block, images: ComponentImages, seed: int) -> Crops | None:
    """Return the part of the chosen cells that lies in the core of a block."""
    scene = block.scene
    rows, cols = _starts(scene.rows), _starts(scene.cols)
    numbers = (rows[:, None] * scene.cols + cols).ravel()
    keys = pixel_keys(numbers, seed, scene.index)
    height, width = min(_SIDE, scene.rows), min(_SIDE, scene.cols)
    top, left = (start + part.start for start, part in zip(block.origin, block.core, strict=True))
    bottom, right = (start + part.stop for start, part in zip(block.origin, block.core, strict=True))
    cells: dict[int, Cell] = {}
    projected = None
    for number in np.argsort(keys, kind="stable")[:_MOST]:
        row, col = divmod(int(numbers[number]), scene.cols)
        low, high = max(row, top), min(row + height, bottom)
        first, last = max(col, left), min(col + width, right)
        if low >= high or first >= last:
            continue
        projected = images.of(block) if projected is None else projected
        up, aside = block.origin
        in_block = np.s_[low - up : high - up, first - aside : last - aside]
        in_cell = np.s_[low - row : high - row, first - col : last - col]
        values = np.zeros((images.count, height, width), dtype=np.float32)
        valid = np.zeros((height, width), dtype=np.bool_)
        valid[in_cell] = block.valid[in_block]
        values[:, in_cell[0], in_cell[1]] = np.where(valid[in_cell], projected[:, in_block[0], in_block[1]], 0)
        cells[int(keys[number])] = Cell(values, valid, row, col, scene.cols, scene.index)
    return Crops(cells) if cells else None
