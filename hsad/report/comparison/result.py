"""The result of a comparison of methods, as a table of text and as files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hsad.evaluation.agreement import Disagreement
from hsad.files import whole_file
from hsad.record import Record

__all__ = ["FIGURES", "MEASURES", "TABLES", "Compared", "Comparison", "write_tables"]

TABLES = ("comparison.json", "comparison.csv", "correlation.csv", "disagreements.csv")
FIGURES = ("maps.png", "agreement.png", "roc.png")
"""The files of a comparison beside the scores: the last figure where there is a truth, the one before from two methods
on."""

MEASURES = ("auc", "average_precision", "objects_found")


@dataclass(frozen=True)
class Compared(Record):
    """One method of a comparison.

    Attributes
    ----------
    name, method : str
    parameters : dict
    scores : str
        Its score raster.
    seconds : float or None
        Wall time from the scene to the raster, without compiling; None where it failed.
    error : str or None
        Why it failed.
    auc, average_precision : float or None
    objects, objects_found : int or None
        At `false_alarm_rate` of the comparison.
    intervals : dict
        Ends of the 90 % intervals (bootstrap over objects) of ``auc``, ``average_precision`` and ``objects_found``;
        empty without a truth, or where the truth has one object.
    """

    name: str
    method: str
    parameters: dict[str, Any]
    scores: str
    seconds: float | None
    error: str | None
    auc: float | None
    average_precision: float | None
    objects: int | None
    objects_found: int | None
    intervals: dict[str, list[float]]


@dataclass(frozen=True)
class Comparison(Record):
    """Several methods on one scene.

    Attributes
    ----------
    scene, folder : str
    truth : str or None
    false_alarm_rate : float
    pixels : int
        Pixels that all methods score. The figures are of these.
    methods : list of Compared
        In the order that they were asked for.
    compared : list of str
        Names of the methods in `correlation` and `disagreements`: those that did not fail.
    correlation : list of list of float
        Rank correlation (Spearman) of each pair.
    disagreements : list of Disagreement
        Pixels that one method ranks high and another one low.
    remarks : list of str
        What the reader of the scene assumed.
    files : list of str
        Names of the files in the folder.
    """

    scene: str
    folder: str
    truth: str | None
    false_alarm_rate: float
    pixels: int
    methods: list[Compared]
    compared: list[str]
    correlation: list[list[float]]
    disagreements: list[Disagreement]
    remarks: list[str]
    files: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON holds it."""
        return asdict(self)

    def table(self) -> str:
        """Return the methods as a table of text; without a truth, their rank correlations."""
        rows = [_texts(one, self.truth is not None) for one in self.methods]
        heads = ("method", "seconds", "AUC", "90 %", "avg. precision", "90 %", "objects found", "90 %")
        rows = [heads[: len(rows[0])], *rows]
        widths = [max(len(row[col]) for row in rows) for col in range(len(rows[0]))]
        lines = ["  ".join(f"{row[0]:{widths[0]}}" if col == 0 else f"{row[col]:>{widths[col]}}"
                           for col in range(len(row))).rstrip() for row in rows]  # fmt: skip
        if len(self.compared) > 1:
            wide = max(len(name) for name in self.compared)
            lines += ["", "rank correlation (Spearman)"]
            for name, values in zip(self.compared, self.correlation, strict=True):
                lines.append(f"{name:{wide}}  " + "  ".join(f"{value:5.2f}" for value in values))
        if self.disagreements:
            lines += ["", f"where they disagree most: rank of the pixel among {self.pixels}, by method"]
            names = ["place", "row,col", *self.compared]
            cells = [
                [str(number), f"{spot.row},{spot.col}", *map(str, spot.ranks)]
                for number, spot in enumerate(self.disagreements, start=1)
            ]
            wides = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
            lines += ["  ".join(f"{cell:>{wide}}" for cell, wide in zip(line, wides, strict=True))
                      for line in (names, *cells)]  # fmt: skip
        return "\n".join(lines)


def _texts(one: Compared, judged: bool) -> tuple[str, ...]:
    """Return the cells of a method in the table."""
    seconds = "failed" if one.error is not None else "-" if one.seconds is None else f"{one.seconds:.1f}"
    if not judged:
        return one.name, seconds
    if one.auc is None or one.average_precision is None:
        return (one.name, seconds, *[""] * 6)
    spans = {name: "-".join(f"{end:.4f}" if name != "objects_found" else f"{end:.0f}" for end in ends)
             for name, ends in one.intervals.items()}  # fmt: skip
    return (
        one.name,
        seconds,
        f"{one.auc:.4f}",
        spans.get("auc", ""),
        f"{one.average_precision:.4f}",
        spans.get("average_precision", ""),
        f"{one.objects_found} of {one.objects}",
        spans.get("objects_found", ""),
    )


def write_tables(folder: Path, result: Comparison) -> None:
    """Write the tables of a comparison as CSV and JSON, over those of an earlier time.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    rows: list[list[Any]] = [
        [
            "method",
            "seconds",
            "error",
            *(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")),
            "objects",
        ]
    ]
    for one in result.methods:
        spans = [[one[name], *(one.intervals.get(name) or (None, None))] for name in MEASURES]
        rows.append([one.name, one.seconds, one.error, *(value for span in spans for value in span), one.objects])
    _write_csv(folder / TABLES[1], rows)
    pairs = zip(result.compared, result.correlation, strict=True)
    _write_csv(folder / TABLES[2], [["method", *result.compared], *([name, *line] for name, line in pairs)])
    places = enumerate(result.disagreements, start=1)
    ranked = [[number, spot.row, spot.col, *spot.ranks] for number, spot in places]
    _write_csv(folder / TABLES[3], [["place", "row", "col", *(f"rank {name}" for name in result.compared)], *ranked])
    with whole_file(folder / TABLES[0], (".json",), overwrite=True) as staged:
        staged.write_text(json.dumps(_plain(result.to_dict()), indent=1) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """Return a value with None for numbers that JSON cannot hold."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _write_csv(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["" if value is None else value for value in row] for row in rows])
    with whole_file(path, (".csv",), overwrite=True) as staged:
        staged.write_text(text.getvalue(), encoding="utf-8", newline="")
