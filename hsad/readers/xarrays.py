"""Cubes in CF netCDF and Zarr through xarray: arrays over rows, columns and wavelengths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import ParameterError, SceneError
from hsad.readers.acquired import stated_coverage
from hsad.readers.bands import BandTable, band_table
from hsad.readers.packed.layers import described_wavelengths
from hsad.readers.rasters.arrays import XarrayLayer, XarrayRaster, is_hdf5, opened, without_single_axes
from hsad.readers.rasters.conventions import with_cf_missing
from hsad.readers.rasters.hdf5 import hdf5_raster, open_hdf5
from hsad.readers.rasters.pixels import block_of
from hsad.readers.rasters.stores import check_store, store_groups
from hsad.readers.rasters.unnamed import Spectral, axes_by_evidence, hdf5_groups, spectral_lists
from hsad.scene.cube import GeoGrid, Raster, build_cube, cube_axes, lazy_image
from hsad.scene.quality import Flag, attach_flags, has_bits
from hsad.scene.swath import PointSwath, Swath, TableSwath

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr
    from affine import Affine
    from numpy.typing import NDArray

__all__ = ["accepted", "can_read", "folders", "name", "read"]

name = "netCDF or Zarr"
folders = True
accepted = ("band_axis",)

_NETCDF = (".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".he5")
_ZARR_MARKS = ("zarr.json", ".zgroup", ".zattrs", ".zmetadata")
_WAVELENGTHS = (
    "wavelength",
    "wavelengths",
    "wavelength_3d",
    "wvl",
    "wl",
    "lambda",
    "band_wavelength",
    "center_wavelength",
)
_FWHM = ("fwhm", "fwhms", "bandwidth")
_GOOD = ("good_wavelength", "good_wavelengths", "bbl", "good_bands")
_NAMES = ("band_name", "band_names")
# Names that h5netcdf and xarray give to axes without a name begin with these.
_NAMELESS = ("phony_dim_", "dim_")


def can_read(path: Path) -> bool:
    """Tell whether a file or folder is a netCDF, HDF5 or Zarr dataset, by its name or its content."""
    if path.is_dir():
        return path.suffix.lower() == ".zarr" or any((path / mark).is_file() for mark in _ZARR_MARKS)
    if path.suffix.lower() in _NETCDF:
        return True
    with path.open("rb") as file:
        start = file.read(8)
    return start.startswith((b"\x89HDF\r\n\x1a\n", b"CDF\x01", b"CDF\x02", b"CDF\x05"))


def read(path: Path, variable: str | None = None, *, band_axis: int | None = None) -> xr.DataArray:
    """Return the cube of a dataset, which is `variable` (``group/name``) or the largest array of three dimensions.

    The cube has the stored numbers; ``scale_factor`` and ``add_offset`` become gain and bias. Other axes of length 1,
    such as a single time, are left out. If axes have no names, as in plain HDF5, the length of a list of wavelengths in
    the file or `band_axis` shows the axis of the bands.

    Raises
    ------
    SceneError
        When the dataset cannot be read, has no such array, or has several of one size.
    MissingExtraError
        When the dataset is Zarr and zarr is not installed.
    """
    source = str(path)
    if path.is_dir():
        check_store(source)
    group, variable = _chosen(source, variable)
    remarks: list[str] = []
    with opened(source, group) as dataset:
        array = without_single_axes(dataset[variable])
        if 0 in array.shape:
            raise SceneError(f"{source}: {variable} has the shape {array.shape}: there is no number in it")
        axes, spectral = _axes(array, source, band_axis)
        raster = _raster(source, group, array, axes)
        table = _bands(dataset, array, axes[2], spectral)
        gain, bias = _scaling(dataset, array, axes[2])
        raster, fill, nodata_remarks = with_cf_missing(raster, {**array.encoding, **array.attrs}, gain, bias)
        grid = _grid(dataset, array, axes)
        swath = _swath(dataset, array, axes, source, group) if grid.transform is None else None
        valid = _valid(dataset, array, axes, source, group)
        flags, masked = _flags(dataset, array, axes, source, group)
        flagged = _flagged(dataset, array, axes, source, group)
        described_attrs = {
            key: str(array.attrs[key]) for key in ("units", "long_name", "product") if key in array.attrs
        }
        acquired = stated_coverage(dataset.attrs)
    if grid.transform is None and swath is None:
        remarks.append("neither coordinates along the axes nor latitudes and longitudes: results are not georeferenced")
    cube = build_cube(
        raster,
        source=source,
        reader=name,
        **table.coordinates,
        valid=valid,
        gain=gain,
        bias=bias,
        nodata=fill,
        crs=grid.crs,
        transform=grid.transform,
        attrs={
            "interleave": {2: "bip", 1: "bil", 0: "bsq"}[axes[2]],
            "variable": "/".join(filter(None, (group, variable))),
            **described_attrs,
            **({"acquired": acquired} if acquired else {}),
            "warnings": [*remarks, *table.remarks, *nodata_remarks],
        },
    )
    if flags or flagged is not None:
        cube = attach_flags(cube, flags, masked, flagged)
    if swath is not None:
        cube.encoding["hsad_swath"] = swath
    return cube


def _groups(source: str) -> list[str]:
    """Return the groups of a dataset, the root first."""
    if Path(source).is_dir():
        return store_groups(source)
    return hdf5_groups(source) if is_hdf5(source) else [""]


def _chosen(source: str, variable: str | None) -> tuple[str, str]:
    """Return the group and the name of the array that is the cube."""
    if variable is not None and "/" in variable:
        group, _, variable = variable.rpartition("/")
        groups = [group]
    else:
        groups = _groups(source)
    cubes: list[tuple[str, str, int]] = []
    labels: list[str] = []
    for group in groups:
        with opened(source, group) as dataset:
            for key, array in dataset.data_vars.items():
                label = "/".join(filter(None, (group, str(key))))
                labels.append(f"{label} ({'×'.join(map(str, array.shape))})")
                flags = "flags_of" in array.attrs
                three = sum(side != 1 for side in array.shape) <= 3 <= array.ndim
                if three and array.dtype.kind in "iufb" and variable in (None, str(key)) and not flags:
                    cubes.append((group, str(key), array.size))
    if not cubes:
        what = f"no array of three dimensions called {variable!r}" if variable else "no array of three dimensions"
        raise SceneError(
            f"{source}: {what} (rows, columns, wavelengths); it holds {', '.join(labels[:12]) or 'nothing'}"
        )
    largest = max(size for *_, size in cubes)
    found = [cube for cube in cubes if cube[2] == largest]
    if len(found) > 1:
        names = ", ".join("/".join(filter(None, cube[:2])) for cube in found)
        raise SceneError(f"{source}: {names} may each be the cube: name one, as in {Path(source).name}:NAME")
    return found[0][:2]


def _axes(array: xr.DataArray, source: str, band_axis: int | None) -> tuple[tuple[int, int, int], Spectral | None]:
    """Return the array's axes of rows, columns and bands, and the wavelengths if they show the axis of the bands."""
    unnamed = all(str(dim).startswith(_NAMELESS) for dim in array.dims)
    if band_axis is not None or (unnamed and not Path(source).is_dir() and is_hdf5(source)):
        lists = [] if Path(source).is_dir() or not is_hdf5(source) else spectral_lists(source)
        return axes_by_evidence(array.shape, lists, band_axis, f"{source}: {array.name}")
    try:
        return cube_axes(["wavelength" if str(dim).lower() in _WAVELENGTHS else dim for dim in array.dims]), None
    except ParameterError as error:
        hint = "--band-axis 0, 1 or 2 states the axis of the bands"
        raise SceneError(f"{source}: {array.name}: {error}: {hint}") from error


def _raster(source: str, group: str, array: xr.DataArray, axes: tuple[int, int, int]) -> Raster:
    """Return the raster of an array.

    HDF5 is read without xarray, because xarray takes longer to open a file than to read a window.
    """
    key = "/".join(filter(None, (group, str(array.name))))
    if not Path(source).is_dir() and is_hdf5(source):
        with open_hdf5(source) as file:
            if key in file and file[key].ndim == 3:  # the name in netCDF-4 may differ
                return hdf5_raster(source, file[key], axes)
    rows, cols, bands = (int(array.shape[axis]) for axis in axes)
    preferred = array.encoding.get("preferred_chunks") or {}
    sizes = [int(preferred[dim]) for dim in array.dims] if set(array.dims) <= set(preferred) else []
    shape = rows, cols, bands
    block = block_of(sizes, axes, shape)
    return XarrayRaster(source, axes, shape, array.dtype.newbyteorder("="), block, group, str(array.name))


def _along(dataset: xr.Dataset, array: xr.DataArray, axis: int, names: tuple[str, ...]) -> xr.Variable | None:
    """Return the first variable with one of some names that has one value for each index of an axis."""
    dim = array.dims[axis]
    by_name = {str(key).lower(): item for key, item in dataset.variables.items() if item.dims == (dim,)}
    found = next((by_name[name] for name in names if name in by_name), None)
    if found is None and names is _WAVELENGTHS:
        found = next(
            (item for item in by_name.values() if item.attrs.get("standard_name") == "radiation_wavelength"), None
        )
    return found


def _bands(dataset: xr.Dataset, array: xr.DataArray, axis: int, spectral: Spectral | None) -> BandTable:
    wavelength, fwhm, good, names = (
        _along(dataset, array, axis, known) for known in (_WAVELENGTHS, _FWHM, _GOOD, _NAMES)
    )
    units = None if wavelength is None else wavelength.attrs.get("units")
    centres = _numbers(wavelength)
    if centres is None and spectral is not None:
        centres, units = spectral
    described = array.attrs.get("long_name", "")
    if centres is None and np.ndim(described) == 1 and len(described) == array.shape[axis]:
        # rioxarray stores the descriptions of a raster's bands in long_name.
        stated = described_wavelengths([str(text) for text in described])
        centres, units = stated.get("wavelength"), stated.get("units")
    return band_table(
        int(array.shape[axis]),
        wavelength=centres,
        fwhm=_numbers(fwhm),
        good=_numbers(good),
        names=None if names is None else [str(item) for item in names.values],
        units=None if units is None else str(units),
    )


def _numbers(column: Any) -> list[float] | None:
    if column is None or column.dtype.kind not in "iufb":
        return None
    values: list[float] = np.asarray(column.values, dtype=np.float64).tolist()
    return values


def _scaling(dataset: xr.Dataset, array: xr.DataArray, axis: int) -> tuple[Any, Any]:
    """Return gain and bias, one for the whole array (CF) or one per band (hsad); None where nothing is scaled."""
    found = []
    for key, column, neutral in (("scale_factor", "gain", 1.0), ("add_offset", "bias", 0.0)):
        stated = array.attrs.get(key, array.encoding.get(key))
        listed = _along(dataset, array, axis, (column,))
        value = float(np.ravel(stated)[0]) if stated is not None else neutral if listed is None else listed.values
        found.append(None if np.all(value == neutral) else value)
    return found[0], found[1]


def _grid(dataset: xr.Dataset, array: xr.DataArray, axes: tuple[int, int, int]) -> GeoGrid:
    """Return the map grid of the array from its grid mapping and its coordinates.

    The mapping's GeoTransform, where it has one, takes precedence over the coordinates.
    """
    from rasterio.crs import CRS

    rows, cols = (int(array.shape[axis]) for axis in axes[:2])
    row_dim, col_dim = (array.dims[axis] for axis in axes[:2])
    named = str(array.attrs.get("grid_mapping", array.encoding.get("grid_mapping", "spatial_ref"))).split(":")[0]
    grid = _stated_grid(dataset.variables[named].attrs if named in dataset.variables else {}, (rows, cols))
    crs, transform = grid.crs, grid.transform
    if transform is None and row_dim in dataset.variables and col_dim in dataset.variables and min(rows, cols) > 1:
        transform = _regular(dataset[col_dim].values, dataset[row_dim].values)
        degrees = str(dataset[col_dim].attrs.get("units", "")).startswith("degree")
        if crs is None and transform is not None and (degrees or str(col_dim).lower() in ("lon", "longitude")):
            crs = CRS.from_epsg(4326)
    return GeoGrid(rows, cols, crs, transform)


def _stated_grid(attrs: Mapping[str, Any], shape: tuple[int, int]) -> GeoGrid:
    """Return a grid of rows and columns with the CRS and the GeoTransform that a grid mapping states."""
    from affine import Affine
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        wkt = attrs.get("crs_wkt") or attrs.get("spatial_ref")
        crs = CRS.from_wkt(str(wkt)) if wkt else None
    except CRSError:
        crs = None
    numbers = [float(number) for number in str(attrs.get("GeoTransform", "")).split()]
    return GeoGrid(*shape, crs, Affine.from_gdal(*numbers) if numbers else None)


def _regular(x: NDArray[Any], y: NDArray[Any]) -> Affine | None:
    """Return the transform of evenly spaced pixel centres, or None if the spacing varies."""
    from affine import Affine

    steps = []
    for values in (x, y):
        if values.dtype.kind not in "iuf":
            return None
        step = (float(values[-1]) - float(values[0])) / (len(values) - 1)
        even = values[0] + step * np.arange(len(values))
        if step == 0 or np.abs(values - even).max() > 1e-2 * abs(step):
            return None
        steps.append(step)
    wide, high = steps
    return Affine(wide, 0.0, float(x[0]) - wide / 2, 0.0, high, float(y[0]) - high / 2)


def _swath(
    dataset: xr.Dataset, array: xr.DataArray, axes: tuple[int, int, int], source: str, group: str
) -> Swath | None:
    dims = (array.dims[axes[0]], array.dims[axes[1]])
    layers = {}
    for target, known in (("lat", ("lat", "latitude")), ("lon", ("lon", "longitude"))):
        for key, item in dataset.variables.items():
            if item.dims == dims and str(key).lower() in known:
                layers[target] = _image(source, group, str(key), item)
    if len(layers) == 2:
        return PointSwath(layers["lat"], layers["lon"], source)
    # hsad writes a lookup table in this form.
    tables = [dataset.variables[key] for key in ("glt_y", "glt_x") if key in dataset.variables]
    if len(tables) != 2 or tables[0].ndim != 2 or tables[0].shape != tables[1].shape or "glt" not in dataset.variables:
        return None
    lines, samples = (_image(source, group, key, item) for key, item in zip(("glt_y", "glt_x"), tables, strict=True))
    shape = (int(array.shape[axes[0]]), int(array.shape[axes[1]]))
    return TableSwath(shape, _stated_grid(dataset.variables["glt"].attrs, lines.shape), lines, samples)


def _flagged(
    dataset: xr.Dataset, array: xr.DataArray, axes: tuple[int, int, int], source: str, group: str
) -> Raster | None:
    """Return the flags of single numbers, which hsad writes as an array beside the cube."""
    item = dataset.data_vars.get(f"{array.name}_flagged")
    fits = item is not None and item.dims == array.dims and item.attrs.get("flags_of") == array.name
    return _raster(source, group, item, axes) if item is not None and fits else None


def _layer(dataset: xr.Dataset, key: str, array: xr.DataArray, axes: tuple[int, int, int]) -> xr.Variable | None:
    """Return a variable if it is an image of the array's size, else None."""
    dims = (array.dims[axes[0]], array.dims[axes[1]])
    return dataset.variables[key] if key in dataset.variables and dataset[key].dims == dims else None


def _image(source: str, group: str, key: str, item: xr.Variable) -> XarrayLayer:
    return XarrayLayer(source, group, key, (int(item.shape[0]), int(item.shape[1])))


def _valid(dataset: xr.Dataset, array: xr.DataArray, axes: tuple[int, int, int], source: str, group: str) -> Any:
    item = _layer(dataset, "valid", array, axes)
    if item is None:
        return None
    return lazy_image((int(item.shape[0]), int(item.shape[1])), np.bool_, _image(source, group, "valid", item).truth)


def _flags(
    dataset: xr.Dataset, array: xr.DataArray, axes: tuple[int, int, int], source: str, group: str
) -> tuple[dict[str, list[Flag]], list[str]]:
    """Return the flags of a layer ``quality`` with CF's attributes, and the names of those that mask pixels."""
    item = _layer(dataset, "quality", array, axes)
    if item is None or item.dtype.kind not in "iu":
        return {}, []
    names, masks = str(item.attrs.get("flag_meanings", "")).split(), np.ravel(item.attrs.get("flag_masks", ()))
    read = _image(source, group, "quality", item).whole
    flags = {flag: [Flag(read, has_bits(int(mask)))] for flag, mask in zip(names, masks, strict=False)}
    masked = array.attrs.get("mask_flags", "")
    return flags, masked.split() if isinstance(masked, str) else [str(item) for item in masked]
