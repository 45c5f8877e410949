"""Reasons: the detector's account of the highest anomalies, for the page and for the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.surroundings import look_around
from hsad.errors import DataError
from hsad.explanation.explain import accounts_for_one_scene, explainer, of_anomaly
from hsad.explanation.explanation import Explanation

if TYPE_CHECKING:
    from hsad.anomalies.opened import Scene
    from hsad.anomalies.scoremap import ScoreMap
    from hsad.anomalies.vectors import Anomalies
    from hsad.job.learned import Learned

__all__ = ["Account", "explained", "with_reasons"]

_REASONS = 60
"""Anomalies for which the detector accounts: each may take a second."""
_OF_CANDIDATES = 10
"""Candidates below the list for which it accounts. A list has up to 50, and nobody has asked for them yet."""


@dataclass(frozen=True)
class Account:
    """The run whose detector accounts for the anomalies.

    Attributes
    ----------
    scene : path, cube or array
        The scene that the detector learns.
    options : mapping
        Options of the run: bands, a mask, a window.
    start : (int, int)
        First row and column of the window that the detector learns.
    learned : Learned, optional
        What it learned in that run, where that is still known.
    scores : Path, optional
        The scores of that run, as a file: a survey keeps beside them what it learned.
    """

    scene: Any
    options: Mapping[str, Any]
    start: tuple[int, int]
    learned: Learned | None = None
    scores: Path | None = None


def explained(
    anomalies: Anomalies, scores: ScoreMap, scene: Scene, account: Account | None, library: Any = None
) -> dict[int, Explanation]:
    """Return why the highest 60 anomalies and 10 candidates stand out, by their ids; nothing without an account.

    With a spectral library the explanations say what the anomalies are most like. A change between two dates has no
    explanation from one scene.
    """
    records = anomalies.records()[:_REASONS]
    if anomalies.candidates is not None:
        records += anomalies.candidates.records()[:_OF_CANDIDATES]
    if account is None or not scores.method or not records or not accounts_for_one_scene(scores.method):
        return {}
    found: dict[int, Explanation] = {}
    method, parameters = scores.method, {**scores.parameters, **account.options}
    if "background" in account.options:
        method, parameters = "", dict(account.options)
    with explainer(
        account.scene,
        method or None,
        parameters,
        library,
        learned=account.learned,
        scores=account.scores,
        pixels=len(records),
    ) as ready:
        for record in records:
            row, col = record["row"], record["col"]
            try:
                scene_row, scene_col = scene.own_pixel(row, col)
                why = replace(ready.at(scene_row - account.start[0], scene_col - account.start[1]), row=row, col=col)
            except DataError:
                continue
            around = look_around(scene, scores, row, col, anomalies.threshold["threshold"])
            found[record["id"]] = of_anomaly(why, record, scene, around, ready.namer)
    return found


def with_reasons(anomalies: Anomalies, reasons: Mapping[int, Explanation]) -> Anomalies:
    """Return the anomalies with why the explained ones stand out, and what they are most like, in two columns."""
    numbers, texts = anomalies.columns["id"], anomalies.columns["reason"]
    known = [reasons.get(int(number)) for number in numbers]
    texts = np.array(
        [text if why is None else why.because for text, why in zip(texts, known, strict=True)], dtype=object
    )
    names = [None if why is None or why.names is None else why.names.phrase for why in known]
    below = anomalies.candidates
    described = anomalies.with_columns(reason=texts, most_like=np.array(names, dtype=object))
    return described if below is None else replace(described, candidates=with_reasons(below, reasons))
