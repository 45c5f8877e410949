"""The manual: Markdown files in the folders of this one, read in a terminal or as pages of the site."""

from __future__ import annotations

import difflib
import functools
from pathlib import Path

from hsad.errors import ParameterError

__all__ = ["CONTENTS", "page", "path_of", "section_title", "topic_of", "topics", "topics_of"]

#: The folders of the manual and their pages, in the order in which one reads them.
CONTENTS: dict[str, tuple[str, ...]] = {
    "start": ("index", "install", "first-map", "answer"),
    "guides": (
        "choosing", "scale", "masks-and-bands", "thresholds", "objects", "report", "qgis", "naming", "finding-more",
        "what-would-have-been-missed", "comparing", "many-scenes", "clusters", "large-scenes", "change", "time-series",
        "every-new-scene", "line-by-line", "carrying-a-background", "untrusted-files",
    ),
    "detectors": (
        "methods", "auto", "rx", "lrx", "crd", "kcrd", "srd", "rpca", "rpca-bands", "low-rank", "ace", "mf", "cem",
        "sam", "unrolled-rpca", "rpcanet", "deep-rx", "patchcore", "padim", "autoencoder",
        "covariance-equalisation", "hyperbolic", "chronochrome",
    ),
    "reference": (
        "files", "products", "cube", "run-options", "outputs", "messages", "environment", "catalogue", "glossary",
    ),
    "evidence": ("accuracy", "false-alarms", "siblings", "speed", "memory", "learned-detectors", "limits"),
    "project": (
        "architecture", "decisions", "contributing", "adding-a-detector", "adding-a-reader", "changing-a-kernel",
        "compatibility", "citing",
    ),
    "ja": ("index", "README", "first-map", "choosing", "answer", "glossary"),
}  # fmt: skip

#: Folders of translations: their pages have the folder in the name of the topic, since their files have the names of
#: the pages that they translate.
_TRANSLATIONS = {"ja": "日本語"}

_FOLDER = Path(__file__).parent


def topics() -> dict[str, str]:
    """Return the titles of all pages by topic, in the order in which one reads them."""
    return {topic: _title(path) for topic, path in _paths().items()}


def topics_of(folder: str) -> dict[str, str]:
    """Return the titles of the pages in a folder of `CONTENTS` by topic."""
    return {topic: _title(path) for topic, path in _paths().items() if path.parent.name == folder}


def section_title(folder: str) -> str:
    """Return the heading of a folder of `CONTENTS`."""
    return _TRANSLATIONS.get(folder, folder.capitalize())


def path_of(topic: str) -> Path:
    """Return the file of a page.

    Raises
    ------
    ParameterError
        If there is no page on this topic; the message names the nearest topic, and all.
    """
    paths = _paths()
    if topic in paths:
        return paths[topic]
    near = difflib.get_close_matches(topic.lower(), paths, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ParameterError(f"no page of the manual on {topic!r}{hint}; there are {', '.join(paths)}")


def topic_of(path: Path) -> str | None:
    """Return the topic of a file of the manual, None if it is no page."""
    return next((topic for topic, file in _paths().items() if file == path), None)


def page(topic: str) -> str:
    """Return the text of a page, in Markdown.

    Raises
    ------
    ParameterError
        If there is no page on this topic; the message names the nearest topic, and all.
    """
    return path_of(topic).read_text(encoding="utf-8")


@functools.cache
def _paths() -> dict[str, Path]:
    """Return the files of all pages by topic."""
    return {
        f"{folder}/{name}" if folder in _TRANSLATIONS else name: _FOLDER / folder / f"{name}.md"
        for folder, names in CONTENTS.items()
        for name in names
    }


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as lines:
        return next(lines).removeprefix("#").strip()
