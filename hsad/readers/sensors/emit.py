"""EMIT L1B radiance and L2A reflectance, netCDF-4 on the sensor's grid with a lookup table for a map grid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsad.errors import SceneError
from hsad.readers.acquired import stated_coverage, time_in_name
from hsad.readers.bands import band_table
from hsad.readers.rasters.hdf5 import Hdf5Layer, column, hdf5_raster, open_hdf5, text
from hsad.readers.sensors.granule import holds, is_granule
from hsad.readers.sensors.product import (
    in_bands,
    main_file,
    no_variable,
    outside_water,
    product_cube,
    sibling,
)
from hsad.scene.cube import GeoGrid, Raster
from hsad.scene.quality import Flag
from hsad.scene.swath import TableSwath

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
# Builds of the producer's software whose lookup tables count the columns of a mirrored cube, not those of the delivered
# cube (nasa/EMIT-Data-Resources, issue 28). All granules of 010613 are affected, none of 010611.
_MIRRORED_BUILDS = ("010613",)
_SUFFIXES = (".nc", ".nc4")
_MASKED = ("cloud", "cirrus", "dilated_cloud", "spacecraft")
# Names of the layers in both versions of the mask product. Other layers are quantities or sums of these.
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
    """Tell whether a path is an EMIT granule, or a folder with one."""
    return holds(path, lambda entry: is_granule(entry, _SUFFIXES, _is_emit))


def _is_emit(file: h5py.File) -> bool:
    # A granule that another program saved again has the dimension "wavelengths" and is read as ordinary netCDF.
    saved_again = "wavelengths" in file
    return not saved_again and ({"downtrack", "crosstrack"} <= set(file) or "location/glt_x" in file)


def _is_cube(path: Path) -> bool:
    return is_granule(path, _SUFFIXES, lambda file: _is_emit(file) and any(key in file for key in _CUBES))


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of a granule on the sensor's grid, with flags from the mask product beside the granule.

    The attributes ``geotransform`` and ``spatial_ref`` of the file describe the map grid of the lookup table, not the
    cube. The table maps results to this grid.

    Raises
    ------
    SceneError
        When the file has no cube (a mask or observation product), or does not have the layout of a granule.
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
        swath = _swath(file, raster.shape[:2], source, remarks)
        orientation = text(file.attrs.get("crosstrack_orientation", ""))
        acquired = stated_coverage(file.attrs) or time_in_name(path.name)
    known = table.coordinates
    if table.good_wavelength is None and table.wavelength is not None:
        known["good_wavelength"], water = outside_water(table.wavelength)
        remarks += water
    if swath is None:
        remarks.append("the file has no lookup table: results are not georeferenced")
    level, units = _CUBES[cube]
    mask = _mask(path, raster.shape, remarks)
    return product_cube(
        raster,
        path=path,
        reader=name,
        product=f"{name} {level}",
        nodata=None if fill is None else float(np.ravel(fill)[0]),
        flags=mask.flags,
        masked=_MASKED,
        band_mask=mask.interpolated,
        swath=swath,
        acquired=acquired,
        remarks=[*remarks, *table.remarks],
        attrs={
            "units": units,
            "interleave": "bip",
            "variable": cube,
            **({"crosstrack_orientation": orientation} if orientation else {}),
        },
        **known,
    )


def _axes(item: Any) -> tuple[int, int, int] | None:
    """Return the dataset's axes of rows, columns and bands, or None if the axes have other names."""
    import h5py

    if not isinstance(item, h5py.Dataset) or item.ndim != 3:
        return None
    # Not through h5py's `dims`, because libhdf5 frees memory twice for a damaged file, which ends the process.
    scales = item.attrs.get("DIMENSION_LIST", ())
    names = [item.file[listed[0]].name.rpartition("/")[2] if len(listed) else "" for listed in scales]
    if sorted(names) != sorted(_AXES):
        return None
    rows, cols, bands = (names.index(axis) for axis in _AXES)
    return rows, cols, bands


def _listed(file: h5py.File, key: str, source: str) -> list[float] | None:
    group = file.get("sensor_band_parameters")
    return None if group is None or key not in group else column(group, key, source).tolist()


def _swath(file: h5py.File, shape: tuple[int, int], source: str, remarks: list[str]) -> TableSwath | None:
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
    build = text(file.attrs.get("software_build_version", "")).strip()
    mirrored = build in _MIRRORED_BUILDS
    if mirrored:
        remarks.append(f"the lookup tables of software {build} belong to mirrored cubes: columns are counted backwards")
    return TableSwath(shape, grid, lines, samples, mirrored)


class _Mask(NamedTuple):
    """The flags of pixels and the interpolated numbers from the mask product."""

    flags: dict[str, list[Flag]]
    interpolated: Raster | None


def _mask(path: Path, shape: tuple[int, int, int], remarks: list[str]) -> _Mask:
    """Return the flags of the mask product, of any version, of the same scene beside the cube."""
    nothing = _Mask({}, None)
    match = _NAME.fullmatch(path.name)
    scene = re.escape(match["scene"]) if match else ""
    beside = match and sibling(path, rf"EMIT_L2A_MASK_\d+_{scene}\.nc4?")
    if not beside:
        remarks.append("no EMIT_L2A_MASK of this scene beside it: clouds are not masked")
        return nothing
    source = str(beside)
    with open_hdf5(source) as file:
        names = file.get("sensor_band_parameters/mask_bands")
        if "mask" not in file or names is None or file["mask"].ndim != 3 or len(names) != file["mask"].shape[2]:
            remarks.append(f"{beside.name} has no mask whose layers have names: clouds are not masked")
            return nothing
        if file["mask"].shape[:2] != shape[:2]:
            remarks.append(f"{beside.name} is {file['mask'].shape[:2]}, the scene {shape[:2]}: clouds are not masked")
            return nothing
        called = [text(item).strip().lower() for item in names[...]]
        layers = hdf5_raster(source, file["mask"], (0, 1, 2))
        packed = file.get("band_mask")
        bits = None if packed is None or packed.ndim != 3 else hdf5_raster(source, packed, (0, 1, 2))
    read = partial(layers.read, slice(0, shape[0]), slice(0, shape[1]))
    found = {
        flag: [number for number, layer in enumerate(called) if re.fullmatch(pattern, layer)]
        for flag, pattern in _FLAGS.items()
    }
    # The layers' fill value -9999 is not above zero, so no flag is set.
    flags = {flag: [Flag(read, in_bands(numbers[0]))] for flag, numbers in found.items() if numbers}
    fits = bits is not None and bits.dtype == np.uint8 and bits.shape == (*shape[:2], -(-shape[2] // 8))
    return _Mask(flags, UnpackedRaster(bits, shape[2]) if bits is not None and fits else None)


@dataclass(frozen=True)
class UnpackedRaster:
    """Flags for each number, packed with eight bands per byte; the first band is the highest bit."""

    packed: Raster
    bands: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns, bands."""
        return (*self.packed.shape[:2], self.bands)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a flag."""
        return self.packed.dtype

    @property
    def row_step(self) -> int:
        """Rows that are best read together."""
        return self.packed.row_step

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the flags of a window, shape ``(rows, cols, bands)``."""
        return np.unpackbits(self.packed.read(rows, cols), axis=2, count=self.bands)
