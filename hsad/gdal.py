"""GDAL through rasterio. Rasters are opened in one place, and GDAL's errors become one line that names the file."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsad.errors import OutputError, SceneError, without_warnings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rasterio.io import DatasetReader

__all__ = [
    "LEAST_CACHE",
    "drop_statistics",
    "gdal_errors",
    "keeps_offline",
    "open_dataset",
    "open_raster",
    "statistics",
]

LEAST_CACHE = 16 * 2**20
"""Bytes of GDAL's cache of decoded blocks. Without a limit, GDAL takes a share of the machine's memory."""

_WRITING_CACHE = 64 * 2**20  # bytes of GDAL's cache while a raster is written
# Formats whose files name neither other files nor addresses. Under HSAD_OFFLINE only these are opened.
_SELF_CONTAINED = ["GTiff", "ENVI", "HFA", "PNG", "JPEG", "JP2OpenJPEG", "AAIGrid", "BMP", "GIF"]
_SILENT = logging.NullHandler()


def keeps_offline() -> bool:
    """Tell whether the environment sets ``HSAD_OFFLINE`` to another value than 0.

    Addresses and other files that a file names are not opened then.
    """
    return os.environ.get("HSAD_OFFLINE", "0") not in {"", "0"}


def open_raster(path: str | Path, mode: str = "r", **profile: Any) -> Any:
    """Return a raster opened with rasterio, without a warning if the raster is not georeferenced."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with without_warnings(NotGeoreferencedWarning):
        # A member of an archive may have the name of an image but contain addresses, so such formats are left out.
        closed = keeps_offline() or str(path).startswith(("/vsizip/", "/vsitar/"))
        if mode == "r" and not profile and closed:
            # `rasterio.open` cannot limit the drivers that GDAL tries.
            return rasterio.DatasetReader(str(path), driver=_SELF_CONTAINED)
        return rasterio.open(path, mode, **profile)


@contextmanager
def gdal_errors(path: Path) -> Iterator[None]:
    """Turn an error of GDAL into one line that names the output.

    Raises
    ------
    OutputError
        For the errors of rasterio.
    """
    import rasterio
    from rasterio._err import CPLE_BaseError  # rasterio raises these errors, which have no public name
    from rasterio.errors import RasterioError

    try:
        # The environment keeps GDAL's messages off stderr and limits GDAL's cache.
        with rasterio.Env(GDAL_CACHEMAX=_WRITING_CACHE):
            yield
    except (RasterioError, CPLE_BaseError, SystemError) as error:  # a copy to a full disk raises SystemError
        raise OutputError(f"{path}: cannot be written: {_reason(error)}") from error


@contextmanager
def open_dataset(path: str, cache: int = LEAST_CACHE) -> Iterator[DatasetReader]:
    """Open a file with GDAL; errors during the ``with`` block become a `SceneError` that names the file.

    GDAL's cache of decoded blocks has `cache` bytes.
    """
    import rasterio
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    # The error contains GDAL's messages. Without this handler, Python also prints the messages on stderr.
    logging.getLogger("rasterio").addHandler(_SILENT)
    try:
        # No file has this suffix, so GDAL's file system for addresses opens nothing.
        options = {"CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".offline"} if keeps_offline() else {}
        # Without this option GDAL writes the unpacked size of a compressed archive into a file beside the archive.
        options["CPL_VSIL_GZIP_WRITE_PROPERTIES"] = "NO"
        with rasterio.Env(GDAL_CACHEMAX=cache, **options), open_raster(path) as dataset:
            yield dataset
    except (RasterioError, CPLE_BaseError, UnicodeDecodeError) as error:  # UnicodeDecodeError: a text is not UTF-8
        raise SceneError(f"{path}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """Return GDAL's message on one line; rasterio often stores the message in the cause of its error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def drop_statistics(raster: Path) -> None:
    """Remove the statistics that GDAL saved about an earlier file of this name; GDAL would report them as current."""
    statistics(raster).unlink(missing_ok=True)


def statistics(raster: Path) -> Path:
    """Return the name of the file in which GDAL saves the statistics of a raster."""
    return raster.with_name(f"{raster.name}.aux.xml")
