"""The devices that torch computes on, and the number of its threads."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hsad.errors import MissingExtraError, ParameterError, without_warnings

if TYPE_CHECKING:
    import torch

__all__ = ["INSTALL_TORCH", "alone_on", "one_torch_thread", "torch_device"]

#: The command that installs torch.
INSTALL_TORCH = "pip install -e '.[deep]' in a clone of hsad"


def torch_device(name: str, needed_by: str) -> torch.device:
    """Return a device of torch, checked to exist.

    Parameters
    ----------
    name : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    needed_by : str
        The option or method that asks for it, for the message.

    Raises
    ------
    MissingExtraError
        When torch is not installed.
    ParameterError
        When there is no such device.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(f"{needed_by} needs torch, which is not installed: {INSTALL_TORCH}") from error
    with without_warnings():  # about drivers that are too old or missing
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{number}" for number in range(gpus))]
    if name not in there:
        raise ParameterError(f"device: {name!r} is not one of those that torch finds here: {', '.join(there)}")
    return torch.device(name)


_TURNS: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def alone_on(device: torch.device) -> threading.Lock:
    """Return the lock under which one thread uses a device alone.

    The chunks of one thread fill a GPU. Several threads would find the same memory free at the same moment, and each
    would take a share of it.
    """
    return _TURNS[str(device)]


class _OneThread:
    """Limits torch to one thread while a thread of hsad is inside the context; the last thread lifts the limit.

    The last digits of an operation depend on how it is split over threads, and training spreads them to all digits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = 1

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        import torch

        with self._lock:
            if self._inside == 0:
                self._before = torch.get_num_threads()
            self._inside += 1
            torch.set_num_threads(1)  # OpenMP keeps the number for each thread that calls it
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    torch.set_num_threads(self._before)


#: Context in which torch computes with one thread.
one_torch_thread = _OneThread()
