"""GDAL through rasterio: one way to open a raster, and its errors as one line that names the file."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsad.errors import OutputError, SceneError, without_warnings
from hsad.files import keeps_offline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rasterio.io import DatasetReader

__all__ = ["LEAST_CACHE", "drop_statistics", "gdal_errors", "open_dataset", "open_raster", "statistics"]

LEAST_CACHE = 16 * 2**20
"""Bytes of GDAL's cache of decoded blocks; by default GDAL takes a share of the machine's memory."""

_WRITING_CACHE = 64 * 2**20
# Formats whose files name neither other files nor addresses: only these are opened under HSAD_OFFLINE.
_SELF_CONTAINED = ["GTiff", "ENVI", "HFA", "PNG", "JPEG", "JP2OpenJPEG", "AAIGrid", "BMP", "GIF"]
_SILENT = logging.NullHandler()


def open_raster(path: str | Path, mode: str = "r", **profile: Any) -> Any:
    """Open a raster with rasterio; a raster without georeferencing is no cause for a warning."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with without_warnings(NotGeoreferencedWarning):
        # A member of an archive may be called like an image and name addresses: such formats are left out.
        closed = keeps_offline() or str(path).startswith(("/vsizip/", "/vsitar/"))
        if mode == "r" and not profile and closed:
            # Which drivers may try, `rasterio.open` does not ask.
            return rasterio.DatasetReader(str(path), driver=_SELF_CONTAINED)
        return rasterio.open(path, mode, **profile)


@contextmanager
def gdal_errors(path: Path) -> Iterator[None]:
    """Turn what GDAL fails with into one line that names the output.

    Raises
    ------
    OutputError
        For the errors of rasterio.
    """
    import rasterio
    from rasterio._err import CPLE_BaseError  # rasterio lets these out, and they have no public name
    from rasterio.errors import RasterioError

    try:
        # The environment keeps GDAL's messages off stderr, and its cache below a share of the machine's memory.
        with rasterio.Env(GDAL_CACHEMAX=_WRITING_CACHE):
            yield
    except (RasterioError, CPLE_BaseError, SystemError) as error:  # SystemError: from a copy to a full disk
        raise OutputError(f"{path}: cannot be written: {_reason(error)}") from error


@contextmanager
def open_dataset(path: str, cache: int = LEAST_CACHE) -> Iterator[DatasetReader]:
    """Open a file with GDAL; its errors, while the file is open too, become a `SceneError` that names it.

    GDAL keeps decoded blocks in `cache` bytes, not in a share of the machine's memory.
    """
    import rasterio
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    # What GDAL has to say on the way to an error is in the error; without this, Python prints it on stderr.
    logging.getLogger("rasterio").addHandler(_SILENT)
    try:
        # An ending that no file has: GDAL's file system of addresses opens none then, whoever asks.
        options = {"CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".offline"} if keeps_offline() else {}
        # GDAL would write the unpacked size of a compressed archive into a file beside it.
        options["CPL_VSIL_GZIP_WRITE_PROPERTIES"] = "NO"
        with rasterio.Env(GDAL_CACHEMAX=cache, **options), open_raster(path) as dataset:
            yield dataset
    except (RasterioError, CPLE_BaseError, UnicodeDecodeError) as error:  # the last for texts that are no UTF-8
        raise SceneError(f"{path}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """Return GDAL's message on one line: rasterio often keeps it in the cause of its error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def drop_statistics(raster: Path) -> None:
    """Remove the statistics that GDAL saved about an earlier file of this name: GDAL would prefer them."""
    statistics(raster).unlink(missing_ok=True)


def statistics(raster: Path) -> Path:
    """Return the name of the file in which GDAL saves the statistics of a raster."""
    return raster.with_name(f"{raster.name}.aux.xml")
