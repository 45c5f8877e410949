"""Cubes of ENVI images, which consist of a text header and a file of bare numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hsad.errors import SceneError
from hsad.readers.bands import band_table, with_bands, with_columns
from hsad.readers.envi.files import ShortFileError, esri_data, find_data, find_esri_header, find_header, is_container
from hsad.readers.envi.header import Header, header_text, read_header
from hsad.readers.envi.layout import header_layout
from hsad.readers.envi.located import coordinates_beside, georeferencing_of
from hsad.readers.envi.missing import with_ignored
from hsad.readers.envi.spectral import esri_header, header_bands
from hsad.readers.envi.times import iso_time
from hsad.readers.rasters.loaded import LoadedRaster
from hsad.readers.rasters.raw import Gunzip, Layout, RawRaster
from hsad.scene.cube import Raster, build_cube, with_raster

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["accepted", "can_read", "described", "name", "read"]

name = "ENVI"
accepted = ("partial",)

# File types whose data file contains bare numbers. Any other file type names the format of the data file.
_RAW_TYPES = ("", "envi", "envi standard", "envi classification")
_UNREMARKABLE_EXCESS = 16  # bytes of padding at the end of a data file that need no remark


def can_read(path: Path) -> bool:
    """Tell whether the file is an ENVI or ESRI header, or the data file of one."""
    header_path = find_header(path)
    if header_path is None:
        return find_esri_header(path) is not None
    if header_path == path:
        return True
    # Several files may have the name of the header, which describes only one of them.
    try:
        header = read_header(header_path)
        return find_data(header, header_layout(header, []).size, named=path) == path
    except SceneError:
        # `read` reports the error, unless another reader can read the file without this header.
        return not is_container(path)


def read(path: Path, variable: str | None = None, *, partial: bool = False) -> xr.DataArray:
    """Return the lazily indexed cube of an ENVI image, from the name of its header or of its data file.

    ``reflectance scale factor`` and ``data gain values`` with ``data offset values`` become the cube's gain
    and bias: physical = stored / factor, or stored · gain + offset.

    If the data file has another format (an ENVI header beside a TIFF, an ESRI header), GDAL reads the numbers, and the
    header's wavelengths, nodata value and scaling are added.

    Parameters
    ----------
    path : Path
    variable : str, optional
        Raises an error, because an ENVI image has no variables.
    partial : bool
        Accept a BIL or BIP file that is shorter than its header states; the cube has the complete lines. A shorter BSQ
        file lacks bands and raises an error.

    Raises
    ------
    SceneError
        When the header does not state a valid layout, the data file is missing or too short, the numbers are complex,
        or the file is a spectral library.
    """
    if variable is not None:
        raise SceneError(f"{path}: an ENVI image has no variables, so {variable!r} cannot be chosen")
    header_path = find_header(path)
    if header_path is None:
        return _of_esri(path)
    remarks: list[str] = []
    header = _image_header(header_path, remarks)
    promised = header_layout(header, remarks)
    data, layout = _data_file(path, header, promised, partial=partial, remarks=remarks)
    if header.text("file type").lower() not in _RAW_TYPES or is_container(data):
        return _of_other_format(path, data, header, layout, remarks)
    excess = data.stat().st_size - promised.size
    compressed = header.whole("file compression", 0) != 0
    if excess > _UNREMARKABLE_EXCESS and not compressed:
        remarks.append(f"the data file is {excess} bytes longer than its header promises")
    return _of_numbers(path, data, header, layout, remarks)


def described(header_path: Path) -> tuple[xr.DataArray, Layout, int | None]:
    """Return what an ENVI header says of lines that come from elsewhere: a pipe, or a file that still grows.

    Returns
    -------
    cube : (y, x, band) DataArray
        The cube of the header, of which no number can be read.
    layout : Layout
        The layout of a file of such lines.
    lines : int or None
        The number of lines; None where the header has none, or 0. The cube and the layout have one line then.

    Raises
    ------
    SceneError
        When the header does not state a valid layout, or one whose lines do not follow each other: BSQ, or compressed.
    """
    remarks: list[str] = []
    header = _image_header(header_path, remarks)
    lines = header.whole("lines", 0) or None
    layout = header_layout(replace(header, values={**header.values, "lines": str(lines or 1)}), remarks)
    if layout.interleave == "bsq" or header.whole("file compression", 0):
        stated = "compressed" if layout.interleave != "bsq" else "'interleave = bsq'"
        raise SceneError(f"{header_path}: {stated}: lines that follow each other need bil or bip, not compressed")
    return _of_numbers(header_path, header_path, header, layout, remarks), layout, lines


def _image_header(header_path: Path, remarks: list[str]) -> Header:
    """Return the header of an image, with a remark if the image is a classification.

    Raises
    ------
    SceneError
        When the header describes a spectral library.
    """
    header = read_header(header_path)
    file_type = header.text("file type").lower()
    if "spectral library" in file_type:
        raise SceneError(f"{header.path}: an ENVI spectral library, not a scene: it has no pixels")
    if file_type == "envi classification":
        remarks.append("the file is a classification: its numbers are classes, not spectra")
    return header


def _data_file(path: Path, header: Header, layout: Layout, *, partial: bool, remarks: list[str]) -> tuple[Path, Layout]:
    """Return the data file and the layout of its complete lines."""
    try:
        data = find_data(header, layout.size, named=None if path == header.path else path)
    except ShortFileError as error:
        if not partial:
            hint = "; --partial (partial=True) reads its whole lines" if layout.interleave != "bsq" else ""
            raise SceneError(f"{error}{hint}") from error
        data, layout = error.data, _shortened(layout, error, remarks)
    if path not in (header.path, data):
        raise SceneError(f"{path}: {header.path.name} describes {data.name}, not this file")
    return data, layout


def _of_numbers(path: Path, data: Path, header: Header, layout: Layout, remarks: list[str]) -> xr.DataArray:
    """Return the cube of a file of bare numbers, compressed or not."""
    raster: Raster = RawRaster(str(data), layout)
    if header.whole("file compression", 0):
        raster = LoadedRaster.open(str(data), Gunzip(layout))
    crs, transform = georeferencing_of(header, remarks)
    swath = coordinates_beside(header, layout.shape[:2], remarks) if crs is None and transform is None else None
    table = header_bands(header, layout.shape[2])
    gain, bias = _scaling(header, layout.shape[2], remarks)
    raster, nodata = with_ignored(header, raster, gain, bias, remarks)
    cube = build_cube(
        raster,
        source=str(path),
        reader=name,
        **table.coordinates,
        gain=gain,
        bias=bias,
        nodata=nodata,
        crs=crs,
        transform=transform,
        attrs={
            "data_file": str(data),
            "interleave": layout.interleave,
            "warnings": [*remarks, *table.remarks],
            **_description(header),
        },
    )
    if swath is not None:
        cube.encoding["hsad_swath"] = swath
    return cube


def _description(header: Header) -> dict[str, str]:
    """Return the attributes that describe the scene; ``acquired`` is its time in ISO 8601."""
    keys = ("description", "sensor type", "acquisition time")
    attrs = {key.replace(" ", "_"): header.text(key) for key in keys if header.text(key)}
    acquired = iso_time(header.text("acquisition time"))
    return attrs if acquired is None else {**attrs, "acquired": acquired}


def _of_other_format(path: Path, data: Path, header: Header, layout: Layout, remarks: list[str]) -> xr.DataArray:
    """Return the cube of a file that GDAL reads, with the metadata of the ENVI header beside the file.

    If the user named the data file and the header describes an image of another size, the header is ignored with a
    remark.
    """
    from hsad.readers import geotiff

    cube = geotiff.read(data)
    if cube.shape != layout.shape:
        sizes = ["×".join(map(str, shape)) for shape in (layout.shape, cube.shape)]
        if path != data:
            raise SceneError(f"{data}: its header says {sizes[0]}, the file has {sizes[1]}")
        remarks = [f"{header.path.name} describes an image of {sizes[0]}, the file has {sizes[1]}: it is ignored"]
        return cube.assign_attrs(warnings=[*cube.attrs["warnings"], *remarks])
    bands = layout.shape[2]
    table = header_bands(header, bands)
    gain, bias = _scaling(header, bands, remarks)
    raster, nodata = with_ignored(header, cube.encoding["hsad_raster"], gain, bias, remarks)
    stated = with_bands(cube, table)
    if nodata is not None and "_FillValue" not in cube.attrs:
        stated = with_raster(stated, raster).assign_attrs(_FillValue=nodata)
    if not {"gain", "bias"} & set(cube.coords):
        scaling = {"gain": gain, "bias": bias}
        stated = with_columns(stated, {key: (column, {}) for key, column in scaling.items() if column is not None})
    warnings = [*cube.attrs["warnings"], *remarks, *table.remarks]
    return stated.assign_attrs(source=str(path), data_file=str(data), warnings=warnings, **_description(header))


def _of_esri(path: Path) -> xr.DataArray:
    """Return the cube of a BIL, BIP or BSQ file with an ESRI header, read by GDAL, with the header's wavelengths.

    Raises
    ------
    SceneError
        When the header or its data file is missing.
    """
    from hsad.readers import geotiff

    header_path = find_esri_header(path)
    found = None if header_path is None else esri_header(header_text(header_path))
    if header_path is None or found is None:
        raise SceneError(f"{path}: no ENVI header beside it")
    data = esri_data(header_path) if path == header_path else path
    cube = geotiff.read(data)
    _, wavelengths = found
    table = band_table(cube.sizes["band"], wavelength=wavelengths)
    stated = with_bands(cube, table)
    warnings = [*cube.attrs["warnings"], *table.remarks]
    return stated.assign_attrs(source=str(path), data_file=str(data), warnings=warnings)


def _shortened(layout: Layout, error: ShortFileError, remarks: list[str]) -> Layout:
    """Return the layout of the complete lines in a file that is shorter than its header states."""
    if layout.interleave == "bsq":
        raise SceneError(f"{error}; whole lines of a BSQ file lie at its end, so none can be read") from error
    lines = (error.size - layout.offset) // layout.frames[0]
    if lines < 1:
        raise SceneError(f"{error}, which is less than one line") from error
    promised = layout.shape[0]
    remarks.append(f"the data file is cut off: its first {lines} of {promised} lines are read, the others are missing")
    return replace(layout, shape=(lines, *layout.shape[1:]))


def _scaling(
    header: Header, bands: int, remarks: list[str]
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return gain and bias per band, None where the header states no scaling."""
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
