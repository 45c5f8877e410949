"""From the page back into the GeoPackage: the states, notes and classes that somebody gave."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from hsad.anomalies.marks.reviewed import read_marks
from hsad.anomalies.marks.written import set_marks
from hsad.anomalies.vectors import read_anomalies
from hsad.errors import SceneError

__all__ = ["apply_review"]


def apply_review(anomalies: str | Path, reviewed: str | Path) -> dict[str, Any]:
    """Write the marks of a reviewed GeoJSON file, as the report's page saves it, into a GeoPackage.

    Parameters
    ----------
    anomalies : path
        The GeoPackage.
    reviewed : path
        The GeoJSON.

    Returns
    -------
    dict
        ``changed``: the number of anomalies that changed; ``states``: the number of anomalies in each state.

    Raises
    ------
    SceneError
        When a file cannot be read, or the review is of other anomalies; nothing is changed then.
    ParameterError
        When a state or an id is unknown; nothing is changed then.
    OutputError
        When the GeoPackage is a link or cannot be written; nothing is changed then.
    """
    marks = read_marks(reviewed)
    known = {record["id"]: (record["row"], record["col"]) for record in read_anomalies(anomalies)}
    for number, mark in marks.items():
        place = (mark.row, mark.col)
        if number in known and None not in place and place != known[number]:
            raise SceneError(
                f"{reviewed}: is a review of other anomalies: {number} lies at {place[0]!r:.40},{place[1]!r:.40}, "
                f"in {anomalies} at {known[number][0]},{known[number][1]}"
            )
    changed = set_marks(anomalies, marks)
    counts = Counter(str(record["state"]) for record in read_anomalies(anomalies))
    return {"output": str(anomalies), "changed": changed, "states": dict(sorted(counts.items()))}
