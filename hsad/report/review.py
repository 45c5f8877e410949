"""From the page back into the GeoPackage: the states, notes and classes that somebody gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hsad.anomalies.marks.added import add_found, is_search
from hsad.anomalies.marks.reviewed import Mark, read_marks
from hsad.anomalies.marks.written import set_marks
from hsad.anomalies.vectors import read_anomalies
from hsad.errors import SceneError

__all__ = ["apply_review"]

_NEAR = 2
"""Rows and columns between the highest pixels of one anomaly in two lists of a scene."""


def apply_review(anomalies: str | Path, reviewed: str | Path) -> dict[str, Any]:
    """Write the marks of a reviewed GeoJSON file into a GeoPackage, or add the objects of a search to it.

    The report's page saves the marks. A list that `hsad.find` wrote is added: its objects are pending.

    Parameters
    ----------
    anomalies : path
        The GeoPackage.
    reviewed : path
        The GeoJSON, or the list of a search.

    Returns
    -------
    dict
        ``changed``: the number of anomalies that changed; ``added``: the number of objects of a search that were added,
        and ``known``: of those that the list has already; ``unplaced``: the number of marks that found no anomaly, of a
        review of another list of the same scene; ``states``: the number of anomalies in each state.

    Raises
    ------
    SceneError
        When a file cannot be read, or the review is of other anomalies; nothing is changed then.
    ParameterError
        When a state or an id is unknown; nothing is changed then.
    OutputError
        When the GeoPackage is a link or cannot be written; nothing is changed then.
    """
    changed = unplaced = added = known = 0
    if is_search(reviewed):
        added, known = add_found(anomalies, reviewed)
    else:
        records = read_anomalies(anomalies)
        marks, unplaced = _placed(read_marks(reviewed), records, str(anomalies), str(reviewed))
        changed = set_marks(anomalies, marks)
    counts = Counter(str(record["state"]) for record in read_anomalies(anomalies))
    return {
        "output": str(anomalies),
        "changed": changed,
        "added": added,
        "known": known,
        "unplaced": unplaced,
        "states": dict(sorted(counts.items())),
    }


def _placed(
    marks: Mapping[int, Mark], records: Sequence[Mapping[str, Any]], anomalies: str, reviewed: str
) -> tuple[dict[int, Mark], int]:
    """Return the marks by the ids of a list, and how many marks of a longer or another list have no anomaly in it.

    Where an id names another pixel, the review is of another list. It is taken by place if both lists are of one scene:
    each mark then belongs to the anomaly whose highest pixel is nearest, at most `_NEAR` rows and columns away.
    """
    known = {record["id"]: (record["row"], record["col"]) for record in records}
    moved = next(
        (number for number, mark in marks.items() if known.get(number, mark.place) != mark.place and mark.place), None
    )
    if moved is None:
        return dict(marks), 0
    sources = {Path(str(record.get("source") or "")).name for record in records}
    mark = marks[moved]
    if not mark.source or Path(mark.source).name not in sources:
        row, col = known[moved]
        raise SceneError(
            f"{reviewed}: is a review of other anomalies: {moved} lies at {mark.row},{mark.col}, "
            f"in {anomalies} at {row},{col}"
        )
    placed: dict[int, Mark] = {}
    away: dict[int, int] = {}
    unplaced = 0
    for mark in marks.values():
        if mark.place is None or not mark.said:
            continue
        distances = [max(abs(row - mark.place[0]), abs(col - mark.place[1])) for row, col in known.values()]
        nearest = min(range(len(distances)), key=distances.__getitem__, default=None)
        if nearest is None or distances[nearest] > _NEAR:
            unplaced += 1
            continue
        number = list(known)[nearest]
        if distances[nearest] < away.get(number, _NEAR + 1):
            placed[number], away[number] = mark, distances[nearest]
    return placed, unplaced
