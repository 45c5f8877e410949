"""Figures of detectors on scenes with known truth, and tables that count each ground once.

Scenes that show the same ground are not independent: a detector that fails on one fails on the others. So the figures
of a method are means over grounds, where a ground has the mean of its scenes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["GROUNDS", "Figures", "by_ground", "by_scene", "found_by_ground", "spread"]

GROUNDS = {
    "airport-2": "airport-2/urban-5", "urban-5": "airport-2/urban-5", "airport-4": "airport-4", "beach-3": "beach-3",
    "urban-2": "urban-2", "urban-4": "urban-4", "sandiego-1": "sandiego-1", "beach-4": "pavia", "pavia-lzw": "pavia",
    "pavia-wu": "pavia",
}  # fmt: skip
"""The place that each benchmark scene shows."""

_DRAWS = 10_000
_LEVEL = 0.9


@dataclass(frozen=True)
class Figures:
    """Figures of one method on one scene with one seed.

    Attributes
    ----------
    scene, family, method : str
    seed : int or None
        Seed of a learned detector.
    auc, average_precision : float
    objects, found : int
        Objects of the truth, and objects found at a false-alarm rate of 1e-3.
    seconds : float
        CPU time of the whole call, summed over threads.
    """

    scene: str
    family: str
    method: str
    seed: int | None
    auc: float
    average_precision: float
    objects: int
    found: int
    seconds: float

    @classmethod
    def of(cls, fields: Sequence[Any]) -> Self:
        """Return the figures from their values in the order of the attributes."""
        return cls(*fields)


def by_ground(figures: Iterable[Figures]) -> list[str]:
    """Return a table in Markdown of the methods, the best AUC first.

    Figures are means over grounds, with 90 % intervals: a bootstrap over grounds.
    """
    head = ("method", "AUC", "90 %", "AP", "90 %", "worst AUC")
    return _table(head, [_areas(method, rows) for method, rows in _best_first(figures)])


def found_by_ground(figures: Iterable[Figures]) -> list[str]:
    """Return a table in Markdown of what methods find: a ground counted once, all objects, and areas by scene."""
    head = ("method at 1e-3", "found by ground", "found", "by scene", "demo", "CPU s", "seeds")
    return _table(head, [_found(method, rows) for method, rows in _best_first(figures)])


def _table(head: Sequence[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(row)} |" for row in rows)]


def _best_first(figures: Iterable[Figures]) -> list[tuple[str, list[Figures]]]:
    """Return the figures of each method, the best mean AUC over grounds first."""
    methods: dict[str, list[Figures]] = {}
    for row in figures:
        methods.setdefault(row.method, []).append(row)
    return sorted(methods.items(), key=lambda item: -float(np.mean(_of_grounds(item[1], lambda row: row.auc))))


def _areas(method: str, rows: list[Figures]) -> list[str]:
    """Return the cells of a method in `by_ground`."""
    aucs, precisions = _of_grounds(rows, lambda row: row.auc), _of_grounds(rows, lambda row: row.average_precision)
    worst = min(row.auc for row in rows if row.scene in GROUNDS)
    return [
        f"`{method}`",
        _mean(aucs, 4),
        _interval(aucs, 3),
        _mean(precisions, 3),
        _interval(precisions, 2),
        _short(worst, 4),
    ]


def _found(method: str, rows: list[Figures]) -> list[str]:
    """Return the cells of a method in `found_by_ground`."""
    native = [row for row in rows if row.scene in GROUNDS]
    seeds = {row.seed for row in native}
    found, objects = sum(row.found for row in native) / len(seeds), sum(row.objects for row in native) / len(seeds)
    return [
        f"`{method}`",
        _mean(_of_grounds(rows, lambda row: row.found / row.objects), 2),
        f"{found:.3g}/{objects:.3g}",
        _both(native, 4),
        _both([row for row in rows if row.scene not in GROUNDS], 3),
        f"{np.median([row.seconds for row in native]):.2g}",
        "-" if seeds == {None} else str(len(seeds)),
    ]


def _both(rows: list[Figures], digits: int) -> str:
    """Return AUC / AP as means over scenes."""
    if not rows:
        return "-"
    return f"{_mean([row.auc for row in rows], digits)}/{_mean([row.average_precision for row in rows], 3)}"


def _of_grounds(rows: Iterable[Figures], value: Callable[[Figures], float]) -> NDArray[np.float64]:
    """Return the mean of each ground over its scenes, a scene being the mean over its seeds."""
    grounds: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        if row.scene in GROUNDS:
            grounds.setdefault(GROUNDS[row.scene], {}).setdefault(row.scene, []).append(value(row))
    return np.array([np.mean([np.mean(seeds) for seeds in scenes.values()]) for scenes in grounds.values()])


def _mean(values: Sequence[float] | NDArray[np.float64], digits: int) -> str:
    return _short(float(np.mean(values)), digits)


def _interval(values: NDArray[np.float64], digits: int) -> str:
    """Return the interval of the mean over other grounds of this kind."""
    means = np.random.default_rng(0).choice(values, (_DRAWS, len(values))).mean(axis=1)
    low, high = np.quantile(means, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return f"{_short(float(low), digits)}-{_short(float(high), digits)}"


def _short(value: float, digits: int) -> str:
    """Return a number from 0 to 1 without the zero before its point."""
    return f"{value:.{digits}f}".removeprefix("0") or "0"


def by_scene(figures: Iterable[Figures], methods: Sequence[str] = ()) -> list[str]:
    """Return a table in Markdown: AUC, average precision and objects found by scene and method, means over seeds."""
    rows = list(figures)
    named = list(methods) or list(dict.fromkeys(row.method for row in rows))
    lines = [f"| scene | {' | '.join(named)} |", "|---" * (len(named) + 1) + "|"]
    for scene in dict.fromkeys(row.scene for row in rows):
        cells = [scene]
        for method in named:
            own = [row for row in rows if (row.scene, row.method) == (scene, method)]
            if not own:
                cells.append("-")
                continue
            auc, precision, found = (
                float(np.mean(values))
                for values in (
                    [row.auc for row in own],
                    [row.average_precision for row in own],
                    [row.found for row in own],
                )
            )
            cells.append(f"{auc:.4f} {precision:.3f} {found:.3g}/{own[0].objects}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def spread(values: list[float]) -> str:
    """Return the mean over seeds, with the standard deviation if there are several."""
    mean = f"{np.mean(values):.4f}"
    return f"{mean} ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else mean
