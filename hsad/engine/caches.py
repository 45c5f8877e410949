"""The caches of leaves: what detectors store for a leaf between their passes, within a limit of memory."""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["LeafCaches"]


class LeafCaches(dict[tuple[int, int], dict[str, Any]]):
    """The caches of a scene's leaves, by row and column of the leaf. Their content never leaves its process.

    A pickle holds the limit and the name only. A process that loads the pickle gets its own caches of this name: the
    ones it has filled before, if something in that process still refers to them (see `Runner.pin`), otherwise empty
    ones.

    Parameters
    ----------
    limit : int
        Bytes that all caches together may take in a process.
    name : str, optional
        Name that identifies these caches in other processes.

    Attributes
    ----------
    complete : bool
        Whether all leaves of the scene have their cache in this process. False in a process that loaded a pickle, which
        works on some of the leaves only.
    """

    def __init__(self, limit: int, name: str | None = None) -> None:
        super().__init__()
        self.complete = name is None
        self._limit = limit
        self._name = name or uuid.uuid4().hex
        self._sizes: dict[tuple[int, int], int] = {}
        self._total = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[[int, str], LeafCaches], tuple[int, str]]:
        return _caches_named, (self._limit, self._name)

    def settle(self, place: tuple[int, int]) -> None:
        """Measure the cache of a leaf after its use, and empty it if all caches together exceed the limit."""
        cache = self[place]
        size = sum(map(_size, cache.values()))
        with self._lock:
            others = self._total - self._sizes.get(place, 0)
            if others + size > self._limit:
                cache.clear()
                size = 0
            self._sizes[place] = size
            self._total = others + size


#: Caches that were loaded from pickles and are still referred to in this process.
_arrived: weakref.WeakValueDictionary[str, LeafCaches] = weakref.WeakValueDictionary()
_arriving = threading.Lock()


def _caches_named(limit: int, name: str) -> LeafCaches:
    """Return the caches of this name in this process; new, empty ones if there are none."""
    with _arriving:
        caches = _arrived.get(name)
        if caches is None:
            caches = _arrived[name] = LeafCaches(limit, name)
        return caches


def _size(value: Any) -> int:
    """Return the bytes of an array (0 for a value without `nbytes`), or of all items of a tuple."""
    return sum(map(_size, value)) if isinstance(value, tuple) else int(getattr(value, "nbytes", 0))
