"""Refusing a scene in which there is nothing to find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Block, Scan
from hsad.errors import DataError

__all__ = ["check_varies"]


@dataclass(frozen=True, eq=False)
class _Range:
    """Smallest and largest value of each band."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __add__(self, other: _Range) -> _Range:
        return _Range(np.minimum(self.low, other.low), np.maximum(self.high, other.high))


def check_varies(scan: Scan) -> None:
    """Refuse, in one pass, a scene whose valid pixels all have the same spectrum.

    Raises
    ------
    DataError
        Also when no pixel is valid.
    """
    found = scan(_range)
    if found is None:
        raise DataError("the scene has no valid pixel: each has nodata, NaN or a mask in some band")
    if np.array_equal(found.low, found.high):
        raise DataError("the scene is constant: every valid pixel has the same spectrum")


def _range(block: Block) -> _Range | None:
    pixels = block.pixels
    return _Range(pixels.min(axis=0), pixels.max(axis=0)) if len(pixels) else None
