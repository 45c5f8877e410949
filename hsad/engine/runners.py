"""Where tasks run: in this thread, in several threads, or on a dask cluster. That is the only difference."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import platform
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from hsad.errors import ClusterError, ParameterError

if TYPE_CHECKING:
    from distributed import Client

__all__ = [
    "Cluster",
    "Crew",
    "Memory",
    "Outcome",
    "Runner",
    "Stopped",
    "Threads",
    "available_cpus",
    "one_blas_thread",
    "stop_if_unwanted",
]

Item = TypeVar("Item")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

#: Seconds to wait for tasks of a cluster before looking whether anybody is there to do them.
_PATIENCE = 20.0


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
        self._libraries: Any = None
        self._modules = 0

    def _limit(self) -> Any:
        """Limit the libraries that are loaded; to look for them takes milliseconds, so only after new imports."""
        from threadpoolctl import ThreadpoolController

        if self._modules != len(sys.modules):
            self._modules = len(sys.modules)
            self._libraries = ThreadpoolController()
        return self._libraries.limit(limits=1, user_api="blas")

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        import scipy.linalg  # noqa: F401  brings a BLAS of its own, which is to be there when the limit is set

        with self._lock:
            if self._inside == 0:
                self._limits = self._keeper.submit(self._limit).result()
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


class Outcome(Protocol[Result_co]):
    """What became of a task."""

    def result(self) -> Result_co:
        """Return what the task returned, or raise what it raised."""
        ...


class Stopped(BaseException):
    """Ends a task whose result nobody waits for any more."""


_thread = threading.local()


def stop_if_unwanted() -> None:
    """Raise `Stopped` in a thread of a run that was given up: long tasks call this between their parts."""
    given_up: threading.Event | None = getattr(_thread, "given_up", None)
    if given_up is not None and given_up.is_set():
        raise Stopped


@dataclass(frozen=True)
class Crew:
    """Who works on a run.

    Attributes
    ----------
    threads : int
        Tasks at a time in each process.
    processes : int
        Processes that run tasks on one machine: on the one that has most.
    total : int
        Those on all machines.
    apart : bool
        Whether the process that was called is one more on that machine.
    fixed : bool
        Whether others decide how many tasks run at a time.
    """

    threads: int = 1
    processes: int = 1
    total: int = 1
    apart: bool = False
    fixed: bool = False


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
    ) -> Generator[tuple[Item, Outcome[Result]], None, None]:
        """Yield each item with what became of ``function(item, *shared)``, as they finish.

        A bounded number is under way at a time. An error of the function is in its outcome; it does not end the run.
        """

    def everywhere(self, function: Callable[[], Result]) -> list[Result]:
        """Return what the function returns in each process that runs tasks."""
        return [function()]

    def crew(self) -> Crew:
        """Return who works at this moment."""
        return Crew(self.workers)

    def unpin(self) -> None:  # noqa: B027  most runners have one process
        """Let go of what was pinned."""

    def pin(self, value: Any) -> None:  # noqa: B027  most runners have one process
        """Keep `value`, as it is in each process that runs tasks, until the runner is closed or gone."""

    def close(self) -> None:  # noqa: B027  most runners hold nothing
        """Let go of what the runner holds; it runs nothing after that."""


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
            except Exception as error:  # noqa: BLE001  the caller decides what it means
                outcome.set_exception(error)
            yield item, outcome


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
    ) -> Generator[tuple[Item, Outcome[Result]], None, None]:
        """Yield each item with its outcome, as they finish."""
        queue = iter(items)
        given_up = threading.Event()
        with ThreadPoolExecutor(self.workers, "hsad", _belongs_to, (given_up,)) as pool:
            running: dict[Future[Result], Item] = {}
            try:
                while True:
                    # One task more than threads: nobody waits while the caller deals with a result.
                    for item in itertools.islice(queue, self.workers + 1 - len(running)):
                        running[pool.submit(function, item, *shared)] = item
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield running.pop(future), future
            finally:
                given_up.set()
                for future in running:
                    future.cancel()


def _belongs_to(given_up: threading.Event) -> None:
    _thread.given_up = given_up


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
                raise ParameterError(f"scheduler: no dask scheduler answers at {cluster!r} ({error})") from error
            # Of a connection that is lost they would print tracebacks; our error says it.
            for name in ("distributed.client", "distributed.batched"):
                logging.getLogger(name).setLevel(logging.CRITICAL)
        self.client = cluster
        self._pinned: list[Any] = []
        self._homes: list[str] = []
        self._sent: dict[int, tuple[Any, Any]] = {}

    def pin(self, value: Any) -> None:
        """Keep `value`, as it is in each worker, until the runner is closed or gone; tasks return to their worker."""
        threads: dict[str, int] = self.client.nthreads()
        self._homes = [home for home in sorted(threads) for _ in range(threads[home])]
        # A result of its own on each worker: the cluster forgets it with the last future, also if this process dies.
        self._pinned += [self.client.submit(_identity, value, workers=[home], pure=False) for home in threads]

    def close(self) -> None:
        """Let go of what is pinned; close the connection, if it was made here."""
        self._pinned.clear()
        self._sent.clear()
        if self._own:
            self.client.close()

    def crew(self) -> Crew:
        """Return who works at this moment, by the names of their machines."""
        machines = Counter(self.everywhere(platform.node))
        threads: dict[str, int] = self.client.nthreads()
        return Crew(
            max(threads.values(), default=1),
            max(machines.values()),
            machines.total(),
            apart=platform.node() in machines,
            fixed=True,
        )

    def unpin(self) -> None:
        """Let go of what was pinned."""
        self._pinned.clear()

    def everywhere(self, function: Callable[[], Result]) -> list[Result]:
        """Return what the function returns on each worker that answers.

        Raises
        ------
        ClusterError
            When none does.
        """
        try:
            found: dict[str, Result] = self.client.run(function, on_error="ignore")
        except (OSError, CancelledError) as error:
            raise ClusterError("scheduler: the connection to the cluster is lost") from error
        if not found:
            raise ClusterError("scheduler: no worker of the cluster answers")
        return list(found.values())

    @property
    # Not a constant here: workers come and go.
    def workers(self) -> int:  # type: ignore[override]
        """Threads of all workers at this moment, at least one."""
        threads: dict[str, int] = self.client.nthreads()
        return max(1, sum(threads.values()))

    def run(
        self, function: Callable[..., Result], items: Iterable[Item], *shared: Any
    ) -> Generator[tuple[Item, Outcome[Result]], None, None]:
        """Yield each item with its outcome, as they finish.

        Raises
        ------
        ClusterError
            When the scheduler is gone, no worker is left, or the cluster cannot load what it was sent.
        """
        # A task that returns its argument, not `scatter`: what a lost worker held can be computed again.
        # What the pass before had too (the source with its mask, say) is there already.
        self._sent = {
            id(value): self._sent.get(id(value)) or (value, self.client.submit(_identity, value, pure=False))
            for value in shared
        }
        common = [self._sent[id(value)][1] for value in shared]
        queue = iter(enumerate(items))
        running: dict[Any, Item] = {}
        try:
            while True:
                for number, item in itertools.islice(queue, max(0, 2 * self.workers - len(running))):
                    # The same item goes to the same worker every time: what is pinned there may know it.
                    home = {"workers": self._homes[number % len(self._homes)]} if self._homes else {}
                    future = self.client.submit(
                        function, item, *common, pure=False, allow_other_workers=bool(home), **home
                    )
                    running[future] = item
                if not running:
                    return
                for future in self._finished(list(running)):
                    yield running.pop(future), _Fetched(self.client, future)
        except (OSError, CancelledError) as error:  # of the cluster: what tasks raise is in their outcomes
            # A closed connection is an OSError; the client's status may say so later.
            if isinstance(error, CancelledError) and self.client.status == "running":
                raise ClusterError(
                    f"scheduler: the cluster dropped tasks; can it import all that they need? ({error})"
                ) from error
            raise ClusterError("scheduler: the connection to the cluster is lost") from error
        finally:
            for future in running:
                future.cancel()

    def _finished(self, futures: list[Any]) -> set[Any]:
        """Wait for some of the futures to finish, as long as there is somebody who works on them."""
        from distributed import wait as wait_for

        alone_since: float | None = None
        while True:
            try:
                with self.client.as_current():
                    done: set[Any] = wait_for(futures, timeout=_PATIENCE, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                if self.client.nthreads():
                    alone_since = None
                    continue
                alone_since = alone_since or time.monotonic()
                if time.monotonic() - alone_since > _PATIENCE:
                    raise ClusterError("scheduler: the cluster has no workers left") from None
            else:
                return done


class _Fetched(Generic[Result]):
    """The outcome of a task of a cluster, fetched from the worker that has it when it is asked for."""

    def __init__(self, client: Client, future: Any) -> None:
        self._client = client
        self._future = future

    def result(self) -> Result:
        """Return what the task returned, or raise what it raised; it does not pass through the scheduler."""
        result: Result = self._client.gather(self._future, direct=True)
        return result
