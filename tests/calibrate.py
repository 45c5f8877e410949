"""Measure the backgrounds of scenes with known objects: the tables of the bank, and how well they predict each other.

    python tests/calibrate.py --data DIR --output hsad/anomalies/bank.json auto rx crd lrx

Native benchmark scenes, the same binned 2 x 2, and synthetic scenes give the tables. Leaving out one ground at a time
(all scenes that show the same place), it prints what was stated and what was delivered, on these and on the implants of
``hsad bench --accuracy --suite``, which are judged but do not enter the tables; ``--draw N`` judges by other implants.
``--keep DIR`` keeps scores between runs. Read by people who change a detector; no test runs it.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

import hsad
from hsad.anomalies.bank import BankNull, BankTable, features
from hsad.anomalies.objects import find_objects
from hsad.anomalies.scoremap import ScoreMap
from hsad.anomalies.tail import PEAK_REACH, Tail, peaks_of
from hsad.bench.known import KnownScene, benchmark_scenes
from hsad.bench.suite import suite
from hsad.detectors import describe_detector, make_detector

#: Scenes of one ground show the same place, and leave together.
GROUNDS = {
    "airport-2": "airport-2/urban-5", "urban-5": "airport-2/urban-5", "airport-4": "airport-4", "beach-3": "beach-3",
    "urban-2": "urban-2", "urban-4": "urban-4", "sandiego-1": "sandiego-1", "beach-4": "pavia", "pavia-lzw": "pavia",
    "pavia-wu": "pavia",
}  # fmt: skip
SYNTHETIC: tuple[dict[str, Any], ...] = (
    {}, {"variability": 0.02}, {"variability": 0.08}, {"noise_factor": 3.0}, {"striping": 0.01},
    {"variability": 0.05, "smile": 1.0},
)  # fmt: skip
#: How much a scene of each kind counts within its ground; all grounds count the same, the synthetic one less.
WEIGHTS = {"native": 1.0, "binned2": 0.3, "synthetic": 1.0}
GROUND_WEIGHTS = {"synthetic": 0.3}
LOGARITHMIC = {"auto": False, "rx": True, "crd": True, "lrx": True}
RATES = tuple(float(rate) for rate in np.geomspace(100.0, 0.5, 24).round(4))
STATED = (10.0, 3.0, 1.0)
#: Ridge of the regression on the features, as a share of each feature's variance: the same for scores of any unit.
RIDGE = 0.1
#: The second feature is the level that so many peaks per 10⁴ pixels reach. Which of these is chosen for each detector,
#: by how well it predicts native scenes left out.
LEVEL_RATES = (40.0, 20.0)
#: Families of the suite: what the bank is made of, and what it is judged by beside.
BANK = ("native", "binned2")
JUDGED = ("faint", "large", "frequent", "noisy")
MERGE = 2
NEAR = np.ones((5, 5), dtype=bool)


@dataclass(frozen=True, eq=False)
class Measured:
    """A scene's scores and background: what the bank is made of, and what it is judged by."""

    name: str
    kind: str
    ground: str
    origin: str
    scores: np.ndarray
    objects: np.ndarray
    near: np.ndarray
    tail: Tail
    background: np.ndarray
    units: float


def scenes(data: Path, draw: int) -> Iterator[tuple[KnownScene, str, str]]:
    """Yield scenes of the bank and cases to judge it by, each with its ground and its origin."""
    known = benchmark_scenes(data)
    for case in suite(known, draw, (*BANK, *JUDGED)):
        ground = next(GROUNDS[name] for name in GROUNDS if f"{case.name}-".partition("/")[2].startswith(f"{name}-"))
        yield case, ground, ", ".join(f"{file} sha256 {digest}" for file, digest in case.sha256.items())
    for number, variant in enumerate(SYNTHETIC):
        made = hsad.make_scene(
            rows=220, cols=240, seed=50 + number, heading=0.0, target_sizes=[1, 2, 4, 9] * 3, fills=[0.5, 1.0],
            contrasts=[1.0], **variant,
        )  # fmt: skip
        scene = KnownScene(f"synthetic/{number}", "synthetic", made.cube, made.truth.values.astype(float), {})
        yield scene, "synthetic", f"make_scene seed {50 + number} {variant}"


def measured(method: str, case: KnownScene, ground: str, origin: str, keep: Path | None) -> Measured:
    """Score a scene and take its background's peaks: those more than 2 pixels from an object."""
    if keep is not None and keep.is_file():
        scores = np.load(keep)
    else:
        scores = np.asarray(hsad.detect(case.cube, method, workers=1), dtype=np.float64)
        if keep is not None:
            np.save(keep.with_suffix(".part.npy"), scores)
            keep.with_suffix(".part.npy").replace(keep)
    objects = np.nan_to_num(case.truth, nan=0.0) != 0
    near = ndimage.binary_dilation(objects | np.isnan(case.truth), NEAR)
    known = np.isfinite(scores)
    peaks = peaks_of(scores) & ~near
    return Measured(
        case.name, case.family, ground, origin, scores, objects, near, Tail.of(ScoreMap.of(scores)),
        np.sort(scores[peaks])[::-1], (known & ~near).sum() / 1e4,
    )  # fmt: skip


def best_level(method: str, bank: list[Measured]) -> float:
    """Return the rate of peaks whose level predicts native scenes best by the tables of the other grounds."""
    native = [scene for scene in bank if scene.kind == "native"]
    errors = {}
    for rate in LEVEL_RATES:
        by_ground: dict[str, list[float]] = {}
        for scene in native:
            null = BankNull(table_of(method, [o for o in bank if o.ground != scene.ground], rate), scene.tail)
            delivered = int((scene.background >= null.threshold(STATED[0])).sum())
            error = abs(np.log(max(delivered, 0.5) / (STATED[0] * scene.units)))
            by_ground.setdefault(scene.ground, []).append(error)
        errors[rate] = round(float(np.mean([np.mean(ground) for ground in by_ground.values()])), 3)
    sys.stderr.write(f"{method}: mean |log(delivered / stated)| by the level of so many peaks: {errors}\n")
    return min(errors, key=lambda rate: errors[rate])


def table_of(method: str, bank: list[Measured], level_rate: float, spread: float = 0.0) -> BankTable:
    """Fit a table: the level where 10 peaks are left, regressed on the features; then all peaks above their level."""
    detector = describe_detector(make_detector(method))[1]
    blank = BankTable(
        method, detector, LOGARITHMIC[method], level_rate, (0, 0, 0), (1.0,), (0.0,), ((0, 0), (0, 0)), spread, ()
    )
    own = np.array([features(scene.tail, blank) for scene in bank])
    medians = np.array([blank.units_of(scene.tail.quantile(0.5)) for scene in bank])
    peaks = [blank.units_of(scene.background) - median for scene, median in zip(bank, medians, strict=True)]
    tens = np.array(
        [np.interp(10 * s.units, np.arange(1, len(p) + 1) - 0.5, p) for s, p in zip(bank, peaks, strict=True)]
    )
    weight = np.array([WEIGHTS[scene.kind] for scene in bank])
    for ground in {scene.ground for scene in bank}:
        same = np.array([scene.ground == ground for scene in bank])
        weight[same] *= GROUND_WEIGHTS.get(ground, 1.0) / weight[same].sum()
    weight /= weight.sum()
    mean = weight @ own
    design = np.column_stack([np.ones(len(bank)), own - mean])
    variances = weight @ (own - mean) ** 2
    normal = (design * weight[:, None]).T @ design + np.diag([0, *(RIDGE * variances)])
    fitted = np.linalg.solve(normal, (design * weight[:, None]).T @ tens)
    coefficients = (float(fitted[0] - fitted[1:] @ mean), float(fitted[1]), float(fitted[2]))
    levels = coefficients[0] + own @ np.array(coefficients[1:])
    # Of all backgrounds put on top of each other: the mean rate, not the rate of a mean scene.
    every = np.concatenate([peak - level for peak, level in zip(peaks, levels, strict=True)])
    share = np.concatenate([np.full(len(p), w / s.units) for p, w, s in zip(peaks, weight, bank, strict=True)])
    order = np.argsort(-every)
    heights = np.interp(RATES, np.cumsum(share[order]), every[order])
    ranges = tuple((float(own[:, i].min()), float(own[:, i].max())) for i in (0, 1))
    sources = tuple(
        {"name": s.name, "kind": s.kind, "ground": s.ground, "origin": s.origin, "weight": round(float(w), 4)}
        for s, w in zip(bank, weight, strict=True)
    )
    return BankTable(
        method, detector, blank.log, level_rate, coefficients, RATES, tuple(heights), ranges, spread, sources
    )


def judged(method: str, bank: list[Measured], others: list[Measured], level_rate: float) -> list[dict[str, Any]]:
    """Return stated and delivered false objects of every scene, by the table of the other grounds."""
    rows = []
    for scene in [*bank, *others]:
        table = table_of(method, [other for other in bank if other.ground != scene.ground], level_rate)
        null = BankNull(table, scene.tail)
        detector = describe_detector(make_detector(method))[1]
        row: dict[str, Any] = {"name": scene.name, "kind": scene.kind, "doubts": null.doubts(10.0, detector)}
        truth, number = ndimage.label(scene.objects, np.ones((3, 3)))
        for rate in STATED:
            found = find_objects([(0, scene.scores)], null.threshold(rate), merge=MERGE)
            false = sum(not scene.near[int(r), int(c)] for r, c in zip(found.row, found.col, strict=True))
            hit = np.unique(truth[(scene.scores >= null.threshold(rate)) & (truth > 0)])
            row[f"{rate:g}"] = (rate * scene.units, false, len(hit), number)
        rows.append(row)
    return rows


def report(method: str, rows: list[dict[str, Any]]) -> str:
    """Return the table of stated and delivered false objects, and the pooled ratios."""
    lines = [
        f"### {method}",
        "",
        "| scene | stated, delivered at 10 | at 3 | at 1 | objects kept at 10, 3, 1 | flagged |",
        "|---" * 6 + "|",
    ]
    for row in rows:
        if row["kind"] == "native":
            cells = [f"{row[k][0]:.1f}, {row[k][1]}" for k in ("10", "3", "1")]
            kept = ", ".join(f"{row[k][2]}" for k in ("10", "3", "1"))
            lines.append(
                f"| {row['name']} | {' | '.join(cells)} | {kept} of {row['10'][3]} | {'yes' if row['doubts'] else ''} |"
            )
    lines.append("")
    lines += [
        "| kind | scenes (unflagged) | delivered/stated at 10, 3, 1 | within x2 at 10 | off by x5 (unflagged) | kept |",
        "|---" * 6 + "|",
    ]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = [row for row in rows if row["kind"] == kind]
        good = [row for row in own if not row["doubts"]]
        pooled = [sum(r[k][1] for r in good) / max(sum(r[k][0] for r in good), 1e-9) for k in ("10", "3", "1")]
        ratio = {r["name"]: abs(np.log(max(r["10"][1], 0.5) / r["10"][0])) for r in own}
        within = sum(ratio[r["name"]] <= np.log(2) for r in good)
        off, missed = (sum(ratio[r["name"]] > np.log(5) for r in some) for some in (own, good))
        kept = [sum(r[k][2] for r in own) / max(sum(r[k][3] for r in own), 1) for k in ("10", "3", "1")]
        lines.append(
            f"| {kind} | {len(own)} ({len(good)}) | {', '.join(f'{p:.2f}' for p in pooled)} | "
            f"{within} of {len(good)} | "
            f"{off} ({missed}) | {', '.join(f'{k:.2f}' for k in kept)} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, help="bank.json: tables of other methods in it stay")
    parser.add_argument("--draw", type=int, default=0, help="which implants to judge by")
    parser.add_argument("--keep", type=Path, help="folder of scores, kept between runs")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
    tables = {}
    if given.output is not None and given.output.is_file():
        tables = {table["method"]: table for table in json.loads(given.output.read_text())["tables"]}
    for method in given.methods:
        bank, others = [], []
        for case, ground, origin in scenes(given.data, given.draw):
            entering = case.family not in JUDGED
            name = f"{method}-{0 if entering else given.draw}-{case.name.replace('/', '-')}.npy"
            found = measured(method, case, ground, origin, None if given.keep is None else given.keep / name)
            (bank if entering else others).append(found)
        level_rate = best_level(method, bank)
        rows = judged(method, bank, others, level_rate)
        native = [row for row in rows if row["kind"] == "native"]
        logs = np.array([np.log(max(row["10"][1], 0.5) / row["10"][0]) for row in native])
        chance = np.mean([1 / row["10"][0] for row in native])
        spread = float(np.sqrt(max(np.mean(logs**2) - chance, 0.05)))
        table = table_of(method, bank, level_rate, spread)
        tables[method] = {**vars(table), "parameters": dict(table.parameters)}
        sys.stdout.write(report(method, rows))
        sys.stdout.flush()
    if given.output is not None:
        head = {
            "program": "tests/calibrate.py",
            "peak_reach": PEAK_REACH,
            "unit_pixels": 10000,
            "version": hsad.__version__,
        }
        given.output.write_text(json.dumps({**head, "tables": list(tables.values())}, indent=1) + "\n")


if __name__ == "__main__":
    main()
