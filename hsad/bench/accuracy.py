"""The accuracy of detectors at their defaults, on the scenes with known truth that are available."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad import __version__
from hsad.bench.figures import GROUNDS, Figures, by_ground, by_scene, found_by_ground, spread
from hsad.bench.known import BENCHMARK, KnownScene, benchmark_scenes, synthetic_scene
from hsad.bench.page import data_of, put_into, write_data
from hsad.bench.suite import FAMILIES, suite
from hsad.detection import detect
from hsad.detectors import DETECTORS, detector_class
from hsad.detectors.change.base import ChangeDetector
from hsad.engine.runners.blas import one_blas_thread
from hsad.errors import HsadError, ParameterError
from hsad.evaluation import evaluate
from hsad.report.comparison.asked import asked_methods

__all__ = ["CONTROL", "RIVALS", "Accuracy", "Figures", "measure", "run_accuracy", "run_suite"]

#: Name of the control in tables: `rx` on the leading components, with blurred distances. A detector that beats `rx` but
#: not the control shows little.
CONTROL = "control"
#: Number of components; standard deviation of the blur in pixels.
_CONTROL_COMPONENTS, _CONTROL_BLUR = 20, 0.7

#: The methods that regret compares with: name, method, parameters.
RIVALS: dict[str, tuple[str, dict[str, Any]]] = {
    "rx": ("rx", {}),
    "crd": ("crd", {}),
    "lrx pca=10 21/13": ("lrx", {"pca": 10, "outer": 21, "inner": 13}),
    "lrx": ("lrx", {}),
    "rpca": ("rpca", {}),
}

#: The methods that the page on accuracy shows scene by scene.
_OF_SCENES = ("auto", "rx", "crd", "lrx")

#: Cases with a larger regret are listed.
_REGRETTABLE = 0.05

#: Part of a scene on which kernels are compiled before the clock starts.
_CORNER = slice(0, 48)


@dataclass(frozen=True)
class Accuracy:
    """The figures of one run.

    Attributes
    ----------
    versions : dict of str to str
        Versions of hsad, Python, and the installed packages that scores depend on.
    figures : tuple of Figures
    scenes : dict
        Checksums of the files of each scene, by name of the file; made scenes have none.
    remarks : tuple of str
        Scenes and methods that were left out, with reasons.
    judged : tuple of str
        Methods with a regret; empty if no rivals were measured.
    """

    versions: dict[str, str]
    figures: tuple[Figures, ...]
    scenes: dict[str, dict[str, str]]
    remarks: tuple[str, ...]
    judged: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        return {**asdict(self), "regret": {method: self.regret(method) for method in self.judged}}

    def regret(self, method: str) -> dict[str, float]:
        """Return the regret by scene: best AUC of the rivals minus AUC of the method; below 0 the method is best.

        AUCs are means over seeds. Scenes on which the method or every rival failed are left out.
        """
        reached: dict[str, dict[str, list[float]]] = {}
        for row in self.figures:
            reached.setdefault(row.scene, {}).setdefault(row.method, []).append(row.auc)
        means = {
            scene: {name: float(np.mean(aucs)) for name, aucs in methods.items()} for scene, methods in reached.items()
        }
        return {
            scene: max(aucs[rival] for rival in RIVALS if rival in aucs) - aucs[method]
            for scene, aucs in means.items()
            if method in aucs and set(RIVALS) & aucs.keys()
        }

    def table(self) -> str:
        """Return the report as tables in Markdown, one for each family, then the regrets."""
        lines = [f"{self._versions()}; every method at its defaults; found means objects at a false-alarm rate of 1e-3"]
        families = [family for family in FAMILIES if any(row.family == family for row in self.figures)]
        for family in families:
            lines += ["", *self._of_family(family)]
        if self.judged:
            lines += ["", *self._by_family(families), "", *self._regrets()]
        else:
            lines += ["", *by_scene(self.figures)]
            if any(row.scene in GROUNDS for row in self.figures):
                lines += ["", *by_ground(self.figures), "", *found_by_ground(self.figures)]
        if self.scenes:
            lines += ["", "| scene | file | sha256 |", "|---|---|---|"]
            lines += [
                f"| {s} | {file} | {sha[:16]} |" for s, files in self.scenes.items() for file, sha in files.items()
            ]
        lines += [line for remark in self.remarks for line in ("", f"Left out: {remark}")]
        return "\n".join(lines)

    def into(self, page: str | Path) -> None:
        """Put the tables of the page on accuracy in their places, and keep the figures behind them.

        Figures of methods that were not measured stay as they were kept.

        Raises
        ------
        ParameterError
            As `hsad.bench.page.check_page`.
        """
        kept = [Figures.of(row) for row in data_of(page).get("figures", {}).get("rows", [])]
        measured = {row.method for row in self.figures}
        figures = (*self.figures, *(row for row in kept if row.method not in measured))
        merged = replace(self, figures=figures)
        for table in merged.page_tables():
            put_into(page, table)
        columns, rows = [field.name for field in fields(Figures)], [list(asdict(row).values()) for row in figures]
        scenes = {**data_of(page).get("scenes", {}), **self.scenes}
        data = {"versions": self.versions, "scenes": scenes, "figures": {"columns": columns, "rows": rows}}
        write_data(page, {**data_of(page), **data})

    def page_tables(self) -> list[str]:
        """Return the tables of the page on accuracy: areas and finds by ground, and areas by scene."""
        scenes = {row.scene for row in self.figures} & GROUNDS.keys()
        grounds = {GROUNDS[scene] for scene in scenes}
        line = f"{self._versions()}; {len(scenes)} scenes of {len(grounds)} grounds"
        shown = [method for method in _OF_SCENES if any(row.method == method for row in self.figures)]
        native = [row for row in self.figures if row.scene in GROUNDS]
        tables = (by_ground(self.figures), found_by_ground(self.figures), by_scene(native, shown))
        return ["\n".join([line, "", *table]) for table in tables]

    def _versions(self) -> str:
        return ", ".join(f"{name} {number}" for name, number in self.versions.items())

    def _methods(self) -> list[str]:
        return list(dict.fromkeys(row.method for row in self.figures))

    def _of_family(self, family: str) -> list[str]:
        lines = [
            f"| {family} | scenes | seeds | AUC | worst | average precision | found | CPU s, median |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for method in self._methods():
            rows = [row for row in self.figures if row.family == family and row.method == method]
            if rows:
                seeds = list(dict.fromkeys(row.seed for row in rows))
                runs = [[row for row in rows if row.seed == seed] for seed in seeds]
                figures = [
                    spread([float(np.mean([value(row) for row in run])) for run in runs])
                    for value in (_auc, _precision, _found)
                ]
                worst = min(row.auc for row in rows)
                scenes = len({row.scene for row in rows})
                seconds = float(np.median([row.seconds for row in rows]))
                lines.append(
                    f"| {method} | {scenes} | {len(seeds) if seeds != [None] else '-'} | {figures[0]} | {worst:.4f} | "
                    f"{figures[1]} | {figures[2]} | {seconds:.2f} |"
                )
        return lines

    def _by_family(self, families: list[str]) -> list[str]:
        """Return the mean AUC by method and family, and the mean over families."""
        lines = ["| mean AUC | " + " | ".join([*families, "mean"]) + " |", "|---" * (len(families) + 2) + "|"]
        for method in self._methods():
            aucs = [[row.auc for row in self.figures if (row.family, row.method) == (f, method)] for f in families]
            means = [float(np.mean(values)) if values else np.nan for values in aucs]
            lines.append("| " + " | ".join([method, *(f"{mean:.4f}" for mean in [*means, np.mean(means)])]) + " |")
        return lines

    def _regrets(self) -> list[str]:
        best = ", ".join(f"`{name}`" for name in RIVALS)
        lines = [
            f"Regret of a case: best AUC among {{{best}}} minus the AUC of the method. Above 0, another one is better.",
            "",
            f"| regret | largest | mean | cases over {_REGRETTABLE:g} |",
            "|---|---|---|---|",
        ]
        for method in self.judged:
            regrets = self.regret(method)
            if regrets:
                over = [name for name in sorted(regrets, key=lambda s: -regrets[s]) if regrets[name] > _REGRETTABLE]
                listed = ", ".join(f"{name} {regrets[name]:.3f}" for name in over)
                lines.append(
                    f"| {method} | {max(regrets.values()):.3f} | {np.mean(list(regrets.values())):.4f} | "
                    f"{len(over)} of {len(regrets)}{': ' if over else ''}{listed} |"
                )
        return lines


def run_accuracy(
    folder: Path | None = None,
    *,
    methods: Sequence[str] = (),
    seeds: int = 1,
    progress: Callable[..., Any] | None = None,
) -> Accuracy:
    """Return the accuracy of detectors on the available benchmark scenes and on the synthetic scene.

    Parameters
    ----------
    folder : Path, optional
        Folder of the benchmark scenes; without it only the synthetic scene is measured.
    methods : sequence of str
        Detectors, as in ``crd`` or ``crd:outer=11,inner=5``, or ``control``; all at their defaults without it.
    seeds : int
        Number of seeds, counted from 0, with which learned detectors are trained; at least 1.
    progress : callable, optional
        As `hsad.progress.Progress`.

    Raises
    ------
    HsadError
        If a method or the folder does not exist, or a file differs from the catalogue.
    """
    known, remarks = _at_hand(folder)
    chosen = _chosen(methods or (*_without_targets(), CONTROL))
    scenes = [*known, synthetic_scene()]
    figures, failed = measure(scenes, len(scenes), chosen, seeds, progress)
    return Accuracy(_versions(), figures, {s.name: dict(s.sha256) for s in known}, (*remarks, *failed))


def run_suite(
    folder: Path | None = None,
    *,
    methods: Sequence[str] = (),
    seeds: int = 1,
    draw: int = 0,
    progress: Callable[..., Any] | None = None,
) -> Accuracy:
    """Return the accuracy and the regret of detectors on the suite of cases, see `hsad.bench.suite`.

    Parameters
    ----------
    folder, methods, seeds, progress
        As in `run_accuracy`; the default method is ``auto``.
    draw : int
        Number of the draw of implants and synthetic scenes, from 0.

    Raises
    ------
    HsadError
        As in `run_accuracy`.
    """
    if draw < 0:
        raise ParameterError(f"--draw (draw=) must be at least 0, not {draw}")
    known, remarks = _at_hand(folder)
    asked = _chosen(methods or ("auto",))
    cases = suite(known, draw)
    figures, failed = measure(cases, None, RIVALS | asked, seeds, progress)
    sums = {scene.name: dict(scene.sha256) for scene in known}
    return Accuracy(_versions(), figures, sums, (*remarks, *failed), tuple(asked))


def measure(
    scenes: Iterable[KnownScene],
    total: int | None,
    methods: dict[str, tuple[str, dict[str, Any]]],
    seeds: int,
    progress: Callable[..., Any] | None = None,
) -> tuple[tuple[Figures, ...], tuple[str, ...]]:
    """Return the figures of methods on scenes, and failures; a method that fails once is not tried again."""
    if seeds < 1:
        raise ParameterError(f"--seeds (seeds=) must be at least 1, not {seeds}")
    figures: list[Figures] = []
    failed: dict[str, str] = {}
    compiled: set[str] = set()
    for scene in progress(scenes, total=total, desc="measuring") if progress else scenes:
        for name, (method, parameters) in methods.items():
            if name in failed:
                continue
            learned = method != CONTROL and any(p.name == "seed" for p in detector_class(method).parameters())
            try:
                if not learned and name not in compiled:
                    _scores(scene.cube.isel(y=_CORNER, x=_CORNER), method, parameters)
                    compiled.add(name)
                for seed in range(seeds) if learned else (None,):
                    seeded = parameters if seed is None else {**parameters, "seed": seed}
                    figures.append(_figures(scene, name, method, seeded, seed))
            except HsadError as error:
                failed[name] = f"{name} from {scene.name} on: {error}"
    return tuple(figures), tuple(failed.values())


def _figures(scene: KnownScene, name: str, method: str, parameters: dict[str, Any], seed: int | None) -> Figures:
    started = time.process_time()
    with one_blas_thread():
        scores = _scores(scene.cube, method, parameters)
    seconds = time.process_time() - started
    found = evaluate(scores, scene.truth)
    areas = (found.auc, found.average_precision)
    return Figures(scene.name, scene.family, name, seed, *areas, found.objects, found.objects_found, seconds)


def _scores(cube: xr.DataArray, method: str, parameters: dict[str, Any]) -> NDArray[np.float32]:
    scores = _control(cube) if method == CONTROL else detect(cube, method, workers=1, **parameters)
    return np.asarray(scores.values)


def _control(cube: xr.DataArray) -> xr.DataArray:
    """Return the distances of global RX on the leading components, blurred over valid pixels."""
    from scipy.ndimage import gaussian_filter

    squared: xr.DataArray = detect(cube, "rx", pca=_CONTROL_COMPONENTS, workers=1)
    valid = np.isfinite(squared.values)
    distance = np.sqrt(np.where(valid, squared.values, 0).astype(np.float64))
    weight = gaussian_filter(valid.astype(float), _CONTROL_BLUR)
    blurred = gaussian_filter(distance, _CONTROL_BLUR) / np.maximum(weight, 1e-30)
    return squared.copy(data=np.where(valid, blurred, np.nan))


def _versions() -> dict[str, str]:
    found = {"hsad": __version__, "Python": platform.python_version()}
    for package in ("numpy", "scipy", "numba", "torch"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _at_hand(folder: Path | None) -> tuple[list[KnownScene], tuple[str, ...]]:
    """Return the benchmark scenes of a folder, and a remark on missing scenes."""
    scenes = benchmark_scenes(folder) if folder is not None else []
    missing = len(BENCHMARK) - len(scenes)
    where = f"not in {folder}" if folder is not None else "no folder (--data, HSAD_DATA)"
    return scenes, (f"{missing} of {len(BENCHMARK)} benchmark scenes: {where}",) if missing else ()


def _chosen(methods: Sequence[str]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return methods and parameters by the names that a user gave them; refuse unknown ones."""
    names: list[str] = []
    for piece in ",".join(methods).split(","):
        if names and "=" in piece and ":" not in piece.partition("=")[0]:
            names[-1] += f",{piece.strip()}"  # a further parameter of the method before it
        else:
            names.append(piece.strip())
    asked = {one.name: one for name in dict.fromkeys(names) if name != CONTROL for one in asked_methods(name)}
    return {name: (CONTROL, {}) if name == CONTROL else (asked[name].method, asked[name].parameters) for name in names}


def _without_targets() -> list[str]:
    """Return the methods that need nothing but a scene."""
    return [
        name
        for name, cls in DETECTORS.items()
        if not issubclass(cls, ChangeDetector) and not any(p.required for p in cls.parameters())
    ]


def _auc(row: Figures) -> float:
    return row.auc


def _precision(row: Figures) -> float:
    return row.average_precision


def _found(row: Figures) -> float:
    return row.found / row.objects
