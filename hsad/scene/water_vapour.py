"""Wavelengths at which water vapour absorbs nearly all sunlight: their bands hold noise."""

from __future__ import annotations

__all__ = ["WATER_VAPOUR_NM"]

WATER_VAPOUR_NM = ((1350.0, 1440.0), (1800.0, 1960.0))
"""Lowest and highest wavelength of each absorption window, in nm. Products that mark no bad bands get these; figures
shade them."""
