"""Wyvern L1B and L2A, a GeoTIFF with the wavelengths in tags of its bands, and a STAC item."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hsad.gdal import open_dataset
from hsad.readers import geotiff
from hsad.readers.acquired import time_in_name
from hsad.readers.sensors.product import files_beside, main_file, no_variable, product_cube, sibling
from hsad.scene.cube import geo_grid, nodata

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

__all__ = ["can_read", "folders", "name", "read"]

name = "Wyvern"
folders = True

_IMAGE = re.compile(r"wyvern_.+\.tiff?", re.IGNORECASE)
_OTHER_IMAGE = re.compile(r".*(mask|quality|preview|overview|thumbnail)[^/]*", re.IGNORECASE)
_ITEM = re.compile(r"wyvern_.+\.json", re.IGNORECASE)
_REFLECTANCE_GAIN = 1e-4


def can_read(path: Path) -> bool:
    """Tell whether a path is a Wyvern image or its STAC item, or a folder with an image."""
    if path.is_dir():
        return any(_is_image(entry) for entry in files_beside(path))
    return _is_image(path) or bool(_ITEM.fullmatch(path.name) and sibling(path, _image_of(path)))


def _is_image(path: Path) -> bool:
    return bool(_IMAGE.fullmatch(path.name)) and not _OTHER_IMAGE.fullmatch(path.name)


def _image_of(item: Path) -> str:
    return re.escape(item.stem) + r"\.tiff?"


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of an image, which is radiance as floats (L1B) or reflectance as integers (L2A).

    If the file of integers does not state a gain or nodata value, the gain is 1e-4 and 0 is nodata.

    Raises
    ------
    SceneError
        When the image is no readable GeoTIFF.
    """
    no_variable(path, variable, name)
    path = main_file(path, name, _is_image)
    if not _is_image(path):
        path = sibling(path, _image_of(path)) or path
    image = geotiff.read(path)
    with open_dataset(str(path)) as dataset:
        valid = geotiff.mask(dataset, str(path))  # not from the image's coordinate, whose values would then be read
    integers = image.dtype.kind in "iu"
    known = {key: image.coords[key].values for key in _BAND_COORDS if key in image.coords}
    if integers and "gain" not in known:
        known["gain"] = _REFLECTANCE_GAIN
    fill = nodata(image)
    grid = geo_grid(image)
    return product_cube(
        image.encoding["hsad_raster"],
        path=path,
        reader=name,
        product=f"{name} {'L2A' if integers else 'L1B'}",
        valid=valid,
        nodata=0.0 if fill is None and integers else fill,
        acquired=time_in_name(path.name),
        remarks=image.attrs["warnings"],
        attrs={"units": "1" if integers else "W/m²/sr/µm", "interleave": image.attrs["interleave"]},
        **known,
        crs=grid.crs,
        transform=grid.transform,
    )


_BAND_COORDS = ("wavelength", "fwhm", "good_wavelength", "band_name", "gain", "bias")
