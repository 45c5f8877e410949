"""Folders of images with one band each, whose files in the natural order of their names are the bands of a cube."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hsad.errors import SceneError
from hsad.gdal import open_dataset
from hsad.readers.packed.layers import described_wavelengths, image_of, stacked_cube

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

__all__ = ["can_read", "folders", "name", "read"]

name = "folder of images"
folders = True

_SUFFIXES = (".tif", ".tiff", ".png", ".jp2", ".bmp", ".pgm")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)")
# Names that are bare numbers are wavelengths if all numbers lie in this range in nm.
_LEAST_NM, _LARGEST_NM = 300.0, 15_000.0


def can_read(path: Path) -> bool:
    """Tell whether a folder contains at least two images of one suffix, and the first image has one band."""
    if not path.is_dir():
        return False
    images = _images(path)
    if len(images) < 2 or len({image.suffix.lower() for image in images}) != 1:
        return False
    try:
        with open_dataset(str(images[0])) as dataset:
            return bool(dataset.count == 1)
    except SceneError:
        return False


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of a folder of images, with wavelengths from their names or their descriptions.

    Raises
    ------
    SceneError
        When the images differ in size, type or georeferencing.
    """
    if variable is not None:
        raise SceneError(f"{path}: a folder of images is one cube, so {variable!r} cannot be chosen")
    images = [image_of(str(image), image.stem) for image in _images(path)]
    return stacked_cube(images, source=str(path), reader=name, wavelength=_wavelengths([item.label for item in images]))


def _images(folder: Path) -> list[Path]:
    """Return the images of a folder in the natural order of their names, in which 2 comes before 10."""
    try:
        found = [entry for entry in folder.iterdir() if entry.suffix.lower() in _SUFFIXES and entry.is_file()]
    except OSError as error:
        raise SceneError(f"{folder}: {(error.strerror or str(error)).lower()}") from error
    return sorted(found, key=lambda entry: _natural(entry.stem))


def _natural(text: str) -> list[tuple[float, str]]:
    """Return a sort key for the natural order, in which letters sort by alphabet and numbers by size."""
    parts = _NUMBER.split(text.lower())
    return [(float(part), part) if number % 2 else (-1.0, part) for number, part in enumerate(parts)]


def _wavelengths(names: list[str]) -> dict[str, Any] | None:
    """Return the wavelengths that names state with a unit or as bare numbers in nm, or None if they state none."""
    spaced = [re.sub(r"[_\s]+", " ", text) for text in names]
    found = described_wavelengths([re.sub(r"(?<=[A-Za-z])(?=\d)", " ", text) for text in spaced])
    if found:
        return found
    bare = [float(text) for text in names if _NUMBER.fullmatch(text)]
    if len(bare) == len(names) and min(bare) >= _LEAST_NM and max(bare) <= _LARGEST_NM:
        return {"wavelength": bare, "units": "nm"}
    return None
