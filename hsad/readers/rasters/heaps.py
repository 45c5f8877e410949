"""A kind of damage with which libhdf5 never comes back: it is found before the library reads texts or references.

Texts of any length, references and names of dimensions lie in collections of the global heap (HDF5 file format,
III.E). The library walks through a collection from object to object by their sizes, and walks for ever where the next
begins where one began, or before (seen with HDF5 2.0). No time limit can end it: it does not return to Python.
"""

from __future__ import annotations

import functools
import struct
from pathlib import Path

from hsad.errors import SceneError

__all__ = ["refuse_endless_heaps"]

_MARK = b"GCOL\x01\0\0\0"
_HEADER = 16  # bytes of a collection's, and of an object's
_LOOKED_AT = 16 * 2**20  # bytes at either end of a file: what describes it lies there, and most files are shorter


def refuse_endless_heaps(path: str) -> None:
    """Refuse an HDF5 file with a collection that libhdf5 would walk through for ever.

    Raises
    ------
    SceneError
    """
    try:
        state = Path(path).stat()
        at = _endless(path, state.st_mtime_ns, state.st_size)
    except OSError:  # whoever opens it says why
        return
    if at is not None:
        raise SceneError(f"{path}: not a readable HDF5 file: its heap at byte {at} is damaged")


@functools.lru_cache(maxsize=64)
def _endless(path: str, _: int, size: int) -> int | None:
    """Return where the first damaged collection begins; a file is looked at once as long as it does not change."""
    with Path(path).open("rb") as file:
        for start in dict.fromkeys((0, max(0, size - _LOOKED_AT))):
            file.seek(start)
            part = file.read(_LOOKED_AT)
            place = part.find(_MARK)
            while place >= 0:
                if _is_endless(part[place : place + _length(part, place)]):
                    return start + place
                place = part.find(_MARK, place + 1)
    return None


def _length(part: bytes, place: int) -> int:
    field = part[place + 8 : place + 16]
    return int(struct.unpack("<Q", field)[0]) if len(field) == 8 else 0


def _is_endless(collection: bytes) -> bool:
    """Tell whether some object of a collection does not lie before the next."""
    place = _HEADER
    while place + _HEADER <= len(collection):
        index, _, _, size = struct.unpack("<HHIQ", collection[place : place + _HEADER])
        # Object 0 is the free space, and its size that of all of it; others are padded to eight bytes.
        step = size if index == 0 else (_HEADER + (size + 7) // 8 * 8) % 2**64
        if step == 0 or step >= 2**63:
            return True
        place += step
    return False
