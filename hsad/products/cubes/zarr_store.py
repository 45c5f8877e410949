"""Cubes as Zarr, with all metadata in the form that xarray and GDAL read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hsad.errors import MissingExtraError, without_warnings
from hsad.files import check_folder, publish_folder, staging
from hsad.products.cubes.blocks import block_rows, number, row_blocks, warn
from hsad.products.space import reserve_space
from hsad.scene.cube import DIMS, check_cube, nodata
from hsad.scene.quality import PIXEL_FLAG, band_mask_of, flag_names
from hsad.scene.swath import PointSwath, map_strips, swath_of

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["ZARR_SUFFIXES", "write_zarr"]

ZARR_SUFFIXES = (".zarr",)
_CHUNK_BYTES = 16 * 2**20
_CHUNK_COLS = 256
#: Files by which a folder is recognised as a Zarr store, which may be replaced.
_MARKS = (".zgroup", "zarr.json")
_SAID = ("description", "product", "units", "mask_flags", "acquired")


def write_zarr(
    cube: xr.DataArray | NDArray[Any],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    memory: int | None = None,
) -> Path:
    """Write a cube as a Zarr store (format 2) with one array, ``cube``, by blocks of rows.

    Stored numbers and data type do not change. All coordinates are written: wavelengths, widths, bad bands, names,
    gain and bias, masks and quality layers, CRS and transform. The flag ``pixel`` becomes an array ``cube_flagged``.
    The places of a swath are written as ``latitude`` and ``longitude``, or as a lookup table ``glt_x``,
    ``glt_y`` (counted from 1, 0 is a void) on the map that ``glt`` describes.

    Parameters
    ----------
    cube : (y, x, band) DataArray or ndarray
    path : path
        ``.zarr``.
    overwrite : bool
        Whether a store of this name may be replaced.
    memory : int, optional
        Bytes that the process may take; 2 GB by default.

    Raises
    ------
    ParameterError
        When it is no cube, or there is too little memory.
    OutputError
        When the store cannot be written.
    MissingExtraError
        When zarr is not installed.

    Warns
    -----
    SceneWarning
        When the cube is a part of a swath or of its file: the places and the flags of a part are not known.
    """
    try:
        import zarr  # noqa: F401  xarray needs it
    except ImportError as error:
        raise MissingExtraError(f"{path}: Zarr needs the package zarr: python -m pip install zarr") from error
    cube = check_cube(cube)
    target = check_folder(path, ZARR_SUFFIXES, _MARKS, overwrite=overwrite)
    rows, cols, bands = cube.shape
    wide = min(cols, _CHUNK_COLS)
    high = min(rows, max(1, _CHUNK_BYTES // (wide * bands * cube.dtype.itemsize)), block_rows(cube, memory))
    height = block_rows(cube, memory, step=high)
    flagged = band_mask_of(cube)
    with staging(target) as folder:
        staged = folder / target.name
        reserve_space(target, folder, cube.size * cube.dtype.itemsize)
        _lay_out(cube, staged, (high, wide, bands))
        for first, block in row_blocks(cube, None, height):
            span = slice(first, first + len(block))
            blocks = {"cube": (DIMS, block)}
            if flagged is not None:
                blocks["cube_flagged"] = (DIMS, (flagged.read(span, slice(0, cols)) != 0).astype(np.uint8))
            part = {"y": span, "x": slice(0, cols), "band": slice(0, bands)}
            xr.Dataset(blocks).to_zarr(staged, region=part, zarr_format=2)
        publish_folder(staged, target, _MARKS, overwrite=overwrite)
    return target


def _lay_out(cube: xr.DataArray, staged: Path, chunks: tuple[int, int, int]) -> None:
    """Write the store with all coordinates, and an array without numbers."""
    # Coordinates are small, so they are computed. Lazy arrays would not be written below.
    coords = {name: coordinate.variable.compute() for name, coordinate in cube.coords.items()}
    for coordinate in coords.values():
        coordinate.encoding = {}
    promised = xr.zeros_like(cube.variable.chunk(dict(zip(DIMS, chunks, strict=True))))
    dataset = xr.Dataset({"cube": (DIMS, promised.data)}, coords={**coords, **_places(cube)})
    if band_mask_of(cube) is not None:
        dataset["cube_flagged"] = (DIMS, promised.data.astype(np.uint8), {"flags_of": "cube"})
    elif PIXEL_FLAG in flag_names(cube):
        warn(cube, f"its flag {PIXEL_FLAG!r} is left out, for it is no longer the whole of its file")
    said = {key: cube.attrs[key] for key in _SAID if cube.attrs.get(key)}
    if "mask_flags" in cube.attrs:
        said["mask_flags"] = " ".join(cube.attrs["mask_flags"])
    fill = nodata(cube)
    if fill is not None:
        said["hsad_nodata"] = number(fill)
    if "spatial_ref" in coords:
        said["grid_mapping"] = "spatial_ref"
    dataset["cube"].attrs = said
    encoding: dict[str, Any] = {str(name): {"chunks": chunks} for name in dataset.data_vars}
    if fill is not None:
        encoding["cube"]["_FillValue"] = np.asarray(fill, dtype=cube.dtype)[()]
    with without_warnings(UserWarning):  # of zarr, on consolidated metadata
        dataset.to_zarr(staged, compute=False, encoding=encoding, zarr_format=2, consolidated=True)


def _places(cube: xr.DataArray) -> dict[str, Any]:
    """Return the coordinates of the places of a swath's pixels."""
    swath = swath_of(cube)
    if swath is None:
        if cube.encoding.get("hsad_swath") is not None:
            warn(cube, "where its pixels lie is left out, for it is no longer the whole of its file")
        return {}
    if isinstance(swath, PointSwath):
        layers = {"latitude": (swath.latitude, "degrees_north"), "longitude": (swath.longitude, "degrees_east")}
        return {
            key: (("y", "x"), layer.read(slice(0, swath.shape[0])), {"units": units, "standard_name": key})
            for key, (layer, units) in layers.items()
        }
    grid = swath.grid
    table = np.empty((2, grid.rows, grid.cols), np.int32)
    for rows in map_strips(grid):
        table[:, rows] = swath.lookup(rows)
    dims = ("glt_row", "glt_column")
    said = {} if grid.transform is None else {"GeoTransform": " ".join(map(repr, grid.transform.to_gdal()))}
    if grid.crs is not None:
        said["crs_wkt"] = grid.crs.to_wkt()
    return {
        "glt_y": (dims, table[0] + 1, {"grid_mapping": "glt"}),
        "glt_x": (dims, table[1] + 1, {"grid_mapping": "glt"}),
        "glt": ((), 0, said),
    }
