"""The place of large states between the passes of a detector: memory if it is large enough, else temporary files."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import tempfile
import threading
import weakref
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hsad.errors import DataError

__all__ = ["Place", "Room", "Stored", "store"]

Place = Literal["memory", "disk"]

_FREE_SHARE = 0.5
_DISK_SHARE = 0.9
"""Shares of the free memory and disk that a state may take. The scene and other programs need the rest."""


@dataclass(frozen=True)
class Room:
    """Free bytes of memory and of the disk for temporary files, by machine; merges with ``+``.

    Attributes
    ----------
    machines : dict
        Machine name to (bytes of memory, bytes of disk).
    """

    machines: dict[str, tuple[int, int]]

    @classmethod
    def here(cls) -> Room:
        """Return the room of this machine."""
        return cls({platform.node(): (_free_memory(), shutil.disk_usage(tempfile.gettempdir()).free)})

    def __add__(self, other: Room) -> Room:
        return Room(self.machines | other.machines)

    def holds(self, wanted: int, most: int) -> bool:
        """Tell whether a state of `wanted` bytes fits into memory, for a run that may cache `most` bytes."""
        return wanted <= min(_FREE_SHARE * self._free[0], most)

    def place(self, wanted: int, most: int, what: str) -> Place:
        """Return the place for a state of `wanted` bytes, for a run that may cache `most` bytes in memory.

        Raises
        ------
        DataError
            When it fits nowhere; the message says how much it needs.
        """
        if self.holds(wanted, most):
            return "memory"
        memory, disk = self._free
        if wanted <= _DISK_SHARE * disk:
            return "disk"
        raise DataError(
            f"{what} needs {_gigabytes(wanted)}, with {_gigabytes(min(_FREE_SHARE * memory, most))} of memory and "
            f"{_gigabytes(disk)} of disk free for temporary files: choose fewer pixels or bands (region, bands, pca), "
            "raise memory (nearly half of it is for this), or set TMPDIR"
        )

    @property
    def _free(self) -> tuple[int, int]:
        """Bytes of memory and of disk on all machines together."""
        memory, disk = (sum(free) for free in zip(*self.machines.values(), strict=True))
        return memory, disk


class Stored(Protocol):
    """An array in memory or on disk."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes."""
        ...

    def load(self) -> NDArray[Any]:
        """Return the array."""
        ...


class _Scratch:
    """A temporary file of this process without a name: the system removes it when the process ends, also by a kill."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="hsad-", buffering=0)  # noqa: SIM115  closed with this object
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        self._size = 0
        self._free: dict[int, list[int]] = {}  # places by their size: states of one scene have few sizes
        # Places of arrays that are gone. A deque, because a garbage collection may add one while the lock is held.
        self._returned: deque[tuple[int, int]] = deque()

    def write(self, array: NDArray[Any]) -> int:
        """Write an array and return its place."""
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        with self._lock:
            place = self._take(content.nbytes)
            try:
                self._file.seek(place)
                while content.nbytes:
                    content = content[self._file.write(content) :]
            except OSError:
                self.release(place, array.nbytes)
                raise
        return place

    def read(self, place: int, array: NDArray[Any]) -> None:
        """Read an array that was written at this place into `array`."""
        content = array.reshape(-1).view(np.uint8).data
        with self._lock:
            self._file.seek(place)
            while content.nbytes:
                count = self._file.readinto(content)
                if not count:
                    raise OSError(errno.EIO, "a state ends too early")
                content = content[count:]

    def release(self, place: int, size: int) -> None:
        """Let later arrays have the place of an array."""
        self._returned.append((place, size))

    def _take(self, size: int) -> int:
        while self._returned:
            place, returned = self._returned.popleft()
            self._free.setdefault(returned, []).append(place)
        if self._free.get(size):
            return self._free[size].pop()
        self._size += size
        return self._size - size


_scratch: weakref.ReferenceType[_Scratch] | None = None
_opening = threading.Lock()


def _shared_scratch() -> _Scratch:
    """Return the file of this process. It is closed, and its space is free, when no array lies in it."""
    global _scratch  # noqa: PLW0603  the file of the process
    with _opening:
        scratch = None if _scratch is None else _scratch()
        if scratch is None:
            scratch = _Scratch()
            _scratch = weakref.ref(scratch)
        return scratch


def _forget_scratch() -> None:
    global _scratch, _opening
    _scratch, _opening = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_scratch)  # two processes must not write to one file


class _OnDisk:
    """An array in the temporary file of this process."""

    nbytes = 0

    def __init__(self, array: NDArray[Any]) -> None:
        self._shape, self._dtype = array.shape, array.dtype
        self._scratch = _shared_scratch()
        self._place = self._scratch.write(array)
        weakref.finalize(self, self._scratch.release, self._place, array.nbytes).atexit = False

    def load(self) -> NDArray[Any]:
        """Return the array."""
        array = np.empty(self._shape, self._dtype)
        self._scratch.read(self._place, array)
        return array


class _InMemory:
    """An array in memory."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.nbytes = array.nbytes

    def load(self) -> NDArray[Any]:
        """Return the array itself."""
        return self._array


def store(array: NDArray[Any], place: Place) -> Stored:
    """Return a handle whose ``load()`` returns the array.

    Raises
    ------
    DataError
        When the disk is full.
    """
    if place == "memory":
        return _InMemory(array)
    try:
        return _OnDisk(array)
    except OSError as error:
        raise DataError(f"{tempfile.gettempdir()}: cannot write a state there ({error.strerror or error})") from error


def _free_memory() -> int:
    """Return the bytes of memory that new allocations can have, as the system states them."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        # Other systems: half of the installed memory; without an answer, the least that a machine has today.
        names = getattr(os, "sysconf_names", {})
        if "SC_PHYS_PAGES" not in names:
            return 2 * 2**30
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
