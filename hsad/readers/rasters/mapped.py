"""Files that are mapped into memory during one copy, and only while no other process can shorten them.

Copying from a mapped file is the fastest way to read a window. But if the file becomes shorter during the copy, a bus
error ends the process. While this process has a lease (Linux) on a file, a process that wants to shorten the file waits
for up to 45 seconds, which is far longer than a copy takes. If the system grants no lease (other systems, files of
other owners, network file systems), the file is not mapped.
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
    """Yield the bytes of an open file, read-only, or None if the system grants no lease.

    The bytes must not be used after the ``with`` block, because mapped pages count as the process's memory.
    """
    if not _take_lease(file):
        yield None
        return
    empty = os.fstat(file.fileno()).st_size == 0
    content: Any = np.empty(0, np.uint8) if empty else np.memmap(file, dtype=np.uint8, mode="r")
    try:
        yield content
    finally:
        import fcntl

        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def _take_lease(file: FileIO) -> bool:
    """Request a lease on a file and return whether the system granted the lease."""
    try:
        import fcntl

        # The system sends a signal when another process waits. SIGURG is ignored by default; the default signal would
        # end this process.
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except (ImportError, AttributeError, OSError):
        return False
    return True
