"""The leaves of a tile as blocks. The tile is read in one go, when a block first needs it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, MutableMapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.block import Block, Part, Scene, clamped, strips_of, within
from hsad.engine.caches import LeafCaches
from hsad.engine.runners.local import stop_if_unwanted
from hsad.engine.source import Source
from hsad.engine.tiles import LeafGrid, Tile

__all__ = ["blocks_of", "leaf_grid"]


def leaf_grid(source: Source, leaf: int) -> LeafGrid:
    """Return the grid of the leaves of a source."""
    return LeafGrid(source.shape[0], source.shape[1], leaf)


#: Stored bytes that are read together where windows of a file are read in strips. Larger arrays get new pages from the
#: system each time, for which threads wait for each other.
_READ_BYTES = 2**21


class _Tile:
    """The stored numbers of a tile with its surroundings, read once, at the first use."""

    def __init__(self, source: Source, rows: slice, cols: slice) -> None:
        self.source = source
        self._window = (rows, cols)
        self._stored: NDArray[Any] | None = None

    def read(self, rows: slice, cols: slice, *, alone: bool) -> NDArray[Any]:
        """Return the stored numbers of a window. With `alone`, the rest of the tile stays unread."""
        if self._stored is None:
            if alone:
                return self.source.read(rows, cols)
            self._stored = self.source.read(*self._window)
        return self._stored[within((rows, cols), self._window)]


class _Window:
    """A `hsad.detectors.block.Window` of a tile: it is read when its spectra or its validity are first used.

    The validity is stored in the cache of the leaf. A pass that finds all other values in the cache reads nothing.
    """

    def __init__(
        self,
        tile: _Tile,
        rows: slice,
        cols: slice,
        cache: MutableMapping[str, Any],
        whole: _Window | None = None,
        place: Part | None = None,
    ) -> None:
        self._tile = tile
        self._rows = rows
        self._cols = cols
        self._cache = cache
        self._whole, self._place = whole, place  # the window of which this one is a part, and its place there
        self._spectra: NDArray[np.float64] | None = None
        self._valid: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and bands."""
        rows, cols = self._rows, self._cols
        return rows.stop - rows.start, cols.stop - cols.start, self._tile.source.shape[2]

    @property
    def is_read(self) -> bool:
        """Whether all spectra of the window are in memory."""
        return self._spectra is not None

    @property
    def spectra(self) -> NDArray[np.float64]:
        """All spectra. A pass over `strips` needs far less memory."""
        if self._spectra is None and self._whole is not None and self._whole.is_read:
            self._spectra = self._whole.spectra[self._place]
        elif self._spectra is None:
            self._spectra, valid = self._tile.source.spectra(self._stored(), self._rows, self._cols)
            self._note(valid)
        return self._spectra

    @property
    def valid(self) -> NDArray[np.bool_]:
        """The validity of the pixels."""
        if self._valid is None:
            self._valid = self._recalled()
        if self._valid is None:
            if self._whole is not None:
                self._valid = self._whole.valid[self._place]
            else:
                for _ in self.strips():
                    pass
        assert self._valid is not None  # noqa: S101  the strips have it
        return self._valid

    def strips(self) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.bool_]]]:
        """Yield a few rows at a time, counted from the first of the window, with their spectra and validity."""
        if self.is_read:
            yield from ((rows, self.spectra[rows], self.valid[rows]) for rows in strips_of(self.shape))
            return
        source, first, masks = self._tile.source, self._rows.start, []
        strips, alone = list(strips_of(self.shape)), self._whole is not None
        together = len(strips)
        if source.pixelwise and alone:
            together = max(1, _READ_BYTES // max(1, strips[0].stop * self.shape[1] * source.pixel_bytes))
        for group in (strips[k : k + together] for k in range(0, len(strips), together)):
            lines = slice(first + group[0].start, first + group[-1].stop)
            stored = self._tile.read(lines, self._cols, alone=alone)
            for rows in group:
                part = slice(first + rows.start, first + rows.stop)
                spectra, valid = source.spectra(stored[within((part, part), (lines, lines))[0]], part, self._cols)
                masks.append(valid)
                yield rows, spectra, valid
        self._note(np.concatenate(masks))

    def part(self, rows: slice, cols: slice) -> _Window:
        """Return some rows and columns, counted from the first of the window."""
        if (rows, cols) == (slice(0, self.shape[0]), slice(0, self.shape[1])):
            return self
        top, left = self._rows.start, self._cols.start
        place = slice(top + rows.start, top + rows.stop), slice(left + cols.start, left + cols.stop)
        return _Window(self._tile, *place, self._cache, self, (rows, cols))

    def _note(self, valid: NDArray[np.bool_]) -> None:
        """Store the validity, unless the cache has that of a larger window already."""
        self._valid = valid
        if self._recalled() is None:
            self._cache["valid"] = (np.packbits(valid), valid.shape, self._rows.start, self._cols.start)

    def _recalled(self) -> NDArray[np.bool_] | None:
        """Return the validity if the cache has it."""
        packed, shape, top, left = self._cache.get("valid", (None, (0, 0), 0, 0))
        rows, cols = within((self._rows, self._cols), (slice(top, None), slice(left, None)))
        if packed is None or rows.start < 0 or cols.start < 0 or rows.stop > shape[0] or cols.stop > shape[1]:
            return None
        valid = np.unpackbits(packed, count=shape[0] * shape[1]).view(np.bool_).reshape(shape)
        return np.ascontiguousarray(valid[rows, cols])

    def _stored(self) -> NDArray[Any]:
        return self._tile.read(self._rows, self._cols, alone=self._whole is not None)


class _Leaves:
    """The caches of a scene's leaves, by windows of the scene."""

    def __init__(self, grid: LeafGrid, caches: LeafCaches) -> None:
        self._grid = grid
        self._caches = caches

    def over(self, rows: slice, cols: slice) -> Iterator[tuple[Part, MutableMapping[str, Any]]]:
        """Yield the leaves that together cover a window of the scene: each one's window, and its cache."""
        down, across = self._grid.span(rows, cols)
        for place in itertools.product(range(down.start, down.stop), range(across.start, across.stop)):
            yield self._grid.window(0, *place), self._caches.get(place, {})


def blocks_of(
    tile: Tile, source: Source, leaf: int, halo: int, caches: LeafCaches
) -> Iterator[tuple[tuple[int, int], Block]]:
    """Yield the leaves of a tile as blocks. The tile and its surroundings are read once, when a block needs them."""
    grid = leaf_grid(source, leaf)
    scene = Scene(tile.scene, grid.rows, grid.cols)

    def around(window: Part) -> Part:
        rows, cols = window
        return (
            clamped(rows.start, rows.stop, grid.rows, halo),
            clamped(cols.start, cols.stop, grid.cols, halo),
        )

    leaves = _Leaves(grid, caches) if caches.complete else None
    stored = _Tile(source, *around(grid.window(tile.level, tile.row, tile.col)))
    for row, col in grid.leaves(tile):
        stop_if_unwanted()
        core_rows, core_cols = grid.window(0, row, col)
        rows, cols = around((core_rows, core_cols))
        cache = caches.setdefault((row, col), {})
        block = Block(
            _Window(stored, rows, cols, cache),
            core=within((core_rows, core_cols), (rows, cols)),
            origin=(rows.start, cols.start),
            scene=scene,
            cache=cache,
            leaves=leaves,
        )
        yield (row, col), block
        caches.settle((row, col))
