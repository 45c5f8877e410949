"""The bench of speed: runs of the cases, and their figures as a table, a dictionary or a plot."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad import __version__
from hsad.bench.cases import Case, cases
from hsad.bench.commands import command_seconds, made_cube
from hsad.bench.formulas import Decomposed
from hsad.bench.peers.octave import octave_blas
from hsad.bench.timing import best_of, processor, seconds
from hsad.detection import detect
from hsad.detectors import make_detector
from hsad.engine.runners.blas import one_blas_thread
from hsad.engine.runners.local import available_cpus
from hsad.errors import ParameterError

__all__ = ["Report", "Row", "run_bench"]

_REPEATS = 5


@dataclass(frozen=True)
class Row:
    """The figures of one case; times in µs per pixel.

    Attributes
    ----------
    name : str
    hsad : float
        Time of the whole call of `hsad.detect` or of the whole command, one thread; the least of `runs`.
    runs : tuple of float
        All times on one thread, in order.
    hsad_two : float or None
        Time on two threads; None if the cube is a single leaf, which is not divided.
    gemm_gflops : float
        Speed of a matrix product, measured just before the case.
    bound : float
        Time of the operations of the cheapest algorithm known, at that speed.
    peers : dict of str to float
        Times of the peers on one thread.
    difference : float or None
        Largest relative difference from the formula in float64; None if the formula takes too long.
    objectives : dict of str to float
        For methods that minimize an objective, hsad's objective / that of each peer - 1; below 0 hsad's is smaller.
    """

    name: str
    hsad: float
    runs: tuple[float, ...]
    hsad_two: float | None
    gemm_gflops: float
    bound: float
    peers: dict[str, float]
    difference: float | None
    objectives: dict[str, float]


@dataclass(frozen=True)
class Report:
    """The figures of one run, with machine and version."""

    machine: str
    version: str
    gemm_gflops: float
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        return asdict(self)

    def table(self) -> str:
        """Return the report as a table in Markdown."""
        lines = [
            f"hsad {self.version}, {self.machine}; matrix product {self.gemm_gflops:.0f} GFLOP/s (float64, one thread)",
            "",
            "| work | hsad, µs/pixel | median (spread) | two threads | x bound | difference | peers, µs/pixel, ratio |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            peers = "; ".join(
                f"{name} {time:.4g} ({time / row.hsad:.1f}x"
                + (f", objective {row.objectives[name]:+.0e})" if name in row.objectives else ")")
                for name, time in row.peers.items()
            )
            difference = "-" if row.difference is None else f"{row.difference:.0e}"
            two = "-" if row.hsad_two is None else f"{row.hsad / row.hsad_two:.2f}x"
            middle = median(row.runs)
            spread = (max(row.runs) - row.hsad) / middle
            lines.append(
                f"| {row.name} | {row.hsad:.3g} | {middle:.3g} ({spread:.0%}) | {two} | {row.hsad / row.bound:.1f} | "
                f"{difference} | {peers or '-'} |"
            )
        return "\n".join(lines)

    def plot(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Draw the times as a figure (PNG, PDF or SVG)."""
        from matplotlib.figure import Figure

        from hsad.plot.figures import save_figure

        figure = Figure(figsize=(9, 1 + 0.45 * len(self.rows)), layout="constrained")
        axes = figure.subplots()
        places = np.arange(len(self.rows))
        names = sorted({name for row in self.rows for name in row.peers})
        axes.scatter([row.bound for row in self.rows], places, marker="|", s=200, color="0.5", label="bound")
        axes.scatter([row.hsad for row in self.rows], places, color="#d55e00", label="hsad", zorder=3)
        for number, name in enumerate(names):
            found = [
                (row.peers[name], place) for row, place in zip(self.rows, places, strict=True) if name in row.peers
            ]
            axes.scatter(*zip(*found, strict=True), marker="sD^vP"[number % 5], label=name, alpha=0.8)
        axes.set(xscale="log", xlabel="µs per pixel, one thread", yticks=places, ylim=(len(self.rows) - 0.5, -0.5))
        axes.set_yticklabels([row.name for row in self.rows])
        axes.grid(axis="x", alpha=0.3)
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
        save_figure(figure, path, overwrite=overwrite)


def run_bench(*, quick: bool = False, only: str = "", progress: Callable[..., Any] | None = None) -> Report:
    """Return the times of hsad and of every installed peer on the same cubes.

    Parameters
    ----------
    quick : bool
        Leave out more than 30 bands and the slowest peers.
    only : str
        Only cases whose name contains this text.
    progress : callable, optional
        As `hsad.progress.Progress`.

    Returns
    -------
    Report
    """
    known = cases(quick=quick)
    chosen = [case for case in known if only in case.name]
    if not chosen:
        names = ", ".join(case.name for case in known)
        raise ParameterError(f"--only (only=): no case has {only!r} in its name; there are {names}")
    with one_blas_thread():
        measured = progress(chosen, total=len(chosen), desc="measuring") if progress else chosen
        rows = tuple(_measure(case) for case in measured)
    octave = octave_blas()
    machine = f"{processor()}, {available_cpus()} processors, Python {platform.python_version()}" + (
        f", GNU Octave with {octave}" if octave else ""
    )
    return Report(machine, __version__, max(row.gemm_gflops for row in rows), rows)


def _measure(case: Case) -> Row:
    speed = _gemm_speed()
    cube = made_cube(case.side, case.bands)
    windows = {"outer": case.outer, "inner": case.inner} if case.outer else {}
    scene = xr.DataArray(cube, dims=("y", "x", "band"))
    scores: xr.DataArray | None = None
    # Numbers of threads take turns, so that other load on the machine slows both alike.
    threads = (1, 2) if case.side > make_detector(case.method, **case.parameters).leaf else (1,)
    if case.command:
        times = command_seconds(case, cube, threads)
    else:

        def call(workers: int) -> xr.DataArray:
            found: xr.DataArray = detect(scene, case.method, workers=workers, **windows, **case.parameters)
            return found

        scores = call(1)  # compiles
        times = np.array([[seconds(partial(call, n)) for n in threads] for _ in range(case.repeats)])
    times *= 1e6 / cube[..., 0].size
    peers = {peer.name: peer.measure(cube, case.outer, case.inner) for peer in case.peers if peer.available}
    objective = None
    if scores is not None and case.method == "rpca":
        objective = json.loads(scores.attrs["background"])["objective"]
    return Row(
        case.name,
        float(times[:, 0].min()),
        tuple(times[:, 0].tolist()),
        float(times[:, 1].min()) if len(threads) > 1 else None,
        speed / 1e9,
        case.flops / speed * 1e6,
        {name: peer.seconds * 1e6 for name, peer in peers.items()},
        None if scores is None else _difference(case, cube, scores.values),
        {name: objective / peer.objective - 1 for name, peer in peers.items() if objective and peer.objective},
    )


def _difference(case: Case, cube: NDArray[np.float64], scores: NDArray[np.float32]) -> float | None:
    """Return the largest relative difference from the formula; scores are rounded to float32 (6e-8).

    For methods that score the scene as a whole, the difference is relative to the largest score, because the smallest
    scores are sums that cancel.
    """
    if case.reference is None:
        return None
    if not case.outer:
        result = case.reference(cube)
        expected = result.scores if isinstance(result, Decomposed) else result
        return float(np.max(np.abs(scores.astype(np.float64) - expected)) / np.max(expected))
    row = case.side // 2
    differences = []
    for col in range(case.outer, case.side - case.outer, 7):
        expected_score = case.reference(cube, row, col, case.outer, case.inner)
        differences.append(abs(float(scores[row, col]) - expected_score) / expected_score)
    return float(max(differences))


def _gemm_speed() -> float:
    """Return float64 operations per second of a large matrix product on one thread."""
    a = np.random.default_rng(0).random((1200, 1200))
    return 2 * 1200**3 / best_of(lambda: a @ a, _REPEATS)
