"""The caches of leaves: what detectors keep of a place between their passes, as far as memory allows."""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["LeafCaches"]


class LeafCaches(dict[tuple[int, int], dict[str, Any]]):
    """The caches of a scene's leaves; they stay where they were filled.

    Sent to another process they arrive empty the first time, and as what that process filled since, as long as
    somebody there holds them (`Runner.pin`).

    Parameters
    ----------
    limit : int
        Bytes that all caches together may take in a process.
    name : str, optional
        By which other processes know these caches.
    """

    def __init__(self, limit: int, name: str | None = None) -> None:
        super().__init__()
        self._limit = limit
        self._name = name or uuid.uuid4().hex
        self._sizes: dict[tuple[int, int], int] = {}
        self._total = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[[int, str], LeafCaches], tuple[int, str]]:
        return _caches_here, (self._limit, self._name)

    def settle(self, place: tuple[int, int]) -> None:
        """Empty the cache of a leaf that was used, if all together hold too much."""
        cache = self[place]
        size = sum(map(_size, cache.values()))
        with self._lock:
            others = self._total - self._sizes.get(place, 0)
            if others + size > self._limit:
                cache.clear()
                size = 0
            self._sizes[place] = size
            self._total = others + size


#: Caches that came from other processes, while somebody here holds them.
_arrived: weakref.WeakValueDictionary[str, LeafCaches] = weakref.WeakValueDictionary()
_arriving = threading.Lock()


def _caches_here(limit: int, name: str) -> LeafCaches:
    """Return the caches of this name in this process, empty ones if there are none."""
    with _arriving:
        caches = _arrived.get(name)
        if caches is None:
            caches = _arrived[name] = LeafCaches(limit, name)
        return caches


def _size(value: Any) -> int:
    """Return the bytes of a value that says how many it has, as arrays do; of a tuple, those of its items."""
    return sum(map(_size, value)) if isinstance(value, tuple) else int(getattr(value, "nbytes", 0))
