"""Whether a file names addresses that would be followed if somebody opened it.

What the user names is opened as it is. A scene that only a score raster names is looked at first, because the raster
may come from anywhere: a small VRT would make GDAL ask any host for data.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING

from hsad.files import split_variable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["reaches_out"]

_LARGEST_TEXT = 16 * 2**20
_MOST_FILES = 1000
_DEEPEST = 4
_START = 2**16
# GDAL takes a file for one of these formats if such a word stands near its start.
_MARKS = (b"<VRTDataset", b"<GDAL", b"<MRF_META", b"<TileService", b"<PAMDataset")
_DATABASES = (b"SQLite format 3", b"fgb\x03")  # tile indexes, whose entries may be addresses
# GDAL's file systems, apart from those that read archives beside the file.
_ELSEWHERE = re.compile(r"://|/vsi(?!zip|tar|gzip|subfile|sparse)", re.IGNORECASE)
_SOURCES = re.compile(r"<(?:Source(?:Filename|Dataset)|Dataset|Filename|DataFile)\b[^>]*>([^<]*)<", re.IGNORECASE)
_CONNECTION = re.compile(r"^[A-Za-z][A-Za-z0-9_]+:(?![\\/])")


def reaches_out(source: str | Path) -> bool:
    """Tell whether a scene, or a file that it names, names an address. What cannot be looked through counts as one."""
    path, _ = split_variable(source)
    return _reaches(path, 0, set())


def _reaches(path: Path, depth: int, seen: set[Path]) -> bool:
    if path in seen:
        return False
    seen.add(path)
    if depth > _DEEPEST or len(seen) > _MOST_FILES:
        return True
    return any(_file_reaches(entry, entry == path, depth, seen) for entry in _files_of(path))


def _files_of(path: Path) -> Iterator[Path]:
    """Yield the files that belong to a scene: those of its folder, or the file and those of the same stem beside it."""
    try:
        if path.is_dir():
            yield from (entry for entry in path.iterdir() if entry.is_file())
            return
        stem = path.name.split(".")[0]
        yield path
        yield from (
            entry
            for entry in path.parent.iterdir()
            if entry != path and entry.name.startswith(stem) and entry.is_file()
        )
    except OSError:
        yield path


def _file_reaches(path: Path, named: bool, depth: int, seen: set[Path]) -> bool:
    """Tell whether a file names an address: any text that is named as a scene, or one that GDAL may take for a raster.

    Other texts beside a scene, such as a product's metadata, are never opened with GDAL.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_START)
            if any(mark in start for mark in _DATABASES):
                return True
            is_text = named and start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"<", b"{", b"[")
            if not is_text and not any(mark in start for mark in _MARKS):
                return False
            content = html.unescape((start + file.read(_LARGEST_TEXT + 1)).decode("utf-8", "replace"))
    except OSError:
        return True
    if len(content) > _LARGEST_TEXT or _ELSEWHERE.search(content):
        return True
    sources = [source.strip() for source in _SOURCES.findall(content)]
    return any(
        _CONNECTION.match(source) is not None or _reaches(path.parent / source, depth + 1, seen)
        for source in sources
        if source
    )
