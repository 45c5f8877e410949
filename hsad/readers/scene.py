"""Opening a scene: the reader that knows its file, and what the user states beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import ParameterError, SceneError
from hsad.files import note_input, split_variable
from hsad.gdal import keeps_offline
from hsad.readers.existing import checked_name, existing_file
from hsad.readers.registry import Reader, all_readers
from hsad.readers.stated import with_nodata
from hsad.readers.wavelengths import with_wavelengths

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr
    from numpy.typing import ArrayLike

__all__ = ["open_cube", "read_cube"]


def read_cube(
    path: str | Path,
    *,
    band_axis: int | None = None,
    wavelengths: str | Path | ArrayLike | None = None,
    nodata: float | str | Sequence[float] | None = None,
    partial: bool = False,
) -> xr.DataArray:
    """Return the lazily indexed cube of a file or product folder, not chunked; parameters as for `open_cube`."""
    checked_name(Path(path))
    located, variable = split_variable(path)
    reader = _reader_of(located)
    accepted = getattr(reader, "accepted", ())
    if band_axis is not None and "band_axis" not in accepted:
        raise ParameterError(f"band_axis: {located}: the format {reader.name} states which axis is that of the bands")
    stated: dict[str, Any] = {"band_axis": band_axis, "partial": partial}
    read: Callable[..., xr.DataArray] = reader.read
    cube = read(located, variable, **{name: value for name, value in stated.items() if name in accepted})
    for file in (located, cube.attrs.get("data_file")):
        if file is not None:
            note_input(file)
    if wavelengths is not None:
        cube = with_wavelengths(cube, wavelengths)
    if nodata is not None:
        cube = with_nodata(cube, nodata)
        stated["nodata"] = np.ravel(nodata).tolist()
    said = {name: value for name, value in stated.items() if value is not None and value is not False}
    return cube.assign_attrs(opened_with=json.dumps(said)) if said else cube


def _reader_of(located: Path) -> Reader:
    """Return the first reader that knows a file or folder."""
    folder = located.is_dir()
    if not folder:
        existing_file(located)
    tried = []
    for reader in all_readers():
        if folder and not getattr(reader, "folders", False):
            continue
        if reader.can_read(located):
            return reader
        tried.append(reader.name)
    if located.suffix.lower() == ".hdr" and not folder:
        raise SceneError(f"{located}: {_no_header(located)}")
    what = "knows a product in this folder" if folder else "knows this file"
    left_out = "; HSAD_OFFLINE leaves out formats whose files name others" if keeps_offline() else ""
    raise SceneError(f"{located}: none of the readers {what} (tried {', '.join(tried)}){left_out}")


def _no_header(path: Path) -> str:
    """Return what a file is that is called ``.hdr`` and is no header of a scene."""
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith((b"#?RADIANCE", b"#?RGBE")):
        return "a picture (Radiance HDR), not the header of a scene"
    return "no ENVI header, which begins with the word ENVI, and no ESRI header, which states NROWS and NCOLS"


def open_cube(
    path: str | Path,
    *,
    band_axis: int | None = None,
    wavelengths: str | Path | ArrayLike | None = None,
    nodata: float | str | Sequence[float] | None = None,
    partial: bool = False,
) -> xr.DataArray:
    """Open a scene as a cube (see `hsad.scene.cube`), dask-chunked by blocks of rows; no pixel is read yet.

    Parameters
    ----------
    path : str or Path
        An ENVI header or data file, a GeoTIFF or another raster that GDAL opens, a MATLAB file, a netCDF or Zarr
        dataset, or a sensor's product: its folder, its main file or its metadata. ``scene.mat:NAME`` picks an array of
        a file with several.
    band_axis : int, optional
        Which axis of the stored array is that of the bands: 0 for the first, -1 for the last. Only for formats that do
        not state it, such as MATLAB. By default the other arrays of the file decide.
    wavelengths : path or (bands,) array_like of float, optional
        Band centres in nm or µm, for a file that carries none: numbers, or the name of a text or CSV file, an ENVI
        header, a ``.npy`` file or an array of a MATLAB file (``bands.mat:NAME``).
    nodata : float, sequence of float or str, optional
        Stored numbers (separated by commas in a text) that mark missing data, besides those that the file declares. A
        pixel with one of them in any used band is invalid.
    partial : bool
        Read the whole lines of an ENVI file (BIL or BIP) that is shorter than its header promises.

    Returns
    -------
    xarray.DataArray
        Dims ``(y, x, band)``, the stored numbers. ``attrs["warnings"]`` lists, in plain sentences, what the
        file leaves open or contradicts itself in, and what was assumed. ``attrs["opened_with"]`` lists, as JSON, what
        the caller stated of `band_axis`, `nodata` and `partial`.

    Raises
    ------
    SceneError
        When the file cannot be read; the message names the file and what is wrong with it.
    ParameterError
        When `band_axis`, `wavelengths` or `nodata` does not fit the scene.

    Examples
    --------
    >>> import hsad, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> header = hsad.write_cube(hsad.make_scene(rows=60, cols=70, bands=20, seed=1).cube, folder / "scene.hdr")
    >>> cube = hsad.open_cube(header)
    >>> cube.dims, cube.shape, cube.attrs["warnings"]
    (('y', 'x', 'band'), (60, 70, 20), [])
    """
    from hsad.scene.cube import chunk_cube

    return chunk_cube(read_cube(path, band_axis=band_axis, wavelengths=wavelengths, nodata=nodata, partial=partial))
