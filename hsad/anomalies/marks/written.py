"""Marks into a GeoPackage of anomalies: in one transaction, all of them or none."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsad.anomalies.vectors import LAYER, read_anomalies
from hsad.errors import OutputError, ParameterError, SceneError
from hsad.files import check_output

if TYPE_CHECKING:
    import os

    from hsad.anomalies.marks.reviewed import Mark

__all__ = ["set_marks"]

_TEXTS = ("note", "class")
"""Fields that files of earlier versions lack."""


def set_marks(path: str | os.PathLike[str], marks: Mapping[int, Mark]) -> int:
    """Write marks into a GeoPackage of anomalies; return the number of anomalies that changed.

    Parameters
    ----------
    path : path
        A GeoPackage that `write_anomalies` made.
    marks : mapping of int to Mark
        By ``id``. A note or a class that is None stays as it is in the file.

    Raises
    ------
    ParameterError
        When an id is unknown; nothing is written then.
    SceneError
        When the file is no GeoPackage of anomalies.
    OutputError
        When it cannot be written; nothing is changed then.
    """
    if Path(path).suffix.lower() != ".gpkg":
        raise SceneError(f"{path}: marks are written into a GeoPackage (.gpkg)")
    records = read_anomalies(path)
    if any("state" not in record for record in records):
        raise SceneError(f"{path}: holds no anomalies of hsad: it has no field state")
    known = {record["id"]: record for record in records}
    missing = sorted(set(marks) - set(known))
    if missing:
        raise ParameterError(f"{path}: has no anomaly {missing[0]}; its ids run from 1 to {max(known, default=0)}")
    changed = {}
    for number, mark in marks.items():
        stated = {"state": mark.state, "note": mark.note, "class": mark.label}
        new = {name: value for name, value in stated.items() if value is not None}
        if any((known[number].get(name) or "") != value for name, value in new.items()):
            changed[number] = new
    check_output(path, (".gpkg",), overwrite=True)
    lacking = [name for name in _TEXTS if records and name not in records[0]]
    try:
        _update(path, changed, lacking)
    except sqlite3.Error as error:
        raise OutputError(f"{path}: cannot be written: {error}") from error
    return len(changed)


def _update(path: str | os.PathLike[str], changed: Mapping[int, Mapping[str, Any]], lacking: list[str]) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        # Triggers of the spatial index name these functions. They are not called, since no geometry changes.
        for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
            database.create_function(name, 1, lambda _: None)
        database.execute("BEGIN")
        for name in lacking if changed else ():
            database.execute(f'ALTER TABLE {LAYER} ADD COLUMN "{name}" TEXT')
        for number, new in changed.items():
            assigned = ", ".join(f'"{name}" = ?' for name in new)
            database.execute(
                f"UPDATE {LAYER} SET {assigned} WHERE id = ?",  # noqa: S608  names of fields
                [*(value or None if name != "state" else value for name, value in new.items()), number],
            )
