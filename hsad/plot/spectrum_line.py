"""The axis of a spectrum, and the gaps in its line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hsad.scene.water_vapour import WATER_VAPOUR_NM

__all__ = ["clear_limits", "line_breaks", "shaded_stretches", "spectrum_axis"]

_MIDDLE = (0.02, 0.98)
"""Quantiles between which the values of lines lie that are no spikes."""
_ROOM = 0.4
"""The limits reach beyond these quantiles by at most this share of their distance."""
_GAP = 3.0
"""A step of more than this many median steps between two bands is a gap: bands between them are left out."""


def spectrum_axis(wavelength: NDArray[np.float64] | None, bands: NDArray[np.int64]) -> tuple[NDArray[np.float64], str]:
    """Return the place of each band on the axis, and the name of the axis.

    Parameters
    ----------
    wavelength : (bands,) ndarray or None
        In nm.
    bands : (bands,) ndarray of int
        Numbers of the bands, from 1. They are the axis of a scene without wavelengths.
    """
    if wavelength is None:
        return bands.astype(np.float64), "Band"
    return wavelength, "Wavelength (nm)"


def line_breaks(axis: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the bands before which a line is broken: after a gap, and when the wavelengths step back."""
    steps = np.diff(axis)
    rising = steps[steps > 0]
    usual = float(np.median(rising)) if rising.size else 1.0
    return np.flatnonzero((steps > _GAP * usual) | (steps <= 0)) + 1


def shaded_stretches(axis: NDArray[np.float64], *, absorption: bool) -> list[tuple[tuple[float, float], bool]]:
    """Return the stretches of an axis to shade, each with whether water vapour absorbs in it; the others are gaps.

    Parameters
    ----------
    axis : (bands,) ndarray
    absorption : bool
        Whether the axis shows wavelengths, so that absorption windows have a place on it.
    """
    low, high = float(np.min(axis)), float(np.max(axis))
    windows = [
        ((max(start, low), min(stop, high)), True)
        for start, stop in (WATER_VAPOUR_NM if absorption else ())
        if start < high and stop > low
    ]
    gaps = [(float(axis[band - 1]), float(axis[band])) for band in line_breaks(axis)]
    return [*windows, *((gap, False) for gap in gaps if gap[1] > gap[0])]


def clear_limits(
    axis: NDArray[np.float64], lines: Sequence[NDArray[np.float64]], *, absorption: bool
) -> tuple[float, float]:
    """Return limits for the values of some spectra which a spike at a few bands does not stretch.

    Bands within water vapour do not count. The limits are those of the other bands, but reach beyond the middle 96 %
    of all values by at most 0.4 of their range.

    Parameters
    ----------
    axis : (bands,) ndarray
    lines : sequence of (bands,) ndarray
        NaN where a spectrum has no value.
    absorption : bool
        Whether the axis shows wavelengths.

    Examples
    --------
    >>> import numpy as np
    >>> flat = np.full(100, 2.0) + np.arange(100) / 100
    >>> spike = np.where(np.arange(100) == 50, 900.0, flat)
    >>> low, high = clear_limits(np.arange(100.0), [flat, spike], absorption=False)
    >>> low < 2.0, high < 3.6
    (True, True)
    """
    clear = np.ones(len(axis), dtype=np.bool_)
    for start, stop in WATER_VAPOUR_NM if absorption else ():
        clear &= (axis < start) | (axis > stop)
    values = np.concatenate([line[clear] if clear.any() else line for line in lines])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    inner, outer = (float(value) for value in np.quantile(values, _MIDDLE))
    if outer > inner:
        room = _ROOM * (outer - inner)
        low, high = max(low, inner - room), min(high, outer + room)
    room = 0.05 * ((high - low) or 1.0)
    return low - room, high + room
