"""Where the pixels of one grid lie on another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsad.errors import DataError
from hsad.scene.grid import GeoGrid
from hsad.scene.ground import from_degrees, in_degrees

__all__ = ["Placement", "placement_of"]

#: Places, in pixels, that differ by less are the same: corners are stored with a rounding error.
_SAME = 0.01

#: Side of the grid of places at which two grids are compared.
_LOOKS = 32


@dataclass(frozen=True)
class Placement:
    """The pixels of another grid that cover the pixels of a grid.

    Attributes
    ----------
    grid, other : GeoGrid
    step : int
        Number of pixels of the other grid, along each axis, whose mean stands for one pixel: more than 1 where they are
        smaller.
    """

    grid: GeoGrid
    other: GeoGrid
    step: int

    def corners(self, rows: slice, cols: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first row and column of the other grid for each pixel of a window, −1 where one lies outside."""
        row, col = _places(self.grid, self.other, rows, cols)
        known = np.isfinite(row) & np.isfinite(col)
        first = [np.floor(np.where(known, place, -1.0) - self.step / 2 + 0.5).astype(np.int64) for place in (row, col)]
        inside = known
        for corner, size in zip(first, (self.other.rows, self.other.cols), strict=True):
            inside = inside & (corner >= 0) & (corner + self.step <= size)
        return np.where(inside, first[0], -1), np.where(inside, first[1], -1)


def placement_of(grid: GeoGrid, other: GeoGrid, names: tuple[str, str]) -> Placement | None:
    """Return where the pixels of a grid lie on another; None if both are the same grid.

    Parameters
    ----------
    grid, other : GeoGrid
    names : tuple of str
        Of their scenes, for messages.

    Raises
    ------
    DataError
        When the grids do not meet, or one of them says nowhere where it lies and their sizes differ.
    """
    same_size = (grid.rows, grid.cols) == (other.rows, other.cols)
    sizes = f"{grid.rows} x {grid.cols} and {other.rows} x {other.cols} pixels"
    if grid.transform is None or other.transform is None:
        if same_size:
            return None
        raise DataError(
            f"{names[0]} and {names[1]} have {sizes}, and not both say where they lie: give two scenes of one grid"
        )
    if grid.crs != other.crs and (grid.crs is None or other.crs is None):
        raise DataError(f"{names[0] if grid.crs is None else names[1]} has no CRS, so the dates cannot be compared")
    lines, samples = (np.unique(np.linspace(0, size - 1, _LOOKS).astype(int)) for size in (grid.rows, grid.cols))
    looks = [_places(grid, other, slice(line, line + 1), slice(0, grid.cols)) for line in lines]
    row, col = (np.concatenate([look[axis][:, samples] for look in looks]) for axis in (0, 1))
    inside = (row >= 0) & (row < other.rows) & (col >= 0) & (col < other.cols)
    if not inside.any():
        raise DataError(f"{names[1]} does not cover any of {names[0]}: there is nothing to compare")
    apart = np.maximum(np.abs(row - lines[:, np.newaxis] - 0.5), np.abs(col - samples - 0.5))
    if same_size and np.nanmax(apart) < _SAME:
        return None
    # Pixels of the other grid along a side of a pixel, from the area between neighbours in the middle.
    middle = slice(grid.rows // 2, grid.rows // 2 + 1), slice(grid.cols // 2, grid.cols // 2 + 1)
    here = _places(grid, other, *middle)
    down = _places(grid, other, slice(middle[0].stop, middle[0].stop + 1), middle[1])
    right = _places(grid, other, middle[0], slice(middle[1].stop, middle[1].stop + 1))
    sides = [[float((b - a)[0, 0]) for a, b in zip(here, there, strict=True)] for there in (down, right)]
    area = abs(float(np.linalg.det(sides)))
    return Placement(grid, other, max(1, round(area**0.5)) if np.isfinite(area) else 1)


def _places(grid: GeoGrid, other: GeoGrid, rows: slice, cols: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rows and columns of another grid at the centres of the pixels of a window; NaN where unknown."""
    row, col = np.mgrid[rows, cols]
    points = grid.to_map(np.column_stack([col.ravel() + 0.5, row.ravel() + 0.5]))
    if grid.crs is not None and other.crs is not None and grid.crs != other.crs:
        points = np.column_stack(from_degrees(other.crs, *in_degrees(grid.crs, points[:, 0], points[:, 1])))
    found = other.to_pixels(points)
    return found[:, 1].reshape(row.shape), found[:, 0].reshape(row.shape)
