"""The answer in one sentence: how many anomalies, how sure they are, how many of them are false.

The command line, the page, the picture, STAC items, JSON and notebooks print this sentence and the numbers of `answer`,
and no numbers of another origin.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.grades import GRADES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hsad.anomalies.vectors import Anomalies

__all__ = ["answer", "headline"]


def answer(anomalies: Anomalies) -> dict[str, Any]:
    """Return the numbers that every output states about a list of anomalies, ready for JSON.

    Parameters
    ----------
    anomalies : Anomalies

    Returns
    -------
    dict
        ``headline`` (the sentence), ``count`` (of anomalies), ``grades`` (the number of anomalies of each grade),
        ``expected_false`` (how many of the anomalies are expected to be false, at most ``count``; None: not known),
        ``expected_false_high`` (its upper end, at most ``count``; None: not known), ``trusted`` (False: something
        speaks against these numbers), ``at_most`` (True: the expected number is an upper bound), ``rough`` (True: the
        detector has no table of its own).

    Examples
    --------
    >>> import hsad, numpy as np
    >>> from hsad.anomalies.headline import answer
    >>> found = answer(hsad.polygons(np.eye(40), threshold=0.5))
    >>> found["count"], found["expected_false"], found["headline"]
    (1, None, '1 anomaly; whether it is false is not known')
    """
    threshold, count = anomalies.threshold, len(anomalies)
    return {
        "headline": headline(anomalies),
        "count": count,
        "grades": _grades(anomalies),
        "expected_false": _bounded(threshold["expected_false"], count),
        "expected_false_high": _bounded(threshold["expected_false_high"], count),
        "trusted": bool(threshold["trusted"]),
        "at_most": _is_bound(threshold),
        "rough": bool(threshold["rough"]),
    }


def headline(anomalies: Anomalies) -> str:
    """Return the answer as one sentence that can be read aloud, without a full stop.

    Parameters
    ----------
    anomalies : Anomalies
        A list by any rule: its ``threshold`` names the rule and the expected number of false ones.

    Returns
    -------
    str
        Such as "14 anomalies: 7 almost certain, 5 likely, 2 possible; about 2 of them false, up to 6", or "nothing
        stands out: the 5 highest are what background reaches by chance".

    Examples
    --------
    >>> import hsad, numpy as np
    >>> from hsad.anomalies.headline import headline
    >>> headline(hsad.polygons(np.eye(40), threshold=2.0))
    'no anomaly: no score reaches the threshold 2'
    """
    threshold, count = anomalies.threshold, len(anomalies)
    if "origin" not in threshold:  # a list that no threshold made, as of `hsad.find`
        return str(threshold.get("sentence") or _counted(anomalies)).removesuffix(".")
    said = f"{_counted(anomalies)}; {_false(threshold, count)}" if count else _nothing(anomalies)
    stated = count or threshold["origin"]["choice"] == "list"
    return said if threshold["trusted"] or not stated else f"{said} (not to be trusted here)"


def _nothing(anomalies: Anomalies) -> str:
    """Return the sentence about a list without anomalies."""
    threshold = anomalies.threshold
    candidates = 0 if anomalies.candidates is None else len(anomalies.candidates)
    if threshold["origin"]["choice"] != "list":
        return f"no anomaly: no score reaches the threshold {threshold['threshold']:.4g}"
    if not candidates:
        return "nothing stands out"
    highest = "highest is" if candidates == 1 else f"{candidates} highest are"
    return f"nothing stands out: the {highest} what background reaches by chance"


def _counted(anomalies: Anomalies) -> str:
    """Return the number of anomalies, and that of each grade where the grades are known."""
    count, grades = len(anomalies), _grades(anomalies)
    text = f"{count} {'anomaly' if count == 1 else 'anomalies'}"
    if not np.isfinite(anomalies.columns["p_false"]).all():
        return text
    numbers = {**grades, "no better than background": count - sum(grades.values())}
    present = {name: number for name, number in numbers.items() if number}
    if count == 1:
        return f"{text}, {next(iter(present))}"
    return f"{text}: {', '.join(f'{number} {name}' for name, number in present.items())}"


def _grades(anomalies: Anomalies) -> dict[str, int]:
    """Return the number of anomalies of each grade."""
    found = list(anomalies.columns["grade"])
    return {name: found.count(name) for name, _ in GRADES}


def _false(threshold: Mapping[str, Any], count: int) -> str:
    """Return how many of the anomalies are expected to be false."""
    expected, high = (_bounded(threshold[name], count) for name in ("expected_false", "expected_false_high"))
    if expected is None:
        return "whether it is false is not known" if count == 1 else "how many of them are false is not known"
    if count == 1:
        most = "at most " if _is_bound(threshold) else "roughly " if threshold["rough"] else ""
        share = f"of {most}{100 * expected:.0f} %" if expected >= 0.01 else "below 1 %"
        return f"it is false with a probability {share}"
    number = round(expected)
    if _is_bound(threshold):
        law = threshold["origin"]["background"] if not threshold["at_most"] else ""
        return f"at most {max(number, 1)} of them false{f' by the rule {law}' if law else ''}"
    most = "" if high is None or round(high) <= number else f", up to {round(high)}"
    if not number:
        return f"probably none of them false{most}"
    return f"{'roughly' if threshold['rough'] else 'about'} {number} of them false{most}"


def _is_bound(threshold: Mapping[str, Any]) -> bool:
    """Return whether the expected number is an upper bound: of a calm scene, or of false pixels."""
    return bool(threshold["at_most"]) or threshold["origin"]["choice"] == "share of background pixels"


def _bounded(number: float | None, count: int) -> float | None:
    """Return a number of false anomalies, at most that of all anomalies; None where it is not known."""
    return None if number is None or math.isnan(number) else min(float(number), float(count))
