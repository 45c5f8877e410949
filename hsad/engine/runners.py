"""Where tasks run: in this thread, in several threads, or on a dask cluster. That is the only difference."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Cluster", "Memory", "Runner", "Threads", "available_cpus", "one_blas_thread"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cpus() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _BlasGuard:
    """Limits BLAS to one thread while anybody is inside; the limit is process-wide, so the last one lifts it.

    threadpoolctl lets only that thread change a limit which set it; here whoever comes first sets it and whoever
    leaves last lifts it, so a thread of its own does both.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start with nobody inside, as in a forked child, which has no keeper thread."""
        self._lock = threading.Lock()
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="hsad-blas")
        self._inside = 0
        self._limits: Any = None

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        import scipy.linalg  # noqa: F401  brings a BLAS of its own, which is to be there when the limit is set
        from threadpoolctl import threadpool_limits

        with self._lock:
            if self._inside == 0:
                self._limits = self._keeper.submit(threadpool_limits, 1, "blas").result()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._keeper.submit(self._limits.restore_original_limits).result()


#: Context in which BLAS uses one thread: several BLAS threads beside our own make each other slow.
one_blas_thread = _BlasGuard()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_blas_thread.reset)


class Runner(ABC):
    """Runs one function on many items.

    Attributes
    ----------
    workers : int
        How many tasks run at the same time.
    """

    workers: int = 1

    @abstractmethod
    def run(
        self, function: Callable[..., Result], items: Iterable[Item], *shared: Any
    ) -> Iterator[tuple[Item, Result]]:
        """Yield each item with ``function(item, *shared)``, as they finish, with a bounded number under way."""

    def close(self) -> None:  # noqa: B027  most runners hold nothing
        """Let go of what the runner holds; it runs nothing after that."""


class Memory(Runner):
    """One task after the other, in the calling thread."""

    def run(
        self, function: Callable[..., Result], items: Iterable[Item], *shared: Any
    ) -> Iterator[tuple[Item, Result]]:
        """Yield each item with its result, in order."""
        for item in items:
            yield item, function(item, *shared)


class Threads(Runner):
    """Several tasks at a time in threads of this process.

    Parameters
    ----------
    workers : int, optional
        Number of threads; as many as there are processors by default.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or available_cpus()

    def run(
        self, function: Callable[..., Result], items: Iterable[Item], *shared: Any
    ) -> Iterator[tuple[Item, Result]]:
        """Yield each item with its result, as they finish."""
        queue = iter(items)
        with ThreadPoolExecutor(self.workers, thread_name_prefix="hsad") as pool:
            running: dict[Future[Result], Item] = {}
            try:
                while True:
                    # One task more than threads: nobody waits while the caller deals with a result.
                    for item in itertools.islice(queue, self.workers + 1 - len(running)):
                        running[pool.submit(function, item, *shared)] = item
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield running.pop(future), future.result()
            finally:
                for future in running:
                    future.cancel()


def _identity(value: Result) -> Result:
    return value


class Cluster(Runner):
    """Tasks on the workers of a dask cluster.

    Parameters
    ----------
    cluster : str or distributed.Client
        Address of the scheduler, or a client that is connected to it.
    """

    def __init__(self, cluster: str | Client) -> None:
        from distributed import Client

        self._own = isinstance(cluster, str)
        if isinstance(cluster, str):
            try:
                cluster = Client(cluster, timeout="5s", set_as_default=False)
            except (OSError, ValueError) as error:
                from hsad.errors import ParameterError

                raise ParameterError(f"scheduler: no dask scheduler answers at {cluster!r} ({error})") from error
        self.client = cluster

    def close(self) -> None:
        """Close the connection, if it was made here."""
        if self._own:
            self.client.close()

    @property
    # Not a constant here: workers come and go.
    def workers(self) -> int:  # type: ignore[override]
        """Threads of all workers at this moment, at least one."""
        threads: dict[str, int] = self.client.nthreads()
        return max(1, sum(threads.values()))

    def run(
        self, function: Callable[..., Result], items: Iterable[Item], *shared: Any
    ) -> Iterator[tuple[Item, Result]]:
        """Yield each item with its result, as they finish."""
        from distributed import as_completed

        # A task that returns its argument, not `scatter`: what a lost worker held can be computed again.
        common = [self.client.submit(_identity, value, pure=False) for value in shared]
        queue = iter(items)
        running: dict[Any, Item] = {}

        def submit(count: int) -> list[Any]:
            started = []
            for item in itertools.islice(queue, count):
                future = self.client.submit(function, item, *common, pure=False)
                running[future] = item
                started.append(future)
            return started

        finished = as_completed(submit(2 * self.workers), loop=self.client.loop)
        try:
            for future in finished:
                yield running.pop(future), future.result()
                for started in submit(2 * self.workers - len(running)):
                    finished.add(started)
        finally:
            for future in running:
                future.cancel()
