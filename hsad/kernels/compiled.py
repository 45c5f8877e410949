"""How this project compiles a kernel: one decorator, so that every kernel follows the same rules."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import event

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered into vectors and products contracted into fused multiply-adds; NaN and infinity keep
# their meaning. For a given build of the compiled code the result is the same every time.
_FAST = {"contract", "reassoc", "nsz"}

_SOURCES = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
).hexdigest()


def compiled(function: Function) -> Function:
    """Compile `function` with numba: without the GIL, cached on disk, division as in numpy, no threads of its own.

    Threads belong to the engine: numba's own threading layers abort the process under dask's threads.
    """
    kernel: Any = njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST)(function)
    # numba takes a cached kernel for current as long as its own file is unchanged, although the kernels that it
    # calls, from other files, are compiled into it. So the stamp of a cache is that of all sources together.
    file = kernel._cache._cache_file  # noqa: SLF001  there is no public way
    file._source_stamp = _SOURCES  # noqa: SLF001
    # The version is looked at before the rest is unpickled, which fails where a type of then is gone.
    file._version = f"{file._version} {_SOURCES}"  # noqa: SLF001
    return cast("Function", kernel)


class Announcement(event.Listener):
    """Says, once in a process, that kernels are being compiled: it takes seconds, the first time on a machine."""

    def __init__(self) -> None:
        self._made = False

    def on_start(self, event: Any) -> None:
        """Note that numba begins to compile a function that it has not found in its cache."""
        function = event.data["dispatcher"].py_func
        if not self._made and function.__module__.startswith(__package__):
            self._made = True
            logging.getLogger("hsad").info("compiling kernels, once for this machine")

    def on_end(self, event: Any) -> None:
        """Do nothing."""


cast("Any", event).register("numba:compile", Announcement())
