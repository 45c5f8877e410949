"""The false share that lists of siblings have beside the share they state, and the siblings they find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hsad.bench.known import benchmark_scenes
from hsad.bench.siblings.cases import FILLS, NUMBERS, SiblingCase, sibling_cases
from hsad.errors import ParameterError
from hsad.job.prepare import prepared
from hsad.job.request import Request
from hsad.siblings.detector import Siblings
from hsad.siblings.results import Found, found_of

__all__ = ["SHARES", "Outcome", "SiblingAccuracy", "run_siblings"]

#: The shares of false ones that lists state.
SHARES = (0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True)
class Outcome:
    """The list of one case at one stated share.

    Attributes
    ----------
    ground, source : str
    seed, number : int
        Seed of the case, and number of its siblings.
    share : float
        The stated share of false ones.
    wrong, right : int
        Listed objects that are false, and that lie on a sibling.
    found, siblings : tuple of int
        Siblings that are found, and all siblings, of each fill.
    flagged : bool
        Whether the list has doubts.
    """

    ground: str
    source: str
    seed: int
    number: int
    share: float
    wrong: int
    right: int
    found: tuple[int, ...]
    siblings: tuple[int, ...]
    flagged: bool


@dataclass(frozen=True)
class SiblingAccuracy:
    """The outcomes of one run.

    Attributes
    ----------
    seeds : tuple of int
    outcomes : tuple of Outcome
    """

    seeds: tuple[int, ...]
    outcomes: tuple[Outcome, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        return asdict(self)

    def delivered(self, share: float, number: int | None = None) -> float:
        """Return the mean over cases of the share of listed objects that are false; an empty list has none."""
        rows = self._rows(share, number)
        return float(np.mean([row.wrong / max(1, row.wrong + row.right) for row in rows]))

    def recall(self, share: float, number: int | None = None) -> tuple[float, ...]:
        """Return the share of siblings that are found, for each fill; NaN where there is none."""
        found, siblings = (
            np.sum([getattr(row, name) for row in self._rows(share, number)], axis=0) for name in ("found", "siblings")
        )
        out = np.full(len(FILLS), np.nan)
        return tuple(np.divide(found, siblings, out=out, where=siblings > 0).tolist())

    def _rows(self, share: float, number: int | None) -> list[Outcome]:
        return [row for row in self.outcomes if row.share == share and number in (None, row.number)]

    def table(self) -> str:
        """Return the report as tables in Markdown: by stated share, and the grounds with most false ones."""
        seeds = f"{self.seeds[0]}-{self.seeds[-1]}" if len(self.seeds) > 1 else str(self.seeds[0])
        lines = [
            f"Lists of siblings, seeds {seeds}; mean: of cases; pooled: all false ones of all listed; at fill: found",
            "",
            "| stated | siblings | cases | mean | pooled | most false | at fill .05-.15 | .15-.3 | .3-.6 | doubts |",
            "|---" * 10 + "|",
        ]
        lines += [self._line(share, number) for share in SHARES for number in (*NUMBERS, None)]
        lines += ["", "| false at .1 | ground | source | seed | siblings | found |", "|---|---|---|---|---|---|"]
        worst = sorted(self._rows(0.1, None), key=lambda row: -row.wrong)[:5]
        lines += [
            f"| {row.wrong} | {row.ground} | {row.source} | {row.seed} | {sum(row.siblings)} | {sum(row.found)} |"
            for row in worst
        ]
        return "\n".join(lines)

    def _line(self, share: float, number: int | None) -> str:
        rows = self._rows(share, number)
        wrong, listed = sum(row.wrong for row in rows), sum(row.wrong + row.right for row in rows)
        recall = " | ".join("-" if np.isnan(value) else f"{value:.2f}" for value in self.recall(share, number))
        siblings = "all" if number is None else number
        return (
            f"| {share:g} | {siblings} | {len(rows)} | {self.delivered(share, number):.3f} | "
            f"{wrong / max(1, listed):.3f} | {max(row.wrong for row in rows)} | {recall} | "
            f"{np.mean([row.flagged for row in rows]):.2f} |"
        )


def run_siblings(
    folder: Path | None, *, seeds: int = 1, draw: int = 0, progress: Callable[..., Any] | None = None
) -> SiblingAccuracy:
    """Return the accuracy of the search for siblings on 64 cases for each seed.

    Parameters
    ----------
    folder : Path or None
        Folder of the benchmark scenes.
    seeds : int
        Number of seeds; at least 1.
    draw : int
        The first seed, from 0. The constants of the search were chosen on seeds 0 to 6; others judge them.
    progress : callable, optional
        As `hsad.progress.Progress`.

    Raises
    ------
    HsadError
        When there is no folder, or a scene is missing.
    """
    if folder is None:
        raise ParameterError("--siblings needs the folder of benchmark scenes: --data DIR, or HSAD_DATA")
    if seeds < 1 or draw < 0:
        raise ParameterError(f"--seeds must be at least 1 and --draw at least 0, not {seeds} and {draw}")
    chosen = tuple(range(draw, draw + seeds))
    scenes = benchmark_scenes(folder)
    outcomes: list[Outcome] = []
    for seed in chosen:
        cases = sibling_cases(scenes, [seed])
        total = 16 * len(NUMBERS)
        for case in progress(cases, total=total, desc=f"seed {seed}") if progress else cases:
            outcomes += [_outcome(case, seed, found) for found in _found(case)]
    return SiblingAccuracy(chosen, tuple(outcomes))


def _found(case: SiblingCase) -> list[Found]:
    """Return what the search finds for the mean spectrum of the found object, at each share."""
    query = case.cube[case.query].mean(axis=0)
    detector = Siblings(target=query, own=(tuple((row, col) for row, col in np.argwhere(case.query).tolist()),))
    with prepared(case.cube, Request.of(detector, {"workers": 1})) as job:
        looked: Any = job.learn().background
    return [found_of(looked, detector.named, share)[0] for share in SHARES]


def _outcome(case: SiblingCase, seed: int, found: Found) -> Outcome:
    listed = np.zeros(case.query.shape, dtype=np.bool_)
    listed[found.peaks.row, found.peaks.col] = True
    listed &= ~case.ignored
    # A sibling is found where one of its pixels reaches the threshold: pixels of peaks know their surroundings.
    reached = np.zeros_like(listed)
    for rank in range(len(found.peaks.row)):
        reached[tuple(found.pixels(rank).T)] = True
    siblings = [case.siblings(fill) for fill in range(len(FILLS))]
    return Outcome(
        case.ground,
        case.source,
        seed,
        case.number,
        found.share,
        int((listed & ~case.true).sum()),
        int((listed & case.true).sum()),
        tuple(sum(bool(reached[own].any()) for own in group) for group in siblings),
        tuple(len(group) for group in siblings),
        bool(found.doubts),
    )
