"""Where pixels lie: the grid of a cube or a map, exactly as its file states it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hsad.errors import ParameterError

if TYPE_CHECKING:
    from affine import Affine
    from rasterio.crs import CRS

__all__ = ["GeoGrid", "geo_grid"]

_MOST_DECIMALS = 12
"""Decimals of a coordinate: in degrees, 12 are a tenth of a micrometre."""


_WHOLE_PIXEL = 1e-6
"""A side that is this much of a pixel longer than whole pixels gets no further pixel: only rounding made it longer."""


@dataclass(frozen=True)
class GeoGrid:
    """Where the pixels lie: the size of the grid, its CRS and its affine transform (either may be None).

    Points are columns and rows, or x and y: the first pixel covers 0 to 1 in both directions, its centre is at 0.5.
    Without a transform x and y are columns and rows.
    """

    rows: int
    cols: int
    crs: CRS | None
    transform: Affine | None

    @property
    def coefficients(self) -> tuple[float, float, float, float, float, float]:
        """The numbers a to f of x = a·column + b·row + c and y = d·column + e·row + f."""
        if self.transform is None:
            return 1.0, 0.0, 0.0, 0.0, 1.0, 0.0
        a, b, c, d, e, f, *_ = self.transform
        return a, b, c, d, e, f

    @property
    def is_upright(self) -> bool:
        """Whether rows and columns run along the axes of the CRS."""
        _, b, _, d, _, _ = self.coefficients
        return b == 0 == d

    @property
    def pixel_area(self) -> float:
        """Area of a pixel, in square units of the CRS."""
        a, b, _, d, e, _ = self.coefficients
        return abs(a * e - b * d)

    def to_map(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return x and y of points ``(n, 2)`` of columns and rows."""
        a, b, c, d, e, f = self.coefficients
        col, row = np.asarray(points, dtype=np.float64).reshape(-1, 2).T
        return np.column_stack([a * col + b * row + c, d * col + e * row + f])

    def to_pixels(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return columns and rows of points ``(n, 2)`` of x and y."""
        a, b, c, d, e, f = self.coefficients
        # From the origin on: products of large coordinates would lose the digits of small pixels.
        x, y = (np.asarray(points, dtype=np.float64).reshape(-1, 2) - (c, f)).T
        area = a * e - b * d
        return np.column_stack([(e * x - b * y) / area, (a * y - d * x) / area])

    def corners(self) -> NDArray[np.float64]:
        """Return x and y of the corners ``(4, 2)``: upper left, upper right, lower right, lower left."""
        return self.to_map([(0, 0), (self.cols, 0), (self.cols, self.rows), (0, self.rows)])

    def bounds(self) -> tuple[float, float, float, float]:
        """Return west, south, east and north: the smallest and the largest x and y."""
        x, y = self.corners().T
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())

    def window(self, rows: slice, cols: slice) -> GeoGrid:
        """Return the grid of a window of this one; the transform is shifted exactly."""
        transform = self.transform
        if transform is not None:
            transform = _shifted(transform, cols.start, rows.start)
        return GeoGrid(rows.stop - rows.start, cols.stop - cols.start, self.crs, transform)

    def coarsened(self, step: int) -> GeoGrid:
        """Return the grid whose pixels are squares of `step` by `step` pixels; the last ones may reach beyond it."""
        transform = self.transform
        if transform is not None:
            a, b, c, d, e, f = self.coefficients
            transform = type(transform)(a * step, b * step, c, d * step, e * step, f)
        return GeoGrid(-(-self.rows // step), -(-self.cols // step), self.crs, transform)

    def north_up(self) -> GeoGrid:
        """Return the smallest grid around this one whose rows run east and whose columns run south.

        Pixels are squares of the same area. A grid whose rows and columns run along the axes keeps the width and the
        height of its pixels.

        Raises
        ------
        ParameterError
            When the grid has no transform.
        """
        if self.transform is None:
            raise ParameterError("the grid has no transform: no direction of it is north")
        a, _, _, _, e, _ = self.coefficients
        wide, high = (abs(a), abs(e)) if self.is_upright else (math.sqrt(self.pixel_area),) * 2
        west, south, east, north = self.bounds()
        cols, rows = (math.ceil(span - _WHOLE_PIXEL) for span in ((east - west) / wide, (north - south) / high))
        transform = type(self.transform)(wide, 0.0, west, 0.0, -high, north)
        return replace(self, rows=max(1, rows), cols=max(1, cols), transform=transform)

    def center(self, row: int, col: int) -> tuple[float, float]:
        """Return x and y of a pixel's centre; the grid must have a transform."""
        if self.transform is None:
            raise ParameterError("the grid has no transform: its pixels have no coordinates")
        x, y = self.to_map([(col + 0.5, row + 0.5)])[0]
        return float(x), float(y)

    @property
    def decimals(self) -> int:
        """Decimals with which x and y tell a pixel from its neighbours: the last one counts at most half a pixel."""
        a, b, _, d, e, _ = self.coefficients
        side = min(math.hypot(a, d), math.hypot(b, e))
        return min(_MOST_DECIMALS, max(0, math.ceil(-math.log10(side / 2))))

    def place(self, row: int, col: int) -> str:
        """Return where a pixel's centre lies as people read it: ``683512 E 5339421 N``, or its row and column."""
        if self.transform is None:
            return f"row {row}, column {col}"
        x, y = (f"{value:.{self.decimals}f}" for value in self.center(row, col))
        on_a_globe = self.crs is not None and (self.crs.is_geographic or self.crs.is_projected)
        return f"{x} E {y} N" if on_a_globe else f"x {x}, y {y}"

    def attach(self, array: xr.DataArray) -> xr.DataArray:
        """Return `array` (dims y, x first) with this grid's CRS, GeoTransform and, if unrotated, y and x."""
        import rioxarray  # noqa: F401  registers the .rio accessor

        transform = self.transform
        if transform is not None:
            if self.is_upright:
                array = array.assign_coords(
                    y=("y", transform.f + (np.arange(self.rows) + 0.5) * transform.e),
                    x=("x", transform.c + (np.arange(self.cols) + 0.5) * transform.a),
                )
            else:
                # No 1-D x and y can say where a rotated grid's pixels lie; these say which pixels they are.
                array = array.assign_coords(row=("y", np.arange(self.rows)), column=("x", np.arange(self.cols)))
            array = array.rio.write_transform(transform)
        if self.crs is not None:
            array = array.rio.write_crs(self.crs)
        if "spatial_ref" in array.coords:
            # As an attribute, too: it survives arithmetic under xarray's keep_attrs, an encoding does not.
            array = array.rio.write_grid_mapping("spatial_ref")
        return array


def _picked(transform: Affine, columns: NDArray[Any], rows: NDArray[Any]) -> Affine:
    """Return the transform of a grid that holds some columns and rows, evenly spaced, of the grid of `transform`.

    xarray does not change the attribute GeoTransform when it crops an array. The coordinates of the pixels tell which
    pixels are left.
    """
    from affine import Affine

    start, step = [], []
    for name, numbers in (("columns", columns), ("rows", rows)):
        pixels = np.rint(np.atleast_1d(numbers)).astype(np.int64)
        steps = np.unique(np.diff(pixels))
        if len(steps) > 1 or 0 in steps:
            raise ParameterError(f"the {name} of the cube are not evenly spaced, so it has no transform")
        step.append(int(steps[0]) if len(steps) else 1)
        # With a larger step the first pixel grows about its centre. With a step of 1 only whole pixels are added.
        start.append(int(pixels[0]) + (1 - step[-1]) / 2)
    a, b, c, d, e, f, *_ = _shifted(transform, *start)
    return Affine(a * step[0], b * step[1], c, d * step[0], e * step[1], f)


def _shifted(transform: Affine, cols: float, rows: float) -> Affine:
    """Return a transform moved by some pixels. Affine 3 deprecates ``*``, and Affine 2 lacks ``@``."""
    from affine import Affine

    a, b, c, d, e, f, *_ = transform
    return Affine(a, b, a * cols + b * rows + c, d, e, d * cols + e * rows + f)


def geo_grid(array: xr.DataArray) -> GeoGrid:
    """Return the grid of a cube or a map, exactly as its file states it, also after cropping by whole pixels."""
    import rioxarray  # noqa: F401  registers the .rio accessor
    from affine import Affine

    rows, cols = array.sizes["y"], array.sizes["x"]
    stated = array.coords["spatial_ref"].attrs.get("GeoTransform") if "spatial_ref" in array.coords else None
    transform = Affine.from_gdal(*map(float, str(stated).split())) if stated else None
    if "x" in array.coords and "y" in array.coords:
        x, y = (np.asarray(array.coords[name].values, dtype=np.float64) for name in ("x", "y"))
        if transform is None and rows > 1 and cols > 1:
            dx, dy = (x[-1] - x[0]) / (cols - 1), (y[-1] - y[0]) / (rows - 1)
            transform = Affine(dx, 0, x[0] - dx / 2, 0, dy, y[0] - dy / 2)
        elif transform is not None:
            transform = _picked(transform, (x - transform.c) / transform.a - 0.5, (y - transform.f) / transform.e - 0.5)
    elif transform is not None and "row" in array.coords and "column" in array.coords:
        transform = _picked(transform, array.coords["column"].values, array.coords["row"].values)
    crs = array.rio.crs
    return GeoGrid(rows, cols, crs, transform)
