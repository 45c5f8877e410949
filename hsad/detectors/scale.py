"""One factor that makes the spectra of a scene of order one, for detectors whose λ means something only there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hsad.detectors.base import Background, Block, Scan
from hsad.errors import DataError
from hsad.kernels.summaries import Largest

__all__ = ["Scale", "factor_of", "order_one_factor"]

#: A largest magnitude in this range is of order one: such spectra are taken as they are.
_ORDER_ONE = (0.1, 10.0)


@dataclass(frozen=True)
class Scale(Background):
    """One factor for all spectra.

    Attributes
    ----------
    factor : float
        Spectra are multiplied by it before λ meets them.
    """

    factor: float


def order_one_factor(scan: Scan) -> float:
    """Return the factor that brings the largest magnitude of a scene to one; 1 where it is of order one."""
    largest = scan(_largest)
    if largest is None:
        raise DataError("the scene has no valid pixel: each has nodata, NaN or a mask in some band")
    return factor_of(largest.value)


def factor_of(largest: float) -> float:
    """Return the factor that brings a largest magnitude to one; 1 where it is 0 or of order one."""
    return 1.0 if largest == 0 or _ORDER_ONE[0] <= largest <= _ORDER_ONE[1] else 1.0 / largest


def _largest(block: Block) -> Largest | None:
    pixels = block.pixels
    return Largest(float(np.abs(pixels).max())) if len(pixels) else None
