"""A page of the manual as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it.tree import SyntaxTreeNode

from hsad.manual import page, path_of, topic_of
from hsad.manual.columns import Table, padded, width_of, wrapped
from hsad.manual.equations import in_characters
from hsad.manual.markdown import tree

__all__ = ["Words", "rendered"]

_BOLD, _UNDERLINED, _PLAIN = "\x1b[1m", "\x1b[4m", "\x1b[0m"
_INDENT = 4
_NUMBER = 6


def rendered(topic: str, *, width: int = 80) -> str:
    """Return a page for a terminal.

    Headings and strong words carry the marks of style of ANSI terminals. No line is wider than `width`, except lines
    of code, equations and addresses, which stay in one piece. A link to another page says ``hsad help TOPIC``.

    Parameters
    ----------
    topic : str
    width : int
        Columns of the terminal.

    Raises
    ------
    ParameterError
        If there is no page on this topic; the message names the nearest topic, and all.

    Examples
    --------
    >>> "Reading the answer" in rendered("answer", width=60)
    True
    """
    return "\n".join(_Page(Words(topic), tree(page(topic))).lines(width)) + "\n"


@dataclass(frozen=True)
class Words:
    """The words of a page: its inline text without marks of Markdown.

    Attributes
    ----------
    topic : str
        The page. Its links are relative to its file.
    styled : bool
        Whether strong words carry marks of style.
    equations : dict
        The numbers of the equations of the page by label.
    """

    topic: str
    styled: bool = True
    equations: dict[str, int] = field(default_factory=dict)

    def of(self, node: SyntaxTreeNode) -> str:
        """Return the text within a node; a line end that the page asks for stays one."""
        return "".join(self._pieces(node)).strip()

    def _pieces(self, node: SyntaxTreeNode) -> Iterator[str]:
        for child in node.children:
            if child.type in {"text", "html_inline"}:
                yield child.content
            elif child.type == "softbreak":
                yield " "
            elif child.type == "hardbreak":
                yield "\n"
            elif child.type == "code_inline":
                yield f"`{child.content}`"
            elif child.type == "formula":
                yield "  ".join(in_characters(child.content))
            elif child.type == "image":
                yield f"[picture: {child.content}]"
            elif child.type == "link":
                yield self._link(child)
            elif child.type == "strong" and self.styled:
                # A mark of style at each word: a line, or the cell of a table, may end between two.
                yield " ".join(f"{_BOLD}{word}{_PLAIN}" for word in "".join(self._pieces(child)).split())
            else:
                yield from self._pieces(child)

    def _link(self, node: SyntaxTreeNode) -> str:
        text, target = "".join(self._pieces(node)), str(node.attrs["href"])
        file, _, label = target.partition("#")
        if "://" in target:
            return text if text == target else f"{text} ({target})"
        if not file:
            return text or f"({self.equations.get(label, label)})"
        path = (path_of(self.topic).parent / file).resolve()
        other = topic_of(path)
        command = f"hsad help {other}" if other else _from_root(path)
        return text if command in text else f"{text} ({command})"


def _from_root(path: Path) -> str:
    """Return the name of a file of the repository that is no page."""
    root = Path(__file__).parents[2]
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


@dataclass(frozen=True)
class _Page:
    words: Words
    tree: SyntaxTreeNode

    def lines(self, width: int) -> list[str]:
        labelled = (node for node in self.tree.walk() if node.type == "equation" and node.info)
        self.words.equations.update({node.info: number for number, node in enumerate(labelled, start=1)})
        return self._blocks(self.tree.children, width)

    def _blocks(self, nodes: list[SyntaxTreeNode], width: int, *, tight: bool = False) -> list[str]:
        found: list[str] = []
        for node in nodes:
            lines = self._block(node, width)
            if lines:
                found += ["", *lines] if found and not tight else lines
        return found

    def _block(self, node: SyntaxTreeNode, width: int) -> list[str]:
        if node.type == "heading":
            return self._heading(node, width)
        if node.type == "paragraph":
            return wrapped(self.words.of(node), width)
        if node.type in {"fence", "code_block"}:
            return _indented(node.content.rstrip("\n").split("\n"))
        if node.type == "equation":
            return self._equation(node, width)
        if node.type == "table":
            return self._table(node).lines(width)
        if node.type in {"bullet_list", "ordered_list"}:
            return self._list(node, width)
        if node.type == "blockquote":
            return _indented(self._blocks(node.children, width - _INDENT))
        if node.type == "hr":
            return ["─" * width]
        if node.type == "html_block":  # a comment
            return []
        raise NotImplementedError(f"{self.words.topic}: Markdown of type {node.type}")

    def _heading(self, node: SyntaxTreeNode, width: int) -> list[str]:
        lines = wrapped(Words(self.words.topic, styled=False).of(node), width)
        style = _BOLD + _UNDERLINED if node.tag == "h3" else _BOLD
        mark = {"h1": "═", "h2": "─"}.get(node.tag, "")
        return [f"{style}{line}{_PLAIN}" for line in lines] + [mark * max(map(width_of, lines))] * bool(mark)

    def _equation(self, node: SyntaxTreeNode, width: int) -> list[str]:
        parts, room = in_characters(node.content), width - _INDENT - _NUMBER
        together = "   ".join(parts)
        *lines, last = _indented([together] if width_of(together) <= room else parts)
        if node.info:
            last = f"{padded(last, width - _NUMBER)}{f'({self.words.equations[node.info]})':>{_NUMBER}}"
        return [*lines, last]

    def _table(self, node: SyntaxTreeNode) -> Table:
        head, *rows = [row.children for part in node.children for row in part.children]
        return Table(
            head=[self.words.of(cell) for cell in head],
            rows=[[self.words.of(cell) for cell in row] for row in rows],
            right=["right" in str(cell.attrs.get("style", "")) for cell in head],
        )

    def _list(self, node: SyntaxTreeNode, width: int) -> list[str]:
        tight = all(child.hidden for item in node.children for child in item.children if child.type == "paragraph")
        start = int(node.attrs.get("start", 1))
        marks = [f"{start + number}." if node.type == "ordered_list" else "-" for number, _ in enumerate(node.children)]
        room = max(map(len, marks)) + 1
        found: list[str] = []
        for mark, item in zip(marks, node.children, strict=True):
            lines = self._blocks(item.children, width - room, tight=tight)
            found += [""] if found and not tight else []
            found += [
                f"{mark if number == 0 else '':{room}}{line}".rstrip() for number, line in enumerate(lines or [""])
            ]
        return found


def _indented(lines: list[str]) -> list[str]:
    return [f"{' ' * _INDENT}{line}".rstrip() for line in lines]
