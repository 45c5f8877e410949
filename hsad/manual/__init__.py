"""The manual. Each page is a Markdown file in this folder that can be read in a terminal."""

from __future__ import annotations

import difflib
from pathlib import Path

from hsad.errors import ParameterError

__all__ = ["page", "topics"]

_FOLDER = Path(__file__).parent


def topics() -> dict[str, str]:
    """Return the titles of all pages by topic."""
    return {path.stem: _title(path) for path in sorted(_FOLDER.glob("*.md"))}


def page(topic: str) -> str:
    """Return the text of a page.

    Raises
    ------
    ParameterError
        If there is no page on this topic; the message names the nearest topic, and all.
    """
    path = _FOLDER / f"{topic}.md"
    if topic not in topics():
        near = difflib.get_close_matches(topic.lower(), topics(), n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ParameterError(f"no page of the manual on {topic!r}{hint}; there are {', '.join(topics())}")
    return path.read_text(encoding="utf-8")


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as lines:
        return next(lines).removeprefix("#").strip()
