"""Where a detector keeps large states between its passes: in memory while that is large enough, else on disk."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import weakref
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
"""Shares of what is free of memory and disk that a state may take: the scene and everybody else need the rest."""


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
        """Tell whether so many bytes may be kept in memory, for a run that may keep `most` bytes."""
        return wanted <= min(_FREE_SHARE * self._free[0], most)

    def place(self, wanted: int, most: int, what: str) -> Place:
        """Return where a state of `wanted` bytes goes, for a run that may keep `most` bytes in memory.

        Raises
        ------
        DataError
            When it fits nowhere; the message says what needs how much.
        """
        if self.holds(wanted, most):
            return "memory"
        memory, disk = self._free
        if wanted <= _DISK_SHARE * disk:
            return "disk"
        raise DataError(
            f"{what} needs {_gigabytes(wanted)}, with {_gigabytes(min(_FREE_SHARE * memory, most))} of memory and "
            f"{_gigabytes(disk)} of disk free for temporary files: choose fewer pixels or bands (region, bands, pca), "
            "raise memory (nearly half of it is kept for this), or set TMPDIR"
        )

    @property
    def _free(self) -> tuple[int, int]:
        """Bytes of memory and of disk on all machines together."""
        memory, disk = (sum(free) for free in zip(*self.machines.values(), strict=True))
        return memory, disk


class Stored(Protocol):
    """An array that lies somewhere."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes."""
        ...

    def load(self) -> NDArray[Any]:
        """Return the array."""
        ...


class _OnDisk:
    """An array in a temporary file that is removed with this object, at the latest when Python ends."""

    nbytes = 0

    def __init__(self, array: NDArray[Any]) -> None:
        handle, name = tempfile.mkstemp(prefix="hsad-", suffix=".state")
        self._path, self._shape, self._dtype = Path(name), array.shape, array.dtype
        weakref.finalize(self, _remove, self._path)
        with os.fdopen(handle, "wb") as file:
            array.tofile(file)

    def load(self) -> NDArray[Any]:
        """Return the array."""
        return np.fromfile(self._path, self._dtype).reshape(self._shape)


class _InMemory:
    """An array in memory."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.nbytes = array.nbytes

    def load(self) -> NDArray[Any]:
        """Return the array itself."""
        return self._array


def store(array: NDArray[Any], place: Place) -> Stored:
    """Return something whose ``load()`` gives the array back.

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
        raise DataError(f"{tempfile.gettempdir()}: cannot keep a state there ({error.strerror or error})") from error


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _free_memory() -> int:
    """Return the bytes of memory that new allocations can have, as far as the system says."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        # Elsewhere: half of what is installed, and without any answer the least that a machine has today.
        names = getattr(os, "sysconf_names", {})
        if "SC_PHYS_PAGES" not in names:
            return 2 * 2**30
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
