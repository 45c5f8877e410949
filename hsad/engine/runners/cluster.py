"""Tasks on the workers of a dask cluster."""

from __future__ import annotations

import itertools
import platform
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hsad.engine.runners.connection import connected, leave_thread_pool
from hsad.engine.runners.local import Runner, Workers
from hsad.engine.runners.revision import revision
from hsad.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Cluster", "checked_task", "identity"]

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Seconds to wait for a finished task before asking whether the cluster has workers.
_PATIENCE = 20.0


def identity(value: Result) -> Result:
    """Return the value: a task whose result workers share."""
    return value


def checked_task(expected: str, function: Callable[..., Result], *arguments: Any) -> Result:
    """Return ``function(*arguments)``, if this worker runs the expected `revision` of hsad.

    Workers may join after `Cluster` compared the revisions of all workers. So each task compares again.

    Raises
    ------
    ClusterError
    """
    if revision() != expected:
        from distributed import get_worker

        raise ClusterError(_other_revision({get_worker().address: revision()}, expected))
    return function(*arguments)


class Cluster(Runner):
    """Tasks on the workers of a dask cluster.

    A runner that is made inside a task of a cluster takes its thread out of the worker's thread pool. Otherwise the
    thread would wait for tasks that wait for this thread.

    Parameters
    ----------
    cluster : str, distributed.Client or dask cluster
        Address of the scheduler, a client that is connected to the scheduler, or an object such as `LocalCluster`.

    Raises
    ------
    ParameterError
        When no scheduler answers.
    ClusterError
        When a worker runs another revision of hsad, or cannot import hsad.
    """

    def __init__(self, cluster: str | Client) -> None:
        self.client, self._connected_here = connected(cluster)
        self._pinned: list[Any] = []
        self._homes: list[str] = []
        self._sent: dict[int, tuple[Any, Any]] = {}
        leave_thread_pool()
        try:
            self._check_revisions()
        except BaseException:
            self.close()
            raise

    def _check_revisions(self) -> None:
        """Refuse a cluster on which a worker would compute other scores.

        Raises
        ------
        ClusterError
        """
        try:
            found: dict[str, str | Exception] = self.client.run(revision, on_error="return")
        except (OSError, CancelledError) as error:
            raise ClusterError("scheduler: the connection to the cluster is lost") from error
        # A worker that does not answer is no worker of another revision: its tasks go to other workers.
        others = {
            worker: answer
            for worker, answer in found.items()
            if answer != revision() and not isinstance(answer, OSError)
        }
        if others:
            raise ClusterError(_other_revision(others, revision()))

    def pin(self, value: Any) -> None:
        """Keep a copy of `value` on each worker until `unpin` or `close`; equal tiles go to the same worker."""
        threads: dict[str, int] = self.client.nthreads()
        self._homes = [worker for worker in sorted(threads) for _ in range(threads[worker])]
        # One result on each worker: the cluster forgets it with the last future, also if this process dies.
        self._pinned += [self.client.submit(identity, value, workers=[worker], pure=False) for worker in threads]

    def unpin(self) -> None:
        """Release the pinned values."""
        self._pinned.clear()

    def close(self) -> None:
        """Release the pinned values; close the connection, if it was made here."""
        self._pinned.clear()
        self._sent.clear()
        if self._connected_here:
            self.client.close()

    def workers(self) -> Workers:
        """Return the processes and threads at this moment, counted by the names of their machines."""
        machines = Counter(self.everywhere(platform.node))
        threads: dict[str, int] = self.client.nthreads()
        return Workers(
            max(threads.values(), default=1),
            max(machines.values()),
            machines.total(),
            separate_caller=platform.node() in machines,
            fixed=True,
        )

    def everywhere(self, function: Callable[[], Result]) -> list[Result]:
        """Return the function's value on each worker that answers.

        Raises
        ------
        ClusterError
            When no worker answers.
        """
        try:
            found: dict[str, Result] = self.client.run(function, on_error="ignore")
        except (OSError, CancelledError) as error:
            raise ClusterError("scheduler: the connection to the cluster is lost") from error
        if not found:
            raise ClusterError("scheduler: no worker of the cluster answers")
        return list(found.values())

    def run(
        self, function: Callable[..., Result], items: Iterable[Item], *shared: Any
    ) -> Generator[tuple[Item, _Fetched[Result]], None, None]:
        """Yield each item with its outcome, in the order in which they finish.

        Raises
        ------
        ClusterError
            When the scheduler is gone, no worker is left, or the cluster cannot load the function or its arguments.
        """
        # A task that returns its argument, not `scatter`: the cluster can compute again what a lost worker had.
        # Arguments of the pass before (the source with its mask, for example) are not sent again.
        self._sent = {
            id(value): self._sent.get(id(value)) or (value, self.client.submit(identity, value, pure=False))
            for value in shared
        }
        common = [self._sent[id(value)][1] for value in shared]
        queue = iter(enumerate(items))
        running: dict[Any, Item] = {}
        try:
            while True:
                for number, item in itertools.islice(queue, max(0, 2 * self._threads() - len(running))):
                    # The same item goes to the same worker in every pass: its cache is in the memory of that worker.
                    home = {"workers": self._homes[number % len(self._homes)]} if self._homes else {}
                    future = self.client.submit(
                        checked_task, revision(), function, item, *common,
                        pure=False, allow_other_workers=bool(home), **home,
                    )  # fmt: skip
                    running[future] = item
                if not running:
                    return
                for future in self._finished(list(running)):
                    yield running.pop(future), _Fetched(self.client, future)
        except (OSError, CancelledError) as error:  # of the cluster: errors of tasks are in their outcomes
            # A closed connection is an OSError; the client's status may say so later.
            if isinstance(error, CancelledError) and self.client.status == "running":
                raise ClusterError(
                    f"scheduler: the cluster dropped tasks; can it import all that they need? ({error})"
                ) from error
            raise ClusterError("scheduler: the connection to the cluster is lost") from error
        finally:
            for future in running:
                future.cancel()

    def _threads(self) -> int:
        """Return the number of threads of all workers at this moment, at least one."""
        threads: dict[str, int] = self.client.nthreads()
        return max(1, sum(threads.values()))

    def _finished(self, futures: list[Any]) -> set[Any]:
        """Wait until at least one of the futures is finished, as long as the cluster has workers."""
        from distributed import wait

        no_workers_since: float | None = None
        while True:
            try:
                with self.client.as_current():
                    done: set[Any] = wait(futures, timeout=_PATIENCE, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                if self.client.nthreads():
                    no_workers_since = None
                    continue
                no_workers_since = no_workers_since or time.monotonic()
                if time.monotonic() - no_workers_since > _PATIENCE:
                    raise ClusterError("scheduler: the cluster has no workers left") from None
            else:
                return done


class _Fetched(Generic[Result]):
    """The outcome of a task of a cluster. The result is fetched from its worker when `result` is called."""

    def __init__(self, client: Client, future: Any) -> None:
        self._client = client
        self._future = future

    def result(self) -> Result:
        """Return the result of the task, or raise its error. The result does not pass through the scheduler."""
        result: Result = self._client.gather(self._future, direct=True)
        return result


def _other_revision(others: dict[str, str | Exception], expected: str) -> str:
    """Return one line that names the first of the workers with another revision, and counts the others."""
    worker, answer = next(iter(sorted(others.items())))
    more = f" (and {len(others) - 1} more workers)" if len(others) > 1 else ""
    if isinstance(answer, Exception):
        return (
            f"scheduler: the worker {worker}{more} cannot import this revision of hsad ({answer or type(answer)}): "
            f"install hsad {expected} there and start the worker again"
        )
    return (
        f"scheduler: the worker {worker}{more} runs another revision of hsad ({answer}) than this process "
        f"({expected}): install the same one everywhere and start the worker again"
    )
