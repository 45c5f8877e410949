"""EnMAP L1C and L2A, an int16 GeoTIFF of 224 bands of two spectrometers with metadata and quality layers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from hsad.errors import SceneError
from hsad.readers.rasters.stacked import stack
from hsad.readers.sensors.dlr import (
    BandFields,
    Files,
    acquired,
    find_files,
    holds_image,
    layer_a_band,
    read_bands,
    read_image,
)
from hsad.readers.sensors.markup import read_xml
from hsad.readers.sensors.product import (
    ascending,
    flag_image,
    no_variable,
    outside_water,
    product_cube,
)
from hsad.scene.quality import Flag, has_bits, is_any_of

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["can_read", "folders", "name", "read"]

name = "EnMAP"
folders = True

_FIELDS = BandFields("bandID", "wavelengthCenterOfBand", "FWHMOfBand", "GainOfBand", "OffsetOfBand")
_NOT_ZERO = has_bits(0xFF)
_LAYERS = {
    "QL_QUALITY_CLOUD": {"cloud": _NOT_ZERO},
    "QL_QUALITY_CLOUDSHADOW": {"shadow": _NOT_ZERO},
    "QL_QUALITY_CIRRUS": {"cirrus": _NOT_ZERO},
    "QL_QUALITY_HAZE": {"haze": _NOT_ZERO},
    "QL_QUALITY_SNOW": {"snow": _NOT_ZERO},
    "QL_QUALITY_CLASSES": {"water": is_any_of(2), "background": is_any_of(3)},
    # Each flag has two bits, for SWIR and VNIR.
    "QL_QUALITY_TESTFLAGS": {
        "interpolated": has_bits(0b0000_1100),
        "saturated": has_bits(0b0011_0000),
        "artefact": has_bits(0b1100_0000),
    },
}
_MASKED = ("cloud", "shadow", "cirrus", "saturated", "background")
_NODATA = {"L1B": 0.0, "L1C": 0.0, "L2A": -32768.0}
_UNITS = {"L1C": "W/m²/sr/nm", "L2A": "1"}
_EMPTY_MEAN = -1000000.0  # mean that the metadata state for an empty band


def can_read(path: Path) -> bool:
    """Tell whether a path is a folder with an EnMAP product, or a file of one."""
    return holds_image(path, name, _FIELDS.band)


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of an EnMAP product, with all bands in the order of their wavelengths.

    The spectrometers overlap between 902 and 993 nm, and the cube contains the bands of both. Bands that the metadata
    mark as empty and bands in the water vapour windows are bad.

    Raises
    ------
    SceneError
        When a file or an element of the metadata is missing, or the product is L1B, which has two images on two grids.
    """
    no_variable(path, variable, name)
    files = find_files(path, name, _FIELDS.band)
    root = read_xml(files.metadata)
    level = _level(root, files)
    if level == "L1B":
        raise SceneError(f"{files.image}: EnMAP L1B is two images on two grids, not one cube: use L1C or L2A")
    image, grid, stated, remarks = read_image(files.image)
    bands = read_bands(root, _FIELDS, files.metadata, image.shape[2])
    order = ascending(bands.wavelength)
    raster = stack(str(files.image), [image], order.tolist())
    good, water = outside_water(bands.wavelength)
    empty = _empty_bands(root, image.shape[2])
    if empty.any():
        remarks.append(f"the metadata call {np.count_nonzero(empty)} bands empty: they are bad")
    flags = _flags(files, image.shape[:2], remarks)
    return product_cube(
        raster,
        path=files.image,
        reader=name,
        product=f"{name} {level}".strip(),
        nodata=stated if stated is not None else _NODATA.get(level),
        wavelength=bands.wavelength[order],
        fwhm=bands.fwhm[order],
        good_wavelength=(good & ~empty)[order],
        band_name=[f"band {number + 1}" for number in order],
        gain=bands.gain[order],
        bias=bands.bias[order],
        flags=flags,
        masked=_MASKED,
        acquired=acquired(root, files.image),
        band_mask=layer_a_band(files.layer("QL_PIXELMASK"), image, order),
        remarks=[*remarks, *water],
        attrs={"units": _UNITS.get(level, ""), "interleave": "bsq"},
        **grid,
    )


def _level(root: Element, files: Files) -> str:
    """Return the level from the metadata or else from the name of the image; an empty text if neither states it."""
    stated = next((element.text for element in root.iter("level") if element.text), None)
    match = re.search(r"L[12][ABC]", (stated or files.image.name).upper())
    return match[0] if match else ""


def _empty_bands(root: Element, count: int) -> NDArray[np.bool_]:
    empty = np.zeros(count, dtype=np.bool_)
    for statistics in root.iter("bandStatistics"):
        for position, band in enumerate(statistics.findall("bandID")[:count]):
            number = _number(band.get("number") or str(position + 1)) - 1
            mean, deviation = (_number(band.findtext(key)) for key in ("mean", "stdDeviation"))
            if 0 <= number < count and number.is_integer() and mean == _EMPTY_MEAN and deviation == 0:
                empty[int(number)] = True
    return empty


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _flags(files: Files, shape: tuple[int, int], remarks: list[str]) -> dict[str, list[Flag]]:
    """Return the flags of the delivered layers; a layer contains one flag, classes or bits."""
    flags: dict[str, list[Flag]] = {}
    for layer, tests in _LAYERS.items():
        image = flag_image(files.layer(layer), shape, 1, remarks)
        if image is not None:
            read = image.read
            flags |= {flag: [Flag(read, test)] for flag, test in tests.items()}
    return flags
