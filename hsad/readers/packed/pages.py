"""TIFF files of several pages, in which cameras and microscopes write one band per page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsad.errors import SceneError
from hsad.readers.packed.layers import image_of, stacked_cube

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["cube_of_pages"]

_MOST_PAGES = 4096  # each read of a window opens every page


def cube_of_pages(path: str, pages: list[str], reader: str) -> xr.DataArray | str:
    """Return the cube of a TIFF's pages, or a remark if only the first page is the cube.

    Pages of one size and type are the bands of a cube. If the first page has several bands and another page differs in
    size or type (a thumbnail, a mask), the first page alone is the cube.

    Parameters
    ----------
    path : str
    pages : list of str
        GDAL's names of the pages.
    reader : str
        Name of the reader.

    Raises
    ------
    SceneError
        When the first page has one band and another page differs in size or type, or the pages are too many.
    """
    if len(pages) > _MOST_PAGES:
        raise SceneError(f"{path}: {len(pages)} pages are more than the {_MOST_PAGES} that one cube may have")
    ordered = sorted(pages, key=_number)  # rasterio sorts the pages as texts, 10 before 2
    images = [image_of(page, f"page {number}") for number, page in enumerate(ordered, 1)]
    first = images[0].raster
    alike = [image for image in images if (image.raster.shape, image.raster.dtype) == (first.shape, first.dtype)]
    if len(alike) == len(images) or first.shape[2] == 1:
        return stacked_cube(images, source=path, reader=reader)
    return f"only the first of {len(pages)} pages is read: the others are not of its size and type"


def _number(page: str) -> int:
    """Return the number in GDAL's name of a page, as in ``GTIFF_DIR:12:scene.tif``."""
    return int(page.split(":")[1])
