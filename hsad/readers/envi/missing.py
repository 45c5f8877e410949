"""Nodata values of ENVI images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.readers.rasters.filled import with_one_fill, with_stated_nodata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.readers.envi.header import Header
    from hsad.scene.cube import Raster

__all__ = ["with_ignored"]


def with_ignored(
    header: Header,
    raster: Raster,
    gain: NDArray[np.float64] | None,
    bias: NDArray[np.float64] | None,
    remarks: list[str],
) -> tuple[Raster, float | None]:
    """Return a raster in which one value marks missing numbers, and this value, from the ``data ignore value``.

    The producer of AVIRIS classic multiplies each band, including its fill, with a factor. The header lists the factors
    in ``smoothing factors``. In such a file each band has another fill.
    """
    bands = raster.shape[2]
    values = _values(header, bands, remarks)
    factors = _factors(header, bands)
    if factors is not None and len(values) == 1 and values[0] is not None:
        fills = [_smoothed(values[0], factor, raster.dtype) for factor in factors]
        remarks.append(f"the fill {values[0]:g} is multiplied with each band's smoothing factor, as the pixels are")
        return with_one_fill(raster, fills)
    raster, fill, nodata_remarks = with_stated_nodata(raster, values, gain, bias)
    remarks += nodata_remarks
    return raster, fill


def _values(header: Header, bands: int, remarks: list[str]) -> list[float | None]:
    """Return the nodata values that the header states, one for all bands or one per band."""
    items = header.numbers("data ignore value")
    try:
        values = [float(item) for item in items]
    except ValueError:
        remarks.append(f"'data ignore value = {header.text('data ignore value')}' is not a number: it is ignored")
        return [None]
    if len(values) in (0, 1, bands):
        return [*values] or [None]
    if len(set(values)) > 1:
        remarks.append(f"'data ignore value' gives {len(values)} numbers for {bands} bands: it is ignored")
        return [None]
    return [values[0]]


def _factors(header: Header, bands: int) -> list[float] | None:
    """Return the smoothing factors of the bands, or None if no band was multiplied."""
    try:
        factors = [float(item) for item in header.spectrum("smoothing factors", bands)]
    except ValueError:
        return None
    return factors if len(factors) == bands and any(factor != 1 for factor in factors) else None


def _smoothed(fill: float, factor: float, dtype: np.dtype[Any]) -> tuple[float, ...]:
    """Return the stored numbers that may stand for a multiplied fill, which the producer truncates or rounds."""
    product = fill * factor if factor else fill
    if dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            found = [
                float(dtype.type(value)) for value in (fill, product, dtype.type(fill) * dtype.type(factor or 1.0))
            ]
    else:
        limits = np.iinfo(dtype)
        whole = [int(value) for value in (fill, np.trunc(product), np.rint(product)) if np.isfinite(value)]
        found = [value for value in whole if limits.min <= value <= limits.max]
    return tuple(dict.fromkeys(found))
