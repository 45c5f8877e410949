"""EO-1 Hyperion L1T, with one int16 GeoTIFF per band and a text of metadata."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from hsad.errors import SceneError
from hsad.readers.acquired import between, day
from hsad.readers.rasters.stacked import stack
from hsad.readers.sensors.dlr import read_image
from hsad.readers.sensors.product import files_beside, no_variable, product_cube

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["can_read", "folders", "name", "read"]

name = "Hyperion"
folders = True

_BAND = re.compile(r"(?P<scene>EO1H.*?)_B(?P<band>\d{3})_L1(T|GST|R)\.TIFF?", re.IGNORECASE)
_METADATA = re.compile(r"(?P<scene>EO1H.*?)_MTL.*\.TXT", re.IGNORECASE)
_VNIR, _ALL = 70, 242  # number of bands of the VNIR spectrometer, and of both
# First and last band centre of each spectrometer in nm (USGS, "Hyperion spectral coverage"). Evenly spaced centres
# between them differ by less than 0.02 nm from the published table. The files state no wavelengths.
_CENTRES = ((355.59, 1057.68), (851.92, 2577.08))
_CALIBRATED = ((8, 57), (77, 224))  # first and last number of the calibrated bands of each spectrometer
_FACTORS = {"VNIR": 40.0, "SWIR": 80.0}
_LARGEST_TEXT = 2**20  # bytes of a text file of metadata; real ones have a few thousand


def can_read(path: Path) -> bool:
    """Tell whether a path is a folder with the bands of a scene, or a band or the metadata of a scene."""
    if path.is_dir():
        return any(_BAND.fullmatch(entry.name) for entry in files_beside(path))
    return bool(_BAND.fullmatch(path.name) or _METADATA.fullmatch(path.name))


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of a scene, with all delivered bands in the order of their wavelengths.

    Radiance is the stored number divided by 40 in the VNIR and by 80 in the SWIR, unless the metadata state other
    divisors. Only the bands 8-57 and 77-224 are calibrated; the other bands are bad.

    Raises
    ------
    SceneError
        When no band is found, or the bands do not have the same grid.
    """
    no_variable(path, variable, name)
    bands = _bands(path)
    centres = wavelengths()[np.asarray(sorted(bands)) - 1]
    numbers = np.asarray(sorted(bands))[np.argsort(centres, kind="stable")]
    images, grids = [], []
    for number in numbers:
        image, grid, _, _ = read_image(bands[int(number)])
        if image.shape[2] != 1:
            raise SceneError(f"{bands[int(number)]}: {image.shape[2]} bands in a file of one")
        images.append(image)
        grids.append(grid)
    for number, grid in zip(numbers, grids, strict=True):
        if grid != grids[0]:
            raise SceneError(f"{bands[int(number)]}: it does not lie where {bands[int(numbers[0])].name} lies")
    factors = _factors(bands[int(numbers[0])])
    missing = _ALL - len(numbers)
    good = np.any([(numbers >= low) & (numbers <= high) for low, high in _CALIBRATED], axis=0)
    source = bands[int(numbers[0])].parent if path.is_dir() else path
    return product_cube(
        stack(str(source), images),
        path=source,
        reader=name,
        product="Hyperion L1T",
        nodata=0.0,
        wavelength=wavelengths()[numbers - 1],
        good_wavelength=good,
        band_name=[f"B{number:03d}" for number in numbers],
        gain=np.where(numbers <= _VNIR, 1 / factors["VNIR"], 1 / factors["SWIR"]),
        acquired=_acquired(bands[int(numbers[0])]),
        remarks=[f"{missing} of {_ALL} bands are missing"] if missing else [],
        attrs={"units": "W/m²/sr/µm", "interleave": "bsq"},
        **grids[0],
    )


def wavelengths() -> NDArray[np.float64]:
    """Return the centres of the 242 bands in nm, in the order of their numbers."""
    (first, last), (low, high) = _CENTRES
    return np.concatenate([np.linspace(first, last, _VNIR), np.linspace(low, high, _ALL - _VNIR)])


def _bands(path: Path) -> dict[int, Path]:
    """Return the file of each band of the scene to which a path belongs."""
    named = _BAND.fullmatch(path.name) or _METADATA.fullmatch(path.name)
    scenes: dict[str, dict[int, Path]] = {}
    for entry in files_beside(path):
        match = _BAND.fullmatch(entry.name)
        if match and 1 <= int(match["band"]) <= _ALL:
            scenes.setdefault(match["scene"].upper(), {})[int(match["band"])] = entry
    if named is not None:
        scenes = {key: bands for key, bands in scenes.items() if key == named["scene"].upper()}
    if len(scenes) != 1:
        listed = f": {', '.join(sorted(scenes))}" if scenes else ", no file such as EO1H…_B001_L1T.TIF"
        raise SceneError(f"{path}: {len(scenes)} Hyperion scenes beside it{listed}")
    return next(iter(scenes.values()))


def _metadata(band: Path) -> str:
    """Return the joined texts of the metadata files beside a band."""
    return "\n".join(
        entry.read_text(encoding="latin-1")
        for entry in files_beside(band)
        if _METADATA.fullmatch(entry.name) and entry.stat().st_size <= _LARGEST_TEXT
    )


def _acquired(band: Path) -> str | None:
    """Return the time of acquisition from START_TIME and END_TIME of the metadata, or else the day in the name."""
    times = []
    for key in ("START_TIME", "END_TIME"):
        match = re.search(rf"{key}\s*=\s*\"?(\d{{4}}) (\d{{3}}) ([\d:]{{8}})", _metadata(band))
        if match:
            date = day(f"{match[1]} {match[2]}", "%Y %j")
            times.append(f"{date[:10]}T{match[3]}" if date else None)
    found = between(*times) if len(times) == 2 else None
    in_name = re.match(r"EO1H\d{6}(\d{7})", band.name, re.IGNORECASE)
    return found or (day(in_name[1], "%Y%j") if in_name else None)


def _factors(band: Path) -> dict[str, float]:
    """Return the divisor of each spectrometer from the metadata, or else the usual divisor of L1T."""
    factors, content = dict(_FACTORS), _metadata(band)
    for arm in factors:
        for number in re.findall(rf"SCALING_FACTOR_{arm}\s*=\s*(\d+\.?\d*)", content):
            if float(number) > 0:
                factors[arm] = float(number)
    return factors
