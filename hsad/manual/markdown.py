"""Markdown as the pages of the manual use it: CommonMark, tables, and equations between dollar signs."""

from __future__ import annotations

import functools
import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.tree import SyntaxTreeNode

__all__ = ["tree"]

_EQUATION_END = re.compile(r"\$\$\s*(?:\(([\w:.-]+)\))?\s*$")
_FORMULA = re.compile(r"\$(?=[^\s$])((?:\\.|[^\\$])*?)(?<=[^\s\\])\$(?!\d)")


def tree(text: str) -> SyntaxTreeNode:
    """Return a page as a tree. Equations are nodes ``equation`` (with their label as info) and ``formula``."""
    return SyntaxTreeNode(_parser().parse(text))


@functools.cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    parser.block.ruler.before("fence", "equation", _equation, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    parser.inline.ruler.before("escape", "formula", _formula)
    return parser


def _equation(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read an equation: ``$$ … $$ (label)``, on one line or several."""
    first = _line(state, start)
    if not first.startswith("$$"):
        return False
    body: list[str] = []
    for number in range(start, end):
        line = first[2:] if number == start else _line(state, number)
        closing = _EQUATION_END.search(line)
        if closing is None:
            body.append(line)
            continue
        if not silent:
            token = state.push("equation", "", 0)
            token.content = "\n".join([*body, line[: closing.start()]]).strip()
            token.info = closing[1] or ""
            token.map = [start, number + 1]
            state.line = number + 1
        return True
    return False


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


def _formula(state: StateInline, silent: bool) -> bool:
    """Read a formula within a line: ``$…$``."""
    found = _FORMULA.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        state.push("formula", "", 0).content = found[1]
    state.pos = found.end()
    return True
