"""The QGIS style of scores, once the list of their anomalies is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hsad.anomalies.grades import GRADES
from hsad.files import whole_file
from hsad.products.score_classes import classes_of_list
from hsad.products.styles import raster_style
from hsad.products.summary import summarize

if TYPE_CHECKING:
    from hsad.anomalies.vectors import Anomalies

__all__ = ["restyle"]


def restyle(scores: Path, anomalies: Anomalies) -> None:
    """Write the style of a score raster again: its classes start where the list and its grades start.

    Parameters
    ----------
    scores : Path
        A score raster; its style is the file of the same name that ends with ``.qml``.
    anomalies : Anomalies
        The list of its anomalies.

    Raises
    ------
    OutputError
        When the style cannot be written.
    """
    band = summarize(scores)[0]
    start, known = anomalies.threshold["threshold"], anomalies.threshold["grade_scores"]
    if anomalies.threshold["rule"] == "list" and known:  # without the rounding of the grade's score
        known = {**known, GRADES[-1][0]: start}
    grades = {name: (most, known[name]) for name, most in reversed(GRADES) if name in known}
    style = scores.with_suffix(".qml")
    with whole_file(style, (".qml",), overwrite=True) as staged:
        staged.write_text(raster_style(classes_of_list(band.low, start, band.maximum, grades)), encoding="utf-8")
