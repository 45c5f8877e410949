"""ENVI headers as they are found in the wild, and the data files they describe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hsad.errors import SceneError
from hsad.readers.existing import refuse_pointer

__all__ = [
    "DATA_TYPES",
    "Header",
    "ShortFileError",
    "find_data",
    "find_header",
    "is_container",
    "is_header",
    "parse_header",
    "read_header",
]

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

_DATA_SUFFIXES = ("", ".img", ".dat", ".raw", ".bil", ".bip", ".bsq", ".bin", ".gz")
_ASSIGNMENT = re.compile(r"^\s*([A-Za-z][^={},]*?)\s*=\s*(.*)$")
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
# First bytes of container formats: a file that starts like this holds no bare numbers.
_CONTAINERS = (
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"EHFA_HEADER_TAG",
    b"\x89HDF",
    b"\x89PNG",
    b"ENVI",
    b"CDF",
)
_GZIP = b"\x1f\x8b"


class ShortFileError(SceneError):
    """A data file holds fewer bytes than its header promises.

    Attributes
    ----------
    data : Path
        The file.
    held : int
        Its size in bytes.
    """

    def __init__(self, data: Path, promised: int, held: int) -> None:
        super().__init__(f"{data}: its header promises {promised} bytes, the file has {held}")
        self.data = data
        self.held = held


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
        """Return the items of a list of numbers, which some writers separate by blanks only."""
        return [item for item in re.split(r"[\s,]+", self.values.get(key, "")) if item]

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
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:4].upper() == b"ENVI"


def is_container(path: Path) -> bool:
    """Tell whether a file starts as a format of its own does (TIFF, HDF5, Erdas …), not with bare numbers."""
    return _starts_with(path, _CONTAINERS)


def _starts_with(path: Path, signatures: tuple[bytes, ...]) -> bool:
    with path.open("rb") as file:
        return file.read(16).startswith(signatures)


def read_header(path: Path) -> Header:
    """Return the header in a file; text is UTF-8 or, where it is not, Latin-1."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return parse_header(text, path)


def parse_header(text: str, path: Path) -> Header:
    """Parse the text of a header.

    A value in braces runs over lines up to a line that ends with its closing brace; braces inside it must
    pair up, unless the next line is an assignment. Lines that begin with ``;`` are comments. Keys are
    compared in lower case, ``_`` as a blank.

    Raises
    ------
    SceneError
        When a brace is never closed, or a key that says how the numbers lie in the file has two values.
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
        if value.startswith("{"):
            block = [value]
            while not _closed(block, lines[number] if number < len(lines) else None):
                if number == len(lines):
                    raise SceneError(f"{path}: the value of '{key}' has no closing brace")
                block.append(lines[number])
                number += 1
            value = "\n".join(block)
            value = value[1 : value.rindex("}")]
        if key in _STRUCTURE and values.get(key, value) != value:
            given = " and as ".join(" ".join(text.split()) for text in (values[key], value))
            raise SceneError(f"{path}: '{key}' is given twice, as {given}")
        values[key] = value
    return Header(path, values)


def _closed(block: list[str], following: str | None) -> bool:
    last = block[-1].rstrip()
    if "}" not in last:
        return False
    whole = "\n".join(block)
    if last.endswith("}") and whole.count("{") <= whole.count("}"):
        return True
    return following is None or _ASSIGNMENT.match(following) is not None


def find_header(path: Path) -> Path | None:
    """Return the ENVI header of a file: itself, ``NAME.SUFFIX.hdr`` or ``NAME.hdr``; None without one."""
    candidates = [path] if path.suffix.lower() == ".hdr" else []
    candidates += [Path(f"{path}{suffix}") for suffix in (".hdr", ".HDR")]
    candidates += [path.with_suffix(suffix) for suffix in (".hdr", ".HDR") if path.suffix]
    return next((candidate for candidate in candidates if candidate.is_file() and is_header(candidate)), None)


def find_data(header: Header, size: int, given: Path | None = None) -> Path:
    """Return the data file of a header: of the files with its name, the one whose size fits.

    Parameters
    ----------
    header : Header
        Its path gives the name: ``scene.hdr`` belongs to ``scene.img``, ``scene.dat``, ``scene`` …, and
        ``scene.img.hdr`` to ``scene.img``.
    size : int
        Bytes that the header promises. A compressed file fits whatever its size.
    given : Path, optional
        A data file that the user named; it is one of the candidates, whatever its suffix.

    Raises
    ------
    SceneError
        When there is none, or the largest is shorter than promised.
    """
    stem = header.path.with_suffix("")
    candidates = {stem.with_name(stem.name + suffix) for suffix in _DATA_SUFFIXES}
    candidates |= {stem.with_name(stem.name + suffix.upper()) for suffix in _DATA_SUFFIXES}
    if given is not None:
        candidates.add(given)
    candidates.discard(header.path)
    foreign = not header.text("file type", "ENVI").upper().startswith("ENVI")
    compressed = header.whole("file compression", 0) != 0
    fitting: list[tuple[int, str, Path]] = []
    misfits: list[tuple[int, Path]] = []
    for path in candidates:
        if not path.is_file():
            continue
        length = path.stat().st_size
        if foreign or (compressed and _starts_with(path, (_GZIP,))):
            fitting.append((0, str(path), path))
        elif length == size or (length > size and not is_container(path)):
            fitting.append((length - size, str(path), path))
        elif not is_container(path):
            misfits.append((length, path))
    if fitting:
        # The file itself that the user named wins among equals, and else the first in alphabetical order.
        return min(fitting, key=lambda item: (item[0], item[2] != given, item[1]))[2]
    if misfits:
        length, path = max(misfits)
        refuse_pointer(path)
        if compressed:
            raise SceneError(f"{path}: the header says 'file compression = 1' but the file is not in gzip format")
        raise ShortFileError(path, size, length)
    raise SceneError(
        f"{header.path}: no data file beside the ENVI header "
        f"(looked for {stem.name} with {', '.join(filter(None, _DATA_SUFFIXES))} or no suffix)"
    )
