"""Parser of ENVI headers, in the spellings of many programs."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hsad.errors import SceneError

__all__ = ["DATA_TYPES", "Header", "header_text", "is_header", "parse_header", "read_header"]

# ENVI's codes for data types. Codes 7, 8, 10 and 11 are IDL types that no image has.
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
# Bytes of the largest header that is read. Lists for a thousand bands take about 100 kB.
_LARGEST = 16 * 2**20
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Header:
    """The keys and values of an ENVI header. Keys have lower case and single spaces; values are texts without braces.

    Attributes
    ----------
    path : Path
        The header file, for messages.
    values : dict of str to str
        Text of the value of each key.
    """

    path: Path
    values: dict[str, str]

    def text(self, key: str, default: str = "") -> str:
        """Return the value of a key as text on one line."""
        return " ".join(self.values.get(key, default).split())

    def items(self, key: str) -> list[str]:
        """Return the value of a key split at commas, without empty items at the end."""
        items = [item.strip() for item in self.values.get(key, "").split(",")]
        while items and not items[-1]:
            items.pop()
        return items

    def numbers(self, key: str) -> list[str]:
        """Return the items of a list of numbers, which are separated by commas or blanks."""
        return [item for item in re.split(r"[\s,]+", self.values.get(key, "")) if item]

    def spectrum(self, key: str | None, bands: int) -> list[str]:
        """Return the items of a list, split into one item per band if possible; an empty list without a key.

        Commas, blanks or semicolons separate items. A comma between digits is a decimal point if only this rule gives
        one item per band. An item may have a unit (``420.5 nm``).

        Parameters
        ----------
        key : str or None
            Name of the list.
        bands : int
            Number of bands.
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
        """Return the value of a key as a whole number.

        Raises
        ------
        SceneError
            When the key is missing and no default is stated, or the value is not a whole number of at least `least`.
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
    """Return the text of a header file in UTF-8, in UTF-16 with a byte-order mark, or else in Latin-1.

    Raises
    ------
    SceneError
        When the file is larger than any header.
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
    """Return the header in a file."""
    return parse_header(header_text(path), path)


def parse_header(text: str, path: Path) -> Header:
    """Return the header in a text.

    A value in braces ends at the first line that ends with a closing brace. Braces inside the value must be balanced,
    unless the next line is an assignment. Square brackets count as braces if they are closed before the next
    assignment. Lines that begin with ``;`` are comments. Keys become lower case, and ``_`` becomes a blank.

    Raises
    ------
    SceneError
        When a brace is never closed, or a key that describes the layout of the data file has two values.
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
    """Return the lines of a value in braces, or None if the brace is not closed."""
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
