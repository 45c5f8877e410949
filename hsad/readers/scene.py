"""Opening a scene: the reader that knows it, and `open_cube` in front of it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from hsad.errors import SceneError
from hsad.files import keeps_offline, split_variable
from hsad.readers.pointer import refuse_pointer
from hsad.readers.registry import all_readers

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["checked_name", "existing_file", "open_cube", "read_cube"]


def existing_file(path: Path) -> Path:
    """Return the path if it is a file that can be read.

    Raises
    ------
    SceneError
        When it does not exist, is no regular file, may not be opened, has a name that is no text, or only stands for a
        file that Git LFS keeps.
    """
    checked_name(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise SceneError(f"{path}: a folder, not a file: name the scene's file in it")
        if not stat.S_ISREG(mode):
            raise SceneError(f"{path}: not a regular file but a pipe, a socket or a device")
        refuse_pointer(path)
    except OSError as error:
        raise SceneError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    return path


def checked_name(path: Path) -> Path:
    """Return the path if its name can be written down: GDAL, HDF5 and the tags of results take UTF-8 without NUL.

    Raises
    ------
    SceneError
    """
    text = str(path)
    shown = text.encode("utf-8", "backslashreplace").decode()
    if "\0" in text or shown != text:
        raise SceneError(f"{shown!r}: the name holds a NUL" if "\0" in text else f"{shown}: the name is not UTF-8")
    return path


def read_cube(path: str | Path) -> xr.DataArray:
    """Return the lazily indexed cube of a file or product folder, not chunked; see `open_cube`."""
    checked_name(Path(path))
    located, variable = split_variable(path)
    folder = located.is_dir()
    if not folder:
        existing_file(located)
    tried = []
    for reader in all_readers():
        if folder and not getattr(reader, "folders", False):
            continue
        if reader.can_read(located):
            return reader.read(located, variable)
        tried.append(reader.name)
    what = "knows a product in this folder" if folder else "knows this file"
    left_out = "; HSAD_OFFLINE leaves out formats whose files name others" if keeps_offline() else ""
    raise SceneError(f"{located}: none of the readers {what} (tried {', '.join(tried)}){left_out}")


def open_cube(path: str | Path) -> xr.DataArray:
    """Open a scene as a cube (see `hsad.scene.cube`), dask-chunked by blocks of rows; no pixel is read yet.

    Parameters
    ----------
    path : str or Path
        An ENVI header or data file, a GeoTIFF or another raster that GDAL opens, a MATLAB file, a netCDF or Zarr
        dataset, or a sensor's product: its folder, its main file or its metadata. ``scene.mat:NAME`` picks an array of
        a file with several.

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
    from hsad.scene.cube import chunk_cube

    return chunk_cube(read_cube(path))
