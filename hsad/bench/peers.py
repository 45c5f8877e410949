"""Programs that hsad is measured against: each is given a cube and a window and says how long a pixel took."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.bench.formulas import Decomposed, ring_of

__all__ = [
    "OCTAVE_CRD",
    "OCTAVE_LRX",
    "Measured",
    "Peer",
    "numpy_loop",
    "numpy_whole",
    "octave_blas",
    "octave_ialm",
    "octave_loop",
    "otb_lrx",
    "sklearn_omp",
    "spectral_lrx",
    "spectral_rx",
]

Cube = NDArray[np.float64]


class Measured(NamedTuple):
    """The seconds that one pixel took, and the objective reached, of methods that minimize one."""

    seconds: float
    objective: float | None = None


@dataclass(frozen=True)
class Peer:
    """A competitor.

    Attributes
    ----------
    name : str
    measure : callable
        ``measure(cube, outer, inner)`` returns a `Measured`.
    available : bool
        Whether the program is installed.
    """

    name: str
    measure: Callable[[Cube, int, int], Measured]
    available: bool = True


def numpy_loop(name: str, score: Callable[[Cube, int, int, int, int], float], pixels: int = 30) -> Peer:
    """Return straightforward numpy as a peer: ``score(cube, row, col, outer, inner)`` of some pixels, timed."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:
        best = np.inf
        row = cube.shape[0] // 2
        cols = np.arange(pixels) % (cube.shape[1] - outer) + outer // 2
        for _ in range(3):
            started = time.perf_counter()
            for col in cols:
                score(cube, row, int(col), outer, inner)
            best = min(best, time.perf_counter() - started)
        return Measured(best / pixels)

    return Peer(name, measure)


def numpy_whole(name: str, score: Callable[[Cube], object]) -> Peer:
    """Return a straightforward function of the whole cube as a peer."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:  # noqa: ARG001  it has no window
        started = time.perf_counter()
        result = score(cube)
        seconds = (time.perf_counter() - started) / cube[..., 0].size
        return Measured(seconds, result.objective if isinstance(result, Decomposed) else None)

    return Peer(name, measure)


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
    """Return Spectral Python's global RX."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:  # noqa: ARG001  it looks at the whole scene
        import spectral

        return Measured(_best(lambda: spectral.rx(cube)) / cube[..., 0].size)

    return Peer("Spectral Python rx", measure)


def spectral_lrx(rows: int = 22) -> Peer:
    """Return Spectral Python's local RX on a small piece of the cube."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:
        import spectral

        piece = np.ascontiguousarray(cube[:rows, :rows])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Measured(_best(lambda: spectral.rx(piece, window=(inner, outer)), 1) / rows**2)

    return Peer("Spectral Python rx(window)", measure)


def otb_lrx(rows: int = 20) -> Peer:
    """Return Orfeo ToolBox's local RX, started as a program on a small piece of the cube."""
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


OCTAVE_CRD = """
for p = 1:pixels
  [X, y] = ring(C, rows, half, guard, p);
  s = columns(X);
  gamma = sqrt(sum((X - y).^2, 1));
  A = [X; ones(1, s)];
  alpha = (A' * A + lambda * diag(gamma.^2)) \\ (A' * [y; 1]);
  r = norm(y - X * alpha);
end
"""

OCTAVE_LRX = """
for p = 1:pixels
  [X, y] = ring(C, rows, half, guard, p);
  K = X * X' / columns(X);
  r = y' * ((K + 0.01 * trace(K) / rows(X) * eye(rows(X))) \\ y);
end
"""

_OCTAVE = """
1;
function [X, y] = ring(C, side, half, guard, p)
  r = half + 1 + mod(p - 1, side - 2 * half);
  c = half + 1;
  W = C(:, r - half : r + half, c - half : c + half);
  M = true(2 * half + 1);
  M(half - guard + 1 : half + guard + 1, half - guard + 1 : half + guard + 1) = false;
  X = W(:, M(:));
  y = C(:, r, c);
end
f = fopen("%(path)s"); C = fread(f, Inf, "double"); fclose(f);
C = reshape(C, %(bands)d, %(side)d, %(side)d);
rows = %(side)d; half = %(half)d; guard = %(guard)d; lambda = 1e-3; pixels = %(pixels)d;
best = Inf;
for repeat = 1:3
  t = tic();
  %(loop)s
  best = min(best, toc(t));
end
printf("%%.9f\\n", best / pixels);
"""


_OCTAVE_IALM = """
1;
f = fopen("%(path)s"); D = fread(f, [%(bands)d Inf], "double")'; fclose(f);
t = tic();
[m, n] = size(D);
lambda = 1 / sqrt(max(m, n));
norm_two = norm(D, 2);
Y = D / max(norm_two, norm(D(:), Inf) / lambda);
A = zeros(m, n);
mu = 1.25 / norm_two;
mu_bar = mu * 1e7;
d_norm = norm(D, "fro");
do
  T = D - A + Y / mu;
  E = max(T - lambda / mu, 0) + min(T + lambda / mu, 0);
  [U, S, V] = svd(D - E + Y / mu, "econ");
  s = diag(S);
  r = sum(s > 1 / mu);
  nuclear = sum(s(1:r) - 1 / mu);
  A = U(:, 1:r) * diag(s(1:r) - 1 / mu) * V(:, 1:r)';
  Z = D - A - E;
  Y = Y + mu * Z;
  mu = min(1.5 * mu, mu_bar);
until norm(Z, "fro") < 1e-7 * d_norm
printf("%%.9f %%.15g\\n", toc(t), nuclear + lambda * norm(E(:), 1));
"""


def octave_loop(name: str, loop: str, pixels: int = 20) -> Peer:
    """Return a loop in GNU Octave (one thread) as a peer; Octave times it, without its start."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:
        side = outer + 8
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "cube.bin"
            np.ascontiguousarray(cube[:side, :side]).tofile(path)
            values = {"path": path, "bands": cube.shape[2], "side": side, "half": outer // 2, "guard": inner // 2}
            # `rows` is a number in the loop and a function in the local-RX formula: bands say the same there.
            text = _OCTAVE % {**values, "pixels": pixels, "loop": loop.replace("rows(X)", str(cube.shape[2]))}
            return Measured(*_octave(text))

    return Peer(name, measure, _octave_program() is not None)


def octave_ialm() -> Peer:
    """Return the inexact ALM of LRSLibrary, with an economy SVD an iteration, in GNU Octave (one thread) as a peer."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:  # noqa: ARG001  it has no window
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "cube.bin"
            cube.tofile(path)
            seconds, objective = _octave(_OCTAVE_IALM % {"path": path, "bands": cube.shape[2]})
        return Measured(seconds / cube[..., 0].size, objective)

    return Peer("Octave, inexact ALM", measure, _octave_program() is not None)


def octave_blas() -> str:
    """Return which BLAS Octave computes with, as it says: its speed is that of the peers; nothing without Octave."""
    if _octave_program() is None:
        return ""
    return " ".join(_run_octave('printf("%s\\n", version("-blas"));').partition("(")[0].split())


def _octave_program() -> str | None:
    return shutil.which("octave-cli")


def _octave(text: str) -> list[float]:
    """Return the numbers that a script prints last."""
    return [float(number) for number in _run_octave(text).strip().splitlines()[-1].split()]


def _run_octave(text: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.m"
        script.write_text(text)
        result = subprocess.run(  # noqa: S603  a fixed program
            [str(_octave_program()), "--no-gui", "--quiet", str(script)],
            check=True, capture_output=True, text=True, env=environment,
        )  # fmt: skip
    return result.stdout


def _best(call: Callable[[], object], repeats: int = 3) -> float:
    best = np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started)
    return best
