"""Smoothing of maps in which pixels are missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["smoothed", "smoothing_radius"]


def smoothing_radius(sigma: float) -> int:
    """Return the radius in pixels at which the Gaussian is cut: four standard deviations, as in scipy."""
    return int(4.0 * sigma + 0.5)


def smoothed(values: NDArray[np.float64], valid: NDArray[np.bool_], sigma: float) -> NDArray[np.float64]:
    """Return the mean of the valid values with Gaussian weights; the map is mirrored at its edges.

    Parameters
    ----------
    values : (rows, cols) or (rows, cols, maps) ndarray of float64
    valid : (rows, cols) ndarray of bool
    sigma : float
        Standard deviation in pixels; 0 for no smoothing.
    """
    if sigma == 0:
        return values
    from scipy.ndimage import gaussian_filter

    radius = smoothing_radius(sigma)
    weight = gaussian_filter(valid.astype(np.float64), sigma, radius=radius)
    maps = values.ndim - 2
    present = values if valid.all() else np.where(valid.reshape(valid.shape + (1,) * maps), values, 0.0)
    means: NDArray[np.float64] = gaussian_filter(
        present, (sigma, sigma, *[0.0] * maps), radius=(radius, radius, *[0] * maps)
    )
    means /= np.where(valid, weight, 1.0).reshape(valid.shape + (1,) * maps)
    means[~valid] = 0.0
    return means
