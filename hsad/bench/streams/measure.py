"""Line by line: lines per second and areas under the ROC curve, beside the published algorithm of ERX, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad import __version__
from hsad.bench.known import KnownScene, benchmark_scenes
from hsad.bench.timing import processor
from hsad.engine.runners.blas import one_blas_thread
from hsad.engine.source import source_of
from hsad.evaluation import evaluate
from hsad.stream.scan import LineScan
from hsad.synthetic import make_scene

__all__ = ["LineRates", "erx", "run_lines"]

#: Pixels in a line and bands: the largest size of the speed tests that ERX was published with.
_SAMPLES, _BANDS = 500, 200

#: Rounds in which the methods take turns, so that other load slows all alike.
_ROUNDS = 5

#: Draws of the random projections of ERX.
_DRAWS = 5

#: Name, method, options, lines of a round.
_METHODS: tuple[tuple[str, str, dict[str, Any], int], ...] = (
    ("rx", "rx", {}, 160),
    ("rx, 16 lines pushed at once", "rx", {}, 160),
    ("rx ridge", "rx", {"covariance": "ridge"}, 160),
    ("rx trim 0.01", "rx", {"trim": 0.01}, 160),
    ("lrx 15/7", "lrx", {}, 2),
    ("lrx 15/7, 8 together", "lrx", {"together": 8}, 8),
    ("crd 15/7", "crd", {}, 2),
    ("crd 15/7, 8 together", "crd", {"together": 8}, 8),
    ("lrx 15/7, 10 components", "lrx", {"pca": 10}, 16),
)


def erx(bands: int, dimensions: int | None = 5, momentum: float = 0.1, seed: int = 0) -> Callable[[Any], Any]:
    """Return the algorithm of ERX (Garske et al. 2025) as a function of one line after the other.

    A line is projected by a sparse random matrix. Its mean and its covariance enter those of the lines before with the
    weight `momentum`. The score is the Mahalanobis distance by a Cholesky factor. 1e-5 is added to the diagonals, as
    in the authors' program.

    Parameters
    ----------
    bands : int
    dimensions : int or None
        Of the projection; None leaves it out.
    momentum : float
    seed : int
        Of the random matrix, whose share of non-zero elements is 1/√bands.

    References
    ----------
    S. Garske, B. Evans, C. Artlett, K. C. Wong, "ERX: a fast real-time anomaly detection algorithm for hyperspectral
    line scanning", IEEE Trans. Geosci. Remote Sens. 63, 2025, doi:10.1109/TGRS.2025.3532225.
    """
    projection: NDArray[np.float64] | None = None
    if dimensions is not None:
        share = 1 / np.sqrt(bands)
        signs = np.random.default_rng(seed).choice(
            [-1.0, 0.0, 1.0], size=(bands, dimensions), p=[share / 2, 1 - share, share / 2]
        )
        projection = signs * np.sqrt(1 / (share * dimensions))
    small = 1e-5 * np.eye(bands if dimensions is None else dimensions)
    state: list[Any] = []

    def forward(line: NDArray[np.float64]) -> NDArray[np.float64]:
        z = line if projection is None else line @ projection
        mean, covariance = z.mean(axis=0), np.cov(z, rowvar=False) + small
        if state:
            state[0] -= (state[0] - mean) * momentum
            state[1] -= (state[1] - covariance) * momentum
        else:
            state[:] = [mean, covariance]
        factor = np.linalg.cholesky(state[1] + small)
        return np.asarray(np.linalg.norm(np.linalg.solve(factor, (z - state[0]).T), axis=0))

    return forward


@dataclass(frozen=True)
class LineRates:
    """The figures of one run, on one thread.

    Attributes
    ----------
    machine, version : str
    samples, bands : int
        Size of a line of the speeds.
    rates : dict of str to float
        Lines per second of CPU time, the most of several rounds. The lines of hsad are uint16, those of ERX float64.
    ratios : dict of str to dict of str to float
        Of rx on all bands: its rate over those of ERX, of the rounds the median, the least and the most.
    aucs : dict of str to dict of str to float
        By scene and method.
    """

    machine: str
    version: str
    samples: int
    bands: int
    rates: dict[str, float]
    ratios: dict[str, dict[str, float]]
    aucs: dict[str, dict[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        return asdict(self)

    def table(self) -> str:
        """Return the report as tables in Markdown."""
        lines = [
            f"hsad {self.version}, {self.machine}; one thread, lines of {self.samples} pixels x {self.bands} bands",
            "",
            "| method | lines/s of CPU time |",
            "|---|---|",
            *(f"| {name} | {rate:.4g} |" for name, rate in self.rates.items()),
            "",
            *(
                f"rx on all bands is {ratio['median']:.3g} times as fast as {name} (rounds: {ratio['least']:.3g} to "
                f"{ratio['most']:.3g})"
                for name, ratio in self.ratios.items()
            ),
        ]
        if self.aucs:
            methods = list(next(iter(self.aucs.values())))
            means = {m: float(np.mean([found[m] for found in self.aucs.values()])) for m in methods}
            lines += ["", f"| AUC, rows as lines | {' | '.join(methods)} |", "|---" * (1 + len(methods)) + "|"]
            for scene, found in [*self.aucs.items(), ("mean", means)]:
                lines.append(f"| {scene} | " + " | ".join(f"{found[m]:.4f}" for m in methods) + " |")
        return "\n".join(lines)


def run_lines(data: Path | None = None, draw: int = 0, progress: Callable[..., Any] | None = None) -> LineRates:
    """Return lines per second of methods and of ERX, and their areas under the ROC curve.

    Parameters
    ----------
    data : path, optional
        Folder of the benchmark scenes, whose rows are lines; without it synthetic scenes only.
    draw : int
        Draw of the synthetic scenes and of the random projections.
    progress : callable, optional
        As `hsad.progress.Progress`.
    """
    with one_blas_thread():
        rates, ratios = _speeds()
        scenes = [*([] if data is None else benchmark_scenes(data)), *_made(draw)]
        shown = progress(scenes, total=len(scenes), desc="scenes as lines") if progress else scenes
        aucs = {scene.name: _aucs(scene, draw) for scene in shown}
    return LineRates(processor(), __version__, _SAMPLES, _BANDS, rates, ratios, aucs)


def _speeds() -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    random = np.random.default_rng(0)
    mixing = 0.05 * random.normal(size=(_BANDS, _BANDS))
    floats = 1 + random.normal(size=(200, _SAMPLES, _BANDS)) @ mixing
    stored = np.round(3000 + 1000 * floats).astype(np.uint16)
    runs: dict[str, list[float]] = {}
    calls: dict[str, tuple[Callable[[Any], Any], NDArray[Any], int, int]] = {}
    for name, method, options, lines in _METHODS:
        scan = LineScan(method, bands=_BANDS, samples=_SAMPLES, **options)
        scan.push(stored[:48])  # past the first lines; kernels are compiled
        at_once = 16 if "at once" in name else options.get("together", 1)
        calls[name] = scan.push, stored, lines, at_once
    published, whole = erx(_BANDS), erx(_BANDS, None)
    calls["ERX as published, 5 projections"] = published, floats, 160, 1
    calls["ERX, all bands"] = whole, floats, 40, 1
    for _ in range(_ROUNDS):
        for name, (call, data, lines, at_once) in calls.items():
            pieces = [data[row] if at_once == 1 else data[row : row + at_once] for row in range(0, lines, at_once)]
            began = time.process_time()
            for piece in pieces:
                call(piece)
            runs.setdefault(name, []).append(lines / (time.process_time() - began))
    ours = np.array(runs["rx"])
    ratios = {}
    for name in list(calls)[-2:]:
        found = ours / np.array(runs[name])
        ratios[name] = {"median": float(np.median(found)), "least": float(found.min()), "most": float(found.max())}
    return {name: max(found) for name, found in runs.items()}, ratios


def _made(draw: int) -> list[KnownScene]:
    scenes = []
    for seed in (1, 2, 3):
        made = make_scene(rows=300, cols=140, heading=0.0, seed=seed + 100 * draw)
        scenes.append(KnownScene(f"synthetic-{seed}", "synthetic", made.cube, made.truth.values.astype(float), {}))
    return scenes


def _aucs(scene: KnownScene, draw: int) -> dict[str, float]:
    source = source_of(scene.cube)
    everywhere = slice(0, source.shape[0]), slice(0, source.shape[1])
    spectra, valid = source.spectra(source.read(*everywhere), *everywhere)
    varying = spectra[valid].std(axis=0) > 0
    spectra = np.ascontiguousarray(spectra[..., varying])
    found = {}
    chosen: dict[str, dict[str, Any]] = {"rx": {}, "rx ridge": {"covariance": "ridge"}}
    for name, options in chosen.items():
        scan = LineScan("rx", bands=spectra.shape[2], samples=spectra.shape[1], **options)
        lines = np.where(valid[..., None], spectra, np.nan)
        pushed = scan.push(lines)
        scores = np.concatenate([*([] if pushed is None else [pushed]), scan.finish()])
        found[name] = _auc(scores, scene.truth)
    drawn = [erx(spectra.shape[2], seed=number + _DRAWS * draw) for number in range(_DRAWS)]
    each = [_auc(np.stack([forward(line) for line in spectra]), scene.truth) for forward in drawn]
    found[f"ERX, mean of {_DRAWS} draws"] = float(np.mean(each))
    return found


def _auc(scores: NDArray[Any], truth: Sequence[Any] | NDArray[Any]) -> float:
    return float(evaluate(scores.astype(np.float32), np.asarray(truth)).auc)
