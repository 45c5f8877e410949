"""AVIRIS classic, NG, 3 and 5, whose flight lines are ENVI images, or netCDF for 3 and 5."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.acquired import day, stated_coverage, time_in_name
from hsad.readers.bands import band_table
from hsad.readers.envi import scene as envi
from hsad.readers.rasters.hdf5 import Hdf5Layer, column, hdf5_raster, open_hdf5, text
from hsad.readers.rasters.stacked import stack
from hsad.readers.sensors.product import (
    ascending,
    files_beside,
    main_file,
    no_variable,
    outside_water,
    product_cube,
    sibling,
)
from hsad.scene.cube import GeoGrid, geo_grid, nodata
from hsad.scene.swath import TableSwath

if TYPE_CHECKING:
    from pathlib import Path

    import h5py
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["accepted", "can_read", "folders", "name", "read"]

name = "AVIRIS"
accepted = ("partial",)
folders = True

_LINES = {
    "AVIRIS classic": r"f\d{6}t\d{2}p\d{2}(r\d{2})?",
    "AVIRIS-NG": r"ang\d{8}t\d{6}",
    "AVIRIS-3": r"AV3\d{8}t\d{6}(_\d{3})?",
    "AVIRIS-5": r"AV5\d{8}t\d{6}(_\d{3})?",
}
_CUBE = re.compile(
    rf"(?P<line>{'|'.join(_LINES.values())})(?!.*(_unc|_obs|_loc|_igm|_glt|_h2o|_atm|_mask|_quality)).*"
    r"_(rdn|rfl|corr|refl|sc01)(_.*|\.img|\.nc|\.hdr)?",
    re.IGNORECASE,
)
_CUBES = {"reflectance": "1", "radiance": "µW/cm²/sr/nm"}
_NODATA = -9999.0
_CLASSIC_FILL = -50.0  # stored in the integers of AVIRIS classic, whose headers do not state it
_LARGEST_TEXT = 2**20  # bytes of a text file of metadata; real ones have a few thousand


def can_read(path: Path) -> bool:
    """Tell whether a path is the cube of a flight line, or a folder with such a cube."""
    if path.is_dir():
        return any(_is_cube(entry) for entry in files_beside(path) if entry.suffix.lower() != ".hdr")
    return _is_cube(path)


def _is_cube(path: Path) -> bool:
    if path.suffix.lower() in (".nc", ".nc4"):
        import h5py

        if not h5py.is_hdf5(path):
            return False
        with open_hdf5(str(path)) as file:
            return _cube_of(file) is not None and {"easting", "northing"} <= set(file)
    return _CUBE.fullmatch(path.name) is not None and envi.can_read(path)


def read(path: Path, variable: str | None = None, *, partial: bool = False) -> xr.DataArray:
    """Return the cube of a flight line, with the bands in the order of their wavelengths.

    Raises
    ------
    SceneError
        When the file is damaged or does not have the layout of a flight line.
    """
    no_variable(path, variable, name)
    path = main_file(path, name, lambda entry: entry.suffix.lower() != ".hdr" and _is_cube(entry))
    return _netcdf(path) if path.suffix.lower() in (".nc", ".nc4") else _envi(path, partial)


def _instrument(path: Path) -> str:
    return next((kind for kind, line in _LINES.items() if re.match(line, path.name, re.IGNORECASE)), name)


def _time_in_name(path: Path) -> str | None:
    """Return the time in a flight line's name; names of AVIRIS classic state only the day."""
    classic = re.match(r"f(\d{6})t", path.name, re.IGNORECASE)
    if classic:
        return day(classic[1], "%y%m%d")
    return time_in_name(re.sub(r"^AV\d", "", path.name, flags=re.IGNORECASE))


def _envi(path: Path, partial: bool) -> xr.DataArray:
    """Return the cube of an ENVI image; gains and wavelengths of AVIRIS classic come from files beside the image."""
    image = envi.read(path, partial=partial)
    remarks = list(image.attrs["warnings"])
    raster, bands = image.encoding["hsad_raster"], image.sizes["band"]
    known = {key: image.coords[key].values for key in _BAND_COORDS if key in image.coords}
    classic = _instrument(path) == "AVIRIS classic"
    line = re.match("|".join(_LINES.values()), path.name, re.IGNORECASE)
    stem = re.escape(line[0]) if line else ""
    if "wavelength" not in known and (spectrum := sibling(path, rf"{stem}.*\.spc")):
        listed = _numbers(spectrum)
        table = band_table(bands, wavelength=listed[:, 0].tolist(), fwhm=listed[:, 1].tolist(), units="nm")
        known |= {key: value for key, value in table.coordinates.items() if value is not None}
        remarks += table.remarks
    integers = raster.dtype.kind in "iu"
    if integers and "gain" not in known and (gains := sibling(path, rf"{stem}.*\.gain")):
        divisors = _numbers(gains)[:, 0]
        if len(divisors) != bands or not np.all(divisors > 0):
            raise SceneError(f"{gains}: {len(divisors)} divisors for {bands} bands, or one that does not divide")
        known["gain"] = 1.0 / divisors
    fill = nodata(image)
    if fill is None and classic and integers:
        fill = _CLASSIC_FILL
        remarks.append(f"nodata is taken to be {fill:g}, which AVIRIS classic does not state")
    if "wavelength" in known:
        if "good_wavelength" not in known:
            known["good_wavelength"], water = outside_water(known["wavelength"])
            remarks += water
        order = ascending(known["wavelength"])
        if not np.array_equal(order, np.arange(bands)):
            remarks = [remark for remark in remarks if "not in order" not in remark]
            remarks.append("the bands are put in the order of their wavelengths")
            known.setdefault("band_name", np.asarray([f"band {number + 1}" for number in range(bands)]))
            raster = stack(str(path), [raster], order.tolist())
            known = {key: values[order] if np.shape(values) == (bands,) else values for key, values in known.items()}
    grid = geo_grid(image)
    reflectance = re.search(r"_(rfl|corr|refl)", path.name, re.IGNORECASE) is not None
    return product_cube(
        raster,
        path=path,
        reader=name,
        product=f"{_instrument(path)} {'L2' if reflectance else 'L1'}",
        nodata=fill,
        acquired=image.attrs.get("acquired") or _time_in_name(path),
        remarks=remarks,
        attrs={
            "units": _CUBES["reflectance" if reflectance else "radiance"],
            **{key: image.attrs[key] for key in _COPIED_ATTRS if key in image.attrs},
        },
        crs=grid.crs,
        transform=grid.transform,
        swath=image.encoding.get("hsad_swath"),
        **known,
    )


_COPIED_ATTRS = ("data_file", "interleave", "description", "acquired")
_BAND_COORDS = ("wavelength", "fwhm", "good_wavelength", "band_name", "gain", "bias")


def _numbers(path: Path) -> NDArray[np.float64]:
    """Return the first two columns of a text of numbers; a missing second column is zero."""
    if path.stat().st_size > _LARGEST_TEXT:
        raise SceneError(f"{path}: too large to be a list of numbers a band")
    rows = []
    for line in path.read_text(encoding="latin-1").splitlines():
        try:
            numbers = [float(item) for item in line.replace(",", " ").split()[:2]]
        except ValueError:
            raise SceneError(f"{path}: {line.strip()[:40]!r} is no line of numbers") from None
        if numbers:
            rows.append([*numbers, 0.0][:2])
    if not rows:
        raise SceneError(f"{path}: holds no numbers")
    return np.asarray(rows)


def _cube_of(file: h5py.File) -> h5py.Dataset | None:
    """Return the dataset of the cube from the group of its quantity or from the root, or None."""
    import h5py

    for quantity in _CUBES:
        for place in (f"{quantity}/{quantity}", quantity):
            dataset = file.get(place)
            if isinstance(dataset, h5py.Dataset) and dataset.ndim == 3:
                return dataset
    return None


def _netcdf(path: Path) -> xr.DataArray:
    source = str(path)
    with open_hdf5(source) as file:
        dataset = _cube_of(file)
        if dataset is None:
            raise SceneError(f"{source}: neither reflectance nor radiance over wavelength, northing, easting in it")
        raster = hdf5_raster(source, dataset, (1, 2, 0))
        group = dataset.parent
        table = band_table(
            raster.shape[2],
            wavelength=column(group, "wavelength", source).tolist(),
            fwhm=column(group, "fwhm", source).tolist() if "fwhm" in group else None,
            units=text(group["wavelength"].attrs.get("units", "nm")),
        )
        fill = float(np.ravel(dataset.attrs.get("_FillValue", _NODATA))[0])
        grid = _map(file, source)
        acquired = stated_coverage(file.attrs) or _time_in_name(path)
        quantity = dataset.name.rpartition("/")[2]
        table_group = file.get("geolocation_lookup_table")
        swath = None
        if raster.shape[:2] != (grid.rows, grid.cols) and table_group is not None:
            lines, samples = (Hdf5Layer.of(source, table_group[key]) for key in ("line", "sample"))
            if lines.shape != (grid.rows, grid.cols) or samples.shape != lines.shape:
                raise SceneError(f"{source}: its lookup table is {lines.shape}, its map {(grid.rows, grid.cols)}")
            swath = TableSwath(raster.shape[:2], grid, lines, samples)
    if swath is None and raster.shape[:2] != (grid.rows, grid.cols):
        raise SceneError(f"{source}: {raster.shape[:2]} pixels, and coordinates of {(grid.rows, grid.cols)}")
    known: dict[str, Any] = table.coordinates
    remarks: list[str] = []
    if table.wavelength is not None:
        known["good_wavelength"], remarks = outside_water(table.wavelength)
    if swath is None:
        known |= {"crs": grid.crs, "transform": grid.transform}
    return product_cube(
        raster,
        path=path,
        reader=name,
        product=f"{_instrument(path)} {'L2' if quantity == 'reflectance' else 'L1'}",
        nodata=fill,
        swath=swath,
        acquired=acquired,
        remarks=[*remarks, *table.remarks],
        attrs={"units": _CUBES[quantity], "interleave": "bsq", "variable": quantity},
        **known,
    )


def _map(file: h5py.File, source: str) -> GeoGrid:
    """Return the map grid, whose pixels have their centres at ``easting`` and ``northing``."""
    from affine import Affine
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    x, y = (column(file, key, source) for key in ("easting", "northing"))
    if len(x) < 2 or len(y) < 2:
        raise SceneError(f"{source}: {len(x)} eastings and {len(y)} northings are no map")
    wide, high = (x[-1] - x[0]) / (len(x) - 1), (y[-1] - y[0]) / (len(y) - 1)
    mapping = next((item for item in file.values() if "crs_wkt" in item.attrs or "spatial_ref" in item.attrs), None)
    crs = None
    if mapping is not None:
        try:
            crs = CRS.from_wkt(text(mapping.attrs.get("crs_wkt", mapping.attrs.get("spatial_ref"))))
        except CRSError as error:
            raise SceneError(f"{source}: the CRS of {mapping.name} is not known: {error}") from error
    transform = Affine(wide, 0.0, x[0] - wide / 2, 0.0, high, y[0] - high / 2)
    return GeoGrid(len(y), len(x), crs, transform)
