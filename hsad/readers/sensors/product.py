"""Functions that the readers of sensor products share for files, flag layers and cubes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.gdal import open_dataset
from hsad.readers.nodata import stored_nodata
from hsad.scene.cube import build_cube
from hsad.scene.quality import Flag, attach_flags
from hsad.scene.water_vapour import WATER_VAPOUR_NM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import xarray as xr
    from numpy.typing import ArrayLike, NDArray

    from hsad.scene.cube import Raster
    from hsad.scene.swath import Swath

__all__ = [
    "FlagImage",
    "ascending",
    "files_beside",
    "flag_image",
    "in_bands",
    "main_file",
    "no_variable",
    "outside_water",
    "product_cube",
    "sibling",
]


def outside_water(wavelength: ArrayLike) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which bands are outside the water vapour windows, and a remark if a band is inside."""
    centres = np.asarray(wavelength, dtype=np.float64)
    good = np.ones(centres.shape, dtype=np.bool_)
    for low, high in WATER_VAPOUR_NM:
        good &= (centres < low) | (centres > high)
    windows = " and ".join(f"{low:g}-{high:g}" for low, high in WATER_VAPOUR_NM)
    remark = f"the product marks no bands: the {np.count_nonzero(~good)} within {windows} nm, water vapour, are bad"
    return good, [] if good.all() else [remark]


def files_beside(path: Path) -> list[Path]:
    """Return the files of a folder, or of the folder of a file, in alphabetical order, without subfolders."""
    folder = path if path.is_dir() else path.parent
    try:
        return sorted(entry for entry in folder.iterdir() if entry.is_file())
    except OSError as error:
        raise SceneError(f"{folder}: {(error.strerror or str(error)).lower()}") from error


def main_file(path: Path, product: str, is_main: Callable[[Path], bool]) -> Path:
    """Return the path if it is a file, or the only main file of a product in the folder.

    Raises
    ------
    SceneError
        When the folder contains no or several main files.
    """
    if path.is_file():
        return path
    found = [entry for entry in files_beside(path) if is_main(entry)]
    if len(found) != 1:
        names = ", ".join(entry.name for entry in found[:4]) + (", …" if len(found) > 4 else "")
        raise SceneError(f"{path}: {len(found)} {product} products in this folder, name one: {names}")
    return found[0]


def no_variable(path: Path, variable: str | None, product: str) -> None:
    """Raise `SceneError` if the user names a variable of a product that has one cube."""
    if variable is not None:
        raise SceneError(f"{path}: a product of {product} has one cube, so {variable!r} cannot be chosen")


@dataclass(frozen=True)
class FlagImage:
    """The first bands of a raster of flags, in which nodata becomes zero.

    Attributes
    ----------
    path : Path
    bands : int
        Number of bands that are read, counted from the first.
    """

    path: Path
    bands: int

    def read(self) -> NDArray[Any]:
        """Return the bands, shape ``(rows, cols, bands)``, or ``(rows, cols)`` for one band."""
        with open_dataset(str(self.path)) as dataset:
            values = dataset.read(range(1, self.bands + 1))
            if dataset.nodata is not None:
                values[values == dataset.nodata] = 0
        return np.asarray(values[0] if self.bands == 1 else np.moveaxis(values, 0, 2))


def flag_image(path: Path | None, shape: tuple[int, int], bands: int, remarks: list[str]) -> FlagImage | None:
    """Return a raster of flags, or None if the file is missing or, with a remark, has another size than the scene."""
    if path is None:
        return None
    with open_dataset(str(path)) as dataset:
        if dataset.shape != shape or dataset.count < bands:
            size = f"{dataset.count} bands of {dataset.shape}" if bands > 1 else f"{dataset.shape}"
            remarks.append(f"{path.name} is {size}, the scene {shape}: it is ignored")
            return None
    return FlagImage(path, bands)


def in_bands(*bands: int) -> Callable[[NDArray[Any]], NDArray[np.bool_]]:
    """Return the test of an image for numbers above zero in one of the bands, counted from 0."""
    return partial(_above_zero, bands=list(bands))


def _above_zero(image: NDArray[Any], bands: list[int]) -> NDArray[np.bool_]:
    return np.asarray((image[..., bands] > 0).any(axis=2))


def product_cube(
    raster: Raster,
    *,
    path: Path,
    reader: str,
    product: str,
    nodata: float | None = None,
    flags: Mapping[str, Sequence[Flag]] | None = None,
    masked: Iterable[str] = (),
    band_mask: Raster | None = None,
    swath: Swath | None = None,
    remarks: Iterable[str] = (),
    attrs: Mapping[str, Any] | None = None,
    acquired: str | None = None,
    **known: Any,
) -> xr.DataArray:
    """Return the cube of a product.

    Parameters
    ----------
    raster, reader, **known
        Parameters of `hsad.scene.cube.build_cube`.
    path : Path
        The main file.
    product : str
        Name and level of the product, such as "EnMAP L2A", for the attributes.
    nodata : float, optional
        Nodata value before scaling. A value that cannot occur is dropped with a remark.
    flags, masked, band_mask
        Quality layers, parameters of `hsad.scene.quality.attach_flags`.
    swath : Swath, optional
        Map coordinates of the pixels of a sensor's grid.
    remarks : iterable of str
    attrs : mapping, optional
        More attributes.
    acquired : str, optional
        Time of acquisition in ISO 8601 (UTC), or "START/END".
    """
    fill, nodata_remarks = stored_nodata(nodata, raster.dtype)
    cube = build_cube(
        raster,
        source=str(path),
        reader=reader,
        nodata=fill,
        attrs={
            "product": product,
            **({"acquired": acquired} if acquired else {}),
            **(attrs or {}),
            "warnings": [*remarks, *nodata_remarks],
        },
        **known,
    )
    cube = attach_flags(cube, flags or {}, list(masked), band_mask)
    if swath is not None:
        cube.encoding["hsad_swath"] = swath
    return cube


def sibling(path: Path, pattern: str) -> Path | None:
    """Return the first file beside a path whose whole name matches a pattern in any case, or None."""
    found = (entry for entry in files_beside(path) if re.fullmatch(pattern, entry.name, re.IGNORECASE))
    return next(found, None)


def ascending(wavelength: Sequence[float] | NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the numbers of the bands in the order of their wavelengths; the sort is stable."""
    return np.argsort(np.asarray(wavelength, dtype=np.float64), kind="stable")
