"""Checks for two kinds of damage in HDF5 files that libhdf5 does not notice.

Texts of variable length, references and names of dimensions are objects in collections of the global heap (HDF5 file
format, III.E). libhdf5 steps through a collection by the sizes of the objects. If a size is zero or negative, libhdf5
loops for ever (seen with HDF5 2.0). No time limit in Python can end the loop, because libhdf5 does not return.

A pointer to an object states the number of the object's elements. libhdf5 allocates memory for this number before it
compares the number with the object. A single damaged byte can allocate tens of gigabytes.
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
_HEADER = 16  # bytes of the header of a collection, and of the header of an object
_MANY = 2**24  # elements; fewer elements take at most a few hundred megabytes
_VIRTUAL = 3  # layout class, stored before the pointer of a virtual dataset, which has no number of elements
_SEARCHED = 16 * 2**20  # bytes at the start and at the end of a file, which contain its metadata


def refuse_damaged_heaps(path: str) -> None:
    """Raise `SceneError` for an HDF5 file on whose heap libhdf5 would loop for ever or exhaust memory.

    Raises
    ------
    SceneError
        When a collection of the heap is damaged.
    """
    try:
        state = Path(path).stat()
        at = _first_damaged(path, state.st_mtime_ns, state.st_size)
    except OSError:  # the caller opens the file next and reports the error
        return
    if at is not None:
        raise SceneError(f"{path}: not a readable HDF5 file: its heap at byte {at} is damaged")


@functools.lru_cache(maxsize=64)
def _first_damaged(path: str, _: int, size: int) -> int | None:
    """Return the position of the first damaged collection, or None; an unchanged file is examined once."""
    with Path(path).open("rb") as file:
        starts = dict.fromkeys((0, max(0, size - _SEARCHED)))
        parts = {start: (file.seek(start), file.read(_SEARCHED))[1] for start in starts}
    collections: dict[int, dict[int, int]] = {}
    for start, part in parts.items():
        place = part.find(_MARK)
        while place >= 0:
            sizes = _sizes(part[place : place + _length(part, place)])
            if sizes is None:
                return start + place
            collections[start + place] = sizes
            place = part.find(_MARK, place + 1)
    base = max(0, parts[0].find(_SIGNATURE))  # a user block may precede the signature
    overstated = (_first_overstated(part, base, collections) for part in parts.values() if collections)
    return next((at for at in overstated if at is not None), None)


def _length(part: bytes, place: int) -> int:
    field = part[place + 8 : place + 16]
    return int(struct.unpack("<Q", field)[0]) if len(field) == 8 else 0


def _sizes(collection: bytes) -> dict[int, int] | None:
    """Return the size in bytes of each object of a collection by its number, or None if a size is not possible."""
    place, sizes = _HEADER, {}
    while place + _HEADER <= len(collection):
        index, _, _, size = struct.unpack("<HHIQ", collection[place : place + _HEADER])
        # Object 0 is the free space, whose size includes its header. Other objects are padded to eight bytes.
        step = size if index == 0 else (_HEADER + (size + 7) // 8 * 8) % 2**64
        if step == 0 or step >= 2**63:
            return None
        if index:
            sizes[index] = size
        place += step
    return sizes


def _first_overstated(part: bytes, base: int, collections: Mapping[int, Mapping[int, int]]) -> int | None:
    """Return the first collection with a pointer that states more elements than the object has bytes, or None."""
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
