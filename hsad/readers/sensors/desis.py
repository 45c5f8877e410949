"""DESIS L1B, L1C and L2A, an int16 GeoTIFF of 235 bands from 401 to 1000 nm with metadata and quality layers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hsad.readers.rasters.stacked import stack
from hsad.readers.sensors.dlr import BandFields, acquired, find_files, holds_image, layer_a_band, read_bands, read_image
from hsad.readers.sensors.markup import read_xml
from hsad.readers.sensors.product import ascending, flag_image, in_bands, no_variable, product_cube
from hsad.scene.quality import Flag

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

__all__ = ["can_read", "folders", "name", "read"]

name = "DESIS"
folders = True

_FIELDS = BandFields("band", "wavelengthCenterOfBand", "wavelengthWidthOfBand", "gainOfBand", "offsetOfBand")
_NODATA = -32768.0
_MASKED = ("cloud", "shadow")
# Bands of QL_QUALITY-2, counted from 0. The last two bands, aerosol and water vapour, are not flags.
_LAYERS = {"shadow": (0,), "land": (1,), "snow": (2,), "haze": (3, 4), "cloud": (5, 6), "water": (7,)}


def can_read(path: Path) -> bool:
    """Tell whether a path is a folder with a DESIS product, or a file of one."""
    return holds_image(path, name, _FIELDS.band)


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of a DESIS product; L1B is on the sensor's grid and is not georeferenced.

    Raises
    ------
    SceneError
        When a file or an element of the metadata is missing.
    """
    no_variable(path, variable, name)
    files = find_files(path, name, _FIELDS.band)
    image, grid, stated, remarks = read_image(files.image)
    root = read_xml(files.metadata)
    bands = read_bands(root, _FIELDS, files.metadata, image.shape[2])
    order = ascending(bands.wavelength)
    pixels = layer_a_band(files.layer("QL_QUALITY"), image, order)
    match = re.search(r"L1B|L1C|L2A", files.stem.upper())
    level = match[0] if match else ""
    if level == "L1B":
        grid = {"crs": None, "transform": None}
        remarks.append("the pixels are on the sensor's grid: results are not georeferenced")
    return product_cube(
        stack(str(files.image), [image], order.tolist()),
        path=files.image,
        reader=name,
        product=f"{name} {level}".strip(),
        nodata=stated if stated is not None else _NODATA,
        wavelength=bands.wavelength[order],
        fwhm=bands.fwhm[order],
        gain=bands.gain[order],
        bias=bands.bias[order],
        flags=_flags(files.layer("QL_QUALITY-2"), image.shape[:2], remarks),
        masked=_MASKED,
        acquired=acquired(root, files.image),
        band_mask=pixels,
        remarks=remarks,
        attrs={"units": "1" if level == "L2A" else "mW/cm²/sr/µm", "interleave": "bsq"},
        **grid,
    )


def _flags(path: Path | None, shape: tuple[int, int], remarks: list[str]) -> dict[str, list[Flag]]:
    """Return the flags of L2A; the other levels have no flags."""
    image = flag_image(path, shape, 8, remarks)
    if image is None:
        return {}
    read = image.read
    return {flag: [Flag(read, in_bands(*bands))] for flag, bands in _LAYERS.items()}
