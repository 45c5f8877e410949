"""The division of a scene into leaves and tiles, and the tree along which sums are merged. Integers only.

A scene is a grid of square *leaves*. A *tile* is a square of 2^level × 2^level leaves, so it is a node of the quadtree
over the leaves. Learning and scoring work leaf by leaf. Sums are merged along the tree, never in the order in which
they arrive. So a result depends neither on the size of the tiles nor on the worker that computed them.
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
        """Rows and columns of the leaves in the tile."""
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
        """Return the number of rows and of columns of nodes at this level (0: leaves)."""
        side = self.leaf << level
        return -(-self.rows // side), -(-self.cols // side)

    @property
    def top(self) -> int:
        """The level at which one node holds the scene."""
        return (max(self.nodes(0)) - 1).bit_length()

    def tiles(self, level: int, scene: int = 0) -> Iterator[Tile]:
        """Yield all tiles of this level in Morton order, in which the nodes above them are completed early."""
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
    """Merges values of nodes with ``+`` into values of higher nodes. The order of arrival does not change the result.

    The value of a node is the sum of its four children (fewer at the edge of the scene) in Morton order. The sum is
    formed when the last child arrives. The tree stores few values if they arrive nearly in Morton order. None is the
    identity of the sum.

    Parameters
    ----------
    grid : LeafGrid
    start, stop : int
        Level of the values that are added, and level of the merged values.
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
