"""Peers: functions of a cube and a window that return the seconds per pixel."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.bench.formulas import Decomposed
from hsad.bench.timing import best_of

__all__ = ["Cube", "Measured", "Peer", "numpy_loop", "numpy_whole"]

Cube = NDArray[np.float64]
"""Spectra as (rows, cols, bands)."""


class Measured(NamedTuple):
    """Seconds per pixel, and the objective reached by methods that minimize one."""

    seconds: float
    objective: float | None = None


@dataclass(frozen=True)
class Peer:
    """A program or library that hsad is compared with.

    Attributes
    ----------
    name : str
    measure : callable
        ``measure(cube, outer, inner)`` returns a `Measured`.
    available : bool
        Whether the program is installed.
    """

    name: str
    measure: Callable[[Cube, int, int], Measured]
    available: bool = True


def numpy_loop(name: str, score: Callable[[Cube, int, int, int, int], float], pixels: int = 30) -> Peer:
    """Return numpy as a peer, which times ``score(cube, row, col, outer, inner)`` of some pixels."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:
        row = cube.shape[0] // 2
        cols = np.arange(pixels) % (cube.shape[1] - outer) + outer // 2

        def some() -> None:
            for col in cols:
                score(cube, row, int(col), outer, inner)

        return Measured(best_of(some) / pixels)

    return Peer(name, measure)


def numpy_whole(name: str, score: Callable[[Cube], object]) -> Peer:
    """Return a function of the whole cube in numpy as a peer."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:  # noqa: ARG001  no window
        started = time.perf_counter()
        result = score(cube)
        seconds = (time.perf_counter() - started) / cube[..., 0].size
        return Measured(seconds, result.objective if isinstance(result, Decomposed) else None)

    return Peer(name, measure)
