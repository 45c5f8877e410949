"""What a peer is: it is given a cube and a window and says how long a pixel took."""

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
    """The seconds that one pixel took, and the objective reached, of methods that minimize one."""

    seconds: float
    objective: float | None = None


@dataclass(frozen=True)
class Peer:
    """A competitor.

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
    """Return straightforward numpy as a peer: ``score(cube, row, col, outer, inner)`` of some pixels, timed."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:
        row = cube.shape[0] // 2
        cols = np.arange(pixels) % (cube.shape[1] - outer) + outer // 2

        def some() -> None:
            for col in cols:
                score(cube, row, int(col), outer, inner)

        return Measured(best_of(some) / pixels)

    return Peer(name, measure)


def numpy_whole(name: str, score: Callable[[Cube], object]) -> Peer:
    """Return a straightforward function of the whole cube as a peer."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:  # noqa: ARG001  it has no window
        started = time.perf_counter()
        result = score(cube)
        seconds = (time.perf_counter() - started) / cube[..., 0].size
        return Measured(seconds, result.objective if isinstance(result, Decomposed) else None)

    return Peer(name, measure)
