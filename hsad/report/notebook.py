"""What `hsad.survey` returns: dictionaries that a notebook shows as a headline, a picture and a table."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from hsad.anomalies.vectors import read_anomalies
from hsad.errors import HsadError
from hsad.plot.notebook.html import box, list_table, picture, table

__all__ = ["SurveyResult", "SurveyResults"]


class SurveyResult(dict[str, Any]):
    """The answer of a survey of one scene, by name; notebooks show its headline, its picture and the first ten."""

    def __repr__(self) -> str:
        return f"<{self['headline']}; files in {self['folder']}>"

    def _repr_html_(self) -> str:
        """Return headline, quicklook and the first ten anomalies as HTML."""
        try:
            records = read_anomalies(self["anomalies"])
            image = picture(png=Path(self["quicklook"]).read_bytes())
        except (HsadError, OSError):  # the folder was moved or removed
            records, image = [], ""
        return box(
            self["headline"], image, list_table(records), f"<p>Files in <code>{html.escape(self['folder'])}</code></p>"
        )

    def to_dataframe(self) -> Any:
        """Return the list as a pandas DataFrame with a row for each anomaly."""
        import pandas as pd

        return pd.DataFrame(read_anomalies(self["anomalies"]))


class SurveyResults(list[dict[str, Any]]):
    """The answers of a survey of many scenes; notebooks show a line for each."""

    def __repr__(self) -> str:
        failed = sum(one["error"] is not None for one in self)
        found = sum(int(one.get("count") or 0) for one in self)
        text = f"{len(self)} scenes, {found} {'anomaly' if found == 1 else 'anomalies'}"
        return f"<{text}, {failed} failed>" if failed else f"<{text}>"

    def _repr_html_(self) -> str:
        """Return the first ten scenes with their headlines as HTML."""
        rows = [(one["name"], one["state"], one["error"] or one.get("headline")) for one in self]
        return box(repr(self)[1:-1], table(("scene", "state", "answer"), rows))

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with a row for each scene."""
        import pandas as pd

        names = ("scene", "name", "state", "error", "headline", "count", "expected_false", "trusted", "folder")
        return pd.DataFrame([{name: one.get(name) for name in names} for one in self])
