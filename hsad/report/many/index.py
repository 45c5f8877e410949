"""The page over many scenes: a picture, a headline and a link for each; one file that needs no network."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hsad import __version__
from hsad.anomalies.gathered import NAMES
from hsad.anomalies.grades import GRADES
from hsad.files import whole_file

__all__ = ["Entry", "last_run", "news", "write_index"]

#: Where a page states the time of its run.
_RUN = re.compile(r'<meta name="hsad-run" content="([0-9T:.+-]*)">')


@dataclass(frozen=True)
class Entry:
    """A scene of the page.

    Attributes
    ----------
    name, source : str
        Its name among the others, and its file.
    result : mapping
        What the work on it returned: ``headline``, ``count``, ``grades``, ``trusted``, ``doubts``, and
        ``acquired`` (ISO 8601, or empty).
    link : str
        Its report, as a path from the page.
    picture : Path
        A JPEG file; without it there is no picture.
    new : bool
        Whether it was worked on since the last page was made.
    """

    name: str
    source: str
    result: Mapping[str, Any]
    link: str
    picture: Path
    new: bool = False

    @property
    def headline(self) -> str:
        """The line about its anomalies."""
        return str(self.result.get("headline") or "")

    @property
    def grades(self) -> list[tuple[str, int]]:
        """The number of anomalies of each grade, the best first."""
        counts = self.result.get("grades") or {}
        return [(name, int(counts.get(name, 0))) for name, _ in GRADES]

    @property
    def count(self) -> int:
        """The number of anomalies."""
        return int(self.result.get("count", 0))


def write_index(
    path: Path, entries: Sequence[Entry], failures: Mapping[str, str], *, lists: Sequence[str] = NAMES, run: str = ""
) -> None:
    """Write the page, the scenes with the most certain anomalies first, over that of an earlier time.

    Parameters
    ----------
    path : Path
    entries : sequence of Entry
    failures : mapping of str to str
        Why scenes failed, by name.
    lists : sequence of str
        Files beside the page with the anomalies of all scenes.
    run : str
        Time of the run, which `last_run` reads from the page.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    ranked = sorted(entries, key=_certainty)
    assets = files("hsad.report") / "assets"
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (assets / "index.html.j2").read_text("utf-8")
    )
    text = page.render(
        title=_number(len(entries) + len(failures), "scene"),
        summary=_summary(entries, failures),
        cards=[_card(entry, rank) for rank, entry in enumerate(ranked)],
        lists=list(lists),
        dated=any(entry.result.get("acquired") for entry in entries),
        failures=sorted(failures.items()),
        run=run,
        fresh=news(ranked) if any(entry.new for entry in ranked) else "",
        grades=[(name, most) for name, most in GRADES],
        version=__version__,
        # Files of the package. All other texts are escaped.
        style=Markup((assets / "index.css").read_text("utf-8")),  # noqa: S704
        script=Markup((assets / "index.js").read_text("utf-8")),  # noqa: S704
    )
    with whole_file(path, (".html",), overwrite=True) as staged:
        staged.write_text(text + "\n", encoding="utf-8")


def last_run(path: Path) -> str:
    """Return the time of the run that wrote a page, in ISO 8601; an empty text where no page states one."""
    try:
        found = _RUN.search(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return ""
    return found[1] if found else ""


def news(entries: Sequence[Entry]) -> str:
    """Return what is new since the last run, in words."""
    fresh = [entry for entry in entries if entry.new]
    if not fresh:
        return "nothing is new since the last run"
    return f"new since the last run: {_number(len(fresh), 'scene')} with {_graded(fresh)}"


def _certainty(entry: Entry) -> tuple[Any, ...]:
    """Return what sorts the scenes with the most anomalies of the best grade first."""
    return (*(-count for _, count in entry.grades), -entry.count, entry.name)


def _summary(entries: Sequence[Entry], failures: Mapping[str, str]) -> str:
    """Return how many scenes have anomalies, and how many anomalies there are of each grade."""
    found = sum(entry.count > 0 for entry in entries)
    parts = [f"{_number(found, 'scene')} with anomalies", f"{len(entries) - found} without"]
    parts += [f"{len(failures)} failed"] if failures else []
    return f"{', '.join(parts)}. {_graded(entries)}."


def _graded(entries: Sequence[Entry]) -> str:
    """Return the number of anomalies, and how many there are of each grade."""
    total = {name: sum(dict(entry.grades)[name] for entry in entries) for name, _ in GRADES}
    graded = ", ".join(f"{count} {name}" for name, count in total.items() if count)
    number = _number(sum(entry.count for entry in entries), "anomaly", "anomalies")
    return f"{number}{f': {graded}' if graded else ''}"


def _number(count: int, one: str, several: str | None = None) -> str:
    return f"{count} {one if count == 1 else several or f'{one}s'}"


def _card(entry: Entry, rank: int) -> dict[str, Any]:
    picture = ""
    if entry.picture.is_file():
        picture = f"data:image/jpeg;base64,{base64.b64encode(entry.picture.read_bytes()).decode()}"
    return {
        "name": entry.name,
        "source": entry.source,
        "headline": entry.headline,
        "link": quote(entry.link),
        "picture": picture,
        "grades": [(name, count) for name, count in entry.grades if count],
        "count": entry.count,
        "doubts": [str(doubt) for doubt in entry.result.get("doubts") or ()],
        "acquired": str(entry.result.get("acquired") or ""),
        "rank": rank,
        "new": entry.new,
    }
