"""Connections to dask clusters: by address, by client, and from inside a task of a cluster."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from hsad.errors import ParameterError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["active_client", "connected", "is_in_worker", "leave_thread_pool"]

#: Seconds within which a scheduler must answer.
_TIMEOUT = 5.0


def connected(cluster: Any) -> tuple[Client, bool]:
    """Return a connected client, and whether the connection was made by this function.

    Parameters
    ----------
    cluster : str, distributed.Client or dask cluster
        Address of the scheduler, a client, or an object such as `LocalCluster`.

    Raises
    ------
    ParameterError
        When no scheduler answers within 5 s.
    """
    from distributed import Client

    if isinstance(cluster, Client):
        if cluster.status != "running" or cluster.asynchronous:
            state = "asynchronous" if cluster.asynchronous else cluster.status
            raise ParameterError(f"scheduler: the client {cluster.id} is {state}, not connected")
        return cluster, False
    if not isinstance(cluster, str):
        address = getattr(cluster, "scheduler_address", None)
        if not isinstance(address, str):
            raise ParameterError(f"scheduler: {cluster!r} is no address such as tcp://host:8786, and no dask client")
        security = getattr(cluster, "security", None)
    else:
        address, security = cluster, None
        _check_address(address)
    try:
        if not address.startswith("inproc://"):
            _ask(address, security)
        with _without_garbage_collection():
            client = Client(
                address, timeout=_TIMEOUT, set_as_default=False, **({} if security is None else {"security": security})
            )
    except ParameterError:
        raise
    except Exception as error:
        raise ParameterError(f"scheduler: no dask scheduler answers at {address!r} ({_reason(error)})") from error
    # When a connection is lost, these loggers print tracebacks; the error that hsad raises says it in one line.
    for name in ("distributed.client", "distributed.batched"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return client, True


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Keep Python from collecting cycles meanwhile.

    A client that starts holds a lock, which another client wants that is collected. If the collection happens in the
    thread that starts the client, the thread waits for itself for ever. The threshold does it, and not `gc.disable`:
    dask.array notes when it is imported whether the collector is on, and turns it off for good if it is not.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(0)
    try:
        yield
    finally:
        if thresholds[0]:  # else a client of another thread starts, too, and that one sets them back
            gc.set_threshold(*thresholds)


def _check_address(address: str) -> None:
    """Refuse an address that cannot be the address of a scheduler.

    Raises
    ------
    ParameterError
    """
    from distributed.comm.registry import backends

    scheme, separator, place = address.strip().partition("://")
    if not separator:
        scheme, place = "tcp", address.strip()
    example = "an address looks like tcp://host:8786"
    if scheme.lower() in {"http", "https"}:
        raise ParameterError(
            f"scheduler: {address!r} is the address of a web page, such as the dashboard, and not of a scheduler: "
            f"{example}"
        )
    if scheme not in backends:
        known = ", ".join(f"{name}://" for name in ("tcp", "tls") if name in backends)
        raise ParameterError(f"scheduler: {address!r} begins with none of {known}: {example}")
    if scheme == "inproc":
        return
    host, colon, port = place.partition("/")[0].rpartition(":")
    if not colon or not host or not port:
        missing = "host" if colon and port else "port"
        raise ParameterError(f"scheduler: {address!r} names no {missing}: {example}")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise ParameterError(f"scheduler: {address!r}: {port!r} is no port from 1 to 65535: {example}")
    if scheme == "tls" and _security(None).get_connection_args("client").get("ssl_context") is None:
        raise ParameterError(
            f"scheduler: {address!r} needs certificates: name them in dask's configuration (distributed.comm.tls)"
        )


def _security(security: Any) -> Any:
    from distributed.security import Security

    return Security() if security is None else security


def _ask(address: str, security: Any) -> None:
    """Ask whether a scheduler listens at an address. `distributed.Client` waits for ever where another program does.

    Raises
    ------
    ParameterError
        When a dask process answers that is not a scheduler.
    Exception
        Of any kind, when something else answers.
    """
    from distributed.comm.core import connect
    from distributed.core import send_recv

    async def kind() -> str:
        arguments = _security(security).get_connection_args("client")
        comm = await connect(address, timeout=_TIMEOUT, **arguments)
        return str((await send_recv(comm, op="identity", close=True)).get("type"))

    answer: Future[str] = Future()

    def ask() -> None:
        try:
            answer.set_result(asyncio.run(asyncio.wait_for(kind(), _TIMEOUT)))
        except BaseException as error:  # noqa: BLE001  bytes of another program cause errors of all kinds
            answer.set_exception(error)

    # In a thread, because the caller's thread may run an event loop (a notebook's does). A daemon, because a search
    # for the name of a host cannot be stopped.
    threading.Thread(target=ask, daemon=True).start()
    found = answer.result(_TIMEOUT + 1)
    if found != "Scheduler":
        raise ParameterError(f"scheduler: a dask {found.lower()} answers at {address!r}, not a scheduler")


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_TIMEOUT:.0f} s"
    if isinstance(error, MemoryError):
        return "another program answers there"
    return str(error) or type(error).__name__


def active_client() -> Client | None:
    """Return the client that is active in this thread, None inside a worker and where there is none.

    A job inside a task of a cluster must not wait for tasks of the same cluster: when all workers run such jobs, no
    thread is left for those tasks.
    """
    if "distributed" not in sys.modules or is_in_worker():
        return None
    from distributed import Client

    try:
        client: Client = Client.current()
    except ValueError:
        return None
    return client if client.status == "running" and not client.asynchronous else None


def is_in_worker() -> bool:
    """Tell whether this thread runs a task of a dask cluster, or belongs to a process that only runs such tasks."""
    if "distributed.worker" not in sys.modules:
        return False
    from distributed import Scheduler, Worker, get_worker

    try:
        get_worker()
    except ValueError:
        # A task may start threads. In a process that has a scheduler too, they may as well be the user's own threads.
        return bool(getattr(Worker, "_instances", ())) and not getattr(Scheduler, "_instances", ())
    return True


def leave_thread_pool() -> None:
    """Let the worker run other tasks while this thread, if it runs a task itself, waits for them."""
    if not is_in_worker():
        return
    from distributed import secede

    # Outside of the pool already (KeyError), or in a thread that a task started (the others).
    with contextlib.suppress(ValueError, AttributeError, KeyError):
        secede()
