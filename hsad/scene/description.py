"""The description of a scene: its metadata, and shares of its pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.record import Record
from hsad.scene.cube import GeoGrid, geo_grid, nodata
from hsad.scene.quality import flag_shares
from hsad.scene.swath import swath_of

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["SceneDescription", "column", "described"]


@dataclass(frozen=True)
class SceneDescription(Record):
    """The description of a scene, as JSON can hold it; None for what its file does not state.

    Attributes
    ----------
    rows, cols, bands : int
    dtype : str
    interleave, crs : str or None
    transform : list of float or None
        GDAL's six numbers.
    wavelength, fwhm : list of float or None
        One number a band, in nm; None for those that are no numbers.
    good_bands : list of bool or None
    nodata : float, int or None
    valid_fraction : float
        Share of the pixels that have data in every band.
    valid_counted : str
        The pixels in which that share was counted.
    product : str or None
    mask_flags : list of str or None
        Quality flags that leave pixels out.
    flags : dict or None
        The share of pixels in which each flag is set, by its name.
    grid : str or None
        Of a swath: its map.
    reader, source : str or None
    warnings : list of str
    """

    rows: int
    cols: int
    bands: int
    dtype: str
    interleave: str | None
    crs: str | None
    transform: list[float] | None
    wavelength: list[float | None] | None
    fwhm: list[float | None] | None
    good_bands: list[bool] | None
    nodata: float | int | None
    valid_fraction: float
    valid_counted: str
    product: str | None
    mask_flags: list[str] | None
    flags: dict[str, float | None] | None
    grid: str | None
    reader: str | None
    source: str | None
    warnings: list[str]


def described(
    cube: xr.DataArray, valid_fraction: float, warnings: Iterable[str], *, counted: str = "all pixels"
) -> SceneDescription:
    """Return the description of a cube from its metadata and from what was counted in its pixels.

    Parameters
    ----------
    cube : (y, x, band) DataArray
    valid_fraction : float
        Share of the pixels that have data in every band.
    warnings : iterable of str
        Remarks in addition to those of the cube.
    counted : str
        The pixels in which the share was counted.
    """
    grid = geo_grid(cube)
    remarks = [*(str(warning) for warning in cube.attrs.get("warnings", [])), *warnings]
    good = column(cube, "good_wavelength")
    fill = nodata(cube)
    flags, swath = flag_shares(cube), swath_of(cube)
    if swath is None and cube.encoding.get("hsad_swath") is not None:
        remarks.append("its latitudes and longitudes place no pixels: results are not georeferenced")
    return SceneDescription(
        rows=grid.rows,
        cols=grid.cols,
        bands=cube.sizes["band"],
        dtype=str(cube.dtype),
        interleave=cube.attrs.get("interleave"),
        crs=_crs(grid),
        transform=None if grid.transform is None else list(grid.transform.to_gdal()),
        wavelength=_listed(column(cube, "wavelength")),
        fwhm=_listed(column(cube, "fwhm")),
        good_bands=None if good is None else good.tolist(),
        nodata=None if fill is None else _number(fill),
        valid_fraction=valid_fraction,
        valid_counted=counted,
        product=cube.attrs.get("product"),
        mask_flags=list(cube.attrs["mask_flags"]) if flags else None,
        flags=flags or None,
        grid=None if swath is None else f"{swath.grid.rows} x {swath.grid.cols} in {_crs(swath.grid)}",
        reader=cube.attrs.get("reader"),
        source=cube.attrs.get("source"),
        warnings=remarks,
    )


def _crs(grid: GeoGrid) -> str | None:
    return None if grid.crs is None else str(grid.crs.to_string())


def column(cube: xr.DataArray, name: str) -> NDArray[Any] | None:
    """Return a coordinate of the bands, None when the cube lacks it."""
    return cube.coords[name].values if name in cube.coords else None


def _listed(values: NDArray[Any] | None) -> list[float | None] | None:
    return None if values is None else [_number(value) for value in values]


def _number(value: Any) -> float | int | None:
    """Return a number as JSON can hold it; NaN and infinity are None."""
    number = float(value)
    if not np.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
