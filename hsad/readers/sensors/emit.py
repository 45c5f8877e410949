"""EMIT L1B radiance and L2A reflectance: netCDF-4 on the sensor's grid, with a lookup table that puts it on a map."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.cube import GeoGrid
from hsad.errors import SceneError
from hsad.grids.swath import TableSwath
from hsad.readers.bands import band_table
from hsad.readers.rasters.hdf5 import Hdf5Layer, column, hdf5_raster, open_hdf5, text
from hsad.readers.sensors.product import files_beside, main_file, no_variable, outside_water, product_cube, sibling

if TYPE_CHECKING:
    from pathlib import Path

    import h5py
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["can_read", "folders", "name", "read"]

name = "EMIT"
folders = True

_AXES = ("downtrack", "crosstrack", "bands")
_CUBES = {"reflectance": ("L2A", "1"), "radiance": ("L1B", "µW/cm²/sr/nm")}
_NAME = re.compile(r"EMIT_L\d\w_[A-Z]+_(?P<version>\d+)_(?P<scene>.+)\.nc4?", re.IGNORECASE)
_MASKED = ("cloud", "cirrus", "dilated_cloud", "spacecraft")
# What the mask product calls its layers, in both versions; other layers are amounts or sums of the others.
_FLAGS = {
    "cloud": r"cloud flag",
    "cirrus": r"cirrus flag",
    "water": r"water flag",
    "spacecraft": r"spacecraft flag",
    "dilated_cloud": r"dilated cloud flag",
    "shadow": r"(cloud )?shadow flag",
    "snow": r"(snow|ice|snow/ice) flag",
}


def can_read(path: Path) -> bool:
    """Tell whether a file is an EMIT granule, or a folder holds one."""
    if path.is_dir():
        return any(_is_granule(entry) for entry in files_beside(path))
    return _is_granule(path)


def _is_granule(path: Path) -> bool:
    import h5py

    if not (path.suffix.lower() in (".nc", ".nc4") or _NAME.fullmatch(path.name)) or not h5py.is_hdf5(path):
        return False
    with open_hdf5(str(path)) as file:
        return {"downtrack", "crosstrack"} <= set(file) or "location/glt_x" in file


def _is_cube(path: Path) -> bool:
    if not _is_granule(path):
        return False
    with open_hdf5(str(path)) as file:
        return any(key in file for key in _CUBES)


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of a granule on the sensor's grid, with the mask product beside it as its flags.

    The attributes ``geotransform`` and ``spatial_ref`` of the file belong to the map of the lookup table, not to the
    cube: results go through the table.

    Raises
    ------
    SceneError
        When the file has no cube (a mask or observation product), or is not laid out as a granule.
    """
    path = main_file(path, name, _is_cube)
    source = str(path)
    remarks: list[str] = []
    with open_hdf5(source) as file:
        cube = next((key for key in _CUBES if key in file), None)
        if variable is not None and variable != cube:
            no_variable(path, variable, name)
        if cube is None:
            found = ", ".join(sorted(key for key in file if not key.startswith("_")))
            raise SceneError(f"{source}: not an EMIT cube: no reflectance or radiance among {found}")
        axes = _axes(file[cube])
        if axes is None:
            raise SceneError(f"{source}: {cube} {file[cube].shape} is not over {', '.join(_AXES)}")
        raster = hdf5_raster(source, file[cube], axes)
        table = band_table(
            raster.shape[2],
            wavelength=_listed(file, "wavelengths", source),
            fwhm=_listed(file, "fwhm", source),
            good=_listed(file, "good_wavelengths", source),
            units="nm",
        )
        fill = file[cube].attrs.get("_FillValue")
        swath = _swath(file, raster.shape[:2], source)
    known = table.coordinates
    if table.good_wavelength is None and table.wavelength is not None:
        known["good_wavelength"], remarks = outside_water(table.wavelength)
    if swath is None:
        remarks.append("the file has no lookup table: results are not georeferenced")
    level, units = _CUBES[cube]
    return product_cube(
        raster,
        path=path,
        reader=name,
        product=f"{name} {level}",
        nodata=None if fill is None else float(np.ravel(fill)[0]),
        flags=_flags(path, raster.shape[:2], remarks),
        masked=_MASKED,
        swath=swath,
        remarks=[*remarks, *table.remarks],
        attrs={"units": units, "interleave": "bip", "variable": cube},
        **known,
    )


def _axes(item: Any) -> tuple[int, int, int] | None:
    """Return the dataset's axes of rows, columns and bands, None unless they bear the sensor's names."""
    import h5py

    if not isinstance(item, h5py.Dataset) or item.ndim != 3:
        return None
    names = [scales[0].name.rpartition("/")[2] if len(scales := list(dim.values())) else "" for dim in item.dims]
    if sorted(names) != sorted(_AXES):
        return None
    rows, cols, bands = (names.index(axis) for axis in _AXES)
    return rows, cols, bands


def _listed(file: h5py.File, key: str, source: str) -> list[float] | None:
    group = file.get("sensor_band_parameters")
    return None if group is None or key not in group else column(group, key, source).tolist()


def _swath(file: h5py.File, shape: tuple[int, int], source: str) -> TableSwath | None:
    from affine import Affine
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    location = file.get("location")
    if location is None or not {"glt_x", "glt_y"} <= set(location) or "geotransform" not in file.attrs:
        return None
    lines, samples = (Hdf5Layer.of(source, location[key]) for key in ("glt_y", "glt_x"))
    numbers = np.ravel(file.attrs["geotransform"]).astype(np.float64)
    if lines.shape != samples.shape or len(numbers) != 6:
        raise SceneError(f"{source}: glt_x {samples.shape} and glt_y {lines.shape} are no map of one size")
    try:
        crs = CRS.from_wkt(text(file.attrs.get("spatial_ref", "")))
    except CRSError:
        crs = CRS.from_epsg(4326)
    grid = GeoGrid(*lines.shape, crs, Affine.from_gdal(*(float(number) for number in numbers)))
    return TableSwath(shape, grid, lines, samples)


def _flags(path: Path, shape: tuple[int, int], remarks: list[str]) -> dict[str, NDArray[np.bool_]]:
    """Return the flags of the mask product of the same scene, of whatever version it is, beside the cube."""
    match = _NAME.fullmatch(path.name)
    scene = re.escape(match["scene"]) if match else ""
    beside = match and sibling(path, rf"EMIT_L2A_MASK_\d+_{scene}\.nc4?")
    if not beside:
        remarks.append("no EMIT_L2A_MASK of this scene beside it: clouds are not masked")
        return {}
    source = str(beside)
    with open_hdf5(source) as file:
        names = file.get("sensor_band_parameters/mask_bands")
        if "mask" not in file or names is None or file["mask"].ndim != 3 or len(names) != file["mask"].shape[2]:
            remarks.append(f"{beside.name} has no mask whose layers have names: clouds are not masked")
            return {}
        if file["mask"].shape[:2] != shape:
            remarks.append(f"{beside.name} is {file['mask'].shape[:2]}, the scene {shape}: clouds are not masked")
            return {}
        called = [text(item).strip().lower() for item in names[...]]
        mask = file["mask"][...]
    layers = {
        flag: [number for number, layer in enumerate(called) if re.fullmatch(pattern, layer)]
        for flag, pattern in _FLAGS.items()
    }
    # The layers' fill value, −9999, is no flag.
    return {flag: np.asarray(mask[..., found[0]] > 0) for flag, found in layers.items() if found}
