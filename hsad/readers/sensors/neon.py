"""NEON AOP reflectance: HDF5 with one group a site, flight lines and mosaic tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.bands import band_table
from hsad.readers.rasters.hdf5 import column, hdf5_raster, open_hdf5, text
from hsad.readers.sensors.granule import coded_flags, holds, is_granule, known_crs
from hsad.readers.sensors.product import main_file, no_variable, product_cube
from hsad.scene.water_vapour import WATER_VAPOUR_NM

if TYPE_CHECKING:
    from pathlib import Path

    import h5py
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["can_read", "folders", "name", "read"]

name = "NEON"
folders = True

_NODATA = -9999.0
_SCALE = 10000.0
_SUFFIXES = (".h5", ".hdf5")
_MASKED = ("cloud", "shadow")
# Classes of ATCOR.
_CLASSES = {
    "shadow": (1, 22),
    "cirrus": (2, 3, 4, 8, 9, 10, 18, 19),
    "saturated": (6,),
    "snow": (7,),
    "haze": (11, 12, 13, 14),
    "cloud": (15, 16),
    "water": (17,),
}
_FLAGS = {flag: ("Ancillary_Imagery/Haze_Cloud_Water_Map", codes) for flag, codes in _CLASSES.items()}


def can_read(path: Path) -> bool:
    """Tell whether a file is a NEON product, or a folder holds one."""
    return holds(path, _is_product)


def _is_product(path: Path) -> bool:
    return is_granule(path, _SUFFIXES, lambda file: _site(file) is not None)


def _site(file: h5py.File) -> h5py.Group | None:
    """Return the group of the site: the one with reflectance, or with radiance, in it."""
    import h5py

    for group in file.values():
        if isinstance(group, h5py.Group) and "Reflectance" in group:
            return group["Reflectance"]
    return None


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of a flight line or mosaic tile. Values outside 0 to 1 are data, and stay.

    Raises
    ------
    SceneError
        When a dataset is missing, or the grid is not north up.
    """
    no_variable(path, variable, name)
    path = main_file(path, name, _is_product)
    source = str(path)
    with open_hdf5(source) as file:
        group = _site(file)
        if group is None or "Reflectance_Data" not in group or "Metadata" not in group:
            raise SceneError(f"{source}: not a NEON product: no Reflectance with Reflectance_Data and Metadata")
        dataset, metadata = group["Reflectance_Data"], group["Metadata"]
        if dataset.ndim != 3:
            raise SceneError(f"{source}: {dataset.name} has the shape {dataset.shape}, not rows, columns, bands")
        raster = hdf5_raster(source, dataset, (0, 1, 2))
        widths = "Spectral_Data/FWHM"
        table = band_table(
            raster.shape[2],
            wavelength=column(metadata, "Spectral_Data/Wavelength", source).tolist(),
            fwhm=column(metadata, widths, source).tolist() if widths in metadata else None,
            units=text(metadata["Spectral_Data/Wavelength"].attrs.get("Units", "nm")),
        )
        scale, fill = (
            float(np.ravel(dataset.attrs.get(key, default))[0])
            for key, default in (("Scale_Factor", _SCALE), ("Data_Ignore_Value", _NODATA))
        )
        if not scale > 0:
            raise SceneError(f"{source}: Scale_Factor = {scale:g} of {dataset.name} does not scale")
        known = table.coordinates
        if table.wavelength is not None:
            known["good_wavelength"] = _outside_windows(table.wavelength, group)
        grid = _grid(metadata, source)
        flags = coded_flags(metadata, _FLAGS, raster.shape[:2], source)
    return product_cube(
        raster,
        path=path,
        reader=name,
        product="NEON AOP reflectance",
        nodata=fill,
        gain=1.0 / scale,
        flags=flags,
        masked=_MASKED,
        remarks=table.remarks,
        attrs={"units": "1", "interleave": "bip"},
        **known,
        **grid,
    )


def _outside_windows(wavelength: NDArray[np.float64], group: h5py.Group) -> NDArray[np.bool_]:
    """Return which bands are outside the product's own bad windows, the general ones where it states none."""
    stated = [
        np.ravel(holder.attrs[key]).astype(np.float64)
        for key in ("Band_Window_1_Nanometers", "Band_Window_2_Nanometers")
        for holder in (group, group["Reflectance_Data"])
        if key in holder.attrs
    ]
    good = np.ones(len(wavelength), dtype=np.bool_)
    for low, high in [window for window in stated if len(window) == 2] or WATER_VAPOUR_NM:
        good &= (wavelength < low) | (wavelength > high)
    return good


def _grid(metadata: h5py.Group, source: str) -> dict[str, Any]:
    """Return CRS and transform of ``Map_Info``, which starts at the outer edge of the first pixel."""
    from affine import Affine

    system = metadata.get("Coordinate_System")
    if system is None or "Map_Info" not in system:
        raise SceneError(f"{source}: no Coordinate_System/Map_Info in {metadata.name}")
    info = text(system["Map_Info"][()])
    items = [item.strip() for item in info.split(",")]
    try:
        column0, row0, west, north, wide, high = (float(item) for item in items[1:7])
        rotation = next((float(item.partition("=")[2]) for item in items if item.lower().startswith("rotation")), 0.0)
    except ValueError:
        raise SceneError(f"{source}: Map_Info = {info!r} is not what ENVI calls map info") from None
    if rotation:
        raise SceneError(f"{source}: Map_Info has a rotation of {rotation:g} degrees, NEON's maps have none")
    crs = known_crs(text(system["EPSG Code"][()]) if "EPSG Code" in system else "", "EPSG Code", source)
    origin = (west - (column0 - 1) * wide, north + (row0 - 1) * high)
    return {"crs": crs, "transform": Affine(wide, 0.0, origin[0], 0.0, -high, origin[1])}
