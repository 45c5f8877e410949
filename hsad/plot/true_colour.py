"""True colour: the choice of three bands, and the stretch of their values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["RGB_NM", "nearest_bands", "stretched"]

RGB_NM = {"red": 650.0, "green": 550.0, "blue": 470.0}
"""Centres of the three colours, in nm."""

_PERCENTILES = (2.0, 98.0)


def nearest_bands(wavelength: ArrayLike, centres: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the band that is nearest to each wavelength in `centres`, and its distance in nm."""
    distance = np.abs(np.asarray(centres, dtype=np.float64)[:, None] - np.asarray(wavelength, dtype=np.float64))
    distance[np.isnan(distance)] = np.inf
    bands = distance.argmin(axis=1)
    return bands, distance[np.arange(len(bands)), bands]


def stretched(values: NDArray[np.floating], clear: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return three bands ``(rows, cols, 3)`` as a picture from 0 to 1, NaN where a value is NaN.

    Each colour runs from its percentile 2 to its percentile 98, of the pixels in `clear` where a mask is given: clouds
    are bright, and would leave the ground dark.
    """
    picture = np.asarray(values, dtype=np.float64).copy()
    for color in range(picture.shape[2]):
        plane = picture[..., color]
        known = np.isfinite(plane)
        counted = plane[known if clear is None or not (known & clear).any() else known & clear]
        low, high = np.percentile(counted, _PERCENTILES) if counted.size else (0.0, 1.0)
        picture[..., color] = np.clip((plane - low) / ((high - low) or 1.0), 0, 1)
    return picture
