"""Clocks, plain reads of files, and the name of the processor."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["best_of", "plain_read", "processor", "seconds", "uncache"]

#: Bytes that a plain read asks for at once.
_PLAIN_BYTES = 8 * 2**20


def seconds(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def best_of(call: Callable[[], object], repeats: int = 3) -> float:
    """Return the seconds of the fastest of several calls."""
    return min(seconds(call) for _ in range(repeats))


def plain_read(path: Path) -> None:
    """Read a file from its first byte to its last into one buffer of 8 MB."""
    buffer = memoryview(bytearray(_PLAIN_BYTES))
    with path.open("rb", buffering=0) as stream:
        while stream.readinto(buffer):
            pass


def uncache(path: Path) -> bool:
    """Drop a file from the system's cache; return False where the system cannot do that."""
    if not hasattr(os, "posix_fadvise"):
        return False
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def processor() -> str:
    """Return the name of the processor."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
