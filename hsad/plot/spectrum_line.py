"""The axis of a spectrum, and the gaps in its line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.scene.water_vapour import WATER_VAPOUR_NM

__all__ = ["line_breaks", "shaded_stretches", "spectrum_axis"]

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
