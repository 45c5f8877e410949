"""Damaged files by number. The same number makes the same file on each machine, and no file is stored."""

from __future__ import annotations

import io
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from hostile.backgrounds import background, sealed
from hostile.damage import BANDS, COLS, CUBE, ROWS, flipped

__all__ = ["KINDS", "build"]

NASTY = [
    "",
    "0",
    "-1",
    "1",
    "2",
    "3",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "1e308",
    "1e-320",
    "99999999999999999999",
    "²",
    "٣",
    "{}",
    "{",
    "}",
    "{,}",
    "{²,3}",
    "{nan, nan}",
    "{1, 2, 3}",
    "x",
    "BSQ",
    "bip",
    "bil",
    "0x10",
    "1.5",
    "-0",
    "١٢",
    "\0",
    "é",
    "\ud7ff",
    "ENVI Spectral Library",
    "TIFF",
    "{ a, b",
    "1" * 400,
    "{" + "1," * 300 + "1}",
    "2147483648",
    "-9999",
    "1e200",
    "1e-200",
]
KEYS = [
    "samples",
    "lines",
    "bands",
    "header offset",
    "data type",
    "interleave",
    "byte order",
    "file type",
    "file compression",
    "major frame offsets",
    "minor frame offsets",
    "map info",
    "projection info",
    "coordinate system string",
    "wavelength",
    "wavelength units",
    "fwhm",
    "bbl",
    "band names",
    "data ignore value",
    "data gain values",
    "data offset values",
    "reflectance scale factor",
    "geo points",
    "rpc info",
    "description",
    "acquisition time",
    "default bands",
]
HEADER = f"""ENVI
description = {{ a scene }}
samples = {COLS}
lines = {ROWS}
bands = {BANDS}
header offset = 0
file type = ENVI Standard
data type = 4
interleave = bip
byte order = 0
map info = {{UTM, 1, 1, 500000, 4500000, 30, 30, 32, North, WGS-84, units=Meters, rotation=0}}
wavelength units = Nanometers
wavelength = {{ 400, 500, 600, 700, 800, 900 }}
fwhm = {{ 10, 10, 10, 10, 10, 10 }}
bbl = {{ 1, 1, 1, 0, 1, 1 }}
band names = {{ a, b, c, d, e, f }}
data ignore value = -9999
"""


def header(number: int, folder: Path) -> Path:
    """Write an ENVI image whose header is damaged in one to three places."""
    random = np.random.default_rng([1, number])
    lines = HEADER.splitlines()
    packed = random.random() < 0.1
    if packed:
        lines.append("file compression = 1")
    for _ in range(random.integers(1, 4)):
        damage_line(lines, random)
    content = bytearray("\n".join(lines).encode("utf-8", "surrogatepass"))
    if random.random() < 0.25:
        content = flipped(content, random, len(content))
    (folder / "scene.hdr").write_bytes(content)
    data = CUBE.tobytes()
    if packed:
        data = zlib.compress(data, wbits=31)
    if random.random() < 0.05:
        data = data[: random.integers(len(data))]
    (folder / "scene.img").write_bytes(data)
    return folder / "scene.hdr"


def damage_line(lines: list[str], random: np.random.Generator) -> None:
    """Change, add or remove a line of a header."""
    place = int(random.integers(1, len(lines)))
    key, _, value = lines[place].partition("=")
    nasty = NASTY[random.integers(len(NASTY))]
    items = value.split(",")
    items[random.integers(len(items))] = nasty
    other = lines[int(random.integers(1, len(lines)))].partition("=")[2]
    ways = (
        [f"{key}= {nasty}"],
        [f"{KEYS[random.integers(len(KEYS))]} = {nasty}", lines[place]],
        [],
        [f"{key}={value[: random.integers(len(value) + 1)]}"],
        [f"{key}={','.join(items)}"],
        [f"{key}={other}"],
        [lines[place][: random.integers(len(lines[place]) + 1)]],
        [lines[place], f"{key}= {nasty}"],
    )
    lines[place : place + 1] = ways[random.integers(len(ways))]


@cache
def tiff_seeds() -> list[bytes]:
    """Return TIFFs of every layout that hsad reads without GDAL, and of some that GDAL reads."""
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile
    from rasterio.transform import from_origin

    found = []
    planes = np.moveaxis(CUBE, 2, 0)
    for options in (
        {"interleave": "pixel"},
        {"interleave": "band"},
        {"interleave": "pixel", "tiled": True, "blockxsize": 16, "blockysize": 16},
        {"interleave": "band", "blockysize": 3},
        {"compress": "deflate", "interleave": "pixel"},
        {"compress": "lzw", "predictor": 3},
        {"BIGTIFF": "YES"},
        {"ENDIANNESS": "BIG"},
        {"dtype": "uint16"},
        {"dtype": "int8"},
        {"nodata": -1.0},
        {"SPARSE_OK": "TRUE"},
    ):
        profile = {"driver": "GTiff", "width": COLS, "height": ROWS, "count": BANDS, "dtype": "float32", **options}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with MemoryFile() as memory:
                with memory.open(crs="EPSG:32632", transform=from_origin(5e5, 45e5, 30, 30), **profile) as dataset:
                    dataset.write(planes.astype(profile["dtype"]))
                    dataset.update_tags(wavelength="{400, 500, 600, 700, 800, 900}", wavelength_units="nm")
                found.append(bytes(memory.read()))
    return found


def tiff(number: int, folder: Path) -> Path:
    """Write a TIFF damaged mostly in its directory."""
    random = np.random.default_rng([2, number])
    seed = tiff_seeds()[random.integers(len(tiff_seeds()))]
    start = int.from_bytes(seed[4:8], "little") if seed[:4] == b"II*\0" else 8
    if random.random() < 0.8:
        whole = bytearray(seed)
        part = flipped(seed[start : start + 420], random, 420)
        whole[start : start + 420] = part
    else:
        whole = flipped(seed, random, len(seed))
    (folder / "scene.tif").write_bytes(whole)
    return folder / "scene.tif"


@cache
def mat_seeds() -> list[bytes]:
    """Return MATLAB files of all versions, plain and compressed, with structs and cells."""
    import h5py
    import scipy.io

    mask = (CUBE[..., 0] > 90).astype("u1")
    contents = [
        {"data": CUBE.astype(float), "map": mask},
        {
            "scene": {"data": CUBE, "wavelength": np.arange(BANDS) + 400.0, "name": "x", "more": {"map": mask}},
            "text": "é",
        },
        {"data": (CUBE * 10).astype("u2"), "cells": np.array([1, "a", np.ones(3)], object), "z": 1j * np.ones((2, 2))},
    ]
    found = []
    for content in contents:
        for packed in (False, True):
            buffer = io.BytesIO()
            scipy.io.savemat(buffer, content, do_compression=packed)
            found.append(buffer.getvalue())
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"map": mask.astype(float)}, format="4")
    found.append(buffer.getvalue())
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        file["data"] = CUBE.T
        file["map"] = mask.T
        file["wavelength"] = np.arange(BANDS)[:, None] + 400.0
        file.create_group("more")["data"] = CUBE.T[:, :4]
    found.append(b"MATLAB 7.3 MAT-file".ljust(512, b" ") + buffer.getvalue()[512:])
    return found


def mat(number: int, folder: Path) -> Path:
    """Write a damaged MATLAB file. In half of the compressed files the damage precedes compression."""
    random = np.random.default_rng([3, number])
    seed = mat_seeds()[random.integers(len(mat_seeds()))]
    kind, length = struct.unpack("<II", seed[128:136]) if len(seed) > 136 else (0, 0)
    if kind == 15 and random.random() < 0.5:
        inner = flipped(zlib.decompress(seed[136 : 136 + length]), random, 500)
        packed = zlib.compress(bytes(inner))
        whole = bytearray(seed[:128] + struct.pack("<II", 15, len(packed)) + packed + seed[136 + length :])
    elif seed[128:130] == b"  " and random.random() < 0.8:  # HDF5 after its user block
        whole = bytearray(seed[:512]) + flipped(seed[512:], random, len(seed) - 512)
    else:
        whole = flipped(seed, random, random.choice([400, len(seed)]))
    (folder / "scene.mat").write_bytes(whole)
    return folder / "scene.mat"


@cache
def granule_seeds() -> list[tuple[str, bytes]]:
    """Return products in HDF5, content by name."""
    from granules import aviris, emit, neon, pace, prisma, tanager

    def l1(folder: Path) -> Path:
        return prisma.write(folder, "L1")

    def basic(folder: Path) -> Path:
        return tanager.write(folder, "basic")

    seeds = []
    for write in (
        emit.write_cube, tanager.write, basic, prisma.write, l1, neon.write, pace.write_l1b, pace.write_l2,
        aviris.write_netcdf,
    ):  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            path = write(Path(folder))
            seeds.append((path.name, path.read_bytes()))
    return seeds


def granule(number: int, folder: Path) -> Path:
    """Write a product in HDF5 with damage anywhere in the file."""
    name, content = granule_seeds()[number % len(granule_seeds())]
    path = folder / name
    path.write_bytes(flipped(content, np.random.default_rng(number), len(content)))
    return path


KINDS: dict[str, Callable[[int, Path], Path]] = {
    "header": header, "tiff": tiff, "mat": mat, "background": background, "sealed": sealed,
    "granule": granule,
}  # fmt: skip


def build(kind: str, number: int, folder: Path) -> Path:
    """Write file `number` of a kind into an empty folder, and return the path to open."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return KINDS[kind](number, folder)
