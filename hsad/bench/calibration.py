"""The tables of the thresholds (`hsad.anomalies.null.bank`): how they are measured, and how well they predict.

A table is fitted to the backgrounds of the native benchmark scenes, the same scenes binned 2 × 2, and synthetic scenes.
It is judged by leaving out one ground at a time: the table of the other grounds states a number of false objects, and
the scene delivers one. The implants of the suite (`hsad.bench.suite`) are judged too, but enter no table.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hsad import __version__
from hsad.anomalies.null.bank import BankNull, BankTable, features
from hsad.anomalies.null.tail import PEAK_REACH, Tail, peaks_of
from hsad.anomalies.objects import find_objects
from hsad.anomalies.scoremap import ScoreMap
from hsad.bench.known import KnownScene, benchmark_scenes
from hsad.bench.suite import suite
from hsad.detection import detect
from hsad.detectors import describe_detector, make_detector
from hsad.errors import HsadWarning, ParameterError, SceneError
from hsad.files import whole_file
from hsad.synthetic import make_scene

__all__ = ["CALIBRATED", "Calibration", "background_of", "fit_table", "judge", "run_calibration"]

#: The detectors that have a table, and whether it is about the logarithms of their scores.
CALIBRATED = {"auto": False, "rx": True, "crd": True, "lrx": True}

#: Scenes of one ground show the same place; they are left out together.
_GROUNDS = {
    "airport-2": "airport-2/urban-5", "urban-5": "airport-2/urban-5", "airport-4": "airport-4", "beach-3": "beach-3",
    "urban-2": "urban-2", "urban-4": "urban-4", "sandiego-1": "sandiego-1", "beach-4": "pavia", "pavia-lzw": "pavia",
    "pavia-wu": "pavia",
}  # fmt: skip
_SYNTHETIC: tuple[dict[str, Any], ...] = (
    {}, {"variability": 0.02}, {"variability": 0.08}, {"noise_factor": 3.0}, {"striping": 0.01},
    {"variability": 0.05, "smile": 1.0},
)  # fmt: skip
#: Families of the suite that enter the tables, and those that are judged only.
_FITTED = ("native", "binned2")
_ONLY_JUDGED = ("faint", "large", "frequent", "noisy")
#: Weight of a scene within its ground. Binned scenes repeat the pixels of native ones.
_WEIGHTS = {"native": 1.0, "binned2": 0.3, "synthetic": 1.0}
#: Weight of a ground. Synthetic backgrounds are smoother than real ones.
_GROUND_WEIGHTS = {"synthetic": 0.3}
#: Background peaks per 10⁴ pixels for which a table has heights.
_RATES = tuple(float(rate) for rate in np.geomspace(100.0, 0.5, 24).round(4))
#: False objects per 10⁴ pixels at which tables are judged.
STATED = (10.0, 3.0, 1.0)
#: Ridge of the regression on the features, as a share of each feature's variance: independent of the scores' unit.
_RIDGE = 0.1
#: Candidates for the second feature, the level that this many peaks per 10⁴ pixels exceed. The one that predicts native
#: scenes of other grounds best is taken.
_LEVEL_RATES = (40.0, 20.0)
_MERGE = 2
#: Peaks at most 2 pixels from an object belong to the object.
_NEAR = np.ones((5, 5), dtype=bool)
#: Least variance of the logarithm of delivered over stated, so that few scenes cannot promise too much.
_LEAST_VARIANCE = 0.05


@dataclass(frozen=True, eq=False)
class Background:
    """The scores of a scene of known truth, and the peaks of its background.

    Attributes
    ----------
    name, kind, ground : str
        Of the scene; ``kind`` is its family in the suite.
    origin : str
        Checksums of its files, or how it was made.
    scores, objects, near : (rows, cols) ndarray
        ``near`` are the pixels at most 2 pixels from an object or from what the truth leaves out.
    tail : Tail
        Of all scores.
    peaks : (n,) ndarray
        Scores of the background's peaks, falling.
    units : float
        Valid background pixels / 10⁴.
    """

    name: str
    kind: str
    ground: str
    origin: str
    scores: NDArray[np.float64]
    objects: NDArray[np.bool_]
    near: NDArray[np.bool_]
    tail: Tail
    peaks: NDArray[np.float64]
    units: float


@dataclass(frozen=True)
class Judged:
    """What the table of the other grounds stated for a scene, and what the scene delivered.

    Attributes
    ----------
    name, kind : str
    objects : int
        Objects of the truth.
    stated, delivered, kept : tuple
        At each of `STATED`: false objects stated, false objects found, true objects found.
    doubts : tuple of str
        Reasons not to trust the table for this scene at 10 false objects per 10⁴ pixels.
    """

    name: str
    kind: str
    objects: int
    stated: tuple[float, ...]
    delivered: tuple[int, ...]
    kept: tuple[int, ...]
    doubts: tuple[str, ...]

    @property
    def error(self) -> float:
        """|log(delivered / stated)| at the first of `STATED`; no object counts as half a one."""
        return float(abs(np.log(max(self.delivered[0], 0.5) / self.stated[0])))


@dataclass(frozen=True)
class Calibration:
    """The tables of some detectors, and how they were judged."""

    tables: Mapping[str, BankTable]
    judged: Mapping[str, tuple[Judged, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as JSON holds it."""
        judged = {method: [asdict(row) for row in rows] for method, rows in self.judged.items()}
        return {**_bank(self.tables), "judged": judged}

    def table(self) -> str:
        """Return stated and delivered false objects as tables in Markdown, two for each detector."""
        return "\n\n".join(
            f"### {method}\n\n{_by_scene(rows)}\n\n{_by_kind(rows)}" for method, rows in self.judged.items()
        )

    def write(self, path: str | Path) -> None:
        """Put the tables into a bank file; tables of other detectors in it stay."""
        tables = {**_read_bank(Path(path)), **self.tables}
        with whole_file(path, overwrite=True) as staged:
            staged.write_text(json.dumps(_bank(tables), indent=1) + "\n", encoding="utf-8")


def run_calibration(
    folder: Path,
    *,
    methods: Sequence[str] = (),
    draw: int = 0,
    cache: Path | None = None,
    progress: Callable[..., Any] | None = None,
) -> Calibration:
    """Fit and judge the tables of detectors on the benchmark scenes of a folder.

    Parameters
    ----------
    folder : Path
        Folder of all benchmark scenes.
    methods : sequence of str
        Keys of `CALIBRATED`; all by default.
    draw : int
        Number of the draw of implants that judge, from 0.
    cache : Path, optional
        Folder that keeps scores from one call to the next.
    progress : callable, optional
        As `hsad.progress.Progress`.

    Raises
    ------
    HsadError
        When a benchmark scene is missing or changed, or a detector has no table.
    """
    unknown = [name for name in methods if name not in CALIBRATED]
    if unknown:
        raise ParameterError(f"--only (methods=): {unknown[0]!r} has no table; there are {', '.join(CALIBRATED)}")
    known = benchmark_scenes(folder)
    missing = set(_GROUNDS) - {scene.name for scene in known}
    if missing:
        raise SceneError(f"{folder}: benchmark scenes are missing (--data, HSAD_DATA): {', '.join(sorted(missing))}")
    chosen = tuple(dict.fromkeys(methods)) or tuple(CALIBRATED)
    found: dict[str, list[Background]] = {method: [] for method in chosen}
    cases = _cases(known, draw)
    for case, ground, origin in progress(cases, total=None, desc="scoring") if progress else cases:
        for method in chosen:
            number = draw if case.family in _ONLY_JUDGED else 0
            place = cache and cache / f"{method}-{number}-{case.name.replace('/', '-')}.npy"
            found[method].append(background_of(case, _scored(case, method, place), ground, origin))
    tables, judged = {}, {}
    for method, backgrounds in found.items():
        fitted = [scene for scene in backgrounds if scene.kind not in _ONLY_JUDGED]
        others = [scene for scene in backgrounds if scene.kind in _ONLY_JUDGED]
        level_rate = _best_level(method, fitted)
        judged[method] = judge(method, fitted, others, level_rate)
        spread = _spread([row for row in judged[method] if row.kind == "native"])
        tables[method] = fit_table(method, fitted, level_rate, spread)
    return Calibration(tables, judged)


def background_of(case: KnownScene, scores: NDArray[np.float64], ground: str, origin: str = "") -> Background:
    """Return the background of a scene: the peaks of its scores that are more than 2 pixels from an object."""
    objects = np.nan_to_num(case.truth, nan=0.0) != 0
    near = np.asarray(ndimage.binary_dilation(objects | np.isnan(case.truth), _NEAR))
    peaks = np.sort(scores[peaks_of(scores) & ~near])[::-1]
    units = float((np.isfinite(scores) & ~near).sum() / 1e4)
    return Background(
        case.name, case.family, ground, origin, scores, objects, near, Tail.of(ScoreMap.of(scores)), peaks, units
    )


def fit_table(method: str, scenes: Sequence[Background], level_rate: float, spread: float = 0.0) -> BankTable:
    """Fit a table: first the level at which 10 peaks per 10⁴ pixels are left, then all peaks above that level.

    The level is a ridge regression on the two `features` of a scene. The heights are those of the weighted mean of all
    backgrounds' peak rates, each counted from the level of its own scene.
    """
    detector = describe_detector(make_detector(method))[1]
    blank = BankTable(
        method, detector, CALIBRATED[method], level_rate, (0, 0, 0), (1.0,), (0.0,), ((0, 0), (0, 0)), spread, ()
    )
    seen = np.array([features(scene.tail, blank) for scene in scenes])
    medians = np.array([blank.units_of(scene.tail.quantile(0.5)) for scene in scenes])
    peaks = [blank.units_of(scene.peaks) - median for scene, median in zip(scenes, medians, strict=True)]
    tens = np.array(
        [np.interp(10 * s.units, np.arange(1, len(p) + 1) - 0.5, p) for s, p in zip(scenes, peaks, strict=True)]
    )
    weight = _weights(scenes)
    mean = weight @ seen
    design = np.column_stack([np.ones(len(scenes)), seen - mean])
    variances = weight @ (seen - mean) ** 2
    normal = (design * weight[:, None]).T @ design + np.diag([0, *(_RIDGE * variances)])
    fitted = np.linalg.solve(normal, (design * weight[:, None]).T @ tens)
    coefficients = (float(fitted[0] - fitted[1:] @ mean), float(fitted[1]), float(fitted[2]))
    levels = coefficients[0] + seen @ np.array(coefficients[1:])
    heights = np.concatenate([peak - level for peak, level in zip(peaks, levels, strict=True)])
    share = np.concatenate([np.full(len(p), w / s.units) for p, w, s in zip(peaks, weight, scenes, strict=True)])
    order = np.argsort(-heights)
    wanted = np.interp(_RATES, np.cumsum(share[order]), heights[order])
    ranges = tuple((float(seen[:, i].min()), float(seen[:, i].max())) for i in (0, 1))
    sources = tuple(
        {"name": s.name, "kind": s.kind, "ground": s.ground, "origin": s.origin, "weight": round(float(w), 4)}
        for s, w in zip(scenes, weight, strict=True)
    )
    return BankTable(
        method, detector, blank.log, level_rate, coefficients, _RATES, tuple(map(float, wanted)),
        (ranges[0], ranges[1]), spread, sources,
    )  # fmt: skip


def judge(
    method: str, fitted: Sequence[Background], others: Sequence[Background], level_rate: float
) -> tuple[Judged, ...]:
    """Return what the table of the other grounds states for each scene, and what the scene delivers."""
    detector = describe_detector(make_detector(method))[1]
    rows = []
    for scene in [*fitted, *others]:
        null = BankNull(fit_table(method, _without(fitted, scene.ground), level_rate), scene.tail)
        labels, number = ndimage.label(scene.objects, np.ones((3, 3)))
        delivered, kept = [], []
        for rate in STATED:
            limit = null.threshold(rate)
            found = find_objects([(0, scene.scores)], limit, merge=_MERGE)
            delivered.append(sum(not scene.near[int(r), int(c)] for r, c in zip(found.row, found.col, strict=True)))
            kept.append(len(np.unique(labels[(scene.scores >= limit) & (labels > 0)])))
        stated = tuple(rate * scene.units for rate in STATED)
        doubts = tuple(map(str, null.doubts(STATED[0], detector)))
        rows.append(Judged(scene.name, scene.kind, number, stated, tuple(delivered), tuple(kept), doubts))
    return tuple(rows)


def _cases(known: list[KnownScene], draw: int) -> Iterator[tuple[KnownScene, str, str]]:
    """Yield each scene with its ground and its origin."""
    for case in suite(known, draw, (*_FITTED, *_ONLY_JUDGED)):
        ground = next(_GROUNDS[name] for name in _GROUNDS if f"{case.name}-".partition("/")[2].startswith(f"{name}-"))
        yield case, ground, ", ".join(f"{file} sha256 {digest}" for file, digest in case.sha256.items())
    for number, variant in enumerate(_SYNTHETIC):
        made = make_scene(
            rows=220, cols=240, seed=50 + number, heading=0.0, target_sizes=[1, 2, 4, 9] * 3, fills=[0.5, 1.0],
            contrasts=[1.0], **variant,
        )  # fmt: skip
        scene = KnownScene(f"synthetic/{number}", "synthetic", made.cube, made.truth.values.astype(float), {})
        yield scene, "synthetic", f"make_scene seed {50 + number} {variant}"


def _scored(case: KnownScene, method: str, cached: Path | None) -> NDArray[np.float64]:
    if cached is not None and cached.is_file():
        return np.asarray(np.load(cached), dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HsadWarning)  # remarks on made scenes
        scores = np.asarray(detect(case.cube, method, workers=1), dtype=np.float64)
    if cached is not None:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(cached, overwrite=True) as staged, staged.open("wb") as file:
            np.save(file, scores)
    return scores


def _without(scenes: Sequence[Background], ground: str) -> list[Background]:
    return [scene for scene in scenes if scene.ground != ground]


def _weights(scenes: Sequence[Background]) -> NDArray[np.float64]:
    """Return the weights of scenes, which sum to 1; all real grounds weigh the same."""
    weight = np.array([_WEIGHTS[scene.kind] for scene in scenes])
    for ground in {scene.ground for scene in scenes}:
        same = np.array([scene.ground == ground for scene in scenes])
        weight[same] *= _GROUND_WEIGHTS.get(ground, 1.0) / weight[same].sum()
    return np.asarray(weight / weight.sum())


def _best_level(method: str, scenes: Sequence[Background]) -> float:
    """Return the one of `_LEVEL_RATES` that predicts native scenes best by the tables of the other grounds."""

    def error(level_rate: float) -> float:
        by_ground: dict[str, list[float]] = {}
        for scene in scenes:
            if scene.kind == "native":
                null = BankNull(fit_table(method, _without(scenes, scene.ground), level_rate), scene.tail)
                delivered = int((scene.peaks >= null.threshold(STATED[0])).sum())
                wrong = float(abs(np.log(max(delivered, 0.5) / (STATED[0] * scene.units))))
                by_ground.setdefault(scene.ground, []).append(wrong)
        return round(float(np.mean([np.mean(ground) for ground in by_ground.values()])), 3)

    return min(_LEVEL_RATES, key=error)


def _spread(rows: Sequence[Judged]) -> float:
    """Return the spread of log(delivered / stated) among scenes, without what counting alone explains."""
    logs = np.array([row.error for row in rows])
    chance = np.mean([1 / row.stated[0] for row in rows])
    return float(np.sqrt(max(np.mean(logs**2) - chance, _LEAST_VARIANCE)))


def _by_scene(rows: Sequence[Judged]) -> str:
    stated = [f"{rate:g}" for rate in STATED]
    lines = [
        f"| scene | stated, delivered at {' | at '.join(stated)} | objects kept at {', '.join(stated)} | flagged |",
        "|---" * (len(stated) + 3) + "|",
    ]
    for row in rows:
        if row.kind == "native":
            cells = [f"{s:.1f}, {d}" for s, d in zip(row.stated, row.delivered, strict=True)]
            kept = ", ".join(map(str, row.kept))
            flagged = "yes" if row.doubts else ""
            lines.append(f"| {row.name} | {' | '.join(cells)} | {kept} of {row.objects} | {flagged} |")
    return "\n".join(lines)


def _by_kind(rows: Sequence[Judged]) -> str:
    stated = ", ".join(f"{rate:g}" for rate in STATED)
    lines = [
        f"| kind | scenes (unflagged) | delivered/stated at {stated} | within x2 | off by x5 (unflagged) | kept |",
        "|---" * 6 + "|",
    ]
    for kind in dict.fromkeys(row.kind for row in rows):
        alike = [row for row in rows if row.kind == kind]
        good = [row for row in alike if not row.doubts]
        every = range(len(STATED))
        pooled = [sum(r.delivered[k] for r in good) / max(sum(r.stated[k] for r in good), 1e-9) for k in every]
        kept = [sum(r.kept[k] for r in alike) / max(sum(r.objects for r in alike), 1) for k in every]
        within = sum(row.error <= np.log(2) for row in good)
        off, missed = (sum(row.error > np.log(5) for row in some) for some in (alike, good))
        lines.append(
            f"| {kind} | {len(alike)} ({len(good)}) | {', '.join(f'{p:.2f}' for p in pooled)} | "
            f"{within} of {len(good)} | {off} ({missed}) | {', '.join(f'{k:.2f}' for k in kept)} |"
        )
    return "\n".join(lines)


def _bank(tables: Mapping[str, BankTable]) -> dict[str, Any]:
    """Return tables as the bank's file holds them."""
    return {
        "program": "hsad bench --calibrate",
        "peak_reach": PEAK_REACH,
        "unit_pixels": 10000,
        "version": __version__,
        "tables": [{**vars(table), "parameters": dict(table.parameters)} for table in tables.values()],
    }


def _read_bank(path: Path) -> dict[str, BankTable]:
    if not path.exists():
        return {}
    try:
        return {table["method"]: BankTable.from_dict(table) for table in json.loads(path.read_text("utf-8"))["tables"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParameterError(f"--calibrate: {path}: not a bank of tables ({error})") from error
