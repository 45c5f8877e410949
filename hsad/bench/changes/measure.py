"""Area under the ROC curve and average precision of the methods that compare two dates, on pairs with known changes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad.bench.changes.cases import REGISTRATIONS, PairCase, split_pairs, synthetic_pairs
from hsad.bench.known import benchmark_scenes
from hsad.changes.change import change, change_methods
from hsad.detection import detect
from hsad.errors import HsadWarning
from hsad.evaluation import evaluate

__all__ = ["CONTROL", "ChangeAccuracy", "Outcome", "run_changes"]

#: The plain control: both dates scaled by band, subtracted, and scored by global RX.
CONTROL = "rx of the difference"

_SEEDS = 3
"""Synthetic places of a draw."""


@dataclass(frozen=True)
class Outcome:
    """The accuracy of a method on one pair.

    Attributes
    ----------
    method, name, family : str
    registration : float
        Root mean square displacement of the second date, in pixels.
    auc, average_precision : float
    """

    method: str
    name: str
    family: str
    registration: float
    auc: float
    average_precision: float


@dataclass(frozen=True)
class ChangeAccuracy:
    """The outcomes of one run.

    Attributes
    ----------
    draw : int
    outcomes : tuple of Outcome
    """

    draw: int
    outcomes: tuple[Outcome, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        return asdict(self)

    def table(self) -> str:
        """Return the report as a table in Markdown: a row for each method, a column for each kind of pairs."""
        kinds = [(family, shift) for family in ("synthetic", "split") for shift in REGISTRATIONS]
        kinds = [kind for kind in kinds if any((row.family, row.registration) == kind for row in self.outcomes)]
        heads = [f"{family}, {shift:g} pixels" for family, shift in kinds]
        lines = [
            f"Change between two dates, draw {self.draw}: mean AUC and average precision, by displacement",
            "",
            f"| method | {' | '.join(heads)} |",
            f"|{'---|' * (len(heads) + 1)}",
        ]
        for method in dict.fromkeys(row.method for row in self.outcomes):
            cells = []
            for kind in kinds:
                rows = [r for r in self.outcomes if r.method == method and (r.family, r.registration) == kind]
                auc, precision = (np.mean([getattr(r, name) for r in rows]) for name in ("auc", "average_precision"))
                cells.append(f"{auc:.3f} {precision:.2f}")
            lines.append(f"| {method} | {' | '.join(cells)} |")
        return "\n".join(lines)


def run_changes(
    folder: Path | None, draw: int = 0, only: str = "", progress: Callable[..., Any] | None = None
) -> ChangeAccuracy:
    """Return the accuracy of every method that compares two dates, at its defaults, and of a control.

    Parameters
    ----------
    folder : Path or None
        Folder of the benchmark scenes; without it only the synthetic pairs are measured.
    draw : int
        Number of the draw of places and implants.
    only : str
        Names of methods, separated by commas; all without it.
    progress : callable, optional
        As `hsad.progress.Progress`.
    """
    named = [name.strip() for name in only.split(",") if name.strip()] or [*change_methods(), CONTROL]
    pairs = [*_pairs(folder, draw)]
    outcomes = []
    for make in progress(pairs, total=len(pairs), desc="pairs") if progress else pairs:
        for case in make():
            outcomes += [_outcome(case, method) for method in named]
    return ChangeAccuracy(draw, tuple(outcomes))


def _pairs(folder: Path | None, draw: int) -> Iterator[Callable[[], Iterator[PairCase]]]:
    for seed in range(_SEEDS * draw, _SEEDS * (draw + 1)):
        yield partial(synthetic_pairs, seed)
    for scene in benchmark_scenes(folder) if folder is not None else []:
        yield partial(split_pairs, scene, draw)


def _outcome(case: PairCase, method: str) -> Outcome:
    before, after = _spectra(case.before), _spectra(case.after)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HsadWarning)
        if method == CONTROL:
            difference = _scaled(after) - _scaled(before)
            scores = detect(difference, "rx", covariance="ridge", ridge=1e-4, workers=1)
        else:
            scores = change(before, after, method, workers=1)
    found = evaluate(np.nan_to_num(scores), case.truth)
    return Outcome(method, case.name, case.family, case.registration, found.auc, found.average_precision)


def _spectra(date: Any) -> NDArray[np.float64]:
    """Return the good bands of a date as an array."""
    if not isinstance(date, xr.DataArray):
        return np.asarray(date, dtype=np.float64)
    return np.asarray(date.values[..., date.coords["good_wavelength"].values], dtype=np.float64)


def _scaled(date: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((date - date.mean(axis=(0, 1))) / date.std(axis=(0, 1)))
