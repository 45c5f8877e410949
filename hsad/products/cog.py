"""From a plain GeoTIFF to a Cloud-Optimized one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.gdal import open_raster

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hsad.products.summary import BandSummary

__all__ = ["BLOCK", "same_values", "state_statistics", "to_cog"]

BLOCK = 256
"""Width and height of tiles, in pixels."""


def state_statistics(path: Path, bands: Sequence[BandSummary]) -> None:
    """Write the statistics where GDAL looks for them, so that a GIS need not compute them."""
    with open_raster(path, "r+") as dataset:
        for number, band in enumerate(bands, start=1):
            if band.count:
                dataset.update_tags(
                    number,
                    STATISTICS_MINIMUM=repr(band.minimum),
                    STATISTICS_MAXIMUM=repr(band.maximum),
                    STATISTICS_MEAN=repr(band.mean),
                    STATISTICS_STDDEV=repr(band.stddev),
                    STATISTICS_VALID_PERCENT=f"{band.valid_percent:.4g}",
                )


def to_cog(work: Path, staged: Path) -> None:
    """Translate a raster to a Cloud-Optimized GeoTIFF, tags, descriptions and georeferencing included."""
    import rasterio.shutil

    options: dict[str, Any] = {}
    with open_raster(work) as dataset:
        if 1 < max(dataset.shape) <= BLOCK:
            options["OVERVIEW_COUNT"] = 1  # GDAL makes none for a raster of one tile; readers may expect one
    rasterio.shutil.copy(
        work,
        staged,
        driver="COG",
        COMPRESS="DEFLATE",
        PREDICTOR="YES",
        BLOCKSIZE=BLOCK,
        OVERVIEW_RESAMPLING="AVERAGE",
        BIGTIFF="IF_SAFER",
        **options,
    )


def same_values(first: Path, second: Path) -> bool:
    """Return whether two rasters hold the same values: GDAL may lose the end of a file without an error."""
    from rasterio.windows import Window

    with open_raster(first) as one, open_raster(second) as other:
        rows, cols = one.shape
        return all(
            np.array_equal(one.read(window=window), other.read(window=window), equal_nan=True)
            for row in range(0, rows, BLOCK)
            for window in [Window(0, row, cols, min(BLOCK, rows - row))]
        )
