"""Cubes as ENVI files: a header with all metadata of the cube, and the stored numbers unchanged."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, get_args

import numpy as np

from hsad.errors import OutputError, ParameterError
from hsad.files import check_output, publish, staging
from hsad.gdal import drop_statistics, statistics
from hsad.products.cubes.blocks import block_rows, ignore_value, number, row_blocks, say_what_is_left_out
from hsad.products.space import reserve_space
from hsad.scene.cube import GeoGrid, check_cube, geo_grid

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["ENVI_SUFFIXES", "Interleave", "check_envi", "envi_fields", "map_info", "write_envi"]

Interleave = Literal["bil", "bip", "bsq"]

ENVI_SUFFIXES = (".hdr", ".img", ".dat", ".bil", ".bip", ".bsq", ".raw", ".bin", ".envi")
_DATA_SUFFIXES = {*ENVI_SUFFIXES, "", ".gz"} - {".hdr"}
_WIDER = {
    "bool": "uint8",
    "int8": "int16",
    "float16": "float32",
}  # ENVI has no such types; these hold the same
_UTM_WGS84 = {326: "North", 327: "South"}  # the hundreds of their EPSG codes


def write_envi(
    cube: xr.DataArray | NDArray[Any],
    path: str | os.PathLike[str],
    interleave: Interleave = "bil",
    *,
    overwrite: bool = False,
    memory: int | None = None,
) -> Path:
    """Write a cube as an ENVI header and data file, by blocks of rows.

    Stored numbers and data type stay as they are (types that ENVI lacks are widened). Wavelengths and
    fwhm in nm, bad bands, band names, nodata, gain and bias, CRS and transform go into the header. A
    validity mask, for which ENVI has no place, becomes nodata.

    Parameters
    ----------
    cube : (y, x, band) DataArray or ndarray
        As `hsad.scene.cube` describes it; lazy cubes are read once, block by block.
    path : path
        The header (``.hdr``, data beside it as ``.img``) or the data file (header beside it as ``.hdr``).
    interleave : {"bil", "bip", "bsq"}
        Order of the data: by line, by pixel, by band.
    overwrite : bool
        Whether files with these names may be replaced.
    memory : int, optional
        Bytes that the process may take; 2 GB by default.

    Returns
    -------
    Path
        The header.

    Raises
    ------
    ParameterError
        Unknown interleave, not a cube, or too little memory.
    OutputError
        When the files cannot be written, or the grid is sheared, which an ENVI header cannot express.

    Warns
    -----
    SceneWarning
        When the mask of a scene of integers without nodata is left out.
    """
    if interleave not in get_args(Interleave):
        raise ParameterError(f"interleave: {interleave!r}; choose from {', '.join(get_args(Interleave))}")
    cube = check_cube(cube)
    header, data = _files(path, overwrite=overwrite)
    dtype = np.dtype(_WIDER.get(cube.dtype.name, cube.dtype.name))
    ignore = ignore_value(cube, dtype)
    say_what_is_left_out(cube, "an ENVI file")
    fields = envi_fields(cube, dtype, interleave, ignore, data)
    height = block_rows(cube, memory)
    with staging(header) as folder:
        from spectral.io.envi import write_envi_header

        staged = folder / "data"
        reserve_space(data, folder, cube.size * dtype.itemsize)
        with staged.open("wb") as file:
            for first, block in row_blocks(cube, ignore, height):
                _write_rows(file, first, block.astype(dtype, copy=False), interleave, cube.sizes["y"])
        write_envi_header(str(folder / "header"), fields)
        drop_statistics(data)
        publish(staged, data, overwrite=overwrite)
        publish(folder / "header", header, overwrite=overwrite)  # last: without a header nobody reads the data file
    return header


def check_envi(path: Path, grid: GeoGrid, *, overwrite: bool) -> tuple[Path, Path]:
    """Return header and data file, after a check that the names are free and that a header can express the grid.

    Raises
    ------
    OutputError
    """
    files = _files(path, overwrite=overwrite)
    try:
        map_info(grid)
    except ValueError as error:
        raise OutputError(f"{path}: {error}, which an ENVI header cannot say; write a GeoTIFF") from error
    return files


def _files(path: str | os.PathLike[str], *, overwrite: bool) -> tuple[Path, Path]:
    """Return header and data file, if they can be written.

    Raises
    ------
    OutputError
    """
    target = check_output(path, ENVI_SUFFIXES, overwrite=overwrite)
    is_header = target.suffix.lower() == ".hdr"
    header = target if is_header else check_output(target.with_suffix(".hdr"), (), overwrite=overwrite)
    data = check_output(target.with_suffix(".img"), (), overwrite=overwrite) if is_header else target
    check_output(statistics(data), (), overwrite=True)
    for other in data.parent.iterdir() if data.parent.is_dir() else ():
        if other.stem == data.stem and other.suffix.lower() in _DATA_SUFFIXES and other.name != data.name:
            raise OutputError(f"{data}: {other.name} beside it would share {header.name}; choose another name")
    return header, data


def map_info(grid: GeoGrid) -> list[str | int | float] | None:
    """Return the values of the header's ``map info``, None without a transform.

    The pixel sizes carry the signs, so that ``rotation`` lies within ±90 degrees: GDAL reads a rotation of
    180 as a grid that is stored from south to north. GDAL reads ``a = sx·cos``, ``b = sx·sin``,
    ``d = sy·sin``, ``e = -sy·cos``.

    Raises
    ------
    ValueError
        When no rotation gives its transform: the grid is sheared, or rotated with pixels that are not square.
    """
    if grid.transform is None:
        return None
    a, b, c, d, e, f = grid.coefficients
    angle = math.atan(b / a) if a else math.copysign(math.pi / 2, b)
    cosine, sine = (math.cos(angle), math.sin(angle)) if a else (0.0, math.copysign(1.0, b))
    size_x, size_y = a * cosine + b * sine, d * sine - e * cosine
    if max(abs(size_y * sine - d), abs(size_y * cosine + e)) > 1e-9 * abs(size_y):
        raise ValueError("its grid is sheared, or rotated with pixels that are not square")
    values: list[str | int | float] = [*_projection(grid)]
    values[1:1] = [1, 1, float(c), float(f), float(size_x), float(size_y)]
    if angle:
        values.append(f"rotation={math.degrees(angle)!r}")
    return values


def _projection(grid: GeoGrid) -> list[str | int]:
    """Return the projection's name and what follows the pixel sizes: zone, datum, units."""
    crs = grid.crs
    if crs is None:
        return ["Arbitrary", "units=Unknown"]
    code = crs.to_epsg() or 0
    if code // 100 in _UTM_WGS84 and 1 <= code % 100 <= 60:
        return ["UTM", code % 100, _UTM_WGS84[code // 100], "WGS-84", "units=Meters"]
    if crs.is_geographic:
        return [
            "Geographic Lat/Lon",
            *(["WGS-84"] if code == 4326 else []),
        ]  # with units, GDAL would read OGC:CRS84
    name = _esri_wkt(crs).partition('["')[2].partition('"')[0]
    unit, metres = crs.units_factor
    return [name or "Arbitrary", f"units={'Meters' if metres == 1 else unit}"]


def _esri_wkt(crs: Any) -> str:
    """Return a CRS in ESRI's dialect of WKT, as ENVI writes it; in its own WKT when that dialect cannot express it."""
    from rasterio.errors import CRSError

    try:
        return str(crs.to_wkt(version="WKT1_ESRI"))
    except CRSError:
        return str(crs.wkt)


def envi_fields(
    cube: xr.DataArray, dtype: np.dtype[Any], interleave: str, ignore: float | None, target: Path
) -> dict[str, Any]:
    """Return the fields of the header of a cube, for a data file `target` of this type and order.

    Raises
    ------
    OutputError
        When ENVI has no such type, or a header cannot express the grid.
    """
    from spectral.io.envi import dtype_to_envi

    if dtype.char not in dtype_to_envi:
        raise OutputError(f"{target}: ENVI has no data type for {dtype}")
    description = str(cube.attrs.get("description") or f"written by hsad from {cube.attrs.get('source', 'an array')}")
    fields: dict[str, Any] = {
        "description": _plain(description),
        "samples": cube.sizes["x"],
        "lines": cube.sizes["y"],
        "bands": cube.sizes["band"],
        "header offset": 0,
        "data type": dtype_to_envi[dtype.char],
        "interleave": interleave,
        "byte order": int(sys.byteorder == "big"),
    }
    if cube.attrs.get("acquired"):  # ENVI has a place for one time: the start of an interval
        fields["acquisition time"] = _plain(str(cube.attrs["acquired"]).partition("/")[0])
    grid = geo_grid(cube)
    try:
        info = map_info(grid)
    except ValueError as error:
        raise OutputError(f"{target}: {error}, which an ENVI header cannot say; write a GeoTIFF or Zarr") from error
    if info is not None:
        fields["map info"] = info
    if grid.crs is not None:
        fields["coordinate system string"] = f"{{{_esri_wkt(grid.crs)}}}"
    if ignore is not None:
        fields["data ignore value"] = number(ignore)
    return fields | _band_fields(cube) | _scaling(cube)


def _band_fields(cube: xr.DataArray) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if "band_name" in cube.coords:
        fields["band names"] = [_plain(str(name)) for name in cube["band_name"].values]
    if "wavelength" in cube.coords:
        fields["wavelength units"] = "Nanometers"
        fields["wavelength"] = _numbers(cube["wavelength"])
    if "fwhm" in cube.coords:
        fields["fwhm"] = _numbers(cube["fwhm"])
    if "good_wavelength" in cube.coords:
        fields["bbl"] = [int(good) for good in cube["good_wavelength"].values]
    return fields


def _scaling(cube: xr.DataArray) -> dict[str, Any]:
    """Return the fields that say how stored numbers become physical values, without repetition.

    Software for reflectance divides by ``reflectance scale factor``. The field can express one gain for all bands when
    the gain is the exact reciprocal of a number. All other scalings need gains and offsets per band.
    """
    gain = np.asarray(cube.coords["gain"].values if "gain" in cube.coords else 1.0, dtype=np.float64)
    bias = np.asarray(cube.coords["bias"].values if "bias" in cube.coords else 0.0, dtype=np.float64)
    if np.all(gain == 1) and np.all(bias == 0):
        return {}
    first = float(gain.flat[0])
    if np.all(gain == first) and np.all(bias == 0) and first > 0 and 1 / (1 / first) == first:
        return {"reflectance scale factor": number(1 / first)}
    bands = cube.sizes["band"]
    return {
        "data gain values": [float(value) for value in np.broadcast_to(gain, bands)],
        "data offset values": [float(value) for value in np.broadcast_to(bias, bands)],
    }


def _write_rows(file: BinaryIO, first: int, block: NDArray[Any], interleave: str, rows: int) -> None:
    """Write a block of rows to its place. Unlike a memory map, a write to a full disk raises an error."""
    if interleave == "bip":
        file.write(np.ascontiguousarray(block).data)
    elif interleave == "bil":
        file.write(np.ascontiguousarray(block.transpose(0, 2, 1)).data)
    else:
        row_bytes = block.shape[1] * block.itemsize
        for band in range(block.shape[2]):
            file.seek((band * rows + first) * row_bytes)
            file.write(np.ascontiguousarray(block[:, :, band]).data)


def _numbers(values: xr.DataArray) -> list[float]:
    return [float(value) for value in values.values]


def _plain(text: str) -> str:
    """Return a text without braces and line breaks, which a header cannot hold."""
    return " ".join(text.replace("{", "(").replace("}", ")").split())
