"""Cubes of the rasters that GDAL opens, such as GeoTIFF, Cloud-Optimized GeoTIFF and VRT."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.gdal import open_dataset
from hsad.readers.bands import BandTable, band_table
from hsad.readers.packed.layers import described_wavelengths
from hsad.readers.packed.pages import cube_of_pages
from hsad.readers.rasters.filled import with_stated_nodata
from hsad.readers.rasters.through_gdal import gdal_raster, georeferencing
from hsad.readers.stac import stac_bands
from hsad.readers.tiff import plain_tiff
from hsad.scene.cube import Raster, build_cube, lazy_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import xarray as xr
    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

__all__ = ["can_read", "mask", "name", "raster_cube", "read"]

name = "GDAL"


_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WAVELENGTH_KEYS = ("wavelength", "wavelengths", "center_wavelength", "central_wavelength")
_UNIT_KEYS = ("wavelength_units", "wavelength_unit")
_GOOD_KEYS = ("bbl", "good_wavelength", "good_wavelengths")


def can_read(path: Path) -> bool:
    """Tell whether the file is a TIFF, even a damaged one, or another raster that GDAL opens."""
    with path.open("rb") as file:
        if file.read(4) in _TIFF_MAGIC:
            return True
    try:
        with open_dataset(str(path)):
            return True
    except SceneError:
        return False


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the lazily indexed cube of a raster file.

    The mask band of a dataset is read when it is first needed. It then stays in memory, with one byte per pixel.

    Raises
    ------
    SceneError
        When GDAL cannot open the file or read its first and last pixel, when the file holds complex numbers, or when
        GDAL opens the file only because of an ENVI header that belongs to another file.
    """
    if variable is not None:
        raise SceneError(f"{path}: a raster has no variables, so {variable!r} cannot be chosen")
    return raster_cube(str(path), path)


def raster_cube(gdal_name: str, path: Path, *, reader: str = name, member: str | None = None) -> xr.DataArray:
    """Return the cube of the raster that GDAL opens under a name.

    Parameters
    ----------
    gdal_name : str
        GDAL's name of the file, or of a member of an archive.
    path : Path
        The file, for messages.
    reader : str
        Name of the reader, which the cube states.
    member : str, optional
        The member of an archive that `gdal_name` names. GDAL reads an ENVI image only if it is a member of an archive.
        `hsad.readers.envi` reads other ENVI images.
    """
    raster: Raster
    raster = through_gdal = gdal_raster(gdal_name)
    with open_dataset(gdal_name) as dataset:
        if dataset.driver == "ENVI" and member is None:
            raise SceneError(f"{path}: the ENVI header beside it belongs to another data file")
        pages: list[str] = dataset.subdatasets if dataset.driver == "GTiff" else []
        several = cube_of_pages(str(path), pages, reader) if len(pages) > 1 else ""
        if not isinstance(several, str):
            return several
        table = _bands(dataset, through_gdal.indexes, path)
        crs, transform, remarks = georeferencing(dataset)
        gain, bias = (
            np.asarray(values)[np.asarray(through_gdal.indexes) - 1] for values in (dataset.scales, dataset.offsets)
        )
        factor = _number(dataset.tags(ns="ENVI").get("reflectance_scale_factor")) if dataset.driver == "ENVI" else None
        if factor and np.all(gain == 1) and np.all(bias == 0):
            gain = gain / factor
        scaled = bool(np.any(gain != 1) or np.any(bias != 0))
        interleave = dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE", "")
        if dataset.driver == "GTiff":
            raster = plain_tiff(gdal_name, raster)
        raster, nodata, nodata_remarks = with_stated_nodata(
            raster,
            [dataset.nodatavals[index - 1] for index in through_gdal.indexes],
            gain if scaled else None,
            bias if scaled else None,
        )
        driver, description = dataset.driver, dataset.tags().get("description")
        valid = mask(dataset, gdal_name)
    attrs = {
        "interleave": {"PIXEL": "bip", "LINE": "bil", "BAND": "bsq"}.get(interleave, interleave.lower()),
        "warnings": [*([several] if several else []), *table.remarks, *remarks, *nodata_remarks],
        "driver": driver,
        **({"member": member} if member else {}),
    }
    if description:
        attrs["description"] = description
    return build_cube(
        raster,
        source=str(path),
        reader=reader,
        **table.coordinates,
        valid=valid,
        gain=gain if scaled else None,
        bias=bias if scaled else None,
        nodata=nodata,
        crs=crs,
        transform=transform,
        attrs=attrs,
    )


def mask(dataset: DatasetReader, gdal_name: str) -> Any:
    """Return the mask of an open file, or None without a mask; the mask is read when it is first needed."""
    from rasterio.enums import MaskFlags

    flags = dataset.mask_flag_enums[0]
    if MaskFlags.per_dataset not in flags or MaskFlags.nodata in flags:
        return None
    return lazy_image(dataset.shape, np.bool_, partial(_read_mask, gdal_name))


def _read_mask(path: str) -> NDArray[np.bool_]:
    with open_dataset(path) as dataset:
        return np.asarray(dataset.dataset_mask() != 0)


def _bands(dataset: DatasetReader, indexes: Sequence[int], path: Path) -> BandTable:
    """Return the table of bands, with wavelengths from the most exact source that states one for every band."""
    whole = _lower(dataset.tags(ns="ENVI"))
    sources: list[dict[str, Any]] = [
        {
            "wavelength": _list(_first(whole, _WAVELENGTH_KEYS)),
            "fwhm": _list(whole.get("fwhm")),
            "good": _list(_first(whole, _GOOD_KEYS)),
            "units": _first(whole, _UNIT_KEYS),
        }
    ]
    default_units = _first(_lower(dataset.tags()), _UNIT_KEYS)
    for domain in ("ENVI", None):
        tags = [_lower(dataset.tags(index, ns=domain)) for index in indexes]
        sources.append(
            {
                "wavelength": _complete(_first(band, _WAVELENGTH_KEYS) for band in tags),
                "fwhm": _complete(band.get("fwhm") for band in tags),
                "good": _complete(_first(band, _GOOD_KEYS) for band in tags),
                "units": _common(_first(band, _UNIT_KEYS) for band in tags) or default_units,
            }
        )
    sources.append(stac_bands(path, len(indexes)))
    imagery = [_lower(dataset.tags(index, ns="IMAGERY")) for index in indexes]
    sources.append(
        {
            "wavelength": _complete(band.get("central_wavelength_um") for band in imagery),
            "fwhm": _complete(band.get("fwhm_um") for band in imagery),
            "units": "µm",
        }
    )
    descriptions = [dataset.descriptions[index - 1] or "" for index in indexes]
    sources.append(described_wavelengths(descriptions))
    spectral = next((source for source in sources if source.get("wavelength")), {})
    good = next((source["good"] for source in sources if source.get("good")), None)
    return band_table(
        len(indexes),
        wavelength=spectral.get("wavelength"),
        fwhm=spectral.get("fwhm"),
        good=good,
        names=descriptions if all(descriptions) else None,
        units=spectral.get("units"),
    )


def _lower(tags: Mapping[str, str]) -> dict[str, str]:
    return {key.strip().lower().replace(" ", "_"): value for key, value in tags.items()}


def _first(tags: Mapping[str, str], keys: Sequence[str]) -> str | None:
    return next((tags[key] for key in keys if key in tags), None)


def _list(text: str | None) -> list[str] | None:
    return [item for item in re.split(r"[\s,{}]+", text) if item] if text else None


def _complete(values: Iterator[str | None]) -> list[str] | None:
    """Return the values as a list, None unless every band has one."""
    listed = list(values)
    return [str(value) for value in listed] if all(listed) else None


def _number(text: str | None) -> float | None:
    """Return the positive number in a text, None if the text is no positive number."""
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if value > 0 else None


def _common(values: Iterator[str | None]) -> str | None:
    """Return the unit of all bands.

    Several units become a text that is no unit. `hsad.readers.bands` then takes the unit from the magnitudes.
    """
    units = list(dict.fromkeys(str(value) for value in values if value))
    return ", ".join(units) if units else None
