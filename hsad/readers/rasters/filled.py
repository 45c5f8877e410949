"""Rasters that replace the several nodata values of a file by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.readers.nodata import stored_nodata
from hsad.scene.cube import Raster

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["FilledRaster", "with_one_fill", "with_stated_nodata"]

# Smallest type of float that represents all integers of a size in bytes; for 64-bit integers only those up to 2**53.
_FLOATS = {1: "f4", 2: "f4", 4: "f8", 8: "f8"}


@dataclass(frozen=True)
class FilledRaster:
    """Windows of a raster in which all missing numbers become one value.

    Attributes
    ----------
    raster : Raster
        The numbers of the file.
    dtype : numpy.dtype
        Type of the numbers that `read` returns.
    seen_as : numpy.dtype
        Type to which the bytes of the file are reinterpreted, of the same size as the raster's type. It is an unsigned
        type for a netCDF variable with the attribute ``_Unsigned``.
    missing : tuple of tuple of float
        Values that mark missing numbers; one tuple for all bands, or one per band.
    limits : tuple of float or None
        Smallest and largest number that is not missing.
    fill : float
        The value that replaces missing numbers.
    """

    raster: Raster
    dtype: np.dtype[Any]
    seen_as: np.dtype[Any]
    missing: tuple[tuple[float, ...], ...]
    limits: tuple[float, float] | None
    fill: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns, bands."""
        return self.raster.shape

    @property
    def row_step(self) -> int:
        """Rows that are best read together."""
        return self.raster.row_step

    @property
    def path(self) -> str:
        """The file."""
        return str(getattr(self.raster, "path", ""))

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns that are decoded together."""
        rows, cols = getattr(self.raster, "block", (self.raster.row_step, self.shape[1]))
        return rows, cols

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the numbers of a window, shape ``(rows, cols, bands)``, missing ones as `fill`."""
        stored = self.raster.read(rows, cols).view(self.seen_as)
        absent = np.zeros(stored.shape, np.bool_)
        for values in zip(*_padded(self.missing), strict=True):
            stated = np.asarray([value is not None for value in values])
            numbers = np.asarray([0 if value is None else value for value in values]).astype(self.seen_as)
            absent |= (stored == numbers) & stated
        if self.limits is not None:
            low, high = self.limits
            absent |= (stored < low) | (stored > high)
        filled = stored.astype(self.dtype, copy=False)
        if absent.any():  # numpy refuses NaN for integers, even where none is assigned
            filled[absent] = self.fill
        return filled


def _padded(missing: tuple[tuple[float, ...], ...]) -> list[tuple[float | None, ...]]:
    """Return the tuples extended with None to one length."""
    longest = max(map(len, missing), default=0)
    return [(*values, *[None] * (longest - len(values))) for values in missing]


def with_one_fill(
    raster: Raster,
    missing: Sequence[Sequence[float]],
    *,
    limits: tuple[float, float] | None = None,
    seen_as: np.dtype[Any] | None = None,
) -> tuple[Raster, float | None]:
    """Return a raster in which one value marks missing numbers, and this value, or None if no number is missing.

    A raster that already has one such value is returned unchanged. If the bands of an integer raster differ in their
    values, the numbers become floats and NaN marks missing ones, because each integer may be data in some band.

    Parameters
    ----------
    raster : Raster
    missing : sequence of sequence of float
        Stored values that mark missing numbers; one sequence for all bands, or one per band.
    limits : tuple of float, optional
        Smallest and largest stored number that is not missing.
    seen_as : numpy.dtype, optional
        Type to which the bytes of the file are reinterpreted; by default the raster's type.
    """
    dtype = raster.dtype if seen_as is None else seen_as
    kinds = list(dict.fromkeys(tuple(dict.fromkeys(values)) for values in missing))
    common = kinds[0] if len(kinds) == 1 else None
    if dtype.kind in "iu":
        limits = _within(limits, dtype)
    if common is not None and len(common) <= 1 and limits is None and dtype == raster.dtype:
        return raster, common[0] if common else None
    target, fill = dtype, np.nan
    if common:
        fill = common[0]
    elif common is None and dtype.kind in "iu":
        target = np.dtype(_FLOATS[dtype.itemsize])
    elif common is not None and dtype.kind in "iu":
        # All numbers outside the limits are missing, so the nearest of them can mark missing numbers.
        info = np.iinfo(dtype)
        fill = np.nan if limits is None else limits[0] - 1 if limits[0] > info.min else limits[1] + 1
    listed = tuple(tuple(values) for values in missing) if common is None else (common,)
    filled = FilledRaster(raster, target, dtype, listed, limits, fill)
    return filled, None if np.isnan(fill) and target.kind != "f" else fill


def _within(limits: tuple[float, float] | None, dtype: np.dtype[Any]) -> tuple[float, float] | None:
    """Return limits as integers of a type, or None if no integer of the type lies outside them."""
    if limits is None:
        return None
    info = np.iinfo(dtype)
    low = info.min if limits[0] <= info.min else min(int(np.ceil(limits[0])), info.max)
    high = info.max if limits[1] >= info.max else max(int(np.floor(limits[1])), info.min)
    return None if (low, high) == (info.min, info.max) else (low, high)


def with_stated_nodata(
    raster: Raster, values: Sequence[float | None], gain: ArrayLike | None = None, bias: ArrayLike | None = None
) -> tuple[Raster, float | None, list[str]]:
    """Return a raster in which one value marks missing numbers, this value, and remarks.

    Parameters
    ----------
    raster : Raster
    values : sequence of float or None
        The nodata values that the file states; one for all bands, or one per band, None for a band without one.
    gain, bias : float or (bands,) array_like, optional
        Physical value = stored value · gain + bias. A nodata value that is no stored number is physical.
    """
    bands = raster.shape[2]
    columns = [
        np.broadcast_to(np.asarray(neutral if column is None else column, np.float64), (bands,))
        for column, neutral in ((gain, 1.0), (bias, 0.0))
    ]
    stated = list(values) * bands if len(values) == 1 else list(values)
    found: list[tuple[float, ...]] = []
    known: dict[tuple[float | None, float, float], tuple[float | None, list[str]]] = {}
    for value, factor, offset in zip(stated, *columns, strict=True):
        key = value, float(factor), float(offset)
        if key not in known:
            known[key] = stored_nodata(value, raster.dtype, gain=key[1], bias=key[2])
        number = known[key][0]
        # The same NaN object for all bands, because NaN does not equal another NaN.
        found.append(() if number is None else (np.nan,) if np.isnan(number) else (number,))
    remarks = list(dict.fromkeys(remark for _, listed in known.values() for remark in listed))
    kinds = [values[0] for values in dict.fromkeys(found) if values]
    if len(set(found)) > 1:
        listed = ", ".join(f"{value:g}" for value in kinds[:4]) + (", …" if len(kinds) > 4 else "")
        without = " or none" if () in found else ""
        remarks.append(
            f"the bands differ in their nodata value ({listed}{without}): each band's value marks its numbers"
        )
    raster, fill = with_one_fill(raster, found)
    return raster, fill, remarks
