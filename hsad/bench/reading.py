"""The speed of reading windows of a scene, beside a plain read of the same file from first to last byte."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad import __version__
from hsad.bench.timing import plain_read, processor, seconds, uncache
from hsad.engine.decoded import shared_blocks
from hsad.engine.runners.local import available_cpus
from hsad.engine.source import CubeSource, source_of
from hsad.errors import ParameterError
from hsad.readers import open_cube
from hsad.readers.rasters.hdf5 import hdf5_raster, open_hdf5
from hsad.scene.cube import build_cube, chunk_cube

__all__ = ["Reading", "ReadingRow", "run_reading"]

_SIDE = 256  # pixels; the windows that detection reads of a scene of this size
_REPEATS = 3
_BANDS = 200
_SIZE = {False: 1024, True: 512}  # rows and columns, by `quick`


@dataclass(frozen=True)
class ReadingRow:
    """Speeds of reading one layout on one thread, MB/s of numbers; MB/s of the file for plain reads.

    Attributes
    ----------
    layout : str
    file_bytes : int
        Size of the file, which may be compressed.
    plain, windows : float
        Speeds with the file in the system's cache.
    cold_plain, cold_windows : float or None
        Speeds with the file on the disk only; None if the system cannot drop a file from its cache.
    """

    layout: str
    file_bytes: int
    plain: float
    windows: float
    cold_plain: float | None
    cold_windows: float | None


@dataclass(frozen=True)
class Reading:
    """The figures of one run, and where they were measured."""

    machine: str
    version: str
    shape: tuple[int, int, int]
    dtype: str
    side: int
    rows: tuple[ReadingRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        return asdict(self)

    def table(self) -> str:
        """Return the report as a table in Markdown."""
        size = int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize
        scene = f"{' × '.join(map(str, self.shape))} {self.dtype}, {size / 1e6:.0f} MB"
        read = f"windows of {self.side} × {self.side} pixels, one thread"
        lines = [
            f"hsad {self.version}, {self.machine}; {scene}; {read}",
            "",
            "| layout | file, MB | cached: plain, MB/s | windows | x time | on disk: plain, MB/s | windows | x time |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            cells = [row.layout, f"{row.file_bytes / 1e6:.3g}"]
            for plain, windows in ((row.plain, row.windows), (row.cold_plain, row.cold_windows)):
                if plain is None or windows is None:
                    cells += ["-"] * 3
                else:
                    times = row.file_bytes / plain, size / windows
                    cells += [f"{plain:.0f}", f"{windows:.0f}", f"{times[1] / times[0]:.1f}"]
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)


def run_reading(*, quick: bool = False, only: str = "", progress: Callable[..., Any] | None = None) -> Reading:
    """Return the speeds of reading a scene in each layout, by windows and by a plain read.

    The plain read fills one buffer of 8 MB again and again. Windows are decoded and put in the order of pixels, as for
    detection. The files are written to the folder of temporary files (``TMPDIR``) and removed.

    Parameters
    ----------
    quick : bool
        A quarter of the pixels.
    only : str
        Only layouts whose name contains this text.
    progress : callable, optional
        As `hsad.progress.Progress`.

    Raises
    ------
    ParameterError
        If no layout has `only` in its name.
    """
    chosen = [layout for layout in _LAYOUTS if only in layout]
    if not chosen:
        raise ParameterError(f"--only (only=): no layout has {only!r} in its name; there are {', '.join(_LAYOUTS)}")
    side = _SIZE[quick]
    cube = _scene((side, side, _BANDS))
    rows = []
    for layout in progress(chosen, total=len(chosen), desc="reading") if progress else chosen:
        with tempfile.TemporaryDirectory() as place:
            source, file = _LAYOUTS[layout](Path(place), cube)
            rows.append(_measure(layout, source, file))
    machine = f"{processor()}, {available_cpus()} processors"
    return Reading(machine, __version__, (side, side, _BANDS), str(cube.dtype), _SIDE, tuple(rows))


def _measure(layout: str, source: CubeSource, file: Path) -> ReadingRow:
    sizes = {plain_read: file.stat().st_size, _windows: int(np.prod(source.shape)) * source.raster.dtype.itemsize}
    calls: dict[Callable[..., None], Callable[[], None]] = {
        plain_read: partial(plain_read, file),
        _windows: partial(_windows, source),
    }
    best: dict[tuple[bool, Callable[..., None]], float] = {}
    for cold in (False, True):
        for _ in range(_REPEATS):  # in turn, so that other load on the machine slows both kinds alike
            for kind, call in calls.items():
                shared_blocks.clear()
                if not cold or uncache(file):
                    speed = sizes[kind] / seconds(call) / 1e6
                    best[cold, kind] = max(speed, best.get((cold, kind), 0.0))
    return ReadingRow(
        layout,
        sizes[plain_read],
        best[False, plain_read],
        best[False, _windows],
        best.get((True, plain_read)),
        best.get((True, _windows)),
    )


def _windows(source: CubeSource) -> None:
    rows, cols, _ = source.shape
    for top in range(0, rows, _SIDE):
        for left in range(0, cols, _SIDE):
            source.read(slice(top, min(rows, top + _SIDE)), slice(left, min(cols, left + _SIDE)))


def _scene(shape: tuple[int, int, int]) -> NDArray[np.int16]:
    """Return smooth spectra with noise; deflate shortens them to about two thirds, like real ones."""
    random = np.random.default_rng(0)
    curve = np.linspace(300, 3000, shape[2])
    cube = np.empty(shape, np.int16)
    for row in range(shape[0]):
        cube[row] = curve * random.uniform(0.8, 1.2, (shape[1], 1)) + random.normal(0, 20, shape[1:])
    return cube


def _envi(interleave: Any, folder: Path, cube: NDArray[np.int16]) -> tuple[CubeSource, Path]:
    from hsad.products import write_cube

    header = write_cube(cube, folder / "scene.hdr", interleave=interleave)
    return source_of(open_cube(header)), header.with_suffix(".img")


def _tiff(options: dict[str, Any], folder: Path, cube: NDArray[np.int16]) -> tuple[CubeSource, Path]:
    from hsad.gdal import open_raster

    path = folder / "scene.tif"
    rows, cols, bands = cube.shape
    with open_raster(
        path, "w", driver="GTiff", height=rows, width=cols, count=bands, dtype=cube.dtype.name, **options
    ) as dataset:
        dataset.write(np.moveaxis(cube, 2, 0))
    return source_of(open_cube(path)), path


def _hdf5(
    axes: tuple[int, int, int], chunk: int | None, folder: Path, cube: NDArray[np.int16]
) -> tuple[CubeSource, Path]:
    import h5py

    path = folder / "scene.h5"
    stored = cube.transpose(np.argsort(axes))
    packed = {"chunks": tuple(min(chunk, side) for side in stored.shape), "compression": "gzip"} if chunk else {}
    with h5py.File(path, "w") as file:
        file.create_dataset("cube", data=stored, **packed)
    with open_hdf5(str(path)) as file:
        raster = hdf5_raster(str(path), file["cube"], axes)
    return source_of(chunk_cube(build_cube(raster, source=str(path), reader="HDF5"))), path


def _names() -> Iterator[tuple[str, Callable[[Path, NDArray[np.int16]], tuple[CubeSource, Path]]]]:
    for interleave in ("bip", "bil", "bsq"):
        yield f"ENVI {interleave.upper()}", partial(_envi, interleave)
    tiled = {"tiled": True, "blockxsize": _SIDE, "blockysize": _SIDE}
    yield "GeoTIFF in strips, by pixel", partial(_tiff, {"interleave": "pixel"})
    yield "GeoTIFF in strips, by band", partial(_tiff, {"interleave": "band"})
    yield "GeoTIFF in tiles, by band", partial(_tiff, {"interleave": "band", **tiled})
    yield "GeoTIFF in tiles, deflated", partial(_tiff, {"interleave": "band", "compress": "deflate", **tiled})
    yield "HDF5, contiguous, bands last", partial(_hdf5, (0, 1, 2), None)
    yield "HDF5, contiguous, bands first", partial(_hdf5, (1, 2, 0), None)
    yield "HDF5, deflated chunks of 64", partial(_hdf5, (0, 1, 2), 64)


_LAYOUTS = dict(_names())
