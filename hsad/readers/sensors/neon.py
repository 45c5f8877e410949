"""NEON AOP reflectance and radiance of flight lines and mosaic tiles, in HDF5 with one group per site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.acquired import time_in_name
from hsad.readers.bands import band_table
from hsad.readers.rasters.hdf5 import column, hdf5_raster, open_hdf5, text
from hsad.readers.sensors.granule import coded_flags, holds, is_granule, known_crs
from hsad.readers.sensors.product import main_file, no_variable, product_cube
from hsad.scene.cube import Raster
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
# Divisors of stored reflectance and of fractions of radiance, if the file does not state them.
_SCALE = 10000.0
_FRACTIONS = 50000.0
_SUFFIXES = (".h5", ".hdf5")
_MASKED = ("cloud", "shadow")
# Codes of the classes of ATCOR, by flag.
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
    """Tell whether a path is a NEON product, or a folder with one."""
    return holds(path, _is_product)


def _is_product(path: Path) -> bool:
    return is_granule(path, _SUFFIXES, lambda file: _site(file) is not None)


def _site(file: h5py.File) -> h5py.Group | None:
    """Return the group of a site's reflectance, or else of its radiance, or None."""
    import h5py

    for quantity in ("Reflectance", "Radiance"):
        for group in file.values():
            if isinstance(group, h5py.Group) and isinstance(group.get(quantity), h5py.Group):
                return group[quantity]
    return None


@dataclass(frozen=True)
class SummedRaster:
    """Radiance that is stored as integers and fractions, where a fraction is an integer divided by a constant.

    Attributes
    ----------
    whole, fraction : Raster
        The integers and the fractions.
    divisor : float
        Divisor of the fractions.
    fill : float
        The integer that marks missing data, which becomes NaN.
    """

    whole: Raster
    fraction: Raster
    divisor: float
    fill: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns, bands."""
        return self.whole.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the sums."""
        return np.dtype(np.float64)

    @property
    def row_step(self) -> int:
        """Rows that are best read together."""
        return self.whole.row_step

    @property
    def path(self) -> str:
        """The file."""
        return str(getattr(self.whole, "path", ""))

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns that are decoded together."""
        rows, cols = getattr(self.whole, "block", (self.whole.row_step, self.shape[1]))
        return rows, cols

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the radiance of a window, shape ``(rows, cols, bands)``, with NaN for missing data."""
        whole = self.whole.read(rows, cols)
        radiance = whole + self.fraction.read(rows, cols) / self.divisor
        radiance[whole == self.fill] = np.nan
        return np.asarray(radiance)


def _radiance(group: h5py.Group, source: str) -> SummedRaster:
    """Return the radiance raster of a group."""
    whole, fraction = (group.get(f"Radiance{part}Part") for part in ("Integer", "Decimal"))
    if whole is None or fraction is None or whole.ndim != 3 or whole.shape != fraction.shape:
        raise SceneError(f"{source}: {group.name} has no RadianceIntegerPart and RadianceDecimalPart of one size")
    divisor = float(np.ravel(fraction.attrs.get("Scale_Factor", _FRACTIONS))[0])
    if not divisor > 0:
        raise SceneError(f"{source}: Scale_Factor = {divisor:g} of {fraction.name} does not scale")
    fill = float(np.ravel(whole.attrs.get("Data_Ignore_Value", _NODATA))[0])
    first, second = (hdf5_raster(source, part, (0, 1, 2)) for part in (whole, fraction))
    return SummedRaster(first, second, divisor, fill)


def _reflectance(group: h5py.Group, source: str) -> tuple[Raster, float, float]:
    """Return the stored reflectance, its divisor, and its nodata value."""
    dataset = group["Reflectance_Data"]
    if dataset.ndim != 3:
        raise SceneError(f"{source}: {dataset.name} has the shape {dataset.shape}, not rows, columns, bands")
    scale, fill = (
        float(np.ravel(dataset.attrs.get(key, default))[0])
        for key, default in (("Scale_Factor", _SCALE), ("Data_Ignore_Value", _NODATA))
    )
    if not scale > 0:
        raise SceneError(f"{source}: Scale_Factor = {scale:g} of {dataset.name} does not scale")
    return hdf5_raster(source, dataset, (0, 1, 2)), scale, fill


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of a flight line or mosaic tile; reflectance outside 0 to 1 is data and stays unchanged.

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
        radiance = group is not None and group.name.endswith("Radiance")
        if group is None or "Metadata" not in group or not (radiance or "Reflectance_Data" in group):
            raise SceneError(f"{source}: not a NEON product: no Reflectance with Reflectance_Data and Metadata")
        metadata = group["Metadata"]
        raster: Raster
        gain, fill = None, None
        if radiance:
            raster = _radiance(group, source)
        else:
            raster, scale, fill = _reflectance(group, source)
            gain = 1.0 / scale
        widths = "Spectral_Data/FWHM"
        table = band_table(
            raster.shape[2],
            wavelength=column(metadata, "Spectral_Data/Wavelength", source).tolist(),
            fwhm=column(metadata, widths, source).tolist() if widths in metadata else None,
            units=text(metadata["Spectral_Data/Wavelength"].attrs.get("Units", "nm")),
        )
        known = table.coordinates
        if table.wavelength is not None:
            known["good_wavelength"] = _outside_windows(table.wavelength, group)
        grid = _grid(metadata, source)
        flags = coded_flags(metadata, _FLAGS, raster.shape[:2], source)
    return product_cube(
        raster,
        path=path,
        reader=name,
        product=f"NEON AOP {'radiance' if radiance else 'reflectance'}",
        nodata=fill,
        gain=gain,
        acquired=time_in_name(path.name),
        flags=flags,
        masked=_MASKED,
        remarks=table.remarks,
        attrs={"units": "µW/cm²/sr/nm" if radiance else "1", "interleave": "bip"},
        **known,
        **grid,
    )


def _outside_windows(wavelength: NDArray[np.float64], group: h5py.Group) -> NDArray[np.bool_]:
    """Return which bands are outside the bad windows of the product, or outside the water vapour windows by default."""
    stated = [
        np.ravel(holder.attrs[key]).astype(np.float64)
        for key in ("Band_Window_1_Nanometers", "Band_Window_2_Nanometers")
        for holder in (group, group.get("Reflectance_Data", group))
        if key in holder.attrs
    ]
    good = np.ones(len(wavelength), dtype=np.bool_)
    for low, high in [window for window in stated if len(window) == 2] or WATER_VAPOUR_NM:
        good &= (wavelength < low) | (wavelength > high)
    return good


def _grid(metadata: h5py.Group, source: str) -> dict[str, Any]:
    """Return CRS and transform of ``Map_Info``, whose origin is the outer corner of the first pixel."""
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
