"""PACE OCI L1B and L2, netCDF-4 on the sensor's grid with the latitude and longitude of each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.acquired import stated_coverage, time_in_name
from hsad.readers.rasters.hdf5 import Hdf5Layer, column, hdf5_raster, open_hdf5, text
from hsad.readers.rasters.stacked import stack
from hsad.readers.sensors.granule import holds, is_granule, points_in
from hsad.readers.sensors.product import (
    ascending,
    main_file,
    no_variable,
    outside_water,
    product_cube,
)
from hsad.scene.quality import PIXEL_FLAG, Flag, has_bits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import h5py
    import xarray as xr
    from numpy.typing import NDArray

    from hsad.scene.cube import Raster

__all__ = ["can_read", "folders", "name", "read"]

name = "PACE OCI"
folders = True

_ARMS = ("blue", "red", "SWIR")
# Units of surface reflectance (L2 SFREFL) and of remote-sensing reflectance above water (L2 AOP).
_LEVEL2 = {"rhos": "1", "Rrs": "1/sr"}
_FILL = -32767.0
_NOMINAL_FWHM = 5.0  # nm; the product states only the widths of the SWIR bands
_MASKED = ("cloud", "nodata", "saturated", PIXEL_FLAG)
# Names of the flags in the attribute flag_meanings of l2_flags.
_FLAGS = {
    "cloud": "CLDICE",
    "nodata": "NAVFAIL",
    "saturated": "HILT",
    "atmosphere": "ATMFAIL",
    "glint": "HIGLINT",
    "land": "LAND",
    "coast": "COASTZ",
    "stray_light": "STRAYLIGHT",
    "turbid": "TURBIDW",
    "low_sun": "HISOLZEN",
    "oblique": "HISATZEN",
}


def can_read(path: Path) -> bool:
    """Tell whether a path is an OCI granule, or a folder with one."""
    return holds(path, _is_product)


def _is_product(path: Path) -> bool:
    def knows(file: h5py.File) -> bool:
        is_oci = "OCI" in text(file.attrs.get("instrument", "")).upper() or path.name.upper().startswith("PACE_OCI")
        return is_oci and "sensor_band_parameters" in file

    return is_granule(path, (".nc", ".nc4"), knows)


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of a granule, with the bands in the order of their wavelengths.

    The cube of L1B has the bands of three detectors. The cube of L2 is ``rhos`` or ``Rrs``, or the array `variable`
    over lines, pixels and the same wavelengths, such as ``Rrs_unc``.

    Raises
    ------
    SceneError
        When a dataset is missing; the message names it.
    """
    path = main_file(path, name, _is_product)
    source = str(path)
    with open_hdf5(source) as file:
        level1 = "observation_data" in file
        if level1:
            no_variable(path, variable, name)
        key = "rhot" if level1 else _level2_key(file, variable, source)
        parts, wavelength, fwhm, scales = _level1(file, source) if level1 else _level2(file, key, source)
        shape = parts[0].shape[:2]
        swath = points_in(file, ("geolocation_data", "navigation_data"), [("latitude", "longitude")], source)
        flags = {} if level1 else _flags(file, shape, source)
        saturation = _saturation(file, parts, source) if level1 else None
        fill = _fill(file["observation_data/rhot_blue" if level1 else f"geophysical_data/{key}"])
        acquired = stated_coverage(file.attrs) or time_in_name(path.name)
    order = ascending(wavelength)
    good, remarks = outside_water(wavelength[order])
    remarks.append(f"widths below 900 nm are nominal ({_NOMINAL_FWHM:g} nm): the product states none")
    if swath is None:
        remarks.append("the product has no latitudes and longitudes: results are not georeferenced")
    gain, bias = (np.asarray(values)[order] for values in zip(*scales, strict=True))
    scaled = bool(np.any(gain != 1) or np.any(bias != 0))
    return product_cube(
        stack(source, parts, order.tolist()),
        path=path,
        reader=name,
        product=f"{name} {'L1B' if level1 else 'L2'}",
        nodata=fill,
        wavelength=wavelength[order],
        fwhm=fwhm[order],
        good_wavelength=good,
        gain=gain if scaled else None,
        bias=bias if scaled else None,
        flags=flags,
        masked=_MASKED,
        band_mask=stack(source, saturation, order.tolist()) if saturation else None,
        swath=swath,
        acquired=acquired,
        remarks=remarks,
        attrs={"units": _LEVEL2.get(key, "1"), "interleave": "bsq" if level1 else "bip", "variable": key},
    )


_Parts = tuple[list["Raster"], "NDArray[np.float64]", "NDArray[np.float64]", list[tuple[float, float]]]


def _level1(file: h5py.File, source: str) -> _Parts:
    parts: list[Raster] = []
    wavelengths, widths, scales = [], [], []
    for arm in _ARMS:
        key = f"rhot_{arm}"
        dataset = file["observation_data"].get(key)
        if dataset is None or dataset.ndim != 3:
            raise SceneError(f"{source}: no observation_data/{key} over bands, scans, pixels")
        raster = hdf5_raster(source, dataset, (1, 2, 0))
        centres = column(file["sensor_band_parameters"], f"{arm}_wavelength", source)
        _one_a_band(centres, raster, f"{arm}_wavelength", source)
        bandpass = f"{arm}_bandpass"
        if bandpass in file["sensor_band_parameters"]:
            width = column(file["sensor_band_parameters"], bandpass, source)
            _one_a_band(width, raster, bandpass, source)
        else:
            width = np.full(len(centres), _NOMINAL_FWHM)
        parts.append(raster)
        wavelengths.append(centres)
        widths.append(width)
        scales += [_scale(dataset)] * len(centres)
    return parts, np.concatenate(wavelengths), np.concatenate(widths), scales


def _level2_key(file: h5py.File, variable: str | None, source: str) -> str:
    """Return the name of the array in ``geophysical_data`` that is the cube."""
    group = file.get("geophysical_data", {})
    cubes = [key for key, item in group.items() if getattr(item, "ndim", 0) == 3]
    if variable is not None:
        wanted = variable.removeprefix("geophysical_data/")
        if wanted not in cubes:
            raise SceneError(f"{source}: no array {variable!r} over wavelengths; it holds {', '.join(cubes) or 'none'}")
        return wanted
    found = next((key for key in _LEVEL2 if key in cubes), None)
    if found is None:
        known = "rhos (L2 SFREFL) nor geophysical_data/Rrs (L2 AOP)"
        raise SceneError(f"{source}: neither observation_data (L1B) nor geophysical_data/{known} in it")
    return found


def _level2(file: h5py.File, key: str, source: str) -> _Parts:
    dataset = file[f"geophysical_data/{key}"]
    raster = hdf5_raster(source, dataset, (0, 1, 2))
    centres = column(file["sensor_band_parameters"], "wavelength_3d", source)
    _one_a_band(centres, raster, "wavelength_3d", source)
    return [raster], centres, np.full(len(centres), _NOMINAL_FWHM), [_scale(dataset)] * len(centres)


def _one_a_band(values: NDArray[np.float64], raster: Raster, what: str, source: str) -> None:
    if len(values) != raster.shape[2]:
        raise SceneError(f"{source}: {len(values)} values of {what} for {raster.shape[2]} bands")


def _scale(dataset: Any) -> tuple[float, float]:
    gain, bias = (
        float(np.ravel(dataset.attrs.get(key, default))[0]) for key, default in (("scale_factor", 1), ("add_offset", 0))
    )
    return gain, bias


def _fill(dataset: h5py.Dataset) -> float:
    return float(np.ravel(dataset.attrs.get("_FillValue", _FILL))[0])


def _flags(file: h5py.File, shape: tuple[int, int], source: str) -> dict[str, list[Flag]]:
    dataset = file.get("geophysical_data/l2_flags")
    if dataset is None or dataset.shape != shape:
        return {}
    meanings = text(dataset.attrs.get("flag_meanings", "")).split()
    masks = np.ravel(dataset.attrs.get("flag_masks", [1 << bit for bit in range(len(meanings))])).astype(np.int64)
    bit = dict(zip(meanings, (int(mask) for mask in masks), strict=False))
    read = Hdf5Layer.of(source, dataset).whole
    return {flag: [Flag(read, has_bits(bit[key]))] for flag, key in _FLAGS.items() if key in bit}


def _saturation(file: h5py.File, parts: Sequence[Raster], source: str) -> list[Raster] | None:
    """Return the quality layers of L1B, in which 1 marks a saturated number, or None if a layer is missing."""
    layers = [file["observation_data"].get(f"qual_{arm}") for arm in _ARMS]
    if any(layer is None or layer.ndim != 3 for layer in layers):
        return None
    rasters = [hdf5_raster(source, layer, (1, 2, 0)) for layer in layers]
    fitting = all(layer.shape == part.shape for layer, part in zip(rasters, parts, strict=True))
    return rasters if fitting else None
