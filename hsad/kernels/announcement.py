"""A line in the log when kernels are being compiled, which takes seconds at the first use on a machine."""

from __future__ import annotations

import logging
from typing import Any, cast

from numba.core import event

__all__ = ["Announcement"]


class Announcement(event.Listener):
    """Listens to numba, and logs once in a process that kernels are being compiled."""

    def __init__(self) -> None:
        self._made = False

    def on_start(self, event: Any) -> None:
        """Log that numba begins to compile a kernel that is not in its cache."""
        function = event.data["dispatcher"].py_func
        if not self._made and function.__module__.startswith(__package__):
            self._made = True
            logging.getLogger("hsad").info("compiling kernels, once for this machine")

    def on_end(self, event: Any) -> None:
        """Ignore the end, as `event.Listener` asks for this method."""


cast("Any", event).register("numba:compile", Announcement())
