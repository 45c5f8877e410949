"""Other programs and libraries as peers: scikit-learn, Spectral Python, Orfeo ToolBox."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from hsad.bench.formulas import ring_of
from hsad.bench.peers.peer import Cube, Measured, Peer, numpy_loop
from hsad.bench.timing import best_of

__all__ = ["otb_lrx", "sklearn_omp", "spectral_lrx", "spectral_rx"]


def sklearn_omp(atoms: int) -> Peer:
    """Return a loop over scikit-learn's orthogonal matching pursuit as a peer."""

    def score(cube: Cube, row: int, col: int, outer: int, inner: int) -> float:
        from sklearn.linear_model import orthogonal_mp

        ring = ring_of(cube, row, col, outer, inner)
        unit = ring / np.linalg.norm(ring, axis=0)
        return float(np.linalg.norm(cube[row, col] - unit @ orthogonal_mp(unit, cube[row, col], n_nonzero_coefs=atoms)))

    peer = numpy_loop("scikit-learn orthogonal_mp", score)
    return replace(peer, available=importlib.util.find_spec("sklearn") is not None)


def spectral_rx() -> Peer:
    """Return Spectral Python's global RX as a peer."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:  # noqa: ARG001  no window
        import spectral

        return Measured(best_of(lambda: spectral.rx(cube)) / cube[..., 0].size)

    return Peer("Spectral Python rx", measure)


def spectral_lrx(rows: int = 22) -> Peer:
    """Return Spectral Python's local RX, on a small piece of the cube, as a peer."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:
        import spectral

        piece = np.ascontiguousarray(cube[:rows, :rows])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Measured(best_of(lambda: spectral.rx(piece, window=(inner, outer)), 1) / rows**2)

    return Peer("Spectral Python rx(window)", measure)


def otb_lrx(rows: int = 20) -> Peer:
    """Return Orfeo ToolBox's local RX, a program that reads a small piece of the cube, as a peer."""
    program = shutil.which("otbcli_LocalRxDetection")

    def measure(cube: Cube, outer: int, inner: int) -> Measured:
        import rasterio

        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / "cube.tif"
            piece = np.moveaxis(cube[:rows, :rows], 2, 0).astype(np.float32)
            profile = {"driver": "GTiff", "dtype": "float32", "count": len(piece), "height": rows, "width": rows}
            with rasterio.open(path, "w", **profile) as raster:
                raster.write(piece)
            command = [str(program), "-in", str(path), "-out", str(Path(folder) / "out.tif")]
            command += ["-ir", str(inner // 2), "-er", str(outer // 2)]
            environment = {**os.environ, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1", "OTB_LOGGER_LEVEL": "CRITICAL"}
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=environment)  # noqa: S603  a fixed program
            return Measured((time.perf_counter() - started) / rows**2)

    return Peer("Orfeo ToolBox LocalRxDetection", measure, program is not None)
