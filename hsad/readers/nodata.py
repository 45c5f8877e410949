"""The value that marks missing data, in the form in which the file stores it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["stored_nodata"]


def stored_nodata(values: Sequence[float | None], dtype: np.dtype[Any]) -> tuple[float | None, list[str]]:
    """Return the nodata value as a stored number of type `dtype`, and remarks on what cannot be kept.

    Parameters
    ----------
    values : sequence of float or None
        What the file states, one value or one a band.
    dtype : numpy.dtype
        Type of the stored numbers. -9999 is no stored value of an unsigned band: it is dropped. A decimal
        that stands for a float32 is rounded to it, else it would equal no pixel.
    """
    stated = {value: None for value in values if value is not None}
    if not stated:
        return None, []
    value, *others = stated
    remarks = []
    if any(not (np.isnan(value) and np.isnan(other)) for other in others):
        listed = ", ".join(f"{other:g}" for other in others[:3])
        remarks.append(f"the bands differ in their nodata value: {value:g} is used, {listed} is not")
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return float(np.asarray(value, dtype=dtype)), remarks
    info = np.iinfo(dtype) if dtype.kind in "iu" else None
    if info is None or not np.isfinite(value) or value != int(value) or not info.min <= value <= info.max:
        remarks.append(f"the nodata value {value:g} cannot occur in {dtype} data: it is ignored")
        return None, remarks
    return int(value), remarks
