"""Facts about a scene from one pass: whether pixels are valid, whether they vary, how large their values are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Background, Scan
from hsad.detectors.block import Block
from hsad.errors import DataError
from hsad.kernels.summaries import Largest

__all__ = ["Range", "Scale", "check_varies", "factor_of", "order_one_factor", "require_valid"]

T = TypeVar("T")

#: A largest magnitude in this range is of order one, and the spectra are not scaled.
_ORDER_ONE = (0.1, 10.0)


def require_valid(found: T | None) -> T:
    """Return the result of a pass over the valid pixels of a scene; refuse None, which means that there are none.

    Raises
    ------
    DataError
        When no pixel is valid.
    """
    if found is None:
        raise DataError("the scene has no valid pixel: each has nodata, NaN or a mask in some band")
    return found


@dataclass(frozen=True)
class Scale(Background):
    """One factor for all spectra.

    Attributes
    ----------
    factor : float
        Spectra are multiplied by it before λ is added to their products.
    """

    factor: float


def order_one_factor(scan: Scan) -> float:
    """Return the factor that makes the largest magnitude of a scene one; 1 if it is of order one already."""
    return factor_of(require_valid(scan(_largest)).value)


def factor_of(largest: float) -> float:
    """Return the factor that makes a largest magnitude one; 1 if it is 0 or of order one already."""
    return 1.0 if largest == 0 or _ORDER_ONE[0] <= largest <= _ORDER_ONE[1] else 1.0 / largest


def _largest(block: Block) -> Largest | None:
    pixels = block.pixels
    return Largest(float(np.abs(pixels).max())) if len(pixels) else None


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
    """Return the range of the valid pixels after one pass; refuse a scene in which all have the same spectrum.

    Raises
    ------
    DataError
        Also when no pixel is valid.
    """
    found = require_valid(scan(_range_of))
    if np.array_equal(found.low, found.high):
        raise DataError("the scene is constant: every valid pixel has the same spectrum")
    return found


def _range_of(block: Block) -> Range | None:
    found: Range | None = None
    for pixels in block.pieces():
        part = Range(pixels.min(axis=0), pixels.max(axis=0))
        found = part if found is None else found + part
    return found
