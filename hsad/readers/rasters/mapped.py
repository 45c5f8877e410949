"""Files mapped into memory for the time of one copy, and only while nobody can shorten them.

Copying from a mapped file is the fastest way to a window, but a file that becomes shorter meanwhile ends the process
with a bus error. Linux has leases: while one is held, whoever wants to shorten the file waits (up to 45 seconds, far
longer than a copy takes). Where there is none (other systems, files of other owners, network file systems), files are
not mapped.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from io import FileIO
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["mapped"]


@contextmanager
def mapped(file: FileIO) -> Iterator[NDArray[np.uint8] | None]:
    """Yield the bytes of an open file, read-only; None if its length cannot be kept from changing.

    The bytes must not be used after the ``with`` block: mapped pages count as the process's memory.
    """
    if not _hold(file):
        yield None
        return
    empty = os.fstat(file.fileno()).st_size == 0
    content: Any = np.empty(0, np.uint8) if empty else np.memmap(file, dtype=np.uint8, mode="r")
    try:
        yield content
    finally:
        import fcntl

        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def _hold(file: FileIO) -> bool:
    """Take a lease on a file; return whether the system granted it."""
    try:
        import fcntl

        # When somebody waits, the system sends a signal: SIGURG is ignored by default, others would end the process.
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except (ImportError, AttributeError, OSError):
        return False
    return True
