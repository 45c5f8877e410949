"""Text in columns of a terminal: how wide it is, where a line of it may end, and tables."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Table", "padded", "width_of", "wrapped"]

_STYLE = re.compile(r"\x1b\[\d*m")

#: Japanese marks that may not begin a line, and those that may not end one.
_NOT_FIRST = frozenset("、。，．・：；？！）」』】〕〉》ーゃゅょっァィゥェォャュョッ々")  # noqa: RUF001
_NOT_LAST = frozenset("（「『【〔〈《")  # noqa: RUF001

_GAP = 2
_NARROWEST = 6
_SHORT = 12


def width_of(text: str) -> int:
    """Return the number of columns that a text takes; characters of Japanese take two, marks of style none."""
    plain = _STYLE.sub("", text)
    return (
        len(plain)
        if plain.isascii()
        else len(plain) + sum(unicodedata.east_asian_width(character) in "WF" for character in plain)
    )


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return a text with spaces after it, or before it, so that it takes `width` columns."""
    spaces = " " * (width - width_of(text))
    return spaces + text if right else text + spaces


def wrapped(text: str, width: int, *, cut: bool = False) -> list[str]:
    """Return the lines of a text.

    Parameters
    ----------
    text : str
    width : int
        Columns of a line.
    cut : bool
        Cut words that are wider than a line. Otherwise such a word has a line of its own, which is wider.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line, taken = "", 0
        for word, space in _pieces(paragraph):
            gap = " " if space and line else ""
            columns = width_of(word)
            if taken + len(gap) + columns <= width or not line:
                line, taken = f"{line}{gap}{word}", taken + len(gap) + columns
            else:
                lines.append(line)
                line, taken = word, columns
            while cut and taken > width:
                head, line = _halves(line, width)
                lines.append(head)
                taken = width_of(line)
        lines.append(line)
    return lines


def _pieces(text: str) -> list[tuple[str, bool]]:
    """Return what no line end may divide, each piece with whether a space precedes it."""
    found: list[tuple[str, bool]] = []
    for word in text.split():
        start, space = 0, True
        for at in range(1, 0 if word.isascii() else len(word)):
            if _may_break(word[at - 1], word[at]):
                found.append((word[start:at], space))
                start, space = at, False
        found.append((word[start:], space))
    return found


def _least(cell: str) -> int:
    """Return the width of the widest word of a cell; of Japanese, which has no spaces, a short text is one word."""
    pieces = [width_of(piece) for piece, _ in _pieces(cell)]
    return max([*pieces, *(min(width_of(word), _SHORT) for word in cell.split())], default=0)


def _may_break(before: str, after: str) -> bool:
    if before in _NOT_LAST or after in _NOT_FIRST:
        return False
    return any(unicodedata.east_asian_width(character) in "WF" for character in (before, after))


def _halves(word: str, width: int) -> tuple[str, str]:
    """Return the part of a word that fits into a line, where possible up to a mark in it, and the rest."""
    plain = _STYLE.sub("", word)
    fits = next(n for n in range(len(plain), 0, -1) if width_of(plain[:n]) <= width or n == 1)
    marks = [n for n in range(fits, fits // 2, -1) if plain[n - 1] in "/-_.,=:|"]
    at = marks[0] if marks else fits
    return plain[:at], plain[at:]


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes
    ----------
    head : sequence of str
        The names of the columns.
    rows : sequence of sequences of str
        One text for each column.
    right : sequence of bool
        Whether a column is flush right, as columns of numbers are.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[bool]

    def lines(self, width: int) -> list[str]:
        """Return the lines of the table; none is wider than `width`.

        Cells that are too wide are wrapped. A table that has too many columns for this is written row by row, with
        the name of the column before each cell.
        """
        widths = self._widths(width)
        if widths is None:
            return self._row_by_row(width)
        rows = [self._row(row, widths) for row in self.rows]
        apart = any(len(row) > 2 for row in rows)
        found = [*self._row(self.head, widths), (" " * _GAP).join("─" * w for w in widths)]
        for number, row in enumerate(rows):
            found += ["", *row] if apart and number else row
        return found

    def _widths(self, width: int) -> list[int] | None:
        """Return the width of each column, or None if the words of the columns do not fit beside one another."""
        columns = list(zip(self.head, *self.rows, strict=True))
        room = width - _GAP * (len(columns) - 1)
        whole = [max(map(width_of, column)) for column in columns]
        words = [max(map(_least, column)) for column in columns]
        fair = max(_NARROWEST, room // len(columns))
        least = words if sum(words) <= room else [min(w, fair) for w in words]  # else words are cut
        if sum(least) > room:
            return None
        widths = least
        while sum(widths) < min(room, sum(whole)):  # a column to the one with the most lines
            lines = [w / given if given < w else 0.0 for w, given in zip(whole, widths, strict=True)]
            widths[lines.index(max(lines))] += 1
        return widths

    def _row(self, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
        parts = [wrapped(cell, width, cut=True) for cell, width in zip(cells, widths, strict=True)]
        return [
            (" " * _GAP)
            .join(
                padded(part[number] if number < len(part) else "", width, right=right)
                for part, width, right in zip(parts, widths, self.right, strict=True)
            )
            .rstrip()
            for number in range(max(map(len, parts)))
        ]

    def _row_by_row(self, width: int) -> list[str]:
        names = max(map(width_of, self.head))
        found: list[str] = []
        for row in self.rows:
            found += [""] if found else []
            for name, cell in zip(self.head, row, strict=True):
                first, *rest = wrapped(cell, width - names - _GAP, cut=True)
                found.append(f"{padded(name, names)}{' ' * _GAP}{first}".rstrip())
                found += [" " * (names + _GAP) + line for line in rest]
        return found
