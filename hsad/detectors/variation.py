"""Refusing a scene in which there is nothing to find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Block, Scan
from hsad.errors import DataError

__all__ = ["Range", "check_varies"]


@dataclass(frozen=True, eq=False)
class Range:
    """Smallest and largest value of each band, ``(d,)`` each."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __add__(self, other: Range) -> Range:
        return Range(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    @property
    def largest(self) -> float:
        """The largest magnitude in any band."""
        return float(max(np.abs(self.low).max(), np.abs(self.high).max()))


def check_varies(scan: Scan) -> Range:
    """Return, in one pass, the range of the valid pixels; refuse a scene in which they all have the same spectrum.

    Raises
    ------
    DataError
        Also when no pixel is valid.
    """
    found = scan(_range_of)
    if found is None:
        raise DataError("the scene has no valid pixel: each has nodata, NaN or a mask in some band")
    if np.array_equal(found.low, found.high):
        raise DataError("the scene is constant: every valid pixel has the same spectrum")
    return found


def _range_of(block: Block) -> Range | None:
    pixels = block.pixels
    return Range(pixels.min(axis=0), pixels.max(axis=0)) if len(pixels) else None
