"""HISUI L1G, a GeoTIFF of 185 bands with a table of the bands and a text of radiometric factors."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.acquired import time_in_name
from hsad.readers.rasters.stacked import stack
from hsad.readers.sensors.dlr import read_image
from hsad.readers.sensors.product import (
    ascending,
    files_beside,
    main_file,
    no_variable,
    outside_water,
    product_cube,
    sibling,
)

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["can_read", "folders", "name", "read"]

name = "HISUI"
folders = True

_IMAGE = re.compile(r"HSHL1G_.+\.tiff?", re.IGNORECASE)
_ALL, _VNIR = 185, 58  # number of bands of the product, and of its VNIR spectrometer
_LARGEST_TEXT = 2**20  # bytes of a text file of metadata; real ones have a few thousand


def can_read(path: Path) -> bool:
    """Tell whether a path is a HISUI image, or a folder with one."""
    if path.is_dir():
        return any(_IMAGE.fullmatch(entry.name) for entry in files_beside(path))
    return _IMAGE.fullmatch(path.name) is not None


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of an image, with the bands in the order of their wavelengths.

    If the table of the bands is missing, the cube has no wavelengths. If the text is missing, the numbers are not
    scaled. A remark states both.

    Raises
    ------
    SceneError
        When the image is no readable GeoTIFF, or the table does not fit it.
    """
    no_variable(path, variable, name)
    path = main_file(path, name, lambda entry: _IMAGE.fullmatch(entry.name) is not None)
    image, grid, stated, remarks = read_image(path)
    bands = image.shape[2]
    known: dict[str, Any] = {}
    table = sibling(path, re.escape(path.stem) + r"_B\.csv")
    order = np.arange(bands)
    if table is None:
        remarks.append(f"{path.stem}_B.csv is not beside it: the wavelengths are not known")
    else:
        columns = _columns(table, bands)
        order = ascending(columns[:, 0])
        known = {"wavelength": columns[order, 0], "fwhm": columns[order, 1]}
        known["good_wavelength"], water = outside_water(known["wavelength"])
        remarks += water
    factors = sibling(path, re.escape(path.stem) + r"\.txt")
    scaling = None if factors is None or bands != _ALL else _factors(factors)
    if scaling is None:
        reason = (
            f"{path.stem}.txt is not beside it"
            if factors is None
            else f"it has {bands} bands, not {_ALL}"
            if bands != _ALL
            else f"{factors.name} has no RadianceMulti and RadianceAdd"
        )
        remarks.append(f"{reason}: numbers are not scaled to radiance")
    else:
        arm = (order >= _VNIR).astype(int)  # 0 is VNIR, 1 is SWIR
        known |= {"gain": scaling[0][arm], "bias": scaling[1][arm]}
    return product_cube(
        stack(str(path), [image], order.tolist()),
        path=path,
        reader=name,
        product="HISUI L1G",
        nodata=0.0 if stated is None else stated,
        band_name=[f"band {number + 1}" for number in order],
        remarks=remarks,
        attrs={"units": "W/m²/sr/µm" if scaling else "", "interleave": "bsq"},
        acquired=time_in_name(path.name),
        **known,
        **grid,
    )


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST_TEXT:
        raise SceneError(f"{path}: too large to be metadata")
    return path.read_text(encoding="latin-1")


def _columns(table: Path, bands: int) -> NDArray[np.float64]:
    """Return wavelength and width of each band from the second and third column of the table."""
    rows = list(csv.reader(_text(table).splitlines()))[1:]
    try:
        columns = np.asarray([[float(item) for item in row[1:3]] for row in rows if row])
    except ValueError as error:
        raise SceneError(f"{table}: not a table of numbers: {error}") from error
    if columns.shape != (bands, 2) or not np.all(columns[:, 0] > 0):
        raise SceneError(f"{table}: {len(columns)} wavelengths and widths for {bands} bands")
    return columns


def _factors(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return gains and offsets of the VNIR and the SWIR, or None if the text does not state all of them."""
    content = _text(path)
    pairs = re.findall(r"^\s*Radiance(Multi|Add)(VNIR|SWIR)\s*=\s*([-+.\deE]+)\s*$", content, re.MULTILINE)
    found = {(what, arm): number for what, arm, number in pairs}
    try:
        gain, bias = (np.asarray([float(found[what, arm]) for arm in ("VNIR", "SWIR")]) for what in ("Multi", "Add"))
    except (KeyError, ValueError):
        return None
    return (gain, bias) if np.all(gain > 0) else None
