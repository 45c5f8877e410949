"""Rasters that GDAL opens: GeoTIFF and Cloud-Optimized GeoTIFF first of all, VRT and others besides."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.gdal import LEAST_CACHE, open_dataset
from hsad.readers.bands import BandTable, band_table
from hsad.readers.rasters.filled import with_stated_nodata
from hsad.readers.rasters.pixels import in_pixels
from hsad.readers.stac import stac_bands
from hsad.readers.tiff import plain_tiff
from hsad.scene.cube import Raster, build_cube, lazy_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import xarray as xr
    from affine import Affine
    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

__all__ = ["GdalRaster", "can_read", "gdal_raster", "georeferencing", "mask", "name", "read"]

name = "GDAL"


_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DESCRIBED = re.compile(
    r"(?<![\w.])(\d+(?:\.\d*)?(?:e[+-]?\d+)?)\s*(nm|nanomet(?:er|re)s?|[uµμ]m|micromet(?:er|re)s?|microns?)\b",
    re.IGNORECASE,
)
_WAVELENGTH_KEYS = ("wavelength", "wavelengths", "center_wavelength", "central_wavelength")
_UNIT_KEYS = ("wavelength_units", "wavelength_unit")
# Bytes of a block and an image that any TIFF may promise; a larger one may, if it is not much smaller itself.
_MOST_BLOCK = 256 * 2**20
_MOST_IMAGE = 2**30
_MOST_BLOCK_GROWTH = 2000  # what LZW and deflate unpack to is at most about 1300 times as large
_MOST_GROWTH = 20_000  # of an image with holes: 16 bytes in a table stand for a tile
_GOOD_KEYS = ("bbl", "good_wavelength", "good_wavelengths")


@dataclass(frozen=True)
class GdalRaster:
    """Windows of a file through GDAL; the file is opened for each read, in the thread that reads."""

    path: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    block: tuple[int, int]
    indexes: tuple[int, ...]

    @property
    def row_step(self) -> int:
        """Height of a strip or tile."""
        return self.block[0]

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, shape ``(rows, cols, bands)``."""
        from rasterio.windows import Window

        window = Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        # What GDAL decodes for one band and forgets before the next, it decodes once a band.
        decoded = len(self.indexes) * self.dtype.itemsize
        for part, side in ((rows, self.block[0]), (cols, self.block[1])):
            decoded *= (-(-part.stop // side) - part.start // side) * side
        with open_dataset(self.path, decoded + LEAST_CACHE) as dataset:
            stored = dataset.read(list(self.indexes), window=window, out_dtype=self.dtype)
        return in_pixels(np.moveaxis(stored, 0, 2), self.dtype)


def can_read(path: Path) -> bool:
    """Tell whether GDAL opens the file, or ought to, since it is a TIFF."""
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

    The dataset's mask band, where it has one, is read when it is needed, and held in memory (one byte a pixel).

    Raises
    ------
    SceneError
        When GDAL cannot open it or read its first and last pixels, when it holds complex numbers, or when an
        ENVI header is the only thing that makes it a raster and belongs to another file.
    """
    if variable is not None:
        raise SceneError(f"{path}: a raster has no variables, so {variable!r} cannot be chosen")
    raster: Raster
    raster = through_gdal = gdal_raster(str(path))
    with open_dataset(str(path)) as dataset:
        if dataset.driver == "ENVI":
            raise SceneError(f"{path}: the ENVI header beside it belongs to another data file")
        table = _bands(dataset, through_gdal.indexes, path)
        crs, transform, remarks = georeferencing(dataset)
        gain = np.asarray(dataset.scales)[np.asarray(through_gdal.indexes) - 1]
        bias = np.asarray(dataset.offsets)[np.asarray(through_gdal.indexes) - 1]
        scaled = bool(np.any(gain != 1) or np.any(bias != 0))
        interleave = dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE", "")
        if dataset.driver == "GTiff":
            raster = plain_tiff(str(path), raster)
        raster, nodata, nodata_remarks = with_stated_nodata(
            raster,
            [dataset.nodatavals[index - 1] for index in through_gdal.indexes],
            gain if scaled else None,
            bias if scaled else None,
        )
        driver, description = dataset.driver, dataset.tags().get("description")
        valid = mask(dataset, path)
    attrs = {
        "interleave": {"PIXEL": "bip", "LINE": "bil", "BAND": "bsq"}.get(interleave, interleave.lower()),
        "warnings": [*table.remarks, *remarks, *nodata_remarks],
        "driver": driver,
    }
    if description:
        attrs["description"] = description
    return build_cube(
        raster,
        source=str(path),
        reader=name,
        **table.coordinates,
        valid=valid,
        gain=gain if scaled else None,
        bias=bias if scaled else None,
        nodata=nodata,
        crs=crs,
        transform=transform,
        attrs=attrs,
    )


def gdal_raster(path: str) -> GdalRaster:
    """Return the recipe for a file's bands, without an alpha band, after a look at its first and last pixel.

    Raises
    ------
    SceneError
        When GDAL cannot open or read it, or it holds no bands or complex numbers.
    """
    from rasterio.enums import ColorInterp
    from rasterio.windows import Window

    with open_dataset(path) as dataset:
        kinds = zip(dataset.indexes, dataset.colorinterp, strict=True)
        indexes = tuple(index for index, kind in kinds if kind != ColorInterp.alpha)
        if not indexes:
            inside = ", ".join(dataset.subdatasets) or "none"
            raise SceneError(f"{path}: the {dataset.driver} file has no bands of its own (subdatasets: {inside})")
        dtypes = {dataset.dtypes[index - 1] for index in indexes}
        if any("complex" in dtype or dtype == "complex_int16" for dtype in dtypes):
            raise SceneError(f"{path}: holds complex numbers ({', '.join(sorted(dtypes))}), a cube holds real ones")
        _check_promise(dataset, path)
        for index, col, row in ((indexes[0], 0, 0), (indexes[-1], dataset.width - 1, dataset.height - 1)):
            dataset.read(index, window=Window(col, row, 1, 1))
        high, wide = (max(sides) for sides in zip(*dataset.block_shapes, strict=True))
        return GdalRaster(
            path,
            (dataset.height, dataset.width, len(indexes)),
            np.result_type(*dtypes),
            (min(high, dataset.height), min(wide, dataset.width)),
            indexes,
        )


def _check_promise(dataset: DatasetReader, path: str) -> None:
    """Refuse a TIFF that promises so much more than it can hold that its directory must be damaged.

    A block is decoded as a whole, so one of a promised gigabyte takes a gigabyte.
    """
    if dataset.driver != "GTiff" or not Path(path).is_file():
        return
    held = Path(path).stat().st_size
    number = max(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    together = dataset.count if dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "PIXEL" else 1
    block = max(high * wide for high, wide in dataset.block_shapes) * together * number
    whole = dataset.width * dataset.height * dataset.count * number
    for what, size, most in (
        ("a block", block, max(_MOST_BLOCK, _MOST_BLOCK_GROWTH * held)),
        ("its image", whole, max(_MOST_IMAGE, _MOST_GROWTH * held)),
    ):
        if size > most:
            raise SceneError(f"{path}: {what} promises {size} bytes, which a file of {held} bytes cannot hold")


def georeferencing(dataset: DatasetReader) -> tuple[Any, Affine | None, list[str]]:
    """Return the CRS and transform of an open dataset (None where it has none), and remarks."""
    from affine import Affine

    crs, transform = dataset.crs, dataset.transform
    if not transform.is_identity:
        # Adding zero turns GDAL's -0.0 into 0.0, in which form the numbers are printed and compared.
        return crs, Affine(*(value + 0.0 for value in transform[:6])), []
    remarks = []
    if dataset.gcps[0] or dataset.rpcs:
        kind = "ground control points" if dataset.gcps[0] else "rational polynomials (RPC)"
        remarks.append(f"the file is located by {kind} only: results are not georeferenced")
    return crs, None, remarks


def mask(dataset: DatasetReader, path: Path) -> Any:
    """Return the mask of an open file, read when it is needed; None where it has none."""
    from rasterio.enums import MaskFlags

    flags = dataset.mask_flag_enums[0]
    if MaskFlags.per_dataset not in flags or MaskFlags.nodata in flags:
        return None
    return lazy_image(dataset.shape, np.bool_, partial(_read_mask, str(path)))


def _read_mask(path: str) -> NDArray[np.bool_]:
    with open_dataset(path) as dataset:
        return np.asarray(dataset.dataset_mask() != 0)


def _bands(dataset: DatasetReader, indexes: Sequence[int], path: Path) -> BandTable:
    """Gather the bands' wavelengths from the first place, most exact first, that gives one for every band."""
    whole = _lower(dataset.tags(ns="ENVI"))
    places: list[dict[str, Any]] = [
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
        places.append(
            {
                "wavelength": _complete(_first(band, _WAVELENGTH_KEYS) for band in tags),
                "fwhm": _complete(band.get("fwhm") for band in tags),
                "good": _complete(_first(band, _GOOD_KEYS) for band in tags),
                "units": _common(_first(band, _UNIT_KEYS) for band in tags) or default_units,
            }
        )
    places.append(stac_bands(path, len(indexes)))
    imagery = [_lower(dataset.tags(index, ns="IMAGERY")) for index in indexes]
    places.append(
        {
            "wavelength": _complete(band.get("central_wavelength_um") for band in imagery),
            "fwhm": _complete(band.get("fwhm_um") for band in imagery),
            "units": "µm",
        }
    )
    descriptions = [dataset.descriptions[index - 1] or "" for index in indexes]
    found = [_DESCRIBED.search(text) for text in descriptions]
    places.append(
        {
            "wavelength": _complete(match and match.group(1) for match in found),
            "units": _common(match and match.group(2) for match in found),
        }
    )
    spectral = next((place for place in places if place.get("wavelength")), {})
    good = next((place["good"] for place in places if place.get("good")), None)
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


def _common(values: Iterator[str | None]) -> str | None:
    """Return what all bands agree on, or all that they say: no known unit, so that the magnitude decides."""
    said = list(dict.fromkeys(str(value) for value in values if value))
    return ", ".join(said) if said else None
