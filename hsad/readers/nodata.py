"""The value that marks missing data, in the form in which the file stores it."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["stored_nodata"]

# Texts of physical values such as -0.9999 are exact to about seven digits.
_PRECISION = 1e-6


def stored_nodata(
    value: float | None, dtype: np.dtype[Any], *, gain: float = 1.0, bias: float = 0.0
) -> tuple[float | None, list[str]]:
    """Return the nodata value as a stored number of type `dtype`, and remarks on what is assumed or dropped.

    Parameters
    ----------
    value : float or None
        What the file states.
    dtype : numpy.dtype
        Type of the stored numbers. A decimal that stands for a float32 is rounded to float32, because it would equal no
        pixel otherwise. -9999 is no stored number of an unsigned band: it is dropped with a remark.
    gain, bias : float
        Physical value = stored value · gain + bias. Where no stored number can have the value, but a physical one can,
        the stored number of that physical value is returned, with a remark.
    """
    if value is None:
        return None, []
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return float(np.asarray(value, dtype=dtype)), []
    if _occurs(value, dtype):
        return int(value), []
    if dtype.kind in "iu" and np.isfinite(value) and np.isfinite(gain) and gain not in (0.0, 1.0):
        number = (value - bias) / gain
        whole = round(number) if np.isfinite(number) else 0
        if abs(number - whole) <= _PRECISION * max(1.0, abs(whole)) and _occurs(whole, dtype):
            return whole, [f"the nodata value {value:g} cannot occur in {dtype} data: taken as the scaled {whole}"]
    return None, [f"the nodata value {value:g} cannot occur in {dtype} data: it is ignored"]


def _occurs(value: float, dtype: np.dtype[Any]) -> bool:
    """Tell whether a number of an integer type can have a value."""
    if dtype.kind not in "iu" or not np.isfinite(value) or value != int(value):
        return False
    info = np.iinfo(dtype)
    return bool(info.min <= value <= info.max)
