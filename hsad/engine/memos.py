"""The caches of leaves: what detectors keep of a place between their passes, as far as memory allows."""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["Memos"]

#: Share of the memory for the caches of leaves.
_MEMOS = 1 / 10


class Memos(dict[tuple[int, int], dict[str, Any]]):
    """The caches of a scene's leaves; they stay where they were filled.

    Sent to another process they arrive empty the first time, and as what that process filled since, as long as
    somebody there holds them (`Runner.pin`).

    Parameters
    ----------
    memory : int
        Bytes that the run may take; the arrays of all caches together get a share of it.
    name : str, optional
        By which other processes know these caches.
    """

    def __init__(self, memory: int, name: str | None = None) -> None:
        super().__init__()
        self._memory = memory
        self._name = name or uuid.uuid4().hex
        self._sizes: dict[tuple[int, int], int] = {}
        self._total = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[[int, str], Memos], tuple[int, str]]:
        return _memos_here, (self._memory, self._name)

    def settle(self, place: tuple[int, int]) -> None:
        """Empty the cache of a leaf that was used, if all together hold too much."""
        memo = self[place]
        size = sum(array.nbytes for array in _arrays(memo.values()))
        with self._lock:
            others = self._total - self._sizes.get(place, 0)
            if others + size > _MEMOS * self._memory:
                memo.clear()
                size = 0
            self._sizes[place] = size
            self._total = others + size


#: Caches that came from other processes, while somebody here holds them.
_arrived: weakref.WeakValueDictionary[str, Memos] = weakref.WeakValueDictionary()
_arriving = threading.Lock()


def _memos_here(memory: int, name: str) -> Memos:
    """Return the caches of this name in this process, empty ones if there are none."""
    with _arriving:
        memos = _arrived.get(name)
        if memos is None:
            memos = _arrived[name] = Memos(memory, name)
        return memos


def _arrays(values: Any) -> Iterator[np.ndarray[Any, Any]]:
    for value in values:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, tuple):
            yield from _arrays(value)
