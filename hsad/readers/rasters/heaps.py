"""Two kinds of damage that libhdf5 does not notice: they are found before it reads texts or references.

Texts of any length, references and names of dimensions lie in collections of the global heap (HDF5 file format,
III.E). The library walks through a collection from object to object by their sizes, and walks for ever where the next
begins where one began, or before (seen with HDF5 2.0). No time limit can end it: it does not return to Python.

What points to such an object says how many elements it holds, and the library takes memory for as many before it
compares that with the object: a single damaged byte costs tens of gigabytes.
"""

from __future__ import annotations

import functools
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hsad.errors import SceneError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["refuse_damaged_heaps"]

_MARK = b"GCOL\x01\0\0\0"
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEADER = 16  # bytes of a collection's, and of an object's
_MANY = 2**24  # elements; fewer take at most some hundred megabytes
_VIRTUAL = 3  # what stands before a virtual dataset's pointer, which has no number of elements: its class
_LOOKED_AT = 16 * 2**20  # bytes at either end of a file, where its metadata lie; most files are shorter


def refuse_damaged_heaps(path: str) -> None:
    """Refuse an HDF5 file with a heap that libhdf5 would walk through for ever, or take far too much memory for.

    Raises
    ------
    SceneError
    """
    try:
        state = Path(path).stat()
        at = _first_damaged(path, state.st_mtime_ns, state.st_size)
    except OSError:  # whoever opens it says why
        return
    if at is not None:
        raise SceneError(f"{path}: not a readable HDF5 file: its heap at byte {at} is damaged")


@functools.lru_cache(maxsize=64)
def _first_damaged(path: str, _: int, size: int) -> int | None:
    """Return where the first damaged collection begins; a file that does not change is examined once."""
    with Path(path).open("rb") as file:
        starts = dict.fromkeys((0, max(0, size - _LOOKED_AT)))
        parts = {start: (file.seek(start), file.read(_LOOKED_AT))[1] for start in starts}
    collections: dict[int, dict[int, int]] = {}
    for start, part in parts.items():
        place = part.find(_MARK)
        while place >= 0:
            sizes = _sizes(part[place : place + _length(part, place)])
            if sizes is None:
                return start + place
            collections[start + place] = sizes
            place = part.find(_MARK, place + 1)
    base = max(0, parts[0].find(_SIGNATURE))  # a user block may come first
    overstated = (_first_overstated(part, base, collections) for part in parts.values() if collections)
    return next((at for at in overstated if at is not None), None)


def _length(part: bytes, place: int) -> int:
    field = part[place + 8 : place + 16]
    return int(struct.unpack("<Q", field)[0]) if len(field) == 8 else 0


def _sizes(collection: bytes) -> dict[int, int] | None:
    """Return the bytes of each object of a collection, by its number; None where one does not lie before the next."""
    place, sizes = _HEADER, {}
    while place + _HEADER <= len(collection):
        index, _, _, size = struct.unpack("<HHIQ", collection[place : place + _HEADER])
        # Object 0 is the free space, and its size that of all of it; others are padded to eight bytes.
        step = size if index == 0 else (_HEADER + (size + 7) // 8 * 8) % 2**64
        if step == 0 or step >= 2**63:
            return None
        if index:
            sizes[index] = size
        place += step
    return sizes


def _first_overstated(part: bytes, base: int, collections: Mapping[int, Mapping[int, int]]) -> int | None:
    """Return the first collection of which something says that an object has more elements than it has bytes."""
    known = np.array(sorted(place - base for place in collections if place >= base), np.uint64)
    for shift in range(8 if known.size else 0):
        addresses = np.frombuffer(part, "<u8", (len(part) - shift) // 8, shift) if len(part) >= 8 + shift else known[:0]
        near = np.flatnonzero((addresses >= known[0]) & (addresses <= known[-1]))
        for place in 8 * near[np.isin(addresses[near], known)] + shift:
            if 4 <= place <= len(part) - 12:
                count, address, index = struct.unpack("<IQI", part[place - 4 : place + 12])
                overstated = count > collections[address + base].get(index, count)
                if overstated and count >= _MANY and count >> 24 != _VIRTUAL:
                    return int(address) + base
    return None
