"""What time is measured with, and the name of what it is measured on."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["best_of", "processor", "seconds"]


def seconds(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def best_of(call: Callable[[], object], repeats: int = 3) -> float:
    """Return the least seconds of several calls."""
    return min(seconds(call) for _ in range(repeats))


def processor() -> str:
    """Return the processor's name as the system gives it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
