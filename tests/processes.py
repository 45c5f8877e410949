"""The command line as a process that tests stop, kill and limit."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

# Seconds after which a run counts as hung.
PATIENCE = 240


def command(*arguments) -> list[str]:
    return [sys.executable, "-m", "hsad", *map(str, arguments)]


def hsad(*arguments, **options) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=PATIENCE, check=False, **options)


@contextlib.contextmanager
def running(*arguments, **options):
    """Yield a running command, and kill it afterwards."""
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def unfinished(output: Path) -> Path:
    return output.with_name(f"{output.name}.unfinished")


def finished_tiles(output: Path) -> int:
    return len(list(unfinished(output).glob("*.tile")))


def wait_for(condition, process: subprocess.Popen[str]) -> None:
    """Wait until a condition holds; fail if the process ends before."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, f"the run ended too early: {process.communicate()}"
        assert time.monotonic() < deadline, "the run hangs"
        time.sleep(0.005)


def values(path: Path) -> np.ndarray:
    """Return the pixel data of a raster, ``(bands, rows, cols)``, read by GDAL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            return dataset.read()


def write_scene(folder: Path, rows=330, cols=400, bands=40, seed=0) -> Path:
    """Write an ENVI scene of materials, noise and some odd pixels; return the header's path."""
    random = np.random.default_rng(seed)
    materials = np.cumsum(random.normal(size=(4, bands)), axis=1)
    spectra = random.dirichlet(np.ones(4), (rows, cols)) @ materials + 0.05 * random.normal(size=(rows, cols, bands))
    spectra[random.random((rows, cols)) < 1e-3] += 2
    spectra.astype("<f4").tofile(folder / "scene.img")
    header = folder / "scene.hdr"
    header.write_text(
        f"ENVI\nsamples = {cols}\nlines = {rows}\nbands = {bands}\nheader offset = 0\ndata type = 4\n"
        "interleave = bip\nbyte order = 0\n"
    )
    return header


def same_bytes(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def restore(path: Path, content: bytes, status: os.stat_result) -> None:
    """Write the earlier content and the time of the last change back into a file."""
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
