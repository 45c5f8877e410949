"""How a sensor's bands see a spectrum that is sampled at other wavelengths."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["band_weights"]

_REACH = 3.0
"""Standard deviations of a band's Gaussian on each side that count: 99.7 % of its area."""

_NODES = 61
"""Points at which a band's Gaussian is evaluated."""

_WIDTH = 2 * math.sqrt(2 * math.log(2))
"""Full width at half maximum of a Gaussian, in standard deviations."""


def band_weights(
    sampled: NDArray[np.float64], wavelength: NDArray[np.float64], fwhm: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the weights of the samples of a spectrum in each band of a sensor.

    The spectrum is linear between its samples. A band is its mean under a Gaussian, or its value at the band's centre
    where the band has no width.

    Parameters
    ----------
    sampled : (n,) ndarray
        Wavelengths of the samples in nm, rising.
    wavelength, fwhm : (bands,) ndarray
        Centres and full widths at half maximum of the bands in nm.

    Returns
    -------
    (bands, n) ndarray of float64
        Each row sums to 1; it is 0 for a band whose centre lies outside of the samples.
    """
    bands = len(wavelength)
    width = np.zeros(bands) if fwhm is None else np.nan_to_num(np.asarray(fwhm, dtype=np.float64))
    steps = np.linspace(-_REACH, _REACH, _NODES)
    places = wavelength[:, None] + steps * np.maximum(width, 0.0)[:, None] / _WIDTH
    density = np.where((places >= sampled[0]) & (places <= sampled[-1]), np.exp(-(steps**2) / 2), 0.0)
    left = np.clip(np.searchsorted(sampled, places, side="right") - 1, 0, max(0, len(sampled) - 2))
    right = np.minimum(left + 1, len(sampled) - 1)
    gap = sampled[right] - sampled[left]
    part = np.clip(np.divide(places - sampled[left], gap, out=np.zeros_like(places), where=gap > 0), 0.0, 1.0)
    weights = np.zeros((bands, len(sampled)))
    band = np.broadcast_to(np.arange(bands)[:, None], places.shape)
    np.add.at(weights, (band, left), density * (1 - part))
    np.add.at(weights, (band, right), density * part)
    inside = (wavelength >= sampled[0]) & (wavelength <= sampled[-1])
    total = weights.sum(axis=1)
    scale = np.divide(1.0, total, out=np.zeros(bands), where=inside & (total > 0))
    return np.asarray(weights * scale[:, None])
