"""The log of a run: lines at the end of a file."""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
import warnings

from hsad.errors import OutputError, OutputWarning
from hsad.files import named

__all__ = ["LogFile", "open_log"]

_LOG_LINE = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def open_log(path: str | os.PathLike[str]) -> int:
    """Return a descriptor that appends to a log: a new file, an empty one, or one that begins as logs of hsad do.

    Raises
    ------
    OutputError
        When it cannot be opened, is not a regular file, or holds anything else.
    """
    target = named(path)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target, flags | getattr(os, "O_CLOEXEC", 0), 0o666)
    except OSError as error:
        what = "a link is not followed" if error.errno == errno.ELOOP else error.strerror
        raise OutputError(f"{target}: the log cannot be opened: {what}") from error
    mode = os.fstat(descriptor).st_mode
    start = os.read(descriptor, 19) if stat.S_ISREG(mode) else b""
    if not stat.S_ISREG(mode) or (start and not _LOG_LINE.match(start)):
        os.close(descriptor)
        what = "a regular file" if not stat.S_ISREG(mode) else "a log of hsad"
        raise OutputError(f"{target} is not {what}; choose another name for the log")
    return descriptor


class LogFile(logging.Handler):
    """A handler that appends lines to a file; when the file takes no more, it warns once and the run goes on."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._descriptor: int | None = open_log(path)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, at once and in one piece."""
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, f"{self.format(record)}\n".encode("utf-8", "backslashreplace"))
        except OSError as error:
            self.close()
            warnings.warn(f"{self._path}: no more lines go to the log ({error.strerror})", OutputWarning, stacklevel=2)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        super().close()
