"""Reflectance spectra of ground and target materials, as smooth formulas over 400-2500 nm.

Each spectrum is a continuum (a constant, a line, a sigmoid) with the absorption features that identify the material:
pigments and liquid water of leaves, cellulose, iron oxides, OH, Al-OH and carbonate bands of minerals, CH
bands of plastics and paint. The positions are those of textbooks. Depths and widths are plausible, and not
measured on any sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GROUND", "TARGET_MATERIALS", "gaussian", "reflectances"]

Spectrum = NDArray[np.float64]


def gaussian(wavelength: Spectrum, centre: float, width: float) -> Spectrum:
    """Return a Gaussian of height 1; `width` is its standard deviation, nm."""
    return np.asarray(np.exp(-0.5 * ((wavelength - centre) / width) ** 2))


def _step(wavelength: Spectrum, centre: float, width: float) -> Spectrum:
    """Return a logistic step from 0 to 1 at `centre`; `width` is its scale, nm."""
    return np.asarray(1 / (1 + np.exp(-(wavelength - centre) / width)))


def _absorb(wavelength: Spectrum, *features: tuple[float, float, float]) -> Spectrum:
    """Return the transmitted share after absorption features ``(centre, width, depth)``; depth 1 absorbs all."""
    factor = np.ones_like(wavelength)
    for centre, width, depth in features:
        factor *= 1 - depth * gaussian(wavelength, centre, width)
    return factor


def _liquid_water(wavelength: Spectrum, thickness: float) -> Spectrum:
    """Return the share that liquid water of leaves transmits, by Beer's law; `thickness` counts typical leaves."""
    depth = (
        0.06 * gaussian(wavelength, 970, 30)
        + 0.22 * gaussian(wavelength, 1200, 45)
        + 1.3 * gaussian(wavelength, 1450, 60)
        + 1.9 * gaussian(wavelength, 1940, 80)
        + 2.2 * gaussian(wavelength, 2600, 230)
    )
    return np.asarray(np.exp(-thickness * depth))


def _leaf(wavelength: Spectrum, chlorophyll: float, water: float) -> Spectrum:
    """Return green vegetation: chlorophyll absorption, green peak, red edge, plateau, leaf water."""
    pigments = _absorb(wavelength, (440, 60, 0.45 * chlorophyll), (675, 28, 0.55 * chlorophyll))
    visible = 0.07 * pigments + 0.05 * gaussian(wavelength, 552, 32)
    edge = _step(wavelength, 706 + 12 * chlorophyll, 11)
    return np.asarray((visible * (1 - edge) + 0.47 * edge) * _liquid_water(wavelength, water))


def _vegetation(wavelength: Spectrum) -> Spectrum:
    return _leaf(wavelength, chlorophyll=1.0, water=1.0)


def _stressed_vegetation(wavelength: Spectrum) -> Spectrum:
    return 0.85 * _leaf(wavelength, chlorophyll=0.45, water=0.6)


def _litter(wavelength: Spectrum) -> Spectrum:
    rise = 0.08 + 0.38 * _step(wavelength, 780, 130)
    # Cellulose and lignin: 1730, 2100, 2300 nm.
    cellulose = _absorb(wavelength, (1730, 25, 0.06), (2100, 45, 0.22), (2310, 35, 0.18))
    return np.asarray(rise * cellulose * _liquid_water(wavelength, 0.12))


def _bright_soil(wavelength: Spectrum) -> Spectrum:
    rise = 0.45 * (1 - np.exp(-(wavelength - 330) / 420))
    return np.asarray(rise * _absorb(wavelength, (900, 90, 0.08), (1415, 25, 0.12), (1915, 35, 0.2), (2207, 22, 0.12)))


def _dark_soil(wavelength: Spectrum) -> Spectrum:
    # Organic matter makes the visible concave; clay shows weakly.
    rise = 0.05 + 0.2 * _step(wavelength, 1050, 300)
    return np.asarray(rise * _absorb(wavelength, (1415, 25, 0.1), (1920, 40, 0.22), (2207, 25, 0.05)))


def _water(wavelength: Spectrum) -> Spectrum:
    turbid = 0.045 * gaussian(wavelength, 560, 70) * (1 - 0.5 * gaussian(wavelength, 675, 20))
    return np.asarray(0.008 + 0.03 * np.exp(-(wavelength - 400) / 90) + turbid)


def _clay_rock(wavelength: Spectrum) -> Spectrum:
    rise = 0.28 + 0.22 * _step(wavelength, 620, 110)
    # Kaolinite: the doublet at 2165 and 2207 nm, OH at 1400 nm; ferric iron at 870 nm.
    return np.asarray(rise * _absorb(wavelength, (870, 80, 0.1), (1400, 18, 0.2), (2165, 12, 0.16), (2207, 14, 0.3)))


def _carbonate_rock(wavelength: Spectrum) -> Spectrum:
    rise = 0.38 + 0.14 * _step(wavelength, 560, 120)
    return np.asarray(rise * _absorb(wavelength, (1900, 40, 0.06), (2155, 20, 0.04), (2338, 26, 0.28)))


def _asphalt(wavelength: Spectrum) -> Spectrum:
    rise = 0.07 + 0.08 * (wavelength - 400) / 2100
    return np.asarray(rise * _absorb(wavelength, (1730, 20, 0.03), (2310, 25, 0.06)))


def _concrete(wavelength: Spectrum) -> Spectrum:
    rise = 0.34 * (1 - 0.6 * np.exp(-(wavelength - 380) / 250))
    return np.asarray(rise * _absorb(wavelength, (1430, 40, 0.06), (1930, 45, 0.15), (2330, 30, 0.05)))


def _green_paint(wavelength: Spectrum) -> Spectrum:
    # Looks like vegetation to the eye and at the red edge, but holds no leaf water.
    visible = 0.05 + 0.06 * gaussian(wavelength, 540, 35)
    rise = visible + 0.33 * _step(wavelength, 725, 16)
    return np.asarray(rise * _absorb(wavelength, (1200, 60, 0.05), (1730, 25, 0.1), (2310, 35, 0.2)))


def _blue_tarpaulin(wavelength: Spectrum) -> Spectrum:
    blue = 0.06 + 0.25 * gaussian(wavelength, 465, 40) + 0.42 * _step(wavelength, 820, 60)
    # Polyethylene: CH bonds at 1215, 1390, 1730 and 2310 nm.
    return np.asarray(blue * _absorb(wavelength, (1215, 15, 0.18), (1400, 25, 0.15), (1730, 20, 0.4), (2310, 25, 0.45)))


def _metal(wavelength: Spectrum) -> Spectrum:
    return np.asarray(0.42 + 0.18 * (wavelength - 400) / 2100 - 0.05 * gaussian(wavelength, 850, 90))


def _red_tile(wavelength: Spectrum) -> Spectrum:
    rise = 0.06 + 0.36 * _step(wavelength, 585, 18)
    return np.asarray(rise * _absorb(wavelength, (860, 70, 0.3), (1410, 30, 0.05), (1920, 40, 0.08)))


GROUND: dict[str, Callable[[Spectrum], Spectrum]] = {
    "vegetation": _vegetation,
    "stressed vegetation": _stressed_vegetation,
    "litter": _litter,
    "bright soil": _bright_soil,
    "dark soil": _dark_soil,
    "water": _water,
    "clay rock": _clay_rock,
    "carbonate rock": _carbonate_rock,
    "asphalt": _asphalt,
    "concrete": _concrete,
}
"""Materials of the background."""

TARGET_MATERIALS: dict[str, Callable[[Spectrum], Spectrum]] = {
    "green paint": _green_paint,
    "blue tarpaulin": _blue_tarpaulin,
    "metal": _metal,
    "red tile": _red_tile,
}
"""Materials of the targets; none is part of the background."""


def reflectances(materials: dict[str, Callable[[Spectrum], Spectrum]], wavelength: Spectrum) -> NDArray[np.float64]:
    """Return the reflectances of `materials`, shape ``(materials, wavelengths)``, between 0 and 1.

    Parameters
    ----------
    materials : dict of str to callable
        `GROUND` or `TARGET_MATERIALS`.
    wavelength : (n,) ndarray of float64
        nm.
    """
    return np.stack([formula(wavelength) for formula in materials.values()])
