"""A cube in blocks of rows, one in memory at a time."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.engine.memory import DEFAULT, PROGRAM
from hsad.errors import ParameterError, SceneWarning
from hsad.scene.cube import nodata, raster_of
from hsad.scene.quality import flag_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["block_rows", "ignore_value", "number", "row_blocks", "say_what_is_left_out", "warn"]

_BLOCK_BYTES = 32 * 2**20
"""Size of a block: large enough that its rows are written in long runs."""
_COPIES = 5
"""Copies of a block in memory: as read, in the order of pixels, masked or widened, in the output's order, encoded."""
_PIXEL_BYTES = 8
"""Bytes per pixel of masks and quality layers, which are in memory as a whole."""


def block_rows(cube: xr.DataArray, memory: int | None, *, step: int = 1) -> int:
    """Return the number of rows of a block: a multiple of `step`, so that everything fits into `memory` bytes.

    Raises
    ------
    ParameterError
        When the memory does not hold the rows that are decoded together, or are written together.
    """
    rows, cols, bands = cube.shape
    memory = memory or DEFAULT
    row_bytes = max(1, cols * bands * cube.dtype.itemsize)
    coded = min(rows, getattr(raster_of(cube), "block", (1, cols))[0])
    fitting = (memory - PROGRAM - _PIXEL_BYTES * rows * cols) // (_COPIES * row_bytes)
    least = max(min(rows, step), coded)
    if fitting < least:
        needed = PROGRAM + _PIXEL_BYTES * rows * cols + _COPIES * row_bytes * least
        raise ParameterError(
            f"memory: {memory / 1e6:.0f}MB does not hold the program and {least} rows of {cols} pixels of {bands} "
            f"bands, which are read or written together: give at least {needed / 1e6 + 1:.0f}MB"
        )
    height = min(fitting, max(_BLOCK_BYTES // row_bytes, least))
    together = math.lcm(step, coded)
    unit = together if together <= height else step
    return max(step, int(height // unit * unit))


def row_blocks(cube: xr.DataArray, ignore: float | None, height: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the first row and the numbers of each block of `height` rows.

    Masked pixels are replaced by `ignore` unless it is None. A lazy cube that is not simply a file is computed by its
    own chunks, whatever their size.
    """
    rows, cols = cube.sizes["y"], cube.sizes["x"]
    raster = raster_of(cube)
    for first in range(0, rows, height):
        span = slice(first, min(rows, first + height))
        block = cube.isel(y=span).values if raster is None else raster.read(span, slice(0, cols))
        if ignore is not None and "valid" in cube.coords:
            valid = cube.coords["valid"].values[span]
            block = np.where(valid[..., None], block, np.asarray(ignore, dtype=block.dtype))
        yield first, block


def ignore_value(cube: xr.DataArray, dtype: np.dtype[Any]) -> float | None:
    """Return the nodata value of a file: that of the cube, else NaN when a mask needs one and the type has NaN."""
    stated = nodata(cube)
    if stated is not None:
        return stated
    if "valid" not in cube.coords or bool(cube["valid"].all()):
        return None
    if dtype.kind == "f":
        return math.nan
    warn(cube, f"its mask is left out, for {dtype} has no nodata value")
    return None


def say_what_is_left_out(cube: xr.DataArray, what: str) -> None:
    """Warn that a format cannot hold the quality layers of a cube, or the places of a swath.

    Warns
    -----
    SceneWarning
    """
    if flag_names(cube):
        warn(cube, f"its quality layers are left out, which {what} cannot hold: write Zarr")
    if cube.encoding.get("hsad_swath") is not None:
        warn(cube, f"where its pixels lie is left out, for {what} of a sensor's grid cannot say it: write Zarr")


def number(value: float) -> str:
    """Return a number as text with all digits; a whole number has no point."""
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))


def warn(cube: xr.DataArray, what: str) -> None:
    """Warn that something of a cube is left out; the warning points at the caller of the writer."""
    warnings.warn(f"{cube.attrs.get('source', 'the cube')}: {what}", SceneWarning, stacklevel=4)
