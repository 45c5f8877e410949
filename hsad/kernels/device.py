"""Where torch computes: which devices are there, and how many threads it takes."""

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

#: What to type where torch is missing.
INSTALL_TORCH = "pip install -e '.[deep]' in a clone of hsad"


def torch_device(name: str, needed_by: str) -> torch.device:
    """Return a device of torch that is there.

    Parameters
    ----------
    name : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    needed_by : str
        What asks for it, for the message.

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
    """Return the lock under which one thread has a device to itself.

    One thread's chunks fill a GPU. Several would each take a share of its memory, found free at the same moment.
    """
    return _TURNS[str(device)]


class _OneThread:
    """Limits torch to one thread in every thread of ours that is inside; the last one out lifts the limit.

    How an operation is split over threads shows in the last digits, and training carries them on into all others.
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
