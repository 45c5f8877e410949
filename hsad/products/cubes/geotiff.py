"""Cubes as GeoTIFF: wavelengths in the tags of the bands and in GDAL's IMAGERY domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import OutputError
from hsad.files import check_output, publish, staging
from hsad.gdal import drop_statistics, gdal_errors, open_raster, statistics
from hsad.products.cubes.blocks import block_rows, number, row_blocks, say_what_is_left_out
from hsad.products.space import reserve_space
from hsad.scene.cube import check_cube, geo_grid, nodata

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["TIFF_SUFFIXES", "write_geotiff"]

TIFF_SUFFIXES = (".tif", ".tiff")
_WIDER = {"bool": "uint8", "float16": "float32"}  # GDAL has no such types; these hold the same
_STRIP_ROWS = 16
_TILE_INTERLEAVE_SINCE = (3, 11)  # GDAL's COG driver has INTERLEAVE=TILE from this version on
_COG_BLOCK = 128  # pixels a side: a tile of 224 bands of float32 then has 15 MB before compression


def write_geotiff(
    cube: xr.DataArray | NDArray[Any],
    path: str | os.PathLike[str],
    *,
    cog: bool = False,
    overwrite: bool = False,
    memory: int | None = None,
) -> Path:
    """Write a cube as a GeoTIFF, by blocks of rows: uncompressed strips, band by band, or a COG.

    Stored numbers and data type do not change (types that GDAL lacks are widened). Each band has the tags
    ``wavelength``, ``wavelength_units``, ``fwhm`` and ``bbl``, which are exact, and ``CENTRAL_WAVELENGTH_UM`` and
    ``FWHM_UM`` in the domain IMAGERY; gain and bias are GDAL's scale and offset; names of bands are descriptions; a
    validity mask is the mask of the file.

    Parameters
    ----------
    cube : (y, x, band) DataArray or ndarray
    path : path
        ``.tif`` or ``.tiff``.
    cog : bool
        Whether it becomes a Cloud-Optimized GeoTIFF in which the bands of a tile lie side by side
        (``INTERLEAVE=TILE``), compressed without loss. A program then reads a window of all bands with few requests.
    overwrite : bool
        Whether a file of this name may be replaced.
    memory : int, optional
        Bytes that the process may take; 2 GB by default.

    Raises
    ------
    ParameterError
        When it is no cube, or there is too little memory.
    OutputError
        When GDAL is older than 3.11 and cannot write such a COG, or the file cannot be written, or is the scene itself.

    Warns
    -----
    SceneWarning
        When a GeoTIFF cannot hold a part of the cube.
    """
    cube = check_cube(cube)
    target = check_output(path, TIFF_SUFFIXES, overwrite=overwrite)
    check_output(statistics(target), (), overwrite=True)
    if cog:
        _require_tile_interleave(target)
    say_what_is_left_out(cube, "a GeoTIFF")
    dtype = np.dtype(_WIDER.get(cube.dtype.name, cube.dtype.name))
    height = block_rows(cube, memory, step=_STRIP_ROWS)
    masked = "valid" in cube.coords and not bool(cube["valid"].all())
    with staging(target) as folder:
        staged = folder / target.name
        reserve_space(target, folder, cube.size * dtype.itemsize)
        with gdal_errors(target):
            import rasterio

            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), _created(staged, cube, dtype) as dataset:
                _describe(dataset, cube)
                for first, block in row_blocks(cube, None, height):
                    window = rasterio.windows.Window(0, first, block.shape[1], block.shape[0])
                    dataset.write(np.moveaxis(block.astype(dtype, copy=False), 2, 0), window=window)
                if masked:
                    dataset.write_mask(cube["valid"].values.astype(np.bool_))
        least = cube.size * dtype.itemsize
        if staged.stat().st_size < least:  # GDAL reports no error when it closes a file on a full disk
            raise OutputError(f"{target}: {staged.stat().st_size} of {least} bytes could be written (disk full?)")
        if cog:
            staged = _as_cog(staged, folder / f"cog{target.suffix}", target)
        drop_statistics(target)
        publish(staged, target, overwrite=overwrite)
    return target


def _require_tile_interleave(target: Path) -> None:
    import rasterio

    version = rasterio.__gdal_version__
    if tuple(int(part) for part in version.split(".")[:2]) < _TILE_INTERLEAVE_SINCE:
        raise OutputError(f"{target}: interleave tile needs GDAL 3.11 or newer, rasterio here has GDAL {version}")


def _as_cog(staged: Path, cog: Path, target: Path) -> Path:
    """Write a GeoTIFF once more as a COG; returns the COG."""
    import rasterio.shutil

    with gdal_errors(target):
        rasterio.shutil.copy(
            staged, cog, driver="COG", INTERLEAVE="TILE", COMPRESS="DEFLATE", PREDICTOR="YES", BLOCKSIZE=_COG_BLOCK,
            OVERVIEWS="NONE", BIGTIFF="IF_SAFER",
        )  # fmt: skip
    return cog


def _created(staged: Path, cube: xr.DataArray, dtype: np.dtype[Any]) -> Any:
    grid = geo_grid(cube)
    profile: dict[str, Any] = {} if grid.transform is None else {"transform": grid.transform}
    return open_raster(
        staged,
        "w",
        driver="GTiff",
        height=cube.sizes["y"],
        width=cube.sizes["x"],
        count=cube.sizes["band"],
        dtype=dtype.name,
        nodata=nodata(cube),
        crs=grid.crs,
        interleave="band",
        photometric="minisblack",
        alpha="no",
        blockysize=_STRIP_ROWS,
        BIGTIFF="IF_SAFER",
        **profile,
    )


def _describe(dataset: Any, cube: xr.DataArray) -> None:
    """Write the metadata of the cube and of its bands as tags."""
    said = {key: str(cube.attrs[key]) for key in ("description", "product", "units", "acquired") if cube.attrs.get(key)}
    dataset.update_tags(**said)
    columns = {
        key: cube.coords[key].values
        for key in ("wavelength", "fwhm", "good_wavelength", "band_name", "gain", "bias")
        if key in cube.coords
    }
    for band in range(cube.sizes["band"]):
        tags: dict[str, str] = {}
        imagery: dict[str, str] = {}
        if "wavelength" in columns:
            tags |= {"wavelength": number(columns["wavelength"][band]), "wavelength_units": "Nanometers"}
            imagery["CENTRAL_WAVELENGTH_UM"] = number(columns["wavelength"][band] / 1e3)
        if "fwhm" in columns:
            tags["fwhm"] = number(columns["fwhm"][band])
            imagery["FWHM_UM"] = number(columns["fwhm"][band] / 1e3)
        if "good_wavelength" in columns:
            tags["bbl"] = str(int(columns["good_wavelength"][band]))
        if tags:
            dataset.update_tags(band + 1, **tags)
        if imagery:
            dataset.update_tags(band + 1, ns="IMAGERY", **imagery)
        if "band_name" in columns:
            dataset.set_band_description(band + 1, str(columns["band_name"][band]))
    if "gain" in columns:
        dataset.scales = tuple(float(value) for value in columns["gain"])
    if "bias" in columns:
        dataset.offsets = tuple(float(value) for value in columns["bias"])
