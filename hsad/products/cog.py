"""Conversion of a plain GeoTIFF to a Cloud-Optimized GeoTIFF."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hsad.gdal import open_raster

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rasterio.windows import Window

    from hsad.products.summary import BandSummary

__all__ = ["BLOCK", "same_values", "state_statistics", "to_cog"]

BLOCK = 256
"""Width and height of the tiles of a raster in pixels. A tile of 256 KB of float32 is one read over a network."""


def state_statistics(path: Path, bands: Sequence[BandSummary]) -> None:
    """Write the statistics to the tags of GDAL, so that a GIS need not compute them."""
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
    """Write a raster as a Cloud-Optimized GeoTIFF, with its tags, descriptions and georeferencing.

    The overviews contain the maxima of groups of pixels, so that an anomaly of one pixel stays visible when a GIS zooms
    out. GDAL cannot resample by maxima. So this function writes the levels to files and links them as overviews of the
    source. GDAL copies them.
    """
    import rasterio.shutil

    levels = _overviews(work)
    source = work.with_suffix(".vrt")
    rasterio.shutil.copy(work, source, driver="VRT")
    _link_overviews(source, levels)
    rasterio.shutil.copy(
        source,
        staged,
        driver="COG",
        COMPRESS="DEFLATE",
        PREDICTOR="YES",
        BLOCKSIZE=BLOCK,
        OVERVIEWS="AUTO",
        BIGTIFF="IF_SAFER",
    )


def _overviews(work: Path) -> list[Path]:
    """Write the levels of the overviews and return their paths.

    The first level is the maxima of 2 x 2 pixels of the raster, and each further level those of the level before it.
    The last level fits in one tile.
    """
    levels: list[Path] = []
    with open_raster(work) as dataset:
        sides = dataset.shape
    while max(sides) > (1 if not levels else BLOCK):  # at least one level, which some readers expect
        finer = levels[-1] if levels else work
        levels.append(work.with_suffix(f".{len(levels) + 1}.tif"))
        sides = tuple(-(-side // 2) for side in sides)
        _halve(finer, levels[-1], sides)
    return levels


def _halve(finer: Path, coarser: Path, sides: tuple[int, int]) -> None:
    """Write the maxima of 2 x 2 pixels of a raster, NaN if all four pixels are NaN."""
    from rasterio.windows import Window

    rows, cols = sides
    with (
        open_raster(finer) as source,
        open_raster(
            coarser, "w", driver="GTiff", height=rows, width=cols, count=source.count, dtype=source.dtypes[0],
            nodata=source.nodata, tiled=True, blockxsize=BLOCK, blockysize=BLOCK, BIGTIFF="IF_SAFER",
        ) as target,
    ):  # fmt: skip
        for window in _windows(rows, cols):
            from_row, from_col = 2 * window.row_off, 2 * window.col_off
            high, wide = (
                min(2 * window.height, source.height - from_row),
                min(2 * window.width, source.width - from_col),
            )
            values = source.read(window=Window(from_col, from_row, wide, high))
            padding = ((0, 0), (0, 2 * window.height - high), (0, 2 * window.width - wide))
            padded = np.pad(values, padding, constant_values=np.nan)
            # fmax ignores NaN if the other number is not NaN.
            pairs = padded.reshape(source.count, window.height, 2, window.width, 2)
            target.write(np.fmax.reduce(pairs, axis=(2, 4)), window=window)


def _windows(rows: int, cols: int) -> Iterator[Window]:
    """Yield the windows in which a raster is read, at most four tiles each."""
    from rasterio.windows import Window

    wide = 4 * BLOCK
    for row in range(0, rows, BLOCK):
        for col in range(0, cols, wide):
            yield Window(col, row, min(wide, cols - col), min(BLOCK, rows - row))


def _link_overviews(vrt: Path, levels: Sequence[Path]) -> None:
    """Link files as the overviews of the bands of a virtual raster."""
    from xml.etree import ElementTree as ET

    document = ET.parse(vrt)  # noqa: S314  the file was written by GDAL
    for band in document.getroot().iter("VRTRasterBand"):
        for level in levels:
            overview = ET.SubElement(band, "Overview")
            ET.SubElement(overview, "SourceFilename", relativeToVRT="1").text = level.name
            ET.SubElement(overview, "SourceBand").text = band.attrib["band"]
    document.write(vrt)


def same_values(first: Path, second: Path) -> bool:
    """Return whether two rasters are equal; on a full disk GDAL may lose the end of a file without an error."""
    with open_raster(first) as one, open_raster(second) as other:
        return all(
            np.array_equal(one.read(window=window), other.read(window=window), equal_nan=True)
            for window in _windows(*one.shape)
        )
