"""The cube of the bench of speed, and times of whole commands on files of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hsad.bench.cases import Case
from hsad.bench.timing import seconds
from hsad.products.cubes.convert import write_cube

__all__ = ["command_seconds", "made_cube"]

_COUNTS = 1000
"""Factor of the cube, whose numbers are of order one, in integer files."""


def made_cube(side: int, bands: int) -> NDArray[np.float64]:
    """Return a cube of smooth spectra with noise, of order one; it is the same in each call."""
    random = np.random.default_rng(0)
    curves = np.cumsum(random.normal(size=(6, bands)), axis=1) / np.sqrt(bands)
    mixture = random.random((side, side, 6))
    cube = 0.5 + 0.1 * mixture @ curves + 0.01 * random.normal(size=(side, side, bands))
    return np.ascontiguousarray(cube)


def command_seconds(case: Case, cube: NDArray[np.float64], threads: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the seconds of whole commands, ``(repeats, threads)``, from the start of Python to the raster.

    A first command, which fills caches, is not counted.
    """
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "scene.hdr"
        numbers = cube * _COUNTS if case.command.startswith("int") else cube
        write_cube(numbers.astype(case.command), scene, interleave="bip")
        options = [f"--{name.replace('_', '-')}={value}" for name, value in case.parameters.items()]

        def call(workers: int) -> None:
            output = Path(folder) / "scores.tif"
            command = [sys.executable, "-m", "hsad", "--quiet", "detect", str(scene), "-m", case.method]
            command += [*options, "--workers", str(workers), "-o", str(output), "--overwrite"]
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603  a fixed program

        call(1)
        return np.array([[seconds(partial(call, n)) for n in threads] for _ in range(case.repeats)])
