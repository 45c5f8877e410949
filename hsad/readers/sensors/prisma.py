"""PRISMA L1, L2B, L2C and L2D, HDF-EOS5 with the cubes of two spectrometers in descending order of wavelength."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsad.errors import SceneError
from hsad.readers.acquired import stated_coverage, time_in_name
from hsad.readers.rasters.hdf5 import hdf5_raster, open_hdf5, stated, text
from hsad.readers.rasters.stacked import stack
from hsad.readers.sensors.granule import coded_flags, holds, is_granule, known_crs, points_in
from hsad.readers.sensors.product import (
    ascending,
    main_file,
    no_variable,
    outside_water,
    product_cube,
)
from hsad.scene.quality import PIXEL_FLAG

if TYPE_CHECKING:
    from pathlib import Path

    import h5py
    import xarray as xr
    from numpy.typing import NDArray

    from hsad.scene.cube import Raster

__all__ = ["can_read", "folders", "name", "read"]

name = "PRISMA"
folders = True

_SWATH = re.compile(r"PRS_(?P<level>L1|L2B|L2C|L2D)_HCO")
_AXES = (0, 2, 1)  # stored as rows, bands, columns
_PLACES = (("Latitude", "Longitude"), ("Latitude_VNIR", "Longitude_VNIR"))
_FULL_SCALE = 65535.0  # stored number of the largest value of L2
_SUFFIXES = (".he5", ".h5", ".hdf5")
# In the masks of L1, 1 means set, 0 means not set, and other numbers mean unknown.
_L1_FLAGS = {"cloud": ("Cloud_Mask", (1,)), "glint": ("SunGlint_Mask", (1,)), "water": ("LandCover_Mask", (0,))}


class _Spectrometer(NamedTuple):
    """The VNIR or the SWIR spectrometer, with all bands of its cube, also those that were not acquired."""

    raster: Raster
    errors: Raster | None
    wavelength: NDArray[np.float64]
    fwhm: NDArray[np.float64]
    used: NDArray[np.bool_]
    gain: float
    bias: float


def can_read(path: Path) -> bool:
    """Tell whether a path is a PRISMA product, or a folder with one."""
    return holds(path, _is_product)


def _is_product(path: Path) -> bool:
    return is_granule(
        path, _SUFFIXES, lambda file: any(key.startswith("PRS_") for key in file.get("HDFEOS/SWATHS", ()))
    )


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of a product, with the acquired bands of both spectrometers in ascending order of wavelength.

    The stored number 0 is nodata. Where the spectrometers overlap, the VNIR bands are bad, because the SWIR bands are
    less noisy. Bands in the water vapour windows are bad, too; their 0 marks a failed retrieval.

    Raises
    ------
    SceneError
        When a dataset or an attribute is missing; the message names it.
    """
    no_variable(path, variable, name)
    path = main_file(path, name, _is_product)
    source = str(path)
    remarks: list[str] = []
    with open_hdf5(source) as file:
        found = [match for key in file["HDFEOS/SWATHS"] if (match := _SWATH.fullmatch(key))]
        if not found:
            listed = ", ".join(file["HDFEOS/SWATHS"])
            raise SceneError(f"{source}: not a PRISMA cube: no HDFEOS/SWATHS/PRS_<level>_HCO among {listed}")
        level, group = found[0]["level"], file["HDFEOS/SWATHS"][found[0][0]]
        vnir, swir = (_spectrometer(file, group, arm, level, source) for arm in ("Vnir", "Swir"))
        rows, cols = vnir.raster.shape[:2]
        grid = _grid(file, (rows, cols), source) if level == "L2D" else {}
        flags = coded_flags(group["Data Fields"], _L1_FLAGS, (rows, cols), source) if level == "L1" else {}
        acquired = stated_coverage(file.attrs) or time_in_name(path.name)
        swath = None if level == "L2D" else points_in(group, ["Geolocation Fields"], _PLACES, source)
    arms = (vnir, swir)
    wavelength = np.concatenate([arm.wavelength for arm in arms])
    used = np.flatnonzero(np.concatenate([arm.used for arm in arms]))
    order = used[ascending(wavelength[used])]
    is_vnir = order < len(vnir.wavelength)
    good, water = outside_water(wavelength[order])
    overlap = is_vnir & (wavelength[order] >= swir.wavelength[swir.used].min(initial=np.inf))
    if overlap.any():
        remarks.append(
            f"{np.count_nonzero(overlap)} VNIR bands lie in the range of the SWIR spectrometer: they are bad"
        )
    errors = [arm.errors for arm in arms if arm.errors is not None]
    if swath is None and level != "L2D":
        remarks.append("the product has no latitudes and longitudes: results are not georeferenced")
    return product_cube(
        stack(source, [arm.raster for arm in arms], order.tolist()),
        path=path,
        reader=name,
        product=f"{name} {level}",
        nodata=0.0,
        wavelength=wavelength[order],
        fwhm=np.concatenate([arm.fwhm for arm in arms])[order],
        good_wavelength=good & ~overlap,
        band_name=_band_names(order, len(vnir.wavelength)),
        gain=np.where(is_vnir, vnir.gain, swir.gain),
        bias=np.where(is_vnir, vnir.bias, swir.bias),
        flags=flags,
        masked=("cloud", PIXEL_FLAG),
        band_mask=stack(source, errors, order.tolist()) if len(errors) == 2 else None,
        swath=swath,
        acquired=acquired,
        remarks=[*remarks, *water],
        attrs={"units": "1" if level in ("L2C", "L2D") else "W/m²/sr/µm", "interleave": "bil"},
        **grid,
    )


def _band_names(order: NDArray[np.intp], vnir: int) -> list[str]:
    return [f"VNIR {number + 1}" if number < vnir else f"SWIR {number - vnir + 1}" for number in order]


def _spectrometer(file: h5py.File, group: h5py.Group, arm: str, level: str, source: str) -> _Spectrometer:
    fields = group.get("Data Fields")
    key = f"{arm.upper()}_Cube"
    if fields is None or key not in fields:
        raise SceneError(f"{source}: no dataset {group.name}/Data Fields/{key}")
    if fields[key].ndim != 3:
        raise SceneError(f"{source}: {fields[key].name} has the shape {fields[key].shape}, not rows, bands, columns")
    raster = hdf5_raster(source, fields[key], _AXES)
    wavelength, fwhm = (
        np.ravel(stated(file, f"List_{what}_{arm}", source)).astype(np.float64) for what in ("Cw", "Fwhm")
    )
    acquired = np.ravel(file.attrs.get(f"List_Cw_{arm}_Flags", np.ones(len(wavelength))))
    for what, values in (("Cw", wavelength), ("Fwhm", fwhm), ("Cw_Flags", acquired)):
        if len(values) != raster.shape[2]:
            raise SceneError(f"{source}: {len(values)} values of {what} of {arm} for {raster.shape[2]} bands")
    matrix = f"{arm.upper()}_PIXEL_{'SAT_ERR' if level == 'L1' else 'L2_ERR'}_MATRIX"
    errors = hdf5_raster(source, fields[matrix], _AXES) if matrix in fields else None
    if errors is not None and errors.shape != raster.shape:
        errors = None
    gain, bias = _scaling(file, arm, level, source)
    return _Spectrometer(raster, errors, wavelength, fwhm, (wavelength > 0) & (acquired != 0), gain, bias)


def _scaling(file: h5py.File, arm: str, level: str, source: str) -> tuple[float, float]:
    """Return gain and bias, from the range of values in L2, or from the divisor and the offset in L1."""
    if level == "L1":
        factor, offset = (_number(file, f"{what}_{arm}", source) for what in ("ScaleFactor", "Offset"))
        if factor == 0:
            raise SceneError(f"{source}: ScaleFactor_{arm} is 0")
        return 1.0 / factor, -offset
    low, high = (_number(file, f"L2Scale{arm}{end}", source) for end in ("Min", "Max"))
    return (high - low) / _FULL_SCALE, low


def _number(holder: Any, key: str, source: str) -> float:
    value = stated(holder, key, source)
    try:
        return float(np.ravel(value)[0])
    except (ValueError, TypeError):
        raise SceneError(f"{source}: {key} = {text(value)!r} is not a number") from None


def _grid(file: h5py.File, shape: tuple[int, int], source: str) -> dict[str, Any]:
    """Return CRS and transform of L2D, whose corners are the centres of the outermost pixels."""
    from affine import Affine

    crs = known_crs(_number(file, "Epsg_Code", source), "Epsg_Code", source)
    west, north, east, south = (
        _number(file, f"Product_{corner}corner_{axis}", source)
        for corner in ("UL", "LR")
        for axis in ("easting", "northing")
    )
    rows, cols = shape
    wide, high = (east - west) / max(1, cols - 1), (north - south) / max(1, rows - 1)
    if wide <= 0 or high <= 0:
        raise SceneError(f"{source}: Product_ULcorner and Product_LRcorner are not the corners of a map")
    return {"crs": crs, "transform": Affine(wide, 0.0, west - wide / 2, 0.0, -high, north + high / 2)}
