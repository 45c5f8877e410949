"""Sun, atmosphere and instrument: from a reflectance spectrum to the numbers of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsad.synthetic.spectra import gaussian

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FINE", "Sensor"]

FINE: NDArray[np.float64] = np.arange(350.0, 2601.0, 1.0)
"""Wavelengths of spectra before they are averaged over bands, nm."""

_PHOTONS = 1.2e5  # electrons of a white surface at the maximum of the spectrum; the signal-to-noise ratio is near 300
_READ_NOISE = 40.0  # electrons, root mean square
_DARK_SWIR = 5.0e4  # electrons of thermal emission and dark current at 2500 nm; e times fewer every 250 nm below


def _transmittance() -> NDArray[np.float64]:
    """Return the two-way transmittance of a clear atmosphere on `FINE` by Beer's law.

    Rayleigh scattering ∝ λ⁻⁴, aerosol ∝ λ⁻¹·³ and absorption of O₂ (760 nm), water vapour (720, 820, 940,
    1135, 1380, 1870, beyond 2500 nm) and CO₂ (2010, 2060 nm). The bottoms of the water bands stay at
    0.3%, which is light scattered above the vapour.
    """
    depth = 0.35 * (FINE / 400) ** -4.0 + 0.15 * (FINE / 550) ** -1.3
    for centre, width, strength in (
        (720, 9, 0.1),
        (760, 3, 0.8),
        (820, 10, 0.12),
        (940, 20, 0.7),
        (1135, 22, 0.9),
        (1380, 30, 9.0),
        (1870, 42, 9.0),
        (2010, 14, 0.5),
        (2060, 10, 0.25),
        (2680, 75, 9.0),
    ):
        depth = depth + strength * gaussian(FINE, centre, width)
    return np.asarray(0.003 + 0.997 * np.exp(-depth))


def _sunlight() -> NDArray[np.float64]:
    """Return the photons of the sun on `FINE`: a black body of 5800 K, λ⁻⁴ / (exp(hc/λkT) - 1), maximum 1."""
    photons = FINE**-4.0 / np.expm1(1.4388e7 / (FINE * 5800))
    return np.asarray(photons / photons.max())


@dataclass(frozen=True)
class Sensor:
    """An imaging spectrometer over 400-2500 nm with bands, noise and faults.

    Attributes
    ----------
    bands : int
        Number of bands. They are Gaussian and evenly spaced; their FWHM is the spacing, at least 5 nm.
    noise_factor : float
        Factor of the noise; 1 gives the signal-to-noise ratios of a good airborne instrument.
    striping : float
        Standard deviation of the relative gains of the detector elements.
    smile : float
        Shift of the band centres between middle and edges of the swath, nm; quadratic across track.
    """

    bands: int
    noise_factor: float
    striping: float
    smile: float

    @property
    def wavelength(self) -> NDArray[np.float64]:
        """Band centres, nm, shape ``(bands,)``."""
        half = 1050 / self.bands
        return np.linspace(400 + half, 2500 - half, self.bands)

    @property
    def fwhm(self) -> NDArray[np.float64]:
        """Full widths at half maximum, nm, shape ``(bands,)``."""
        return np.full(self.bands, max(5.0, 2100 / self.bands))

    @property
    def transmittance(self) -> NDArray[np.float64]:
        """Transmittance of the atmosphere in each band, shape ``(bands,)``."""
        return self._response()[0] @ _transmittance()

    @property
    def good_wavelength(self) -> NDArray[np.bool_]:
        """False where water vapour leaves less than 15% of the light, shape ``(bands,)``."""
        return np.asarray(self.transmittance > 0.15)

    @property
    def diffuse(self) -> NDArray[np.float64]:
        """Share of the light that comes from the sky rather than the sun, shape ``(bands,)``."""
        return np.asarray(0.04 + 0.3 * (self.wavelength / 400) ** -3.0)

    def _response(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the bands' responses over `FINE` and their derivatives by centre, ``(bands, FINE)`` each."""
        sigma = self.fwhm[:, None] / np.sqrt(8 * np.log(2))
        offset = FINE - self.wavelength[:, None]
        response = np.exp(-0.5 * (offset / sigma) ** 2)
        response /= response.sum(axis=1, keepdims=True)
        return response, response * offset / sigma**2

    def observe(self, spectra: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return reflectances as retrieved in each band, and their change per nm of shift of the bands.

        The retrieval divides the light in a band by the light of a white surface in the nominal band. A shifted
        band therefore leaves features of the atmosphere in the reflectance, as smile does in real data. With
        reflectance R, transmittance T and response r the result is, to first order in the shift δ,
        ∫RTr / ∫Tr + δ · ∫RT(∂r/∂centre) / ∫Tr.

        Parameters
        ----------
        spectra : (n, FINE) ndarray of float64
            Reflectances on `FINE`.

        Returns
        -------
        reflectance, change : (n, bands) ndarray of float64
            Reflectance; reflectance per nm.
        """
        response, derivative = self._response()
        through = spectra * _transmittance()
        white = self.transmittance
        return through @ response.T / white, through @ derivative.T / white

    def noise(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return slope and floor of the noise, ``(bands,)`` each: variance = slope · reflectance + floor.

        The number of electrons has the variance signal + dark current + read noise² (Poisson). The thermal part
        of the dark current grows towards the SWIR. Division by the light of a white surface gives reflectance;
        it makes the noise large in bands where the atmosphere is opaque.
        """
        response, _ = self._response()
        white = _PHOTONS * (response @ (_sunlight() * _transmittance()))
        dark = _DARK_SWIR * np.exp((self.wavelength - 2500) / 250) + _READ_NOISE**2
        return self.noise_factor**2 / white, self.noise_factor**2 * dark / white**2

    def shift(self, across: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shift of the band centres, nm, at the places `across` the swath (-1 … 1, middle 0)."""
        return self.smile * across**2

    def stripes(self, elements: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the relative gain of each detector element in each band, shape ``(elements, bands)``."""
        errors = rng.standard_normal((elements, self.bands), dtype=np.float32)
        return np.float32(1) + np.float32(self.striping) * errors
