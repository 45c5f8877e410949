"""Cubes to files: the name of the output says the format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hsad.engine.memory import memory_bytes
from hsad.errors import OutputError, ParameterError
from hsad.files import refuse_inputs, split_variable
from hsad.products.cubes.envi import ENVI_SUFFIXES, Interleave, write_envi
from hsad.products.cubes.geotiff import TIFF_SUFFIXES, write_geotiff
from hsad.products.cubes.zarr_store import ZARR_SUFFIXES, write_zarr

if TYPE_CHECKING:
    import os

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["write_cube"]


def write_cube(
    cube: xr.DataArray | NDArray[Any],
    path: str | os.PathLike[str],
    *,
    interleave: Interleave | Literal["tile"] | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
) -> Path:
    """Write a cube as ENVI, GeoTIFF or Zarr, by blocks of rows; no file appears before it is complete.

    Parameters
    ----------
    cube : (y, x, band) DataArray or ndarray
        As `hsad.scene.cube` describes it.
    path : path
        ``.hdr``, ``.img``, ``.bil`` and so on for ENVI, ``.tif`` for GeoTIFF, ``.zarr`` for Zarr.
    interleave : {"bil", "bip", "bsq", "tile"}, optional
        The order of the numbers in ENVI files; ``bil`` by default. ``tile`` is for GeoTIFF and gives a COG in which the
        bands of a tile lie side by side; it needs GDAL 3.11.
    overwrite : bool
        Whether an existing output may be replaced.
    memory : int or str, optional
        The memory that the process may take, in bytes or as ``500MB``; 2 GB by default.

    Returns
    -------
    Path
        The file that was written; for ENVI the header.

    Raises
    ------
    ParameterError
        When it is no cube, an interleave is given for another format, or the memory is no size or too little.
    OutputError
        When the name has another ending, or the files cannot be written.

    Warns
    -----
    SceneWarning
        When the format cannot hold a part of the cube.

    Examples
    --------
    >>> import hsad, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> cube = hsad.make_scene(rows=60, cols=70, bands=20, seed=1).cube
    >>> hsad.write_cube(cube, folder / "scene.tif").name
    'scene.tif'
    >>> bool((hsad.open_cube(folder / "scene.tif") == cube).all())
    True
    """
    suffix = Path(path).suffix.lower()
    if hasattr(cube, "attrs"):
        sources = [split_variable(str(cube.attrs[key]))[0] for key in ("source", "data_file") if cube.attrs.get(key)]
        refuse_inputs(Path(path), sources)
        if suffix == ".hdr":
            refuse_inputs(Path(path).with_suffix(".img"), sources)
    if interleave is not None and suffix not in (TIFF_SUFFIXES if interleave == "tile" else ENVI_SUFFIXES):
        kind = "GeoTIFF" if interleave == "tile" else "ENVI"
        raise ParameterError(f"interleave: {interleave!r} is for {kind} files, not for {Path(path).name}")
    size = memory_bytes(memory)
    if suffix in ENVI_SUFFIXES:
        return write_envi(
            cube,
            path,
            "bil" if interleave is None or interleave == "tile" else interleave,
            overwrite=overwrite,
            memory=size,
        )
    if suffix in TIFF_SUFFIXES:
        return write_geotiff(cube, path, cog=interleave == "tile", overwrite=overwrite, memory=size)
    if suffix in ZARR_SUFFIXES:
        return write_zarr(cube, path, overwrite=overwrite, memory=size)
    known = ", ".join((*ENVI_SUFFIXES, *TIFF_SUFFIXES, *ZARR_SUFFIXES))
    raise OutputError(f"{path}: the name must end with one of {known}")
