"""The manual: one page a file beside this one, Markdown that reads well as it is in a terminal."""

from __future__ import annotations

import difflib
from pathlib import Path

from hsad.errors import ParameterError

__all__ = ["page", "topics"]

_FOLDER = Path(__file__).parent


def topics() -> dict[str, str]:
    """Return the title of every page, by topic."""
    return {path.stem: _title(path) for path in sorted(_FOLDER.glob("*.md"))}


def page(topic: str) -> str:
    """Return a page.

    Raises
    ------
    ParameterError
        When there is none on this topic; the message names the nearest, and all.
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
