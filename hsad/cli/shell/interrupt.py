"""Ctrl-C and SIGTERM: the program answers at once and ends within seconds; a second one ends it at once.

Python runs a handler of its own only when the main thread comes back from what it computes, which may take long. The
system's part of a handler writes to a socket at once, and a thread that waits at the other end answers. What is
finished lies in files by then: nothing is lost by an end without farewell.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from hsad.cli.shell.terminal import echo

__all__ = ["answered_at_once", "keeps", "stops_softly"]

#: Seconds that the running work has to end by itself.
_PATIENCE = 1.5

_STATUS = 130

#: What Ctrl-C sends, and what `kill`, `timeout`, service managers and queues send.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_folders: list[Path] = []

#: Set after the answer to the first interruption: other messages about it come later.
_answered = threading.Event()


def keeps(folder: Path) -> None:
    """Remember the folder with finished tiles, so that an abrupt end can name it."""
    _folders.append(folder)


@contextlib.contextmanager
def answered_at_once() -> Iterator[None]:
    """Answer interruptions within the block; also where a shell's background job has them ignored."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)  # what `set_wakeup_fd` asks for
    before = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    descriptor = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(ours,), name="hsad-interrupt", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        _restore(before)
        theirs.close()  # the thread sees the end


@contextlib.contextmanager
def stops_softly() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether Ctrl-C or SIGTERM has come within the block, which ends the work by itself.

    For work that has no end of its own, such as waiting for further lines. A second Ctrl-C ends the program at once.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # where no handler can be set
        yield asked.is_set
        return

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signature of handlers
        if asked.is_set():
            os._exit(_STATUS)
        asked.set()

    descriptor = signal.set_wakeup_fd(-1)  # the thread that waits there would end the program
    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield asked.is_set
    finally:
        _restore(before)
        signal.set_wakeup_fd(descriptor)


def _restore(before: Mapping[signal.Signals, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signature of handlers
    _answered.wait(_PATIENCE)
    raise KeyboardInterrupt


def _watch(ours: socket.socket) -> None:
    """Answer the first interruption, and end the process if the work does not end or at a second interruption."""
    with ours:
        if not _interrupted(ours):
            return
        try:
            echo("hsad: stopping; Ctrl-C again ends at once", err=True)
        finally:
            _answered.set()
        ours.settimeout(_PATIENCE)
        try:
            if not _interrupted(ours):
                return
        except TimeoutError:
            pass
    kept = [folder for folder in _folders if any(folder.glob("*.tile")) or any(folder.glob("scan-*"))]
    note = f"; what is finished is kept in {kept[-1]}: the same command goes on from there" if kept else ""
    echo(f"hsad: error: interrupted{note}", err=True)
    os._exit(_STATUS)


def _interrupted(ours: socket.socket) -> bool:
    """Wait for an interruption; False when the block has ended."""
    while data := ours.recv(64):
        if any(number in data for number in _SIGNALS):
            return True
    return False
