"""Scenes of any size as files in many layouts, made by repeating a block of 64 rows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.products.space import reserve_space

__all__ = ["ENVI", "LARGE", "LAYOUTS", "Shape", "data_file", "made_block", "scene_file", "write_scene"]

ENVI = ("bip", "bil", "bsq")
#: Layouts of files: ENVI interleaves; GeoTIFFs in strips or square tiles, by pixel or by band, deflated; EMIT's HDF5.
LAYOUTS = (*ENVI, "striped", "striped-band", "tiled", "tiled-band", "tiled-deflate", "emit")

#: Rows of the block that a scene repeats.
_BLOCK = 64
_DATA_TYPES = {"int16": 2, "float32": 4}


@dataclass(frozen=True)
class Shape:
    """A scene's size and the type of its numbers."""

    rows: int
    cols: int
    bands: int
    dtype: str = "int16"

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.rows * self.cols

    @property
    def size(self) -> int:
        """Bytes of all numbers."""
        return self.pixels * self.bands * np.dtype(self.dtype).itemsize

    def __str__(self) -> str:
        return f"{self.rows} x {self.cols} x {self.bands} {self.dtype}, {self.size / 1e9:.3g} GB"


#: The largest scene that is promised to work: as wide as an airborne scene of 425 bands, 20 GB.
LARGE = Shape(2880, 4096, 425, "float32")


def made_block(shape: Shape) -> NDArray[Any]:
    """Return 64 rows: five materials mixed, noise, one odd pixel in a thousand."""
    random = np.random.default_rng(0)
    abundances = random.random((_BLOCK, shape.cols, 5), dtype=np.float32)
    spectra = abundances @ (random.random((5, shape.bands), dtype=np.float32) * 2000)
    spectra += random.standard_normal(spectra.shape, dtype=np.float32) * 20
    odd = random.random((_BLOCK, shape.cols)) < 1e-3
    spectra[odd] += random.random(shape.bands, dtype=np.float32) * 1000
    return spectra.astype(shape.dtype)


def write_scene(folder: Path, layout: str, shape: Shape) -> Path:
    """Write a scene that repeats a block of 64 rows, and return the path that hsad opens."""
    writer = _write_envi if layout in ENVI else _write_emit if layout == "emit" else _write_tiff
    return writer(folder, layout, shape)


def _write_envi(folder: Path, layout: str, shape: Shape) -> Path:
    header = folder / f"{layout}.hdr"
    header.write_text(
        f"ENVI\nsamples = {shape.cols}\nlines = {shape.rows}\nbands = {shape.bands}\nheader offset = 0\n"
        f"data type = {_DATA_TYPES[shape.dtype]}\ninterleave = {layout}\nbyte order = 0\n"
    )
    order = {"bip": (0, 1, 2), "bil": (0, 2, 1), "bsq": (2, 0, 1)}[layout]
    part = np.ascontiguousarray(made_block(shape).transpose(order))
    with header.with_suffix(".img").open("wb") as file:
        for lines in part if layout == "bsq" else [part]:
            for start in range(0, shape.rows, _BLOCK):
                file.write(lines[: shape.rows - start].data)
    return header


def _write_emit(folder: Path, layout: str, shape: Shape) -> Path:
    import h5py

    path = folder / f"{layout}.nc"
    part = made_block(shape)
    with h5py.File(path, "w") as file:
        axes = {"downtrack": shape.rows, "crosstrack": shape.cols, "bands": shape.bands}
        for name, size in axes.items():
            file.create_dataset(name, (size,), np.float32).make_scale(name)
        chunks = (_BLOCK, min(256, shape.cols), min(32, shape.bands))
        data = file.create_dataset("reflectance", tuple(axes.values()), shape.dtype, chunks=chunks)
        for axis, name in enumerate(axes):
            data.dims[axis].attach_scale(file[name])
        for start in range(0, shape.rows, _BLOCK):
            data[start : start + _BLOCK] = part[: shape.rows - start]
    return path


def _write_tiff(folder: Path, layout: str, shape: Shape) -> Path:
    import rasterio
    from rasterio.windows import Window

    path = folder / f"{layout}.tif"
    profile: dict[str, Any] = {"interleave": "band" if layout.endswith("band") else "pixel"}
    if layout.startswith("tiled"):
        profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    if layout.endswith("deflate"):
        profile |= {"compress": "deflate", "zlevel": 1, "predictor": 2}
    part = np.ascontiguousarray(made_block(shape).transpose(2, 0, 1))
    with (
        rasterio.Env(GDAL_CACHEMAX=2**30),
        rasterio.open(
            path, "w", "GTiff", shape.cols, shape.rows, shape.bands, dtype=shape.dtype, bigtiff="YES",
            transform=rasterio.Affine(1, 0, 500000, 0, -1, 4000000), **profile,
        ) as out,
    ):  # fmt: skip
        # One column of tiles after the other: GDAL's cache then holds whole tiles.
        wide = 256 if layout.startswith("tiled") else shape.cols
        for top in range(0, shape.rows, 4 * _BLOCK):
            for left in range(0, shape.cols, wide):
                for start in range(top, min(top + 4 * _BLOCK, shape.rows), _BLOCK):
                    lines = part[:, : shape.rows - start, left : left + wide]
                    out.write(lines, window=Window(left, start, lines.shape[2], lines.shape[1]))
    return path


def data_file(scene: Path) -> Path:
    """Return the file that holds the numbers of a scene."""
    return scene.with_suffix(".img") if scene.suffix == ".hdr" else scene


@contextmanager
def scene_file(layout: str, shape: Shape, folder: Path | None = None) -> Iterator[Path]:
    """Yield a scene in a temporary folder, and remove it afterwards.

    Raises
    ------
    OutputError
        When the disk has no space for the scene.
    """
    with tempfile.TemporaryDirectory(prefix="hsad-large-", dir=folder) as temporary:
        place = Path(temporary)
        reserve_space(place / layout, place, shape.size)
        yield write_scene(place, layout, shape)
