"""Rasters that are made from scores and a threshold: a mask of anomalies, p-values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.files import check_output, publish, staging
from hsad.gdal import drop_statistics, gdal_errors, open_raster, statistics
from hsad.products.cog import BLOCK
from hsad.products.space import reserve_space

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hsad.scene.cube import GeoGrid

__all__ = ["MASK_NODATA", "write_decided"]

MASK_NODATA = 255
"""Nodata value of a mask: 1 is anomalous, 0 is not, 255 is a pixel without a score."""


def write_decided(
    strips: Iterable[tuple[int, NDArray[Any]]],
    grid: GeoGrid,
    path: str | os.PathLike[str],
    *,
    description: str,
    tags: Mapping[str, str],
    overwrite: bool = False,
) -> Path:
    """Write a raster strip by strip as a Cloud-Optimized GeoTIFF.

    Parameters
    ----------
    strips : iterable of (int, (rows, cols) ndarray)
        First row and values: uint8 (a mask, see `MASK_NODATA`) or float32 (NaN: no value).
    grid : GeoGrid
    path : path
        ``.tif`` or ``.tiff``.
    description : str
        The name of the band.
    tags : mapping of str to str
    overwrite : bool

    Raises
    ------
    OutputError
        When the file cannot be written; nothing is left behind then.
    """
    import rasterio.shutil
    from rasterio.windows import Window

    target = check_output(path, (".tif", ".tiff"), overwrite=overwrite)
    check_output(statistics(target), (), overwrite=True)
    with staging(target) as folder, gdal_errors(target):
        work, staged = folder / "work.tif", folder / "staged.tif"
        dataset: Any = None
        try:
            for first, values in strips:
                if dataset is None:
                    is_mask = values.dtype == np.uint8
                    reserve_space(target, folder, grid.rows * grid.cols * values.dtype.itemsize * 2)
                    georeferenced = {} if grid.transform is None else {"transform": grid.transform}
                    dataset = open_raster(
                        work, "w", driver="GTiff", height=grid.rows, width=grid.cols, count=1, dtype=values.dtype,
                        nodata=MASK_NODATA if is_mask else np.nan, crs=grid.crs, tiled=True, blockxsize=BLOCK,
                        blockysize=BLOCK, compress="deflate", BIGTIFF="IF_SAFER", **georeferenced,
                    )  # fmt: skip
                    dataset.update_tags(**tags)
                    dataset.set_band_description(1, description)
                dataset.write(values, 1, window=Window(0, first, grid.cols, len(values)))
        finally:
            if dataset is not None:
                dataset.close()
        options = {"OVERVIEW_COUNT": 1} if 1 < max(grid.rows, grid.cols) <= BLOCK else {}
        rasterio.shutil.copy(
            work, staged, driver="COG", COMPRESS="DEFLATE", PREDICTOR="YES", BLOCKSIZE=BLOCK,
            OVERVIEW_RESAMPLING="MODE" if is_mask else "NEAREST", BIGTIFF="IF_SAFER", **options,
        )  # fmt: skip
        drop_statistics(target)
        publish(staged, target, overwrite=overwrite)
    return target
