"""Smoothing of maps in which pixels are missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["smoothed", "smoothing_radius"]


def smoothing_radius(sigma: float) -> int:
    """Return where the Gaussian is cut: after four standard deviations, as in scipy."""
    return int(4.0 * sigma + 0.5)


def smoothed(values: NDArray[np.float64], valid: NDArray[np.bool_], sigma: float) -> NDArray[np.float64]:
    """Return the mean of the valid values under a Gaussian; the map is mirrored at its edges.

    Parameters
    ----------
    values : (rows, cols) or (rows, cols, maps) ndarray of float64
    valid : (rows, cols) ndarray of bool
    sigma : float
        Standard deviation in pixels; 0: no smoothing.
    """
    if sigma == 0:
        return values
    from scipy.ndimage import gaussian_filter

    radius = smoothing_radius(sigma)
    weight = gaussian_filter(valid.astype(np.float64), sigma, radius=radius)
    means = np.zeros(values.shape)
    for k in np.ndindex(values.shape[2:]):  # one map at a time: a leaf with many is large
        total = gaussian_filter(np.where(valid, values[(..., *k)], 0.0), sigma, radius=radius)
        np.divide(total, weight, out=means[(..., *k)], where=valid)
    return means
