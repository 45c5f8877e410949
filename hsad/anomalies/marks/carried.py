"""Marks of a list that is replaced go to the anomalies of the new one that lie in the same places."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.marks.matching import NEAR, owners
from hsad.anomalies.marks.states import PENDING
from hsad.anomalies.vectors import Anomalies, layer_metadata, open_layer
from hsad.errors import HsadError

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

__all__ = ["MARK", "carry_marks", "marked", "marks_sentence", "waiting_in"]

MARK = ("state", "note", "class")
"""The fields that a person sets."""


def carry_marks(found: Anomalies, path: str | os.PathLike[str]) -> Anomalies:
    """Return anomalies with the marks of the list that they will replace.

    A new anomaly gets state, note and class of the marked anomaly whose outline covers most of it; where none overlaps
    it, of the nearest one at most two pixels away whose mark no other anomaly got. Marks that no anomaly got wait in
    the new file (`Anomalies.waiting`), so that they come back with a lower threshold. Marks of a list of another scene
    are not carried.

    Parameters
    ----------
    found : Anomalies
    path : path
        The file that will be replaced. Anything but a GeoPackage of anomalies on the same CRS has no marks.
    """
    if not Path(path).is_file() or Path(path).suffix.lower() != ".gpkg":
        return found
    try:
        marks = _marks_in(path, found)
    except HsadError:  # the file that is replaced is none of ours
        return found
    if not marks:
        return found
    old = _outlines([mark["outline"] for mark in marks])
    owner = owners(found.outline, old, NEAR * np.sqrt(found.grid.pixel_area))
    columns = {name: np.array(found.columns[name], dtype=object) for name in MARK}
    for place in np.flatnonzero(owner >= 0):
        for name in MARK:
            columns[name][place] = marks[owner[place]][name]
    waiting = tuple(mark for number, mark in enumerate(marks) if number not in set(owner.tolist()))
    return replace(found.with_columns(**columns), waiting=waiting)


def marks_sentence(anomalies: Anomalies) -> str:
    """Return in words how many marks a list has and how many wait; an empty text where there are none."""
    number = int(np.count_nonzero(marked(anomalies.columns)))
    if not number and not anomalies.waiting:
        return ""
    text = f"{number} {'anomaly has' if number == 1 else 'anomalies have'} marks from the replaced list"
    if not anomalies.waiting:
        return text
    left = len(anomalies.waiting)
    return f"{text}; {left} {'mark waits' if left == 1 else 'marks wait'} for anomalies that are not in this list"


def marked(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Return which anomalies have a state other than pending, a note or a class."""
    number = len(columns["id"])
    marked = np.array([state != PENDING for state in columns["state"]], dtype=np.bool_)
    for name in ("note", "class"):
        marked |= np.array([bool(text) for text in columns.get(name, [None] * number)], dtype=np.bool_)
    return marked


def _marks_in(path: str | os.PathLike[str], found: Anomalies) -> list[dict[str, Any]]:
    """Return the marks in a file, those that wait too, each with its outline as WKT; none of another scene or CRS."""
    import shapely

    crs, outlines, columns = open_layer(path)
    assert outlines is not None  # noqa: S101  they were asked for
    if not _same_crs(crs, found) or not _same_source(columns, found):
        return []
    marks = []
    for place in np.flatnonzero(marked(columns)):
        mark = {name: columns[name][place] if name in columns else None for name in MARK}
        marks.append({**mark, "outline": shapely.to_wkt(outlines[place])})
    return marks + [mark for mark in waiting_in(path) if {"outline", *MARK} <= set(mark)]


def waiting_in(path: str | os.PathLike[str]) -> Sequence[dict[str, Any]]:
    """Return the marks in a file whose anomalies are not in it."""
    try:
        waiting = json.loads(layer_metadata(path).get("waiting_marks", "[]"))
    except ValueError:
        return []
    return [mark for mark in waiting if isinstance(mark, dict)] if isinstance(waiting, list) else []


def _same_crs(crs: str | None, found: Anomalies) -> bool:
    from rasterio.crs import CRS

    if crs is None or found.grid.crs is None:
        return crs is None and found.grid.crs is None
    return bool(CRS.from_user_input(crs) == found.grid.crs)


def _same_source(columns: Mapping[str, NDArray[Any]], found: Anomalies) -> bool:
    """Return whether both lists name the same scene, or one names none."""
    named = [{Path(str(text)).name for text in listed.get("source", ()) if text} for listed in (columns, found.columns)]
    return not all(named) or bool(named[0] & named[1])


def _outlines(texts: Sequence[str]) -> NDArray[Any]:
    import shapely

    return np.asarray(shapely.from_wkt(texts, on_invalid="ignore"), dtype=object)
