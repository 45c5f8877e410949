"""GNU Octave as a peer: loops as in research scripts, on one thread, timed by Octave."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from hsad.bench.peers.peer import Cube, Measured, Peer

__all__ = ["OCTAVE_CRD", "OCTAVE_LRX", "octave_blas", "octave_ialm", "octave_loop"]

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
    """Return a loop in GNU Octave (one thread) as a peer; the time does not include the start of Octave."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:
        side = outer + 8
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "cube.bin"
            np.ascontiguousarray(cube[:side, :side]).tofile(path)
            values = {"path": path, "bands": cube.shape[2], "side": side, "half": outer // 2, "guard": inner // 2}
            # `rows` is a number in the loop and a function in the formula of local RX, where it equals the bands.
            text = _OCTAVE % {**values, "pixels": pixels, "loop": loop.replace("rows(X)", str(cube.shape[2]))}
            return Measured(*_octave(text))

    return Peer(name, measure, _octave_program() is not None)


def octave_ialm() -> Peer:
    """Return the inexact ALM of LRSLibrary in GNU Octave (one thread, an economy SVD per iteration) as a peer."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:  # noqa: ARG001  it has no window
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "cube.bin"
            cube.tofile(path)
            seconds, objective = _octave(_OCTAVE_IALM % {"path": path, "bands": cube.shape[2]})
        return Measured(seconds / cube[..., 0].size, objective)

    return Peer("Octave, inexact ALM", measure, _octave_program() is not None)


def octave_blas() -> str:
    """Return the name of Octave's BLAS, which decides the speed of these peers; empty without Octave."""
    if _octave_program() is None:
        return ""
    return " ".join(_run_octave('printf("%s\\n", version("-blas"));').partition("(")[0].split())


def _octave_program() -> str | None:
    return shutil.which("octave-cli")


def _octave(text: str) -> list[float]:
    """Return the numbers in the last line that a script prints."""
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
