"""Comparison of two reports of the bench row by row: a row is slower if that exceeds the spread of its runs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hsad.errors import ParameterError

__all__ = ["Comparison", "Pair", "compare_reports"]


@dataclass(frozen=True)
class Pair:
    """A row that both reports have.

    Attributes
    ----------
    name : str
    before, after : float
        Median of the runs in units of the bound of the same report, so the speed of the machine cancels.
    ratio : float
        before / after; above 1 is faster.
    changed : bool
        Whether all runs of one report are faster than all of the other.
    """

    name: str
    before: float
    after: float
    ratio: float
    changed: bool


@dataclass(frozen=True)
class Comparison:
    """The rows in both reports, and the names of rows in one of them."""

    pairs: tuple[Pair, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]

    @property
    def slower(self) -> tuple[str, ...]:
        """Rows that became slower by more than the spread of their runs."""
        return tuple(pair.name for pair in self.pairs if pair.changed and pair.ratio < 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON holds it."""
        return {**asdict(self), "slower": self.slower}

    def table(self) -> str:
        """Return the comparison as a table in Markdown."""
        lines = ["| work | before, x bound | after, x bound | ratio | |", "|---|---|---|---|---|"]
        for pair in self.pairs:
            verdict = ("faster" if pair.ratio > 1 else "slower") if pair.changed else "within the spread"
            lines.append(f"| {pair.name} | {pair.before:.2f} | {pair.after:.2f} | {pair.ratio:.2f} | {verdict} |")
        for side, names in (("before", self.only_before), ("after", self.only_after)):
            lines += [f"| {name} | only {side} | | | |" for name in names]
        return "\n".join(lines)


def compare_reports(before: str | Path, after: str | Path) -> Comparison:
    """Return the comparison of two files that ``hsad bench --json`` wrote, or of the file of the manual's table.

    Raises
    ------
    ParameterError
        If a file cannot be read or is not a report of the bench of speed, or no row is in both.
    """
    rows = [_rows(Path(path)) for path in (before, after)]
    pairs = tuple(_pair(name, rows[0][name], rows[1][name]) for name in rows[0] if name in rows[1])
    if not pairs:
        raise ParameterError(f"--compare: {before} and {after} have no row in common")
    lone = [tuple(name for name in mine if name not in other) for mine, other in (rows, rows[::-1])]
    return Comparison(pairs, *lone)


def _rows(path: Path) -> dict[str, list[float]]:
    """Return the runs of each row of a report, in units of its bound."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if "tables" in report:
            found = {row[0]: _kept(row) for row in report["tables"]["work"]["rows"]}
        else:
            found = {row["name"]: [float(run) / float(row["bound"]) for run in row["runs"]] for row in report["rows"]}
    except OSError as error:
        raise ParameterError(f"--compare: {path}: cannot be read ({error.strerror})") from error
    except (ValueError, LookupError, TypeError, ZeroDivisionError) as error:
        raise ParameterError(f"--compare: {path}: not what hsad bench --json writes") from error
    if not all(found.values()):
        raise ParameterError(f"--compare: {path}: a row has no runs")
    return found


def _kept(row: list[str]) -> list[float]:
    """Return the least, the median and the largest run of a row of the manual's table, in units of its bound."""
    least, (middle, spread), bounds = float(row[1]), row[2].split(" "), float(row[4])
    share = float(spread.strip("(%)")) / 100
    return [bounds, bounds * float(middle) / least, bounds * (1 + share * float(middle) / least)]


def _pair(name: str, before: list[float], after: list[float]) -> Pair:
    apart = max(before) < min(after) or max(after) < min(before)
    return Pair(name, median(before), median(after), median(before) / median(after), apart)
