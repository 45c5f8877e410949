"""Small scenes to damage, and a check of the message that refuses them."""

from __future__ import annotations

import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

import hsad
from hsad.errors import SceneError

CUBE = np.random.default_rng(0).normal(50, 5, (12, 10, 6)).astype("<f4")
posix = pytest.mark.skipif(sys.platform == "win32", reason="no pipes, no descriptors to close")


def write_envi(folder, more="", cube=CUBE, data=None):
    """Write a small ENVI image with further lines in its header; return the header."""
    rows, cols, bands = cube.shape
    (folder / "scene.img").write_bytes(cube.tobytes() if data is None else data)
    code = {"f4": 4, "f8": 5, "u1": 1}[cube.dtype.str[1:]]
    (folder / "scene.hdr").write_text(
        f"ENVI\nsamples = {cols}\nlines = {rows}\nbands = {bands}\ndata type = {code}\n"
        f"interleave = bip\nbyte order = 0\n{more}\n",
        encoding="utf-8",
    )
    return folder / "scene.hdr"


def write_tiff(path, cube=CUBE, **options):
    rows, cols, bands = cube.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", width=cols, height=rows, count=bands, dtype=cube.dtype.name, **options
        ) as dataset:
            dataset.write(np.moveaxis(cube, 2, 0))
    return path


def gdal_values(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            return np.moveaxis(dataset.read(), 0, 2)


def tag_place(content, tag, big=False):
    """Return where the entry of a tag begins in the first directory of a little-endian TIFF."""
    at = int.from_bytes(content[8:16] if big else content[4:8], "little")
    count = int.from_bytes(content[at : at + (8 if big else 2)], "little")
    first, step = (at + 8, 20) if big else (at + 2, 12)
    return next(p for p in range(first, first + step * count, step) if content[p : p + 2] == struct.pack("<H", tag))


def refused(path, *parts):
    with pytest.raises(SceneError) as caught:
        hsad.open_cube(path).values  # noqa: B018  reading is the test
    said = str(caught.value)
    assert "\n" not in said
    for part in (Path(path).stem, *parts):
        assert part in said, said
    return said
