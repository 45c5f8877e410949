"""Tasks in the calling thread or in several threads, and what all runners have in common."""

from __future__ import annotations

import itertools
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

__all__ = ["Memory", "Outcome", "Runner", "Stopped", "Threads", "Workers", "available_cpus", "stop_if_unwanted"]

Item = TypeVar("Item")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


def available_cpus() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Outcome(Protocol[Result_co]):
    """The result of a task, or its error."""

    def result(self) -> Result_co:
        """Return the result of the task, or raise its error."""
        ...


class Stopped(BaseException):
    """Ends a task of a run that was stopped: nobody waits for the result."""


_thread = threading.local()


def stop_if_unwanted() -> None:
    """Raise `Stopped` in a thread whose run was stopped. Long tasks call this between their parts."""
    stopped: threading.Event | None = getattr(_thread, "stopped", None)
    if stopped is not None and stopped.is_set():
        raise Stopped


@dataclass(frozen=True)
class Workers:
    """The processes and threads that share the tasks and the memory of a run.

    Attributes
    ----------
    threads : int
        Number of tasks that run at the same time in each process.
    processes : int
        Number of processes that run tasks on one machine, counted on the machine that has most of them.
    total : int
        Number of processes that run tasks on all machines.
    separate_caller : bool
        Whether the process that started the run is one more process on that machine.
    fixed : bool
        Whether the number of threads is fixed: the engine cannot run fewer tasks at a time to save memory.
    """

    threads: int = 1
    processes: int = 1
    total: int = 1
    separate_caller: bool = False
    fixed: bool = False


class Runner(ABC):
    """Runs one function on many items."""

    @abstractmethod
    def run(
        self, function: Callable[..., Result], items: Iterable[Item], *shared: Any
    ) -> Generator[tuple[Item, Outcome[Result]], None, None]:
        """Yield each item with the outcome of ``function(item, *shared)``, in the order in which they finish.

        The number of tasks that are submitted and not yet finished is bounded. An error of the function is in its
        outcome; it does not end the run.
        """

    def everywhere(self, function: Callable[[], Result]) -> list[Result]:
        """Return the function's value in each process that runs tasks."""
        return [function()]

    def workers(self) -> Workers:
        """Return the processes and threads that run tasks at this moment."""
        return Workers()

    def pin(self, value: Any) -> None:  # noqa: B027  most runners have one process
        """Keep a copy of `value` in each process that runs tasks, until `unpin` or `close`."""

    def unpin(self) -> None:  # noqa: B027  most runners have one process
        """Release the pinned values."""

    def close(self) -> None:  # noqa: B027  most runners hold no resources
        """Release all resources of the runner. It runs nothing after that."""


class Memory(Runner):
    """One task after the other, in the calling thread."""

    def run(
        self, function: Callable[..., Result], items: Iterable[Item], *shared: Any
    ) -> Generator[tuple[Item, Outcome[Result]], None, None]:
        """Yield each item with its outcome, in order."""
        for item in items:
            outcome: Future[Result] = Future()
            try:
                outcome.set_result(function(item, *shared))
            except Exception as error:  # noqa: BLE001  the caller decides what the error means
                outcome.set_exception(error)
            yield item, outcome


class Threads(Runner):
    """Several tasks at a time in threads of this process.

    Parameters
    ----------
    threads : int, optional
        Number of threads; by default the number of processors.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or available_cpus()

    def workers(self) -> Workers:
        """Return one process with this number of threads."""
        return Workers(self._threads)

    def run(
        self, function: Callable[..., Result], items: Iterable[Item], *shared: Any
    ) -> Generator[tuple[Item, Outcome[Result]], None, None]:
        """Yield each item with its outcome, in the order in which they finish."""
        queue = iter(items)
        stopped = threading.Event()
        with ThreadPoolExecutor(self._threads, "hsad", _begin_thread, (stopped,)) as pool:
            running: dict[Future[Result], Item] = {}
            try:
                while True:
                    # One task more than threads: no thread is idle while the caller handles a result.
                    for item in itertools.islice(queue, self._threads + 1 - len(running)):
                        running[pool.submit(function, item, *shared)] = item
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield running.pop(future), future
            finally:
                stopped.set()
                for future in running:
                    future.cancel()


def _begin_thread(stopped: threading.Event) -> None:
    _thread.stopped = stopped
