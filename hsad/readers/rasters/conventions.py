"""Missing numbers of a netCDF or Zarr variable, by the CF conventions and the netCDF users' guide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.readers.nodata import stored_nodata
from hsad.readers.rasters.filled import with_one_fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hsad.scene.cube import Raster

__all__ = ["with_cf_missing"]

# hsad writes the last attribute for nodata values that cannot be the fill value of a Zarr array.
_FILLS = ("_FillValue", "missing_value", "hsad_nodata")
# A physical bound, converted to a stored number, has an error from the rounding of scale_factor.
_ROUNDING = 1e-6


def with_cf_missing(
    raster: Raster, attrs: Mapping[str, Any], gain: Any = None, bias: Any = None
) -> tuple[Raster, float | None, list[str]]:
    """Return the raster of a variable, the value that marks missing numbers, and remarks.

    A number is missing if it equals ``_FillValue`` or a value of ``missing_value``, or lies outside ``valid_range``,
    ``valid_min`` or ``valid_max``. ``_Unsigned`` states that stored signed integers are unsigned, or the reverse.

    Parameters
    ----------
    raster : Raster
        The stored numbers.
    attrs : mapping
        The variable's attributes.
    gain, bias : float or (bands,) array_like, optional
        Physical value = stored number · gain + bias. If the numbers are integers and the bounds are floats, the bounds
        are physical values (netCDF users' guide, appendix A).
    """
    remarks: list[str] = []
    dtype = _meant(raster.dtype, attrs.get("_Unsigned"))
    missing: list[float] = []
    for key in _FILLS:
        for value in _numbers(attrs, key, remarks):
            stored, nodata_remarks = stored_nodata(_turned(value, raster.dtype, dtype), dtype)
            remarks += nodata_remarks
            if stored is not None:
                missing.append(np.nan if np.isnan(stored) else stored)  # one NaN, which equals itself in a list
    physical = dtype.kind in "iu" and _are_floats(attrs)
    low, high = (
        bound if bound is None or physical else _turned(bound, raster.dtype, dtype) for bound in _bounds(attrs, remarks)
    )
    limits: tuple[float, float] | None = None
    if low is not None and high is not None and low > high:
        remarks.append(f"the valid range from {low:g} to {high:g} holds no number: it is ignored")
    elif physical:
        limits = _stored_limits(low, high, gain, bias, remarks)
    elif low is not None or high is not None:
        limits = (-np.inf if low is None else low, np.inf if high is None else high)
    raster, fill = with_one_fill(raster, [missing], limits=limits, seen_as=dtype)
    return raster, fill, list(dict.fromkeys(remarks))


def _meant(dtype: np.dtype[Any], unsigned: Any) -> np.dtype[Any]:
    """Return the type of integers as the attribute ``_Unsigned`` states it."""
    flag = str(unsigned).lower()
    if dtype.kind == "i" and flag == "true":
        return np.dtype(f"u{dtype.itemsize}")
    if dtype.kind == "u" and flag == "false":
        return np.dtype(f"i{dtype.itemsize}")
    return dtype


def _turned(value: float, stored: np.dtype[Any], meant: np.dtype[Any]) -> float:
    """Return a number of the stored type converted to the intended type, such as -1 to 65535 for ``_Unsigned``."""
    if stored == meant or not np.isfinite(value) or value != int(value):
        return value
    info = np.iinfo(stored)
    inside = info.min <= value <= info.max
    return int(np.asarray(int(value), stored).view(meant)) if inside else value


def _numbers(attrs: Mapping[str, Any], key: str, remarks: list[str]) -> list[float]:
    """Return the numbers of an attribute; if it contains something else, add a remark and return none."""
    if attrs.get(key) is None:
        return []
    values = np.ravel(attrs[key])
    try:
        return [item.item() if item.dtype.kind in "iu" else float(item) for item in values]
    except (AttributeError, TypeError, ValueError):
        remarks.append(f"{key} = {str(attrs[key])[:40]!r} is not a number: it is ignored")
        return []


def _are_floats(attrs: Mapping[str, Any]) -> bool:
    """Tell whether the attributes of the valid range are floats."""
    stated = [attrs[key] for key in ("valid_range", "valid_min", "valid_max") if key in attrs]
    return any(np.asarray(value).dtype.kind == "f" for value in stated)


def _bounds(attrs: Mapping[str, Any], remarks: list[str]) -> tuple[float | None, float | None]:
    """Return the smallest and the largest valid number that the attributes state, None for a missing bound."""
    low, high = (next(iter(_numbers(attrs, key, remarks)), None) for key in ("valid_min", "valid_max"))
    between = _numbers(attrs, "valid_range", remarks)
    if len(between) == 2:
        low, high = between
    elif between:
        remarks.append(f"valid_range has {len(between)} values instead of two: it is ignored")
    low, high = (None if bound is None or np.isnan(bound) else bound for bound in (low, high))
    return low, high


def _stored_limits(
    low: float | None, high: float | None, gain: Any, bias: Any, remarks: list[str]
) -> tuple[float, float] | None:
    """Return the limits of stored numbers that correspond to limits of physical values."""
    factors, offsets = (np.unique(neutral if value is None else value) for value, neutral in ((gain, 1.0), (bias, 0.0)))
    if len(factors) != 1 or len(offsets) != 1 or factors[0] == 0:
        remarks.append("valid_range is ignored: the bands are scaled differently")
        return None
    ends = sorted(
        (edge if bound is None else (bound - offsets[0]) / factors[0])
        for bound, edge in ((low, -np.inf * np.sign(factors[0])), (high, np.inf * np.sign(factors[0])))
    )
    return float(ends[0] - _ROUNDING), float(ends[1] + _ROUNDING)
