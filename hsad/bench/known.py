"""Scenes with known truth: the available benchmark scenes of the catalogue, and the synthetic scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad.catalog import CatalogItem, get_item
from hsad.errors import SceneError
from hsad.readers import open_cube
from hsad.readers.masks import open_mask
from hsad.scene.cube import geo_grid
from hsad.synthetic import make_scene

__all__ = ["BENCHMARK", "KnownScene", "as_cube", "benchmark_scenes", "synthetic_scene"]

#: The scenes of the catalogue for accuracy. The others show the same places, or have no truth.
BENCHMARK = (
    "abu-airport-2", "abu-airport-4", "abu-beach-3", "abu-beach-4", "abu-urban-2", "abu-urban-4", "abu-urban-5",
    "sandiego-1", "pavia-lzw", "pavia-wu",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class KnownScene:
    """A scene and its truth.

    Attributes
    ----------
    name : str
    family : str
        Kind of scene, such as ``native``, ``synthetic``, ``faint``.
    cube : (y, x, band) xarray.DataArray
    truth : (rows, cols) ndarray
        0 is background, other numbers are objects, NaN is left out.
    sha256 : dict of str to str
        Checksums of the files of the scene, by name; empty for a made scene.
    """

    name: str
    family: str
    cube: xr.DataArray
    truth: NDArray[np.float64]
    sha256: Mapping[str, str]


def as_cube(spectra: NDArray[np.floating]) -> xr.DataArray:
    """Return spectra, ``(rows, cols, bands)``, as a cube of float32 without georeference."""
    return xr.DataArray(np.ascontiguousarray(spectra, dtype=np.float32), dims=("y", "x", "band"))


def benchmark_scenes(folder: Path) -> list[KnownScene]:
    """Return the benchmark scenes whose files are in a folder, or in its subfolder ``scenes``.

    Raises
    ------
    SceneError
        If there is no such folder, or the checksum of a file differs from the catalogue.
    """
    if not folder.is_dir():
        raise SceneError(f"{folder}: no such folder of benchmark scenes (--data, HSAD_DATA)")
    places = [place for place in (folder / "scenes", folder) if place.is_dir()]
    found = []
    for item in map(get_item, BENCHMARK):
        for place in places:
            if all((place / asset.file).is_file() for asset in item.assets):
                found.append(_opened(item, place))
                break
    return found


def _opened(item: CatalogItem, folder: Path) -> KnownScene:
    files = {asset.file: item.verify(folder / asset.file).sha256 or "" for asset in item.assets}
    names = item.summary()
    cube = open_cube(folder / names["cube"])
    truth = open_mask(folder / names["truth"], geo_grid(cube))
    return KnownScene(item.name.removeprefix("abu-"), "native", as_cube(cube.values), truth.astype(np.float64), files)


def synthetic_scene() -> KnownScene:
    """Return the default scene of `hsad.make_scene`."""
    scene = make_scene()
    return KnownScene("demo", "synthetic", scene.cube, scene.truth.values.astype(np.float64), {})
