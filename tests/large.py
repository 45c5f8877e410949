"""Large scenes on demand, and what a run over them costs: seconds, and anonymous memory of all its processes.

``python tests/large.py --help`` lists the tables it prints; `test_large_scenes` tests the same.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ENVI = ("bip", "bil", "bsq")
#: Layouts of files: ENVI interleaves, GeoTIFFs in strips or square tiles, by pixel or by band, deflated, HDF5.
LAYOUTS = (*ENVI, "striped", "striped-band", "tiled", "tiled-band", "tiled-deflate", "emit")

_BLOCK = 64  # rows of the synthetic block that a scene repeats
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
        return self.rows * self.cols

    @property
    def size(self) -> int:
        """Bytes of numbers."""
        return self.pixels * self.bands * np.dtype(self.dtype).itemsize

    def __str__(self) -> str:
        return f"{self.rows} x {self.cols} x {self.bands} {self.dtype}, {self.size / 1e9:.3g} GB"


#: As wide as an airborne scene of 425 bands, the size that the command line is promised to cope with.
LARGE = Shape(2880, 4096, 425, "float32")


@dataclass(frozen=True)
class Cost:
    """What a run of the command line cost.

    Attributes
    ----------
    seconds : float
        Wall time, start of Python included.
    peak : int
        Largest sum of anonymous memory of the process and its descendants, bytes.
    """

    seconds: float
    peak: int

    def row(self, shape: Shape) -> str:
        return (
            f"{self.seconds:.1f} s | {1e6 * self.seconds / shape.pixels:.2f} µs/pixel | "
            f"{shape.size / 1e6 / self.seconds:.0f} MB/s | {self.peak / 1e6:.0f} MB"
        )


def block(shape: Shape, seed: int = 0) -> np.ndarray:
    """Return 64 rows: five materials mixed, noise, one odd pixel in a thousand."""
    random = np.random.default_rng(seed)
    abundances = random.random((_BLOCK, shape.cols, 5), dtype=np.float32)
    spectra = abundances @ (random.random((5, shape.bands), dtype=np.float32) * 2000)
    spectra += random.standard_normal(spectra.shape, dtype=np.float32) * 20
    odd = random.random((_BLOCK, shape.cols)) < 1e-3
    spectra[odd] += random.random(shape.bands, dtype=np.float32) * 1000
    return spectra.astype(shape.dtype)


def write_scene(folder: Path, layout: str, shape: Shape) -> Path:
    """Write a scene that repeats a block of 64 rows, and return the path to give to hsad."""
    writer = _write_envi if layout in ENVI else _write_emit if layout == "emit" else _write_tiff
    return writer(folder, layout, shape)


def _write_envi(folder: Path, layout: str, shape: Shape) -> Path:
    header = folder / f"{layout}.hdr"
    header.write_text(
        f"ENVI\nsamples = {shape.cols}\nlines = {shape.rows}\nbands = {shape.bands}\nheader offset = 0\n"
        f"data type = {_DATA_TYPES[shape.dtype]}\ninterleave = {layout}\nbyte order = 0\n"
    )
    order = {"bip": (0, 1, 2), "bil": (0, 2, 1), "bsq": (2, 0, 1)}[layout]
    part = np.ascontiguousarray(block(shape).transpose(order))
    with header.with_suffix(".img").open("wb") as file:
        for lines in part if layout == "bsq" else [part]:
            for start in range(0, shape.rows, _BLOCK):
                file.write(lines[: shape.rows - start].data)
    return header


def _write_emit(folder: Path, layout: str, shape: Shape) -> Path:
    import h5py

    path = folder / f"{layout}.nc"
    part = block(shape)
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
    profile = {"interleave": "band" if layout.endswith("band") else "pixel"}
    if layout.startswith("tiled"):
        profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    if layout.endswith("deflate"):
        profile |= {"compress": "deflate", "zlevel": 1, "predictor": 2}
    part = np.ascontiguousarray(block(shape).transpose(2, 0, 1))
    with (
        rasterio.Env(GDAL_CACHEMAX=2**30),
        rasterio.open(
            path, "w", "GTiff", shape.cols, shape.rows, shape.bands, dtype=shape.dtype, bigtiff="YES",
            transform=rasterio.Affine(1, 0, 500000, 0, -1, 4000000), **profile,
        ) as out,
    ):  # fmt: skip
        # A column of tiles at a time: GDAL's cache then holds whole ones.
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
    """Yield a scene in a temporary folder, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="hsad-large-", dir=folder) as temporary:
        yield write_scene(Path(temporary), layout, shape)


def forget(path: Path) -> None:
    """Let the system forget what it has cached of a file."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def raw_seconds(path: Path) -> float:
    """Return the time of reading a file from start to end, doing nothing with it."""
    buffer = bytearray(8 * 2**20)
    start = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.perf_counter() - start


def window_seconds(scene: Path, tile: int, halo: int) -> float:
    """Return the time in which one thread reads all tiles of a scene with their surroundings."""
    import hsad
    from hsad.scene.cube import raster_of

    raster = raster_of(hsad.open_cube(scene))
    rows, cols, _ = raster.shape
    start = time.perf_counter()
    for top in range(0, rows, tile):
        for left in range(0, cols, tile):
            raster.read(
                slice(max(0, top - halo), min(rows, top + tile + halo)),
                slice(max(0, left - halo), min(cols, left + tile + halo)),
            )
    return time.perf_counter() - start


def anonymous(root: int) -> int:
    """Return the anonymous memory of a process and its descendants in bytes."""
    total, waiting = 0, [root]
    while waiting:
        folder = Path(f"/proc/{waiting.pop()}")
        try:
            rollup = (folder / "smaps_rollup").read_text()
            total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Anonymous:")) * 1024
            for thread in (folder / "task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
        except OSError:
            continue  # it has ended
    return total


def measure(arguments: Sequence[str], others: Sequence[int] = ()) -> Cost:
    """Run ``python -m hsad`` with these arguments and return what it cost, the memory of `others` included.

    Raises
    ------
    RuntimeError
        When it fails; the message is what it printed.
    """
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "hsad", *arguments], stdout=output, stderr=subprocess.STDOUT, text=True
        )
        peak = 0
        # The system walks through all mapped pages to answer.
        pause = 0.02
        while process.poll() is None:
            before = time.perf_counter()
            peak = max(peak, sum(map(anonymous, (process.pid, *others))))
            pause = max(0.02, 20 * (time.perf_counter() - before))
            time.sleep(pause)
        seconds = time.perf_counter() - start
        output.seek(0)
        if process.returncode:
            raise RuntimeError(output.read())
    return Cost(seconds, peak)


def detect(scene: Path, method: str, *options: str, others: Sequence[int] = ()) -> Cost:
    """Run ``hsad detect`` on a scene into a temporary folder and return what it cost."""
    with tempfile.TemporaryDirectory(prefix="hsad-large-") as folder:
        return measure(["detect", str(scene), "-m", method, "-o", str(Path(folder) / "scores.tif"), *options], others)


def tell(line: str) -> None:
    """Print a line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def large() -> None:
    """CRD on 20 GB in every layout, within 2 GB."""
    options = ("--outer", "5", "--inner", "3", "--memory", "2GB")
    tell(f"crd {' '.join(options)} on {LARGE}, not cached")
    for layout in (*ENVI, "striped", "tiled"):
        with scene_file(layout, LARGE) as scene:
            forget(data_file(scene))
            raw = raw_seconds(data_file(scene))
            forget(data_file(scene))
            reading = window_seconds(scene, 256, 2)
            forget(data_file(scene))
            cost = detect(scene, "crd", *options)
            tell(f"| {layout} | {LARGE.size / 1e6 / raw:.0f} | {LARGE.size / 1e6 / reading:.0f} | {cost.row(LARGE)} |")


def methods() -> None:
    """Peak memory of every method, by limit and workers."""
    shape = Shape(640, 640, 224)
    calls = (
        "rx", "rx --trim 0.01", "crd --outer 5 --inner 3", "lrx --pca 10", "lrx", "kcrd --outer 5 --inner 3", "srd",
        "auto", "low-rank", "rpca", "rpca-bands --tolerance 1e-3 --bands @1-40",
    )  # fmt: skip
    with scene_file("bip", shape) as scene:
        for call in calls:
            for memory in ("1GB", "2GB"):
                for workers in ("1", "2"):
                    try:
                        told = detect(scene, *call.split(), "--memory", memory, "--workers", workers).row(shape)
                    except RuntimeError as error:
                        told = str(error).strip()
                    tell(f"| {call} | {memory} | {workers} | {told} |")


def formats() -> None:
    """Speed of reading and of RX by layout, beside plain reading of the file, not cached and cached."""
    shape = Shape(1536, 2048, 224)
    for layout in LAYOUTS:
        with scene_file(layout, shape) as scene:
            figures = []
            for cached in (False, True):
                for task in (
                    raw_seconds,
                    lambda file: window_seconds(scene, 256, 0),
                    lambda _: detect(scene, "rx").seconds,
                ):
                    if not cached:
                        forget(data_file(scene))
                    figures.append(f"{shape.size / 1e6 / task(data_file(scene)):.0f}")
            tell(f"| {layout} | {' | '.join(figures)} |")


def linear() -> None:
    """RX and CRD from 1 to 64 million pixels of 20 bands."""
    for method in ("rx", "crd --outer 5 --inner 3"):
        for side in (1024, 2048, 4096, 8192):
            shape = Shape(side, side, 20)
            with scene_file("bip", shape) as scene:
                tell(f"| {method} | {shape.pixels / 2**20:.0f} | {detect(scene, *method.split()).row(shape)} |")


@contextmanager
def cluster(workers: int) -> Iterator[tuple[str, list[int]]]:
    """Yield the address of a dask cluster of so many processes of one thread, and their numbers."""
    import dask
    from distributed import Client, LocalCluster

    # What `hsad doctor` advises.
    thresholds = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": thresholds}),
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None) as local,
        Client(local) as client,
    ):
        yield local.scheduler_address, list(client.run(os.getpid).values())


def workers() -> None:
    """Threads and processes, 1, 2 and 4."""
    shape = Shape(1024, 1024, 100)
    cases = [("bip", method) for method in ("rx", "crd", "lrx --pca 10", "auto", "low-rank")]
    cases += [(layout, "rx") for layout in ("emit", "striped", "tiled-deflate")]
    for layout, method in cases:
        with scene_file(layout, shape) as scene:
            for count in (1, 2, 4):
                cost = detect(scene, *method.split(), "--workers", str(count))
                tell(f"| {layout} | {method} | {count} threads | {cost.row(shape)} |")
            for count in (1, 2, 4):
                with cluster(count) as (address, numbers):
                    cost = detect(scene, *method.split(), "--scheduler", address, others=numbers)
                tell(f"| {layout} | {method} | {count} processes | {cost.row(shape)} |")


def main() -> None:
    """Print the tables that are asked for."""
    tables: dict[str, Callable[[], None]] = {
        table.__name__: table for table in (large, methods, formats, linear, workers)
    }
    parser = argparse.ArgumentParser(
        description="Tables of what runs cost.",
        epilog="; ".join(f"{name}: {table.__doc__}" for name, table in tables.items()),
    )
    parser.add_argument("tables", nargs="+", choices=tables)
    for name in parser.parse_args().tables:
        tables[name]()


if __name__ == "__main__":
    main()
