"""Search of a scene's files for addresses that GDAL would follow when it opens the scene.

A scene that the user names is opened without this search. A scene that only a score raster names is searched first,
because the raster may come from anywhere, and a small VRT can make GDAL request data from any host.
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

_LARGEST_TEXT = 16 * 2**20  # bytes of a VRT; a VRT of a thousand files has about a megabyte
# Limits of the search through files that name other files. A scene beyond them counts as one with an address.
_MOST_FILES = 1000
_DEEPEST = 4
_START = 2**16  # bytes at the start of a file in which GDAL's marks are searched
# GDAL takes a file for a raster if one of these words is near the file's start.
_MARKS = (b"<VRTDataset", b"<GDAL", b"<MRF_META", b"<TileService", b"<PAMDataset")
_DATABASES = (b"SQLite format 3", b"fgb\x03")  # tile indexes, whose entries may be addresses
# Addresses and GDAL's virtual file systems, except those that read local archives.
_ELSEWHERE = re.compile(r"://|/vsi(?!zip|tar|gzip|subfile|sparse)", re.IGNORECASE)
_SOURCES = re.compile(r"<(?:Source(?:Filename|Dataset)|Dataset|Filename|DataFile)\b[^>]*>([^<]*)<", re.IGNORECASE)
_CONNECTION = re.compile(r"^[A-Za-z][A-Za-z0-9_]+:(?![\\/])")


def reaches_out(source: str | Path) -> bool:
    """Tell whether a scene, or a file that it names, contains an address.

    A file that cannot be searched counts as one with an address.
    """
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
    """Yield the files of a scene, which are all files of a folder, or a file and those of the same stem beside it."""
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
    """Tell whether a file contains an address that GDAL would follow.

    Texts that are named as a scene and texts that GDAL may take for a raster are searched. GDAL never opens other texts
    beside a scene, such as a product's metadata.
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
