"""Correlated random fields, and the mixtures of ground materials, relief and illumination made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["gaussian_field", "mixtures", "relief", "shading"]

Field = NDArray[np.float32]


def gaussian_field(shape: tuple[int, int], length: float, rng: np.random.Generator) -> Field:
    """Return a Gaussian random field with a Gaussian correlation, mean 0 and variance 1.

    White noise is filtered in the frequency domain (so the field is periodic): correlation
    exp(-r² / (4·length²)) at distance r.

    Parameters
    ----------
    shape : tuple of int
        Rows, columns.
    length : float
        Standard deviation of the filter, pixels; 0 gives white noise.
    rng : numpy.random.Generator
        Source of the noise.
    """
    from scipy import fft

    white = rng.standard_normal(shape, dtype=np.float32)
    if length == 0:
        return white
    row = np.fft.fftfreq(shape[0])[:, None]
    col = np.fft.rfftfreq(shape[1])[None, :]
    response = np.exp(-2 * (np.pi * length) ** 2 * (row**2 + col**2)).astype(np.float32)
    field = fft.irfft2(fft.rfft2(white) * response, s=shape)
    # The sample mean and deviation standardise the field, so one longer than the scene keeps its contrast.
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def _texture(
    shape: tuple[int, int], lengths: Sequence[float], weights: Sequence[float], rng: np.random.Generator
) -> Field:
    """Return a weighted sum of Gaussian fields of several correlation lengths."""
    total = np.zeros(shape, dtype=np.float32)
    for length, weight in zip(lengths, weights, strict=True):
        total += np.float32(weight) * gaussian_field(shape, length, rng)
    return total


def relief(shape: tuple[int, int], rng: np.random.Generator) -> Field:
    """Return heights in units of their standard deviation: hills with smaller hills on them."""
    side = min(shape)
    return _texture(shape, (side / 8, side / 24), (0.95, 0.12), rng)


def mixtures(height: Field, materials: Sequence[str], rng: np.random.Generator) -> Field:
    """Return the abundances of the ground materials, shape ``(rows, cols, materials)``, each ≥ 0, sum 1.

    They are a softmax of one random field per material. The long correlation length of the fields makes regions,
    the middle one patches, the short one texture. Water lies on low ground, rock on high ground. Clay rock,
    carbonate rock and concrete are rare, so the background has outliers too.

    Parameters
    ----------
    height : (rows, cols) ndarray of float32
        Result of `relief`.
    materials : sequence of str
        Keys of `hsad.synthetic.spectra.GROUND`.
    rng : numpy.random.Generator
        Source of the fields.
    """
    shape = (height.shape[0], height.shape[1])
    side = min(shape)
    rarity = {"water": -3.5, "clay rock": -3.5, "carbonate rock": -4.5, "concrete": -4.0, "asphalt": -2.0}
    slope = {"water": -3.5, "clay rock": 1.5, "carbonate rock": 2.0}
    logits = np.empty((*shape, len(materials)), dtype=np.float32)
    for k, name in enumerate(materials):
        field = _texture(shape, (side / 12, side / 40, 0.8), (2.6, 1.2, 0.7), rng)
        logits[..., k] = field + np.float32(rarity.get(name, 0.0)) + np.float32(slope.get(name, 0.0)) * height
    logits -= logits.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)
    return logits


def shading(height: Field, flat: Field, steepness: float, sun_zenith: float, sun_azimuth: float) -> tuple[Field, Field]:
    """Return direct and diffuse illumination relative to flat ground, each of shape ``(rows, cols)``.

    Direct light is proportional to the cosine of incidence, cos i = n · s with the surface normal n and the sun's
    direction s; it is divided by the cosine of flat ground, and 0 on a slope turned away from the sun. Diffuse
    light is proportional to the part of the sky that a slope sees, (1 + cos slope) / 2.

    Parameters
    ----------
    height : (rows, cols) ndarray of float32
        Result of `relief`.
    flat : (rows, cols) ndarray of float32
        1 on open water, which is level whatever the terrain, 0 on land.
    steepness : float
        Root mean square slope of the terrain (rise over run).
    sun_zenith, sun_azimuth : float
        Degrees; the azimuth counts clockwise from the top of the grid.
    """
    down, right = np.gradient(height.astype(np.float64))
    scale = steepness / np.sqrt(np.mean(down**2 + right**2))
    down, right = (scale * (1 - flat) * slope for slope in (down, right))
    zenith, azimuth = np.radians(sun_zenith), np.radians(sun_azimuth)
    normal = np.sqrt(1 + down**2 + right**2)
    # The normal of z(x right, y up) is (-∂z/∂x, -∂z/∂y, 1); rows count downwards, so ∂z/∂y = -down.
    incidence = (
        -right * np.sin(zenith) * np.sin(azimuth) + down * np.sin(zenith) * np.cos(azimuth) + np.cos(zenith)
    ) / normal
    direct = np.maximum(incidence, 0) / np.cos(zenith)
    return direct.astype(np.float32), ((1 + 1 / normal) / 2).astype(np.float32)
