"""Sensor products in netCDF-4, on the grid of the sensor: EMIT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.cube import build_cube
from hsad.errors import SceneError
from hsad.readers.bands import band_table
from hsad.readers.hdf5 import Hdf5Raster, open_hdf5
from hsad.readers.nodata import stored_nodata

if TYPE_CHECKING:
    from pathlib import Path

    import h5py
    import xarray as xr

__all__ = ["can_read", "name", "read"]

name = "netCDF"

_SUFFIXES = (".nc", ".nc4", ".h5", ".hdf5", ".he5")
_SENSOR_AXES = ("downtrack", "crosstrack", "bands")


def can_read(path: Path) -> bool:
    """Tell whether the file is HDF5 inside or called as netCDF and HDF5 files are."""
    import h5py

    return path.suffix.lower() in _SUFFIXES or bool(h5py.is_hdf5(path))


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of an EMIT granule, the root variable over downtrack, crosstrack, bands.

    The root attributes ``geotransform`` and ``spatial_ref`` describe the orthorectified grid, not this one:
    the cube has no georeferencing.

    Raises
    ------
    SceneError
        When the file is not readable or not laid out like that.
    """
    source = str(path)
    remarks = ["the pixels are on the sensor's grid: results are not georeferenced"]
    with open_hdf5(source) as file:
        cubes = [key for key, item in file.items() if _axes(item) is not None]
        if variable is not None:
            cubes = [key for key in cubes if key == variable]
        if len(cubes) != 1:
            named = f" called {variable!r}" if variable else ""
            found = ", ".join(sorted(file)) or "nothing"
            raise SceneError(
                f"{source}: not one variable{named} over {', '.join(_SENSOR_AXES)} as EMIT granules have it: "
                f"the file holds {found}"
            )
        dataset = file[cubes[0]]
        axes = _axes(dataset) or (0, 1, 2)
        raster = Hdf5Raster.of(source, dataset, axes)
        bands = raster.shape[2]
        table = band_table(
            bands,
            wavelength=_column(file, "wavelengths"),
            fwhm=_column(file, "fwhm"),
            good=_column(file, "good_wavelengths"),
            units="nm",
        )
        fill = dataset.attrs.get("_FillValue")
        stated = [] if fill is None else [float(np.asarray(fill).ravel()[0])]
    nodata, nodata_remarks = stored_nodata(stated, raster.dtype)
    return build_cube(
        raster,
        source=source,
        reader=name,
        **table.coordinates,
        nodata=nodata,
        attrs={
            "interleave": "bip",
            "variable": cubes[0],
            "warnings": [*remarks, *table.remarks, *nodata_remarks],
        },
    )


def _axes(item: Any) -> tuple[int, int, int] | None:
    """Return the dataset's axes of rows, columns and bands, None unless they bear the sensor's names."""
    import h5py

    if not isinstance(item, h5py.Dataset) or item.ndim != 3:
        return None
    names = [scales[0].name.rpartition("/")[2] if len(scales := list(dim.values())) else "" for dim in item.dims]
    if sorted(names) != sorted(_SENSOR_AXES):
        return None
    rows, cols, bands = (names.index(axis) for axis in _SENSOR_AXES)
    return rows, cols, bands


def _column(file: h5py.File, key: str) -> list[float] | None:
    dataset = file.get(f"sensor_band_parameters/{key}")
    return None if dataset is None else np.asarray(dataset, dtype=np.float64).ravel().tolist()
