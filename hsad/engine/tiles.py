"""How a scene is cut: leaves, tiles, the windows they read and the tree along which their sums are merged.

Integers only. A scene is a grid of square *leaves*; a *tile* is a square of 2^level × 2^level leaves and thus a node
of the quadtree over the leaves. Learning and scoring work leaf by leaf, and sums are merged along that tree, never
in order of arrival: a result does not depend on the size of the tiles or on who computed them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["LeafGrid", "MergeTree", "Tile"]


@dataclass(frozen=True)
class Tile:
    """A square of leaves: node (`row`, `col`) of the quadtree of scene `scene` at `level` above the leaves."""

    scene: int
    level: int
    row: int
    col: int

    @property
    def span(self) -> tuple[slice, slice]:
        """Rows and columns of its leaves."""
        return (
            slice(self.row << self.level, (self.row + 1) << self.level),
            slice(self.col << self.level, (self.col + 1) << self.level),
        )


@dataclass(frozen=True)
class LeafGrid:
    """The leaves of a scene.

    Attributes
    ----------
    rows, cols : int
        Size of the scene in pixels.
    leaf : int
        Side of a leaf in pixels; leaves at the lower and right edge are smaller.
    """

    rows: int
    cols: int
    leaf: int

    def nodes(self, level: int) -> tuple[int, int]:
        """Return how many rows and columns of nodes there are at this level (0: leaves)."""
        side = self.leaf << level
        return -(-self.rows // side), -(-self.cols // side)

    @property
    def top(self) -> int:
        """The level at which one node holds the scene."""
        return (max(self.nodes(0)) - 1).bit_length()

    def tiles(self, level: int, scene: int = 0) -> Iterator[Tile]:
        """Yield all tiles of this level in Morton order, so that the nodes above them are completed early."""
        yield from (Tile(scene, level, row, col) for row, col in self._morton(self.top, 0, 0, level))

    def leaves(self, tile: Tile) -> Iterator[tuple[int, int]]:
        """Yield row and column of every leaf of a tile, in Morton order."""
        yield from self._morton(tile.level, tile.row, tile.col, 0)

    def window(self, level: int, row: int, col: int) -> tuple[slice, slice]:
        """Return the rows and columns of pixels that a node covers."""
        side = self.leaf << level
        return (
            slice(row * side, min(self.rows, (row + 1) * side)),
            slice(col * side, min(self.cols, (col + 1) * side)),
        )

    def holds(self, rows: slice, cols: slice) -> bool:
        """Tell whether a window lies in the scene and is made up of whole leaves."""
        return all(
            0 <= part.start < part.stop <= size
            and part.start % self.leaf == 0
            and (part.stop % self.leaf == 0 or part.stop == size)
            for part, size in ((rows, self.rows), (cols, self.cols))
        )

    def span(self, rows: slice, cols: slice) -> tuple[slice, slice]:
        """Return the rows and columns of the leaves that make up a window of pixels."""
        return (
            slice(rows.start // self.leaf, -(-rows.stop // self.leaf)),
            slice(cols.start // self.leaf, -(-cols.stop // self.leaf)),
        )

    def _morton(self, level: int, row: int, col: int, target: int) -> Iterator[tuple[int, int]]:
        rows, cols = self.nodes(level)
        if row >= rows or col >= cols:
            return
        if level <= target:
            yield row, col
            return
        for down in (0, 1):
            for right in (0, 1):
                yield from self._morton(level - 1, 2 * row + down, 2 * col + right, target)


class MergeTree:
    """Merges values of nodes with ``+`` into values of nodes above, whatever the order in which they come.

    A node's value is the sum of its four children in Morton order, formed as soon as all that exist are there; the
    tree holds few values at a time when they come nearly in that order. None is the identity.

    Parameters
    ----------
    grid : LeafGrid
    start, stop : int
        Levels of the values added and of the values wanted.
    """

    def __init__(self, grid: LeafGrid, start: int, stop: int) -> None:
        self._grid = grid
        self._start = start
        self._stop = stop
        self._waiting: dict[tuple[int, int, int], dict[tuple[int, int], Any]] = {}
        self.merged: dict[tuple[int, int], Any] = {}

    def add(self, row: int, col: int, value: Any) -> None:
        """Add the value of a node at level `start`; the values at level `stop` appear in ``merged``."""
        for level in range(self._start, self._stop):
            parent = (level + 1, row // 2, col // 2)
            children = self._waiting.setdefault(parent, {})
            children[row, col] = value
            rows, cols = self._grid.nodes(level)
            expected = min(2, rows - 2 * parent[1]) * min(2, cols - 2 * parent[2])
            if len(children) < expected:
                return
            value = None
            for position in sorted(children):
                child = children[position]
                value = child if value is None else value if child is None else value + child
            del self._waiting[parent]
            row, col = parent[1], parent[2]
        self.merged[row, col] = value
