"""Opening a scene: the readers in the order in which they are tried, and `open_cube` in front of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hsad.errors import SceneError
from hsad.readers import geotiff
from hsad.readers.envi import scene as envi
from hsad.readers.matlab import scene as matlab
from hsad.readers.sensors import emit

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["READERS", "Reader", "existing_file", "open_cube", "read_cube", "split_variable"]


class Reader(Protocol):
    """What a format's module offers."""

    @property
    def name(self) -> str:
        """The format, as messages and ``attrs["reader"]`` call it."""
        ...

    def can_read(self, path: Path, /) -> bool:
        """Tell, from the name and first bytes, whether an existing file is this reader's business."""
        ...

    def read(self, path: Path, /, variable: str | None = None) -> xr.DataArray:
        """Return the lazily indexed cube; `variable` picks an array of a file that has several."""
        ...


# The first that can read a file reads it: GDAL opens nearly anything, some of it less exactly, so it comes
# last.
READERS: tuple[Reader, ...] = (envi, matlab, emit, geotiff)

_WITH_VARIABLE = re.compile(r"^(?P<path>.+\.(?:mat|nc|nc4|h5|hdf5|he5)):(?P<variable>[^/\\:]+)$", re.IGNORECASE)


def split_variable(path: str | Path) -> tuple[Path, str | None]:
    """Split ``scene.mat:NAME`` into file and array name; a path that exists as it stands is not split."""
    match = _WITH_VARIABLE.match(str(path))
    if match is None or Path(path).exists():
        return Path(path), None
    return Path(match["path"]), match["variable"]


def existing_file(path: Path) -> Path:
    """Return the path if it is a file that can be read.

    Raises
    ------
    SceneError
        When it does not exist, is a folder, or may not be opened.
    """
    if path.is_dir():
        raise SceneError(f"{path}: a folder, not a file: name the scene's file in it")
    try:
        path.open("rb").close()
    except OSError as error:
        raise SceneError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    return path


def read_cube(path: str | Path) -> xr.DataArray:
    """Return the lazily indexed cube of a file, not chunked; see `open_cube`."""
    located, variable = split_variable(path)
    existing_file(located)
    for reader in READERS:
        if reader.can_read(located):
            return reader.read(located, variable)
    tried = ", ".join(reader.name for reader in READERS)
    raise SceneError(f"{located}: none of the readers knows this file (tried {tried})")


def open_cube(path: str | Path) -> xr.DataArray:
    """Open a scene as a cube (see `hsad.cube`), dask-chunked by blocks of rows; no pixel is read yet.

    Parameters
    ----------
    path : str or Path
        An ENVI header or data file, a GeoTIFF or another raster that GDAL opens, a MATLAB file, an EMIT
        granule. ``scene.mat:NAME`` picks an array of a file with several.

    Returns
    -------
    xarray.DataArray
        Dims ``(y, x, band)``, the stored numbers. ``attrs["warnings"]`` lists, in plain sentences, what the
        file leaves open or contradicts itself in, and what was assumed.

    Raises
    ------
    SceneError
        When the file cannot be read; the message names the file and what is wrong with it.
    """
    from hsad.cube import chunk_cube

    return chunk_cube(read_cube(path))
