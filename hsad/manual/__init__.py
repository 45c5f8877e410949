"""The manual: Markdown files in the folders of this one, read in a terminal or as pages of the site."""

from __future__ import annotations

import difflib
from pathlib import Path

from hsad.errors import ParameterError

__all__ = ["CONTENTS", "page", "path_of", "topics"]

#: The folders of the manual and their pages, in the order in which one reads them.
CONTENTS: dict[str, tuple[str, ...]] = {
    "start": ("answer",),
    "guides": (
        "thresholds", "objects", "report", "naming", "finding-more", "what-would-have-been-missed", "comparing",
        "many-scenes", "large-scenes", "clusters", "untrusted-files",
    ),
    "detectors": ("methods",),
    "reference": ("files", "products"),
    "evidence": ("accuracy", "speed", "learned-detectors"),
    "project": ("contributing", "adding-a-detector", "adding-a-reader", "changing-a-kernel"),
}  # fmt: skip

_FOLDER = Path(__file__).parent


def topics() -> dict[str, str]:
    """Return the titles of all pages by topic, in the order in which one reads them."""
    return {topic: _title(path_of(topic)) for pages in CONTENTS.values() for topic in pages}


def path_of(topic: str) -> Path:
    """Return the file of a page.

    Raises
    ------
    ParameterError
        If there is no page on this topic; the message names the nearest topic, and all.
    """
    for folder, pages in CONTENTS.items():
        if topic in pages:
            return _FOLDER / folder / f"{topic}.md"
    known = [topic for pages in CONTENTS.values() for topic in pages]
    near = difflib.get_close_matches(topic.lower(), known, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ParameterError(f"no page of the manual on {topic!r}{hint}; there are {', '.join(known)}")


def page(topic: str) -> str:
    """Return the text of a page.

    Raises
    ------
    ParameterError
        If there is no page on this topic; the message names the nearest topic, and all.
    """
    return path_of(topic).read_text(encoding="utf-8")


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as lines:
        return next(lines).removeprefix("#").strip()
