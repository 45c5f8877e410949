"""The leaves of a tile as blocks: read together, looked at one by one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.block import Block, Scene, clamped, strips, usable
from hsad.engine.memos import Memos
from hsad.engine.runners import stop_if_unwanted
from hsad.engine.source import Source
from hsad.engine.tiles import LeafGrid, Tile

__all__ = ["blocks_of", "leaf_grid"]


def leaf_grid(source: Source, leaf: int) -> LeafGrid:
    """Return the leaves of a source."""
    return LeafGrid(source.shape[0], source.shape[1], leaf)


class _Unread(Block):
    """A block whose spectra are read when somebody looks at them: not where all that is needed is in its memo."""

    @classmethod
    def of(
        cls,
        read: Callable[[slice], tuple[NDArray[np.float64], NDArray[np.bool_]]],
        shape: tuple[int, int, int],
        **fields: Any,
    ) -> _Unread:
        """Return a block of this shape with these fields; ``read(rows)`` gives some rows of the other two."""
        block = cls.__new__(cls)
        block.__dict__.update(fields, _read=read, _shape=shape)
        return block

    def __getattr__(self, name: str) -> Any:
        if name not in ("spectra", "valid"):
            raise AttributeError(name)
        spectra, valid = self._read(slice(0, self._shape[0]))
        self.__dict__.update(spectra=spectra, valid=valid)
        return self.__dict__[name]

    def pieces(self) -> Iterator[NDArray[np.float64]]:
        """Yield `pixels` a few rows at a time; of a block that is all core, nothing larger is made."""
        if "spectra" in self.__dict__ or self.core != (slice(0, self._shape[0]), slice(0, self._shape[1])):
            yield from super().pieces()
            return
        masks = []
        for part in strips(self._shape):
            spectra, valid = self._read(part)
            masks.append(valid)
            yield from usable(spectra, valid)
        self.__dict__.setdefault("valid", np.concatenate(masks))


def blocks_of(
    tile: Tile, source: Source, leaf: int, reach: int, memos: Memos
) -> Iterator[tuple[tuple[int, int], Block]]:
    """Yield the leaves of a tile as blocks; the tile is read with its surroundings once, when a block is looked at."""
    grid = leaf_grid(source, leaf)
    scene = Scene(tile.scene, grid.rows, grid.cols)

    def around(window: tuple[slice, slice]) -> tuple[slice, slice]:
        rows, cols = window
        return (
            clamped(rows.start, rows.stop, grid.rows, reach),
            clamped(cols.start, cols.stop, grid.cols, reach),
        )

    tile_rows, tile_cols = around(grid.window(tile.level, tile.row, tile.col))
    stored = functools.cache(functools.partial(source.read, tile_rows, tile_cols))

    def spectra(
        here: tuple[slice, slice], rows: slice, cols: slice, part: slice
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        return source.spectra(stored()[here][part], slice(rows.start + part.start, rows.start + part.stop), cols)

    for row, col in grid.leaves(tile):
        stop_if_unwanted()
        core_rows, core_cols = grid.window(0, row, col)
        rows, cols = around((core_rows, core_cols))
        here = (
            slice(rows.start - tile_rows.start, rows.stop - tile_rows.start),
            slice(cols.start - tile_cols.start, cols.stop - tile_cols.start),
        )
        core = (
            slice(core_rows.start - rows.start, core_rows.stop - rows.start),
            slice(core_cols.start - cols.start, core_cols.stop - cols.start),
        )
        block = _Unread.of(
            functools.partial(spectra, here, rows, cols),
            (rows.stop - rows.start, cols.stop - cols.start, source.shape[2]),
            core=core,
            origin=(rows.start, cols.start),
            scene=scene,
            memo=memos.setdefault((row, col), {}),
        )
        yield (row, col), block
        memos.settle((row, col))
