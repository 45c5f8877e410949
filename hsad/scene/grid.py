"""Where pixels lie: the grid of a cube or a map, exactly as its file gave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad.errors import ParameterError

if TYPE_CHECKING:
    from affine import Affine
    from rasterio.crs import CRS

__all__ = ["GeoGrid", "geo_grid"]


@dataclass(frozen=True)
class GeoGrid:
    """Where the pixels lie: the size of the grid, its CRS and its affine transform (either may be None)."""

    rows: int
    cols: int
    crs: CRS | None
    transform: Affine | None

    def window(self, rows: slice, cols: slice) -> GeoGrid:
        """Return the grid of a window of this one; the transform is shifted exactly."""
        transform = self.transform
        if transform is not None:
            transform = _shifted(transform, cols.start, rows.start)
        return GeoGrid(rows.stop - rows.start, cols.stop - cols.start, self.crs, transform)

    def center(self, row: int, col: int) -> tuple[float, float]:
        """Return x and y of a pixel's centre; the grid must have a transform."""
        if self.transform is None:
            raise ParameterError("the grid has no transform: its pixels have no coordinates")
        a, b, c, d, e, f, *_ = self.transform
        x, y = col + 0.5, row + 0.5
        return float(a * x + b * y + c), float(d * x + e * y + f)

    def place(self, row: int, col: int) -> str:
        """Return where a pixel's centre lies, as one reads it: ``683512 E 5339421 N``, or its row and column."""
        if self.transform is None:
            return f"row {row}, column {col}"
        x, y = self.center(row, col)
        if self.crs is None:
            return f"x {x:.10g}, y {y:.10g}"
        digits = 6 if self.crs.is_geographic else 0
        return f"{x:.{digits}f} E {y:.{digits}f} N"

    def attach(self, array: xr.DataArray) -> xr.DataArray:
        """Return `array` (dims y, x first) with this grid's CRS, GeoTransform and, if unrotated, y and x."""
        import rioxarray  # noqa: F401  registers the .rio accessor

        transform = self.transform
        if transform is not None:
            if transform.b == 0 and transform.d == 0:
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
    """Return the transform of the grid of some columns and rows, evenly spaced, of the grid of `transform`.

    Cropping leaves GeoTransform behind, but the coordinates of the pixels tell which they are.
    """
    from affine import Affine

    start, step = [], []
    for name, numbers in (("columns", columns), ("rows", rows)):
        pixels = np.rint(np.atleast_1d(numbers)).astype(np.int64)
        steps = np.unique(np.diff(pixels))
        if len(steps) > 1 or 0 in steps:
            raise ParameterError(f"the {name} of the cube are not evenly spaced, so it has no transform")
        step.append(int(steps[0]) if len(steps) else 1)
        # The first pixel grows about its centre; with a step of 1 nothing but whole pixels is added.
        start.append(int(pixels[0]) + (1 - step[-1]) / 2)
    a, b, c, d, e, f, *_ = _shifted(transform, *start)
    return Affine(a * step[0], b * step[1], c, d * step[0], e * step[1], f)


def _shifted(transform: Affine, cols: float, rows: float) -> Affine:
    """Return a transform moved by some pixels. Affine 3 deprecates ``*``, and Affine 2 lacks ``@``."""
    from affine import Affine

    a, b, c, d, e, f, *_ = transform
    return Affine(a, b, a * cols + b * rows + c, d, e, d * cols + e * rows + f)


def geo_grid(array: xr.DataArray) -> GeoGrid:
    """Return the grid of a cube or a map, exactly as its file gave it, also after cropping by whole pixels."""
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
