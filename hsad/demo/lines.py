"""What the demo prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["demo_lines"]

#: Files that a newcomer opens first.
_OPEN_FIRST = (
    ("report.html", "the list to review, in a browser"),
    ("overview.png", "the answer in one picture"),
    ("anomalies.gpkg", "their outlines for QGIS; the scores are scores-*.tif"),
    ("results.csv", "the table above"),
)


def demo_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Return the lines that tell a newcomer what the demo did, what came out, and what to open.

    Parameters
    ----------
    result : mapping
        What `hsad.demo.run_demo` returns.
    """
    yield f"{result['targets']} targets are hidden in a made scene. Many are faint, or one pixel large."
    yield f"The survey lists {result['listed']} anomalies. {result['real']} of them are targets."
    yield f"  {result['headline']}"
    yield ""
    yield "Six ways to score the same scene, compared with the hidden targets:"
    yield f"{'method':20} {'AUC':>7} {'avg. precision':>15} {'objects found':>14} {'seconds':>8}"
    for row in result["methods"]:
        found = f"{row['objects_found']} of {row['objects']}"
        yield f"{row['name']:20} {row['auc']:7.4f} {row['average_precision']:15.4f} {found:>14} {row['seconds']:8.1f}"
    rate = result["methods"][0]["false_alarm_rate"]
    yield f"Objects found: those that score higher than {100 - rate * 100:g} % of the background."
    yield "AUC and average precision: 1 is best. Seconds: without compiling."
    yield ""
    yield f"{len(result['files'])} files are in {result['folder']}. Open these first:"
    for name, what in _OPEN_FIRST:
        yield f"  {name:16} {what}"
