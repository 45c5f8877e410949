"""Checks of a Zarr store before zarr opens it.

Without them, zarr would wait for ever for a named pipe, and a chunk could take any amount of memory.
"""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_store", "store_groups"]

_MARKS = (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json")
_LARGEST_TEXT = 16 * 2**20  # bytes of a file of metadata
_LARGEST_CHUNK = 2 * 2**30  # bytes; zarr unpacks a chunk as a whole
_CHUNK_OVERHEAD = 2**16  # bytes; a packed chunk may exceed the unpacked chunk by a header
# Opening a chunk takes about 1 ms. A scene with more chunks than this, each below this size in bytes, takes minutes.
_MANY_CHUNKS, _SMALL_CHUNK = 20_000, 1024
_ZSTD = b"\x28\xb5\x2f\xfd"
_MOST_FILES = 5_000_000  # a scene has far fewer files


def check_store(source: str) -> None:
    """Raise `SceneError` for a Zarr store that would block the reader or take far more memory than its files.

    Raises
    ------
    SceneError
        When an entry of the store is neither a file nor a folder, metadata or a chunk are too large, a chunk is larger
        than its array states, or an array has too many tiny chunks.
    """
    sizes: dict[str, int] = {}
    for number, (folder, entry, state) in enumerate(_files(source)):
        if number > _MOST_FILES:
            raise SceneError(f"{source}: a store of more than {_MOST_FILES} files")
        inside = os.path.relpath(entry, source)
        if not stat.S_ISREG(state.st_mode):
            raise SceneError(f"{source}: {inside} is not a regular file but a pipe, a socket or a device")
        name = os.path.basename(entry)  # noqa: PTH119  a million Path objects take seconds
        if name in _MARKS:
            if state.st_size > _LARGEST_TEXT:
                raise SceneError(f"{source}: {inside} has {state.st_size} bytes, too many for metadata")
            if name in (".zarray", "zarr.json"):
                sizes[folder] = _chunk_bytes(source, folder, entry)
            continue
        array = next((above for above in _above(folder, source) if above in sizes), None)
        if array is None or not sizes[array]:
            continue
        if state.st_size > 2 * sizes[array] + _CHUNK_OVERHEAD:
            raise SceneError(f"{source}: {inside} has {state.st_size} bytes, a chunk of its array {sizes[array]}")
        unpacked = _unpacked_bytes(entry)
        if unpacked > sizes[array] + _CHUNK_OVERHEAD:
            raise SceneError(f"{source}: {inside} unpacks to {unpacked} bytes, a chunk of its array has {sizes[array]}")


def _unpacked_bytes(chunk: str) -> int:
    """Return the size that a chunk packed by Zstandard or Blosc states for its content; 0 for other chunks.

    These libraries take memory of the stated size before they unpack. The forms are those of RFC 8878, section 3.1.1,
    and of Blosc's header, in which bytes 4 to 7 are the size of the content and 12 to 15 that of the file.
    """
    try:
        with open(chunk, "rb") as file:  # noqa: PTH123  as above
            head, size = file.read(18), os.fstat(file.fileno()).st_size
    except OSError:
        return 0  # zarr opens the chunk next and reports the error
    if head.startswith(_ZSTD) and len(head) > 5:
        flags = head[4]
        single = flags >> 5 & 1
        start = 5 + (not single) + (0, 1, 2, 4)[flags & 3]
        width = (single, 2, 4, 8)[flags >> 6]
        return int.from_bytes(head[start : start + width], "little") + (256 if width == 2 else 0)
    if len(head) >= 16 and int.from_bytes(head[12:16], "little") == size:
        return int.from_bytes(head[4:8], "little")
    return 0


def store_groups(source: str) -> list[str]:
    """Return the groups of a Zarr store, the root first."""
    found = [""]
    for folder, entry, state in _files(source):
        name = Path(entry).name
        if name == ".zgroup" or (name == "zarr.json" and state.st_size <= _LARGEST_TEXT and _is_group(entry)):
            found.append("" if folder == source else os.path.relpath(folder, source))
    return list(dict.fromkeys(found))


def _is_group(mark: str) -> bool:
    return '"group"' in Path(mark).read_text(encoding="utf-8", errors="replace")


def _files(source: str) -> Iterator[tuple[str, str, os.stat_result]]:
    """Yield the folder, path and state of each file in a store, in each folder the metadata first."""
    waiting = [source]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: (entry.name not in _MARKS, entry.name))
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    yield folder, entry.path, entry.stat()
        except OSError as error:
            raise SceneError(f"{source}: {(error.strerror or str(error)).lower()}") from error


def _above(folder: str, source: str) -> Iterator[str]:
    """Yield a folder and its parents up to the store."""
    while len(folder) >= len(source):
        yield folder
        folder = os.path.dirname(folder)  # noqa: PTH120  as above


def _chunk_bytes(source: str, folder: str, mark: str) -> int:
    """Return the bytes of an unpacked chunk, or 0 if the metadata do not state them in a known form.

    Raises
    ------
    SceneError
        When a chunk is too large, or the chunks are too many and too small.
    """
    try:
        stated: dict[str, Any] = json.loads(Path(mark).read_text(encoding="utf-8"))
        grid = stated.get("chunk_grid", {}).get("configuration", {})
        shape = [int(side) for side in stated.get("shape", ())]
        chunk = [int(side) for side in stated.get("chunks", grid.get("chunk_shape", ()))]
        size = np.dtype(stated.get("dtype", stated.get("data_type"))).itemsize * math.prod(chunk)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        return 0  # zarr opens the array next and reports the error
    if not chunk or len(chunk) != len(shape) or min(chunk) < 1:
        return 0
    inside = os.path.relpath(folder, source)
    if size > _LARGEST_CHUNK:
        raise SceneError(f"{source}: a chunk of {inside} has {size} bytes, more than {_LARGEST_CHUNK}")
    number = math.prod(-(-side // step) for side, step in zip(shape, chunk, strict=True))
    if number > _MANY_CHUNKS and size < _SMALL_CHUNK:
        raise SceneError(f"{source}: {inside} has {number} chunks of {size} bytes: write it again with larger chunks")
    return size
