"""The marks in a reviewed GeoJSON file: state, note and class that somebody gave to each anomaly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hsad.anomalies.marks.states import PENDING, state_of
from hsad.errors import SceneError
from hsad.readers.existing import existing_file

if TYPE_CHECKING:
    import os

__all__ = ["Mark", "read_marks"]

_LARGEST = 128 * 2**20
"""Bytes of the largest review that is read: 100,000 anomalies take about 80 MB, and their objects about 500 MB."""


class Mark(NamedTuple):
    """What a person says of an anomaly; None: not stated.

    Attributes
    ----------
    state : str
        One of `STATES`.
    note, label : str or None
        A free text, and a class that the person typed. An empty text clears what was there.
    row, col
        The pixel of the anomaly, as the review states it.
    source : str
        Path of the scene, as the review states it; "" where it does not.
    """

    state: str
    note: str | None = None
    label: str | None = None
    row: int | None = None
    col: int | None = None
    source: str = ""

    @property
    def place(self) -> tuple[int, int] | None:
        """Row and column; None where the review does not state them."""
        return None if self.row is None or self.col is None else (self.row, self.col)

    @property
    def said(self) -> bool:
        """Whether a person said anything."""
        return self.state != PENDING or bool(self.note) or bool(self.label)


def read_marks(path: str | os.PathLike[str]) -> dict[int, Mark]:
    """Return the marks of a review by the ``id`` of their anomaly.

    Raises
    ------
    SceneError
        When the file cannot be read, is larger than 128 MiB, or is no review that the report's page saved.
    ParameterError
        When a state is unknown.
    """
    source = existing_file(Path(path))
    try:
        size = source.stat().st_size
        if size > _LARGEST:
            raise SceneError(f"{path}: {size / 1e6:.0f} MB are too many for a review (at most {_LARGEST / 1e6:.0f} MB)")
        with source.open("rb") as file:
            document = json.loads(file.read(_LARGEST + 1))
    except OSError as error:
        raise SceneError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except RecursionError as error:
        raise SceneError(f"{path}: not a review that the report's page saved: it is nested too deeply") from error
    except ValueError as error:  # no JSON, or no UTF-8
        raise SceneError(
            f"{path}: not a review that the report's page saved: {' '.join(str(error).split())}"
        ) from error
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        raise SceneError(f"{path}: not a review that the report's page saved: it has no list of features")
    marks: dict[int, Mark] = {}
    for number, feature in enumerate(features, start=1):
        record = feature.get("properties") if isinstance(feature, dict) else None
        if not isinstance(record, dict) or "id" not in record or "state" not in record:
            raise SceneError(f"{path}: feature {number} has no id and state: not a review that the report's page saved")
        identifier = _whole(record["id"])
        if identifier is None or not isinstance(record["state"], str):
            shown = f"id {record['id']!r:.40} and state {record['state']!r:.40}"
            raise SceneError(f"{path}: feature {number} has {shown}: an id is a whole number, and a state a text")
        state = state_of(record["state"], f"anomaly {identifier}: state")
        note, label = _text(record.get("note")), _text(record.get("class"))
        row, col = _whole(record.get("row")), _whole(record.get("col"))
        mark = Mark(state, note, label, row, col, str(record.get("source") or ""))
        if marks.setdefault(identifier, mark) != mark:
            raise SceneError(f"{path}: says two things about anomaly {identifier}")
    return marks


def _text(value: Any) -> str | None:
    """Return a text on one line without characters that act on a terminal; None for what is no text."""
    if not isinstance(value, str):
        return None
    return " ".join("".join(character if character.isprintable() else " " for character in value).split())


def _whole(value: Any) -> int | None:
    """Return a whole number of JSON, also one that was written as 3.0; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value) if abs(value) < 2**63 else None
