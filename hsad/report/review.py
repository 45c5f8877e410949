"""From the page back into the GeoPackage: the states that somebody marked."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from hsad.anomalies.vectors import read_anomalies, set_states
from hsad.errors import SceneError

__all__ = ["apply_review"]


def apply_review(anomalies: str | Path, reviewed: str | Path) -> dict[str, Any]:
    """Write the states of a reviewed GeoJSON file, as the report's page gives it, into a GeoPackage.

    Parameters
    ----------
    anomalies : path
        The GeoPackage.
    reviewed : path
        The GeoJSON.

    Returns
    -------
    dict
        ``changed``: how many states are others now; ``states``: how many anomalies are in each.

    Raises
    ------
    SceneError
        When a file cannot be read, or the review is of other anomalies; nothing is changed then.
    ParameterError
        When a state or an id is unknown; nothing is changed then.
    """
    try:
        document = json.loads(Path(reviewed).read_text("utf-8"))
        marked = [feature["properties"] for feature in document["features"]]
        states = {int(record["id"]): str(record["state"]) for record in marked}
        places = {int(record["id"]): (record.get("row"), record.get("col")) for record in marked}
    except OSError as error:
        raise SceneError(f"{reviewed}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SceneError(f"{reviewed}: not a review that the report's page saved ({error!r})") from error
    known = {record["id"]: (record["row"], record["col"]) for record in read_anomalies(anomalies)}
    for number, place in places.items():
        if number in known and None not in place and place != known[number]:
            raise SceneError(
                f"{reviewed}: is a review of other anomalies: {number} lies at {place[0]},{place[1]}, "
                f"in {anomalies} at {known[number][0]},{known[number][1]}"
            )
    changed = set_states(anomalies, states)
    counts = Counter(record["state"] for record in read_anomalies(anomalies))
    return {"output": str(anomalies), "changed": changed, "states": dict(sorted(counts.items()))}
