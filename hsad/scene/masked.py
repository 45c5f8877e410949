"""numpy's masked arrays, as rasterio's ``read(masked=True)`` gives them: numbers with NaN where they are masked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["with_nan"]


def with_nan(values: Any) -> NDArray[Any]:
    """Return an array of numbers, NaN where a masked array has its mask.

    Parameters
    ----------
    values : array_like
        Returned unchanged when nothing is masked. Masked integers become floating-point numbers that hold them
        exactly: float32 up to 16 bits, float64 beyond.
    """
    if not isinstance(values, np.ma.MaskedArray):
        return np.asarray(values)
    if not np.ma.is_masked(values):
        return np.asarray(values.data)
    dtype = values.dtype if values.dtype.kind == "f" else np.result_type(values.dtype, np.float32)
    return np.asarray(np.ma.filled(np.ma.asarray(values, dtype), np.nan))
