"""Tanager-1, HDF-EOS5 with bands as first axis, on a map grid (``ortho``) or on the sensor's grid (``basic``)."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.acquired import stated_coverage, time_in_name
from hsad.readers.bands import band_table
from hsad.readers.rasters.hdf5 import Hdf5Layer, hdf5_raster, open_hdf5, stated, text
from hsad.readers.sensors.granule import coded_flags, holds, is_granule, known_crs, points_in
from hsad.readers.sensors.product import (
    main_file,
    no_variable,
    outside_water,
    product_cube,
)
from hsad.scene.cube import lazy_image
from hsad.scene.swath import Swath

if TYPE_CHECKING:
    from pathlib import Path

    import h5py
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["can_read", "folders", "name", "read"]

name = "Tanager"
folders = True

_GROUPS = ("HDFEOS/GRIDS/HYP", "HDFEOS/SWATHS/HYP")
_CUBES = {"surface_reflectance": ("L2A", "1"), "toa_radiance": ("L1B", "W/m²/sr/µm")}
_MASKED = ("cloud", "cirrus")
# In the masks, 1 means set. The fill value 255 means not set.
_FLAGS = {"cloud": ("beta_cloud_mask", (1,)), "cirrus": ("beta_cirrus_mask", (1,))}
_MISSING = "nodata_pixels"
_NODATA = -9999.0
_SUFFIXES = (".h5", ".hdf5", ".he5")


def can_read(path: Path) -> bool:
    """Tell whether a path is a Tanager product, or a folder with one."""
    return holds(path, _is_product)


def _is_product(path: Path) -> bool:
    return is_granule(path, _SUFFIXES, lambda file: any(group in file for group in _GROUPS))


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of a product.

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
        group = file[next(group for group in _GROUPS if group in file)]
        fields = group.get("Data Fields")
        cube = next((key for key in _CUBES if fields is not None and key in fields), None)
        if fields is None or cube is None:
            raise SceneError(f"{source}: none of {', '.join(_CUBES)} in {group.name}/Data Fields")
        dataset = fields[cube]
        if dataset.ndim != 3:
            raise SceneError(f"{source}: {dataset.name} has the shape {dataset.shape}, not bands, rows, columns")
        raster = hdf5_raster(source, dataset, (1, 2, 0))
        table = band_table(
            raster.shape[2],
            wavelength=np.ravel(stated(dataset, "wavelengths", source)).tolist(),
            fwhm=np.ravel(dataset.attrs.get("fwhm", ())).tolist(),
            good=np.ravel(dataset.attrs.get("good_wavelengths", ())).astype(float).tolist(),
            units="nm",
        )
        fill = float(np.ravel(dataset.attrs.get("_FillValue", _NODATA))[0])
        flags = coded_flags(fields, _FLAGS, raster.shape[:2], source)
        valid = _valid(fields, raster.shape[:2], source)
        acquired = stated_coverage(file.attrs) or time_in_name(path.name)
        grid: dict[str, Any] = {}
        swath: Swath | None = None
        if "GRIDS" in group.name:
            grid = _grid(file, group, raster.shape[:2], source)
        else:
            swath = points_in(group, ("Geolocation Fields", "Data Fields"), [("Latitude", "Longitude")], source)
    known = table.coordinates
    if table.good_wavelength is None and table.wavelength is not None:
        known["good_wavelength"], remarks = outside_water(table.wavelength)
    if not grid and swath is None:
        remarks.append("the product has no latitudes and longitudes: results are not georeferenced")
    level, units = _CUBES[cube]
    return product_cube(
        raster,
        path=path,
        reader=name,
        product=f"{name} {level}",
        nodata=fill,
        valid=valid,
        flags=flags,
        masked=_MASKED,
        swath=swath,
        acquired=acquired,
        remarks=[*remarks, *table.remarks],
        attrs={"units": units, "interleave": "bsq", "variable": cube},
        **known,
        **grid,
    )


def _valid(fields: h5py.Group, shape: tuple[int, int], source: str) -> Any:
    """Return the lazily read mask of pixels with data, or None if the product has no such mask."""
    if _MISSING not in fields or fields[_MISSING].shape != shape:
        return None
    return lazy_image(shape, np.bool_, partial(_not_one, Hdf5Layer.of(source, fields[_MISSING])))


def _not_one(layer: Hdf5Layer) -> NDArray[np.bool_]:
    return np.asarray(layer.whole() != 1)


def _grid(file: h5py.File, group: h5py.Group, shape: tuple[int, int], source: str) -> dict[str, Any]:
    """Return CRS and transform; the structural metadata state the outer corners of the outermost pixels."""
    from affine import Affine

    crs = known_crs(text(stated(group, "epsg_code", source)), "epsg_code", source)
    structure = file.get("HDFEOS INFORMATION/StructMetadata.0")
    described = "" if structure is None else text(structure[()])
    corners = []
    for key in ("UpperLeftPointMtrs", "LowerRightMtrs"):
        match = re.search(rf"{key}=\(([-+.\deE]+),([-+.\deE]+)\)", described.replace(" ", ""))
        if match is None:
            raise SceneError(f"{source}: no {key} in HDFEOS INFORMATION/StructMetadata.0")
        corners += [float(match[1]), float(match[2])]
    west, north, east, south = corners
    rows, cols = shape
    return {"crs": crs, "transform": Affine((east - west) / cols, 0.0, west, 0.0, (south - north) / rows, north)}
