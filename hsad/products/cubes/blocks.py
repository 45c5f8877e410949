"""A cube in blocks of rows, one in memory at a time."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.cube import nodata
from hsad.errors import SceneWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["ignore_value", "number", "row_blocks", "say_what_is_left_out"]

_BLOCK_BYTES = 32 * 2**20


def row_blocks(cube: xr.DataArray, ignore: float | None, *, step: int = 1) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the first row and the numbers of each block of rows, masked pixels replaced by `ignore` unless it is None.

    Blocks are those in which a lazy cube is read, else of 32 MB; all but the last have a multiple of `step` rows.
    """
    rows = cube.sizes["y"]
    row_bytes = max(1, cube.sizes["x"] * cube.sizes["band"] * cube.dtype.itemsize)
    height = max(cube.chunksizes["y"]) if cube.chunks is not None else max(1, _BLOCK_BYTES // row_bytes)
    height = -(-height // step) * step
    for first in range(0, rows, height):
        part = cube.isel(y=slice(first, min(rows, first + height)))
        block = part.values
        if ignore is not None and "valid" in cube.coords:
            block = np.where(part["valid"].values[..., None], block, np.asarray(ignore, dtype=block.dtype))
        yield first, block


def ignore_value(cube: xr.DataArray, dtype: np.dtype[Any]) -> float | None:
    """Return a file's nodata value: the cube's own, else NaN where a mask needs one and can have it."""
    stated = nodata(cube)
    if stated is not None:
        return stated
    if "valid" not in cube.coords or bool(cube["valid"].all()):
        return None
    if dtype.kind == "f":
        return math.nan
    _warn(cube, f"its mask is left out, for {dtype} has no nodata value here")
    return None


def say_what_is_left_out(cube: xr.DataArray, what: str) -> None:
    """Warn that a format cannot hold some of what a cube knows: its quality layers, or where a swath lies.

    Warns
    -----
    SceneWarning
    """
    if "quality" in cube.coords:
        _warn(cube, f"its quality layers are left out, which {what} cannot hold: write Zarr")
    if cube.encoding.get("hsad_swath") is not None:
        _warn(cube, f"where its pixels lie is left out, for {what} of a sensor's grid cannot say it")


def number(value: float) -> str:
    """Return a number with all its digits, whole ones without a point."""
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))


def _warn(cube: xr.DataArray, what: str) -> None:
    warnings.warn(f"{cube.attrs.get('source', 'the cube')}: {what}", SceneWarning, stacklevel=4)
