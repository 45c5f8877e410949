"""Cubes as Zarr: all that a cube knows, in the form in which xarray and GDAL read it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hsad.cube import DIMS, check_cube, nodata
from hsad.errors import MissingExtraError
from hsad.files import check_folder, publish_folder, reserve_space, staging
from hsad.products.cubes.blocks import number, row_blocks

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["ZARR_SUFFIXES", "write_zarr"]

ZARR_SUFFIXES = (".zarr",)
_CHUNK_BYTES = 16 * 2**20
_CHUNK_COLS = 256
#: What a folder has in it that is a Zarr store, and may be replaced as one.
_MARKS = (".zgroup", "zarr.json")
_SAID = ("description", "product", "units", "mask_flags")


def write_zarr(cube: xr.DataArray | NDArray[Any], path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a cube as a Zarr store (format 2) with one array, ``cube``, by blocks of rows.

    Stored numbers and data type stay as they are. All coordinates are kept: wavelengths, widths, bad bands, names,
    gain and bias, masks and quality layers, CRS and transform.

    Parameters
    ----------
    cube : (y, x, band) DataArray or ndarray
    path : path
        ``.zarr``.
    overwrite : bool
        Whether a store of this name may be replaced.

    Raises
    ------
    ParameterError
        When it is no cube.
    OutputError
        When the store cannot be written.
    MissingExtraError
        When zarr is not installed.
    """
    try:
        import zarr  # noqa: F401  xarray needs it
    except ImportError as error:
        raise MissingExtraError(f"{path}: Zarr needs the package zarr: python -m pip install zarr") from error
    cube = check_cube(cube)
    target = check_folder(path, ZARR_SUFFIXES, _MARKS, overwrite=overwrite)
    rows, cols, bands = cube.shape
    wide = min(cols, _CHUNK_COLS)
    high = min(rows, max(1, _CHUNK_BYTES // (wide * bands * cube.dtype.itemsize)))
    with staging(target) as folder:
        staged = folder / target.name
        reserve_space(target, folder, cube.size * cube.dtype.itemsize)
        _lay_out(cube, staged, (high, wide, bands))
        for first, block in row_blocks(cube, None, step=high):
            part = {"y": slice(first, first + len(block)), "x": slice(0, cols), "band": slice(0, bands)}
            xr.Dataset({"cube": (DIMS, block)}).to_zarr(staged, region=part, zarr_format=2)
        publish_folder(staged, target, _MARKS, overwrite=overwrite)
    return target


def _lay_out(cube: xr.DataArray, staged: Path, chunks: tuple[int, int, int]) -> None:
    """Write the store with all coordinates, and an array of which no number is there yet."""
    # In memory: what is lazy is only promised below, and coordinates are small.
    coords = {name: coordinate.variable.compute() for name, coordinate in cube.coords.items()}
    for coordinate in coords.values():
        coordinate.encoding = {}
    promised = xr.zeros_like(cube.variable.chunk(dict(zip(DIMS, chunks, strict=True))))
    dataset = xr.Dataset({"cube": (DIMS, promised.data)}, coords=coords)
    said = {key: cube.attrs[key] for key in _SAID if cube.attrs.get(key)}
    if "mask_flags" in cube.attrs:
        said["mask_flags"] = " ".join(cube.attrs["mask_flags"])
    fill = nodata(cube)
    if fill is not None:
        said["hsad_nodata"] = number(fill)
    if "spatial_ref" in coords:
        said["grid_mapping"] = "spatial_ref"
    dataset["cube"].attrs = said
    encoding: dict[str, Any] = {"cube": {"chunks": chunks}}
    if fill is not None:
        encoding["cube"]["_FillValue"] = np.asarray(fill, dtype=cube.dtype)[()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of zarr, on consolidated metadata
        dataset.to_zarr(staged, compute=False, encoding=encoding, zarr_format=2, consolidated=True)
