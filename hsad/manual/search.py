"""Where a word stands in the manual."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from markdown_it.tree import SyntaxTreeNode

from hsad.errors import ParameterError
from hsad.manual import page, topics
from hsad.manual.markdown import tree
from hsad.manual.terminal import Words

__all__ = ["Hit", "search"]


@dataclasses.dataclass(frozen=True)
class Hit:
    """A place of the manual that holds a word.

    Attributes
    ----------
    topic : str
    heading : str
        The nearest heading above the place.
    text : str
        The paragraph, the row of a table or the line of code, in one line.
    start : int
        Where the word begins in `text`.
    """

    topic: str
    heading: str
    text: str
    start: int

    def line(self, width: int, length: int) -> str:
        """Return the part of the text around the word, which has `length` characters, in at most `width` columns."""
        if len(self.text) <= width:
            return self.text
        first = min(max(0, self.start - (width - length) // 2), len(self.text) - width)
        part = self.text[first : first + width]
        before, after = first > 0, first + width < len(self.text)
        return ("…" + part[1:] if before else part)[: -1 if after else None] + "…" * after


def search(word: str) -> list[Hit]:
    """Return the places of the manual that hold a word, or several words one after another, in the order of reading.

    Small and capital letters are the same.

    Raises
    ------
    ParameterError
        If no page holds it.

    Examples
    --------
    >>> "files" in {hit.topic for hit in search("geotiff")}
    True
    """
    sought = " ".join(word.casefold().split())
    if not sought:
        raise ParameterError("--search needs a word")
    hits = [
        Hit(topic, heading, text, at)
        for topic in topics()
        for heading, text in _texts(topic)
        if (at := text.casefold().find(sought)) >= 0
    ]
    if not hits:
        raise ParameterError(f"--search: no page of the manual holds {word!r}; `hsad help` lists the pages")
    return hits


def _texts(topic: str) -> Iterator[tuple[str, str]]:
    """Yield every text of a page with the heading above it; a heading stands below itself."""
    words, heading = Words(topic, styled=False), ""
    for node in tree(page(topic)).walk():
        if node.type == "heading":
            heading = words.of(node)
            yield heading, heading
        elif node.type in {"paragraph", "tr"}:
            yield heading, " ".join(words.of(part) for part in _parts(node))
        elif node.type in {"fence", "code_block", "equation"}:
            yield from ((heading, line.strip()) for line in node.content.splitlines())


def _parts(node: SyntaxTreeNode) -> list[SyntaxTreeNode]:
    return node.children if node.type == "tr" else [node]
