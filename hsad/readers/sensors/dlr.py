"""Functions that the readers of EnMAP and DESIS share; a product of both is a GeoTIFF with metadata in XML."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsad.errors import SceneError
from hsad.gdal import open_dataset
from hsad.readers.acquired import between, time_in_name
from hsad.readers.rasters.stacked import stack
from hsad.readers.rasters.through_gdal import gdal_raster, georeferencing
from hsad.readers.sensors.markup import number_in, read_xml
from hsad.readers.sensors.product import files_beside, main_file, sibling
from hsad.readers.tiff import plain_tiff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from numpy.typing import NDArray

    from hsad.scene.cube import Raster

__all__ = [
    "BandFields",
    "Bands",
    "Files",
    "acquired",
    "find_files",
    "holds_image",
    "layer_a_band",
    "read_bands",
    "read_image",
]

_IMAGE = re.compile(r"(?P<stem>.*)SPECTRAL_IMAGE(?P<detector>_VNIR|_SWIR)?(?P<cog>_COG)?\.TIFF?", re.IGNORECASE)
_OTHER = re.compile(r"(?P<stem>.*?)(METADATA\.XML|QL_[A-Z0-9_-]+\.TIFF?)", re.IGNORECASE)

# Levels of folders below the folder of a delivery, and number of entries, that are searched for products.
_DEEPEST, _MOST_ENTRIES = 3, 2000


class Files(NamedTuple):
    """The image and the metadata of a product, and the common start of their names."""

    image: Path
    metadata: Path
    stem: str

    def layer(self, name: str) -> Path | None:
        """Return the path of a quality layer beside the image, or None if the layer is missing."""
        return sibling(self.image, f"{re.escape(self.stem)}{name}(_COG)?\\.TIFF?")


class BandFields(NamedTuple):
    """Names of the XML element of a band and of its parts."""

    band: str
    wavelength: str
    fwhm: str
    gain: str
    bias: str


class Bands(NamedTuple):
    """Metadata of the bands, one value per band in the order of the file."""

    wavelength: np.ndarray[Any, np.dtype[np.float64]]
    fwhm: np.ndarray[Any, np.dtype[np.float64]]
    gain: np.ndarray[Any, np.dtype[np.float64]]
    bias: np.ndarray[Any, np.dtype[np.float64]]


def holds_image(path: Path, mission: str, band_element: str) -> bool:
    """Tell whether a path is a file of a mission's product, or a folder with a product in it or below it."""
    if path.is_dir():
        return bool(_product_folders(path, mission, band_element))
    return _is_image(path, mission, band_element)


def _product_folders(path: Path, mission: str, band_element: str) -> list[Path]:
    """Return the folders with products, which are the folder itself or those at the least depth below the folder."""
    level, searched = [path], 0
    for _ in range(_DEEPEST + 1):
        entries = {folder: list(islice(_entries(folder), _MOST_ENTRIES)) for folder in level}
        searched += sum(map(len, entries.values()))
        found = [
            folder
            for folder, listed in entries.items()
            if any(_is_image(entry, mission, band_element) for entry in listed if entry.is_file())
        ]
        level = sorted(
            entry for listed in entries.values() for entry in listed if entry.is_dir() and not entry.is_symlink()
        )
        if found or searched > _MOST_ENTRIES:
            return found
    return []


def _entries(folder: Path) -> Iterator[Path]:
    """Yield the entries of a folder, or nothing if listing the folder fails."""
    with suppress(OSError):
        yield from folder.iterdir()


def acquired(root: Element, image: Path) -> str | None:
    """Return the time of acquisition from the metadata, or else from the image's name."""
    for coverage in root.iter("temporalCoverage"):
        stated = between(coverage.findtext("startTime"), coverage.findtext("stopTime") or coverage.findtext("endTime"))
        if stated:
            return stated
    return time_in_name(image.name)


def _is_image(path: Path, mission: str, band_element: str) -> bool:
    """Tell whether a file is part of a mission's product, by its name or else by the product's metadata."""
    match = _IMAGE.fullmatch(path.name) or _OTHER.fullmatch(path.name)
    if match is None:
        return False
    stem = match["stem"]
    if stem.upper().startswith(("ENMAP", "DESIS")):
        return stem.upper().startswith(mission.upper())
    metadata = sibling(path, re.escape(stem) + r"METADATA\.XML")
    try:
        return metadata is not None and bool(_band_elements(read_xml(metadata), band_element))
    except SceneError:
        return False


def find_files(path: Path, mission: str, band_element: str) -> Files:
    """Return the files of the product to which a folder, an image, its metadata or a layer belongs.

    Raises
    ------
    SceneError
        When the image or the metadata are missing.
    """
    if path.is_dir():
        found = _product_folders(path, mission, band_element)
        if len(found) > 1:
            names = ", ".join(str(folder.relative_to(path)) for folder in found[:4])
            raise SceneError(f"{path}: {len(found)} folders of {mission} products below it, name one: {names}")
        path = found[0] if found else path
        is_main = partial(_is_first_image, mission=mission, band_element=band_element)
        path = main_file(path, mission, is_main)
    match = _IMAGE.fullmatch(path.name) or _OTHER.fullmatch(path.name)
    stem = match["stem"] if match else ""
    metadata = sibling(path, re.escape(stem) + r"METADATA\.XML")
    if metadata is None:
        raise SceneError(f"{path}: not a whole {mission} product: {stem}METADATA.XML is missing beside it")
    if _IMAGE.fullmatch(path.name):
        return Files(path, metadata, stem)
    images = [
        entry
        for entry in files_beside(path)
        if (image := _IMAGE.fullmatch(entry.name)) and image["stem"].lower() == stem.lower()
    ]
    if not images:
        raise SceneError(f"{path}: not a whole {mission} product: {stem}SPECTRAL_IMAGE.TIF is missing beside it")
    return Files(images[0], metadata, stem)


def _is_first_image(path: Path, mission: str, band_element: str) -> bool:
    """Tell whether a file is the image of a mission's product, or the VNIR image if each spectrometer has an image."""
    match = _IMAGE.fullmatch(path.name)
    if match is None or not _is_image(path, mission, band_element):
        return False
    if (match["detector"] or "").upper() != "_SWIR":
        return True
    return sibling(path, re.escape(match["stem"]) + r"SPECTRAL_IMAGE_VNIR(_COG)?\.TIFF?") is None


def read_bands(root: Element, fields: BandFields, metadata: Path, count: int) -> Bands:
    """Return the metadata of the bands.

    Raises
    ------
    SceneError
        When an element is missing or is no number, or the metadata describe another number of bands.
    """
    elements = _band_elements(root, fields.band)
    if len(elements) != count:
        raise SceneError(f"{metadata}: describes {len(elements)} bands in bandCharacterisation, the image has {count}")
    columns = [
        [number_in(element, name, metadata, default) for element in elements]
        for name, default in ((fields.wavelength, None), (fields.fwhm, None), (fields.gain, 1.0), (fields.bias, 0.0))
    ]
    return Bands(*(np.asarray(column, dtype=np.float64) for column in columns))


def _band_elements(root: Element, name: str) -> list[Element]:
    # Other parts of the metadata, such as the bands' statistics, have elements of the same name.
    return [band for parent in root.iter("bandCharacterisation") for band in parent.findall(name)]


def layer_a_band(path: Path | None, image: Raster, order: NDArray[np.intp]) -> Raster | None:
    """Return a quality layer with one band per band of the image, in the order of the cube, or None."""
    if path is None:
        return None
    layers = gdal_raster(str(path))
    return stack(str(path), [layers], order.tolist()) if layers.shape == image.shape else None


def read_image(path: Path) -> tuple[Raster, dict[str, Any], float | None, list[str]]:
    """Return the raster of an image, its CRS and transform, its nodata value and remarks."""
    raster: Raster = gdal_raster(str(path))
    with open_dataset(str(path)) as dataset:
        crs, transform, remarks = georeferencing(dataset)
        nodata = dataset.nodata
    return plain_tiff(str(path), raster), {"crs": crs, "transform": transform}, nodata, remarks
