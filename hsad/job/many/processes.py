"""Work that is done side by side in processes: a task to each, the next task to the first that is free.

A process is Python with this file as its program. It reads pickled tasks from its standard input and answers on its
standard output. It ends when its input ends, so it never outlives the process that started it. Unlike the processes of
`multiprocessing` it does not run the user's script again.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from hsad.errors import HsadError, HsadWarning

__all__ = ["side_by_side"]

_TASKS = 50
"""Tasks of a process, after which a new one takes its place. A survey leaves .2 MB of memory in use, and 4 MB of
figures that Python collects some time later."""


def side_by_side(function: Callable[[Any], Any], tasks: Sequence[Any], at_once: int) -> Iterator[Any]:
    """Yield what a function returns for each task, or the exception that it raises, in the order of the tasks.

    Parameters
    ----------
    function : callable
        A function of a module, with one argument.
    tasks : sequence
        With more than one process, tasks and results are pickled.
    at_once : int
        Number of processes; with 1 the function is called in this process.

    Warns
    -----
    HsadWarning
        What the function warns of, also in another process.
    """
    if at_once == 1:
        yield from (_outcome(function, task) for task in tasks)
        return
    processes = [_Process() for _ in range(at_once)]
    free: queue.SimpleQueue[_Process] = queue.SimpleQueue()
    for process in processes:
        free.put(process)

    def ask(task: Any) -> tuple[Any, list[HsadWarning]]:
        process = free.get()
        try:
            return process.ask(function, task)
        finally:
            free.put(process)

    with ThreadPoolExecutor(at_once) as threads:
        waiting = [threads.submit(ask, task) for task in tasks]
        try:
            for future in waiting:
                result, remarks = future.result()
                for remark in remarks:
                    warnings.warn(remark, stacklevel=2)
                yield result
        finally:  # where the caller stops early, the processes end first, so that no thread waits for an answer
            for future in waiting:
                future.cancel()
            for process in processes:
                process.kill()


def _outcome(function: Callable[[Any], Any], task: Any) -> Any:
    try:
        return function(task)
    except Exception as error:  # noqa: BLE001  the caller decides what an error of one task means for the others
        return error


class _Process:
    """A process that works on one task after the other. It starts with the first task, and again after a crash."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None
        self._ended = False
        self._tasks = 0

    def ask(self, function: Callable[[Any], Any], task: Any) -> tuple[Any, list[HsadWarning]]:
        """Return the result of a task, or the error that ended it, and the warnings."""
        if self._running is not None and self._tasks % _TASKS == 0:
            _end(self._running)
            self._running = None
        if self._running is None:
            self._running = _started()
        self._tasks += 1
        running = self._running
        if self._ended:
            self.kill()
            return HsadError("stopped before it began"), []
        try:
            _send(running.stdin, pickle.dumps((function, task)))
            answer: tuple[Any, list[HsadWarning]] = pickle.load(running.stdout)  # type: ignore[arg-type]  # noqa: S301
        except (OSError, EOFError, pickle.UnpicklingError):
            status = running.wait()
            _close(running)
            self._running = None
            how = f"by signal {-status} (9: often for too little memory)" if status < 0 else f"with status {status}"
            return HsadError(f"the process that worked on it was ended {how}"), []
        return answer

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._ended = True
        if (running := self._running) is not None:
            _end(running)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            pipe.close()  # type: ignore[union-attr]


def _started() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", __name__]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603  this file
    _send(process.stdin, pickle.dumps(sys.path))  # modules of the user's detectors are found as in this process
    return process


def _send(pipe: BinaryIO | Any, content: bytes) -> None:
    pipe.write(content)
    pipe.flush()


def _serve() -> None:
    """Work on the tasks of the standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the first process, which ends the others
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    tasks: queue.SimpleQueue[tuple[Callable[[Any], Any], Any]] = queue.SimpleQueue()
    sys.path[:] = pickle.load(sys.stdin.buffer)  # noqa: S301  of the process that started this one
    threading.Thread(target=_receive, args=(tasks,), daemon=True).start()
    while True:
        function, task = tasks.get()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", HsadWarning)
            outcome = _outcome(function, task)
        remarks = [entry.message for entry in caught if isinstance(entry.message, HsadWarning)]
        _send(answers, _pickled(outcome, remarks))


def _receive(tasks: queue.SimpleQueue[tuple[Callable[[Any], Any], Any]]) -> None:
    while True:
        try:
            tasks.put(pickle.load(sys.stdin.buffer))  # noqa: S301  of the process that started this one
        except EOFError:
            os._exit(0)  # the process that started this one has ended, and with it the need for what is being done


def _pickled(outcome: Any, remarks: list[HsadWarning]) -> bytes:
    try:
        content = pickle.dumps((outcome, remarks))
        pickle.loads(content)  # noqa: S301  errors with other arguments than their text are not read back
    except Exception:  # noqa: BLE001  pickling can raise anything
        said = HsadError(f"unexpected {type(outcome).__name__}: {outcome}")
        return pickle.dumps((said, remarks))
    return content


if __name__ == "__main__":
    _serve()
