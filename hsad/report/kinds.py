"""The kinds of a list for the page: members, names, and more places that are like them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import DataError
from hsad.job.options import RunOptions
from hsad.siblings.find import REFUSED, find

if TYPE_CHECKING:
    from hsad.anomalies.vectors import Anomalies
    from hsad.explanation.explanation import Explanation

__all__ = ["described_kinds", "siblings_of"]

_MOST = 300
"""Most places of a kind on the page: what has more of them is a material of the scene, and no object."""

_REACH = 2
"""A place at most this many rows and columns from an anomaly of the list is that anomaly."""


def siblings_of(
    scene: str | Path, listed: str | Path, anomalies: Anomalies, number: int, options: Mapping[str, Any]
) -> Anomalies | None:
    """Return places of a scene that are like the strongest kinds of a list; None where there is nothing to look for.

    Parameters
    ----------
    scene : path
    listed : path
        The list as a file: the pixels of its anomalies are the queries.
    anomalies : Anomalies
        The same list.
    number : int
        Number of kinds; 0 looks for none.
    options : mapping
        Options of the run that made the scores.
    """
    letters = list(dict.fromkeys(letter for letter in anomalies.columns["kind"].tolist() if letter))[:number]
    if not letters:
        return None
    run, _ = RunOptions.split(options)
    own = {f.name: getattr(run, f.name) for f in dataclasses.fields(run) if f.name not in REFUSED}
    given = {name: value for name, value in own.items() if value is not None and value is not False}
    try:
        return find(scene, [f"{listed}:{letter}" for letter in letters], **given)
    except DataError:  # the scene is too small, or has too few bands: its list and its page do without
        return None


def described_kinds(
    anomalies: Anomalies, reasons: Mapping[int, Explanation], found: Anomalies | None = None, listed: str | Path = ""
) -> dict[str, dict[str, Any]]:
    """Return what the page shows of each kind, by its letter.

    Parameters
    ----------
    anomalies : Anomalies
    reasons : mapping of int to Explanation
        With what some of the anomalies are most like.
    found : Anomalies, optional
        What `siblings_of` returned.
    listed : path, optional
        As for `siblings_of`.

    Returns
    -------
    dict of str to dict
        ``name``, ``members`` (ids) and, where siblings were looked for, ``more`` (places that are no anomaly of the
        list) and ``expected_false`` (number of false ones among them). A kind of one anomaly without a name and without
        places like it is left out.
    """
    members: dict[str, list[int]] = {}
    for number, letter in zip(anomalies.columns["id"].tolist(), anomalies.columns["kind"].tolist(), strict=True):
        if letter:
            members.setdefault(letter, []).append(int(number))
    kinds: dict[str, dict[str, Any]] = {
        letter: {"name": _name(ids, reasons), "members": ids} for letter, ids in members.items()
    }
    if found is not None:
        taken = np.column_stack([anomalies.columns["row"], anomalies.columns["col"]])
        for query in found.threshold["queries"]:
            letter = str(query["like"]).removeprefix(f"{listed}:")
            if letter in kinds:
                kinds[letter] |= _more(found, query, taken, kinds[letter]["name"])
    return {
        letter: kind for letter, kind in kinds.items() if len(kind["members"]) > 1 or kind["name"] or kind.get("more")
    }


def _more(found: Anomalies, query: Mapping[str, Any], taken: Any, name: str | None) -> dict[str, Any]:
    """Return the places like a kind and their false ones, or another name where the kind is a material of the scene."""
    more = _places(found, query["like"], taken)
    if len(more) > _MOST:
        return {"name": ", ".join(filter(None, (name, "a material of the scene")))}
    return {"more": more, "expected_false": min(float(query["expected_false"]), float(len(more)))}


def _name(ids: list[int], reasons: Mapping[int, Explanation]) -> str | None:
    """Return what most of the named members of a kind are most like; None where fewer than half agree."""
    words = [why.names.word for number in ids if (why := reasons.get(number)) is not None and why.names is not None]
    if not words:
        return None
    (word, count), *_ = Counter(words).most_common(1)
    if word == "unknown" or 2 * count < len(words):
        return None
    return f"most like {word}"


def _places(found: Anomalies, query: str, taken: Any) -> list[dict[str, Any]]:
    """Return the places that a query found and that are no anomaly of the list."""
    columns = found.columns
    places = []
    for place in np.flatnonzero(columns["like"] == query):
        row, col = int(columns["row"][place]), int(columns["col"][place])
        if not (np.abs(taken - (row, col)).max(axis=1, initial=0) <= _REACH).any():
            places.append(
                {
                    "row": row,
                    "col": col,
                    "cosine": round(float(columns["cosine"][place]), 3),
                    "fill": round(float(columns["fill"][place]), 3),
                }
            )
    return places
