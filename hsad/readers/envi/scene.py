"""ENVI images: a text header beside a file of bare numbers."""

from __future__ import annotations

import math
import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.bands import band_table
from hsad.readers.envi.header import (
    DATA_TYPES,
    Header,
    ShortFileError,
    find_data,
    find_header,
    is_container,
    read_header,
)
from hsad.readers.rasters.filled import with_stated_nodata
from hsad.readers.rasters.loaded import LoadedRaster
from hsad.readers.rasters.raw import INTERLEAVES, Gunzip, Layout, RawRaster
from hsad.scene.cube import Raster, build_cube, degenerate

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr
    from affine import Affine
    from numpy.typing import NDArray

__all__ = ["accepted", "can_read", "name", "read"]

name = "ENVI"
accepted = ("partial",)

# The file types whose data file is bare numbers; anything else names the format of the data file.
_RAW_TYPES = ("", "envi", "envi standard", "envi classification")
_UNREMARKABLE_EXCESS = 16


def can_read(path: Path) -> bool:
    """Tell whether the file is an ENVI header or the data file that belongs to one."""
    header_path = find_header(path)
    if header_path is None or header_path == path:
        return header_path is not None
    # scene.hdr may lie beside several files called scene: it speaks for the one that it describes.
    try:
        header = read_header(header_path)
        return find_data(header, _layout(header, []).size, given=path) == path
    except SceneError:
        # Reading will say what is wrong, unless the file has a format of its own.
        return not is_container(path)


def read(path: Path, variable: str | None = None, *, partial: bool = False) -> xr.DataArray:
    """Return the lazily indexed cube of an ENVI image, from the name of its header or of its data file.

    ``reflectance scale factor`` and ``data gain values`` with ``data offset values`` become the cube's gain
    and bias: physical = stored / factor, or stored · gain + offset.

    Where `partial` is true and the data file is shorter than its header promises, the cube has the whole lines that
    the file holds; a BIL or BIP file holds its first lines, a BSQ file lacks bands and is refused.

    Raises
    ------
    SceneError
        When the header lacks or contradicts what locates the numbers, the data file is missing or too short,
        the numbers are complex, or the file is no image (a spectral library).
    """
    if variable is not None:
        raise SceneError(f"{path}: an ENVI image has no variables, so {variable!r} cannot be chosen")
    header_path = find_header(path)
    if header_path is None:
        raise SceneError(f"{path}: no ENVI header beside it")
    header = read_header(header_path)
    file_type = header.text("file type").lower()
    if "spectral library" in file_type:
        raise SceneError(f"{header.path}: an ENVI spectral library, not a scene: it has no pixels")
    remarks: list[str] = []
    if file_type == "envi classification":
        remarks.append("the file is a classification: its numbers are classes, not spectra")
    layout = _layout(header, remarks)
    named = None if path == header_path else path
    try:
        data = find_data(header, layout.size, given=named)
    except ShortFileError as error:
        if not partial:
            hint = "; --partial (partial=True) reads its whole lines" if layout.interleave != "bsq" else ""
            raise SceneError(f"{error}{hint}") from error
        data, layout = error.data, _shortened(layout, error, remarks)
    else:
        excess = data.stat().st_size - layout.size
        if excess > _UNREMARKABLE_EXCESS and not _foreign(header) and not header.whole("file compression", 0):
            remarks.append(f"the data file is {excess} bytes longer than its header promises")
    if path not in (header_path, data):
        raise SceneError(f"{path}: {header_path.name} describes {data.name}, not this file")
    raster, crs, transform = _open(header, data, layout, remarks)
    table = band_table(
        layout.shape[2],
        wavelength=header.numbers("wavelength") or header.numbers("wavelengths"),
        fwhm=header.numbers("fwhm"),
        good=header.numbers("bbl"),
        names=header.items("band names"),
        units=header.text("wavelength units") or None,
    )
    gain, bias = _scaling(header, layout.shape[2], remarks)
    raster, nodata, nodata_remarks = with_stated_nodata(raster, _nodata(header, layout.shape[2], remarks), gain, bias)
    attrs = {
        "data_file": str(data),
        "interleave": layout.interleave,
        "warnings": [*remarks, *table.remarks, *nodata_remarks],
        **{
            key.replace(" ", "_"): " ".join(header.text(key).split())
            for key in ("description", "sensor type", "acquisition time")
            if header.text(key)
        },
    }
    return build_cube(
        raster,
        source=str(path),
        reader=name,
        **table.coordinates,
        gain=gain,
        bias=bias,
        nodata=nodata,
        crs=crs,
        transform=transform,
        attrs=attrs,
    )


def _layout(header: Header, remarks: list[str]) -> Layout:
    shape = (
        header.whole("lines", least=1),
        header.whole("samples", least=1),
        header.whole("bands", least=1),
    )
    code = header.whole("data type")
    if code not in DATA_TYPES:
        raise SceneError(f"{header.path}: 'data type = {code}' is not one of {', '.join(map(str, DATA_TYPES))}")
    dtype = np.dtype(DATA_TYPES[code])
    if dtype.kind == "c":
        raise SceneError(f"{header.path}: 'data type = {code}' is complex numbers, a cube holds real ones")
    interleave = header.text("interleave", "bsq" if shape[2] == 1 else "").lower()
    if interleave not in INTERLEAVES:
        stated = f"'interleave = {header.text('interleave')}' is not one of" if interleave else "no 'interleave':"
        raise SceneError(f"{header.path}: {stated} {', '.join(INTERLEAVES)}")
    if dtype.itemsize > 1 and not header.text("byte order"):
        remarks.append("the header has no 'byte order': taken as 0 (little-endian)")
    byte_order = header.whole("byte order", 0)
    if byte_order not in (0, 1):
        raise SceneError(f"{header.path}: 'byte order = {byte_order}' is not 0 (little-endian) or 1 (big-endian)")
    return Layout(
        shape,
        dtype.newbyteorder(">" if byte_order else "<"),
        interleave,
        header.whole("header offset", 0),
        _frame_offsets(header, "major frame offsets"),
        _frame_offsets(header, "minor frame offsets"),
    )


def _shortened(layout: Layout, error: ShortFileError, remarks: list[str]) -> Layout:
    """Return the layout of the whole lines in a file that is shorter than promised."""
    if layout.interleave == "bsq":
        raise SceneError(f"{error}; whole lines of a BSQ file lie at its end, so none can be read") from error
    lines = (error.held - layout.offset) // layout.frames[0]
    if lines < 1:
        raise SceneError(f"{error}, which is less than one line") from error
    promised = layout.shape[0]
    remarks.append(f"the data file is cut off: its first {lines} of {promised} lines are read, the others are missing")
    return replace(layout, shape=(lines, *layout.shape[1:]))


def _frame_offsets(header: Header, key: str) -> tuple[int, int]:
    stated = header.numbers(key)
    if not stated:
        return 0, 0
    if len(stated) != 2 or not all(re.fullmatch(r"[0-9]{1,18}", item) for item in stated):
        raise SceneError(f"{header.path}: '{key}' must be two whole numbers, not {', '.join(stated)}")
    return int(stated[0]), int(stated[1])


def _open(header: Header, data: Path, layout: Layout, remarks: list[str]) -> tuple[Raster, Any, Affine | None]:
    """Return the recipe for the numbers, and where they lie."""
    from hsad.gdal import open_dataset
    from hsad.readers.geotiff import gdal_raster, georeferencing

    if _foreign(header):
        # A header beside a file of another format, which holds its own layout: only GDAL's numbers are right.
        raster = gdal_raster(str(data))
        if raster.shape != layout.shape:
            raise SceneError(f"{data}: its header says {layout.shape}, the file has {raster.shape}")
        with open_dataset(str(data)) as dataset:
            crs, transform, located = georeferencing(dataset)
        remarks += located
        return raster, crs, transform
    crs, transform = _georeferencing(header, remarks)
    if header.whole("file compression", 0):
        return LoadedRaster.open(str(data), Gunzip(layout)), crs, transform
    return RawRaster(str(data), layout), crs, transform


def _foreign(header: Header) -> bool:
    """Tell whether the header lies beside a file of another format."""
    return header.text("file type").lower() not in _RAW_TYPES


def _georeferencing(header: Header, remarks: list[str]) -> tuple[Any, Affine | None]:
    """Let GDAL interpret the header's georeferencing, on an image of one pixel in memory.

    So the signs of rotations, the projections and the datums are GDAL's, and nothing else beside the data
    file (an ``.aux.xml``, which overrides the header) has a say in it.
    """
    from rasterio.io import MemoryFile

    from hsad.gdal import open_dataset
    from hsad.readers.geotiff import georeferencing

    keys = ("map info", "projection info", "coordinate system string")
    given = [f"{key} = {{{' '.join(header.text(key).split())}}}" for key in keys if header.text(key)]
    if not given:
        remarks += [
            f"the file is located by '{key}' only: results are not georeferenced"
            for key in ("geo points", "rpc info")
            if header.text(key)
        ]
        return None, None
    lines = ["ENVI", "samples = 1", "lines = 1", "bands = 1", "data type = 1", "interleave = bsq", *given, ""]
    content = "\n".join(lines).encode("utf-8", "replace")
    folder = uuid.uuid4().hex
    with (
        MemoryFile(content, dirname=folder, filename="pixel.hdr"),
        MemoryFile(b"\0\0", dirname=folder, filename="pixel.img") as pixel,
    ):
        try:
            with open_dataset(pixel.name) as dataset:
                crs, transform, located = georeferencing(dataset)
        except SceneError as error:
            raise SceneError(f"{header.path}: GDAL cannot interpret its georeferencing: {error}") from error
    if transform is not None and (reason := degenerate(transform)):
        raise SceneError(f"{header.path}: 'map info = {{{' '.join(header.text('map info').split())}}}' {reason}")
    remarks += located
    if crs is not None and crs.wkt.startswith("LOCAL_CS"):
        projection = header.items("map info")[0]
        remarks.append(f"the map projection '{projection}' is not known: its coordinates are local")
    return crs, transform


def _nodata(header: Header, bands: int, remarks: list[str]) -> list[float | None]:
    """Return the stated nodata values: one for all bands, or one a band."""
    items = header.numbers("data ignore value")
    try:
        values = [float(item) for item in items]
    except ValueError:
        remarks.append(f"'data ignore value = {header.text('data ignore value')}' is not a number: it is ignored")
        return [None]
    if len(values) in (0, 1, bands):
        return [*values] or [None]
    if len(set(values)) > 1:
        remarks.append(f"'data ignore value' gives {len(values)} numbers for {bands} bands: it is ignored")
        return [None]
    return [values[0]]


def _scaling(
    header: Header, bands: int, remarks: list[str]
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return gain and bias per band, None where nothing is scaled."""
    columns: dict[str, NDArray[np.float64]] = {}
    for key in ("data gain values", "data offset values", "reflectance scale factor"):
        items = header.numbers(key)
        if not items:
            continue
        try:
            values = np.asarray([float(item) for item in items])
        except ValueError:
            values = np.asarray([math.nan])
        neutral = 0.0 if key == "data offset values" else 1.0
        usable = len(values) in (1, bands) and np.all(np.isfinite(values))
        if not usable or (key == "reflectance scale factor" and np.any(values <= 0)):
            raise SceneError(
                f"{header.path}: '{key}' must be a number or {bands} numbers that scale the bands, "
                f"not {', '.join(items[:3])}{', …' if len(items) > 3 else ''} ({len(items)})"
            )
        if np.any(values != neutral):
            columns[key] = np.broadcast_to(values, (bands,))
    gain = columns.get("data gain values")
    bias = columns.get("data offset values")
    factor = columns.get("reflectance scale factor")
    if factor is not None and gain is None and bias is None:
        return 1.0 / factor, None
    if factor is not None:
        remarks.append("'reflectance scale factor' is ignored: 'data gain values' scale the bands already")
    return gain, bias
