"""The text of ENVI headers, in the spellings of many programs."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hsad.errors import SceneError

__all__ = ["DATA_TYPES", "Header", "header_text", "is_header", "parse_header", "read_header"]

# ENVI's codes for data types; 7, 8, 10 and 11 are IDL types that no image can have.
DATA_TYPES = {
    1: "u1",
    2: "i2",
    3: "i4",
    4: "f4",
    5: "f8",
    6: "c8",
    9: "c16",
    12: "u2",
    13: "u4",
    14: "i8",
    15: "u8",
}

_ASSIGNMENT = re.compile(r"^\s*([A-Za-z][^={},]*?)\s*=\s*(.*)$")
_BRACES = {"{": "}", "[": "]"}
_STRUCTURE = (
    "samples",
    "lines",
    "bands",
    "data type",
    "interleave",
    "byte order",
    "header offset",
    "file compression",
)
# Bytes of the largest header that is read: lists for a thousand bands take about 100 kB.
_LARGEST = 16 * 2**20
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Header:
    """The keys of an ENVI header: lower case, single spaces; values as text, without the braces.

    Attributes
    ----------
    path : Path
        The header file, for messages.
    values : dict of str to str
        Text of each key.
    """

    path: Path
    values: dict[str, str]

    def text(self, key: str, default: str = "") -> str:
        """Return the text of a key, on one line."""
        return " ".join(self.values.get(key, default).split())

    def items(self, key: str) -> list[str]:
        """Return the text of a key split at commas, without empty items at the end."""
        items = [item.strip() for item in self.values.get(key, "").split(",")]
        while items and not items[-1]:
            items.pop()
        return items

    def numbers(self, key: str) -> list[str]:
        """Return the items of a list of numbers, which some programs separate by blanks only."""
        return [item for item in re.split(r"[\s,]+", self.values.get(key, "")) if item]

    def spectrum(self, key: str | None, bands: int) -> list[str]:
        """Return the items of a list, split so that there is one per band if possible; nothing without a key.

        Commas, blanks or semicolons separate items. A comma between digits counts as a decimal point if only this gives
        one item per band. An item may have a unit (``420.5 nm``).

        Parameters
        ----------
        key : str or None
            Name of the list.
        bands : int
            Number of items wanted.
        """
        text = self.values.get(key or "", "")
        if key is None or not text.strip():
            return []
        ways = [self.numbers(key), self.items(key)]
        for separator in (r";", r",\s+", r"\s+"):
            parts = [part.strip() for part in re.split(separator, text)]
            ways.append([re.sub(r"^(-?\d+),(\d+)(?=\D*$)", r"\1.\2", part) for part in parts if part])
        return next((way for way in ways if len(way) == bands), ways[0])

    def whole(self, key: str, default: int | None = None, *, least: int = 0) -> int:
        """Return a whole number.

        Raises
        ------
        SceneError
            When it is missing and there is no default, not a whole number, or below `least`.
        """
        text = self.text(key)
        if not text:
            if default is None:
                raise SceneError(f"{self.path}: the ENVI header has no '{key}'")
            return default
        try:
            number = float(text)
        except ValueError:
            number = np.nan
        if not number.is_integer() or number < least:
            raise SceneError(f"{self.path}: '{key} = {text}' is not a whole number of at least {least}")
        return int(number)


def is_header(path: Path) -> bool:
    """Tell whether a file starts as an ENVI header does."""
    with path.open("rb") as file:
        start = file.read(128)
    return _decoded(start[:64] if start[:2] not in _UTF16 else start).lstrip()[:4].upper() == "ENVI"


def header_text(path: Path) -> str:
    """Return the text of a header file: UTF-8, UTF-16 with its mark or, where it is neither, Latin-1.

    Raises
    ------
    SceneError
        When the file is larger than any header; it is not read then.
    """
    size = path.stat().st_size
    if size > _LARGEST:
        raise SceneError(f"{path}: {size} bytes are too many for a header, which has at most {_LARGEST}")
    return _decoded(path.read_bytes())


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-16" if content[:2] in _UTF16 else "utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def read_header(path: Path) -> Header:
    """Return the header in a file, as `header_text` and `parse_header` read it."""
    return parse_header(header_text(path), path)


def parse_header(text: str, path: Path) -> Header:
    """Parse the text of a header.

    A value in braces runs over lines up to a line that ends with its closing brace; braces inside the value must
    pair up, unless the next line is an assignment. Square brackets count as braces where they are closed before the
    next assignment. Lines that begin with ``;`` are comments. Keys are compared in lower case, ``_`` as a blank.

    Raises
    ------
    SceneError
        When a brace is never closed, or a key of the layout of the data file has two values.
    """
    lines = [line for line in text.splitlines()[1:] if not line.lstrip().startswith(";")]
    values: dict[str, str] = {}
    number = 0
    while number < len(lines):
        match = _ASSIGNMENT.match(lines[number])
        number += 1
        if match is None:
            continue
        key = " ".join(match.group(1).lower().replace("_", " ").split())
        value = match.group(2).strip()
        if value[:1] in _BRACES:
            block = _block(value, lines[number:])
            if block is not None:
                number += len(block) - 1
                value = "\n".join(block)
                value = value[1 : value.rindex(_BRACES[value[0]])]
            elif value[0] == "{":
                raise SceneError(f"{path}: the value of '{key}' has no closing brace")
        if key in _STRUCTURE and values.get(key, value) != value:
            stated = " and as ".join(" ".join(text.split()) for text in (values[key], value))
            raise SceneError(f"{path}: '{key}' occurs twice, as {stated}")
        values[key] = value
    return Header(path, values)


def _block(value: str, following: list[str]) -> list[str] | None:
    """Return the lines of a value in braces, None where the brace is not closed."""
    opening, closing = value[0], _BRACES[value[0]]
    block = [value]
    opened = value.count(opening) - value.count(closing)
    for number in range(len(following) + 1):
        after = following[number] if number < len(following) else None
        assigns = after is None or _ASSIGNMENT.match(after) is not None
        last = block[-1].rstrip()
        if closing in last and ((last.endswith(closing) and opened <= 0) or assigns):
            return block
        if after is None or (opening == "[" and assigns):
            return None
        block.append(after)
        opened += after.count(opening) - after.count(closing)
    return None
