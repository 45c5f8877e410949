"""Absorption features: dips of a spectrum at wavelengths where something known absorbs, as hints with their source.

The continuum of a feature is the straight line between its two shoulders (Clark & Roush 1984, doi
10.1029/JB089iB07p06329). Its depth is ``1 - R/C`` at the lowest point between them, R the spectrum and C the continuum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FEATURES", "Absorption", "Feature", "absorptions", "sentence_of"]

LEAST_DEPTH = 0.03
"""Least depth of a feature, and least difference to the mean depth around: 3 % of the continuum."""

LEAST_SIGMA = 3.0
"""Least difference to the mean depth of the pixels around, in their standard deviations."""

_LEAST_RING = 8


@dataclass(frozen=True)
class Feature:
    """A wavelength at which something known absorbs.

    Attributes
    ----------
    cause : str
        What absorbs there.
    low, high : float
        Wavelengths in nm between which the lowest point lies.
    shoulders : (float, float)
        Wavelengths in nm of the ends of the continuum.
    source : str
        DOI of the source of the wavelengths.
    """

    cause: str
    low: float
    high: float
    shoulders: tuple[float, float]
    source: str


_CLARK = "10.1029/JB095iB08p12653"
_CURRAN = "10.1016/0034-4257(89)90069-2"
_CLOUTIS = "10.1126/science.245.4914.165"

FEATURES = (
    Feature("chlorophyll", 660, 690, (560, 750), _CURRAN),
    Feature("iron oxide", 850, 930, (760, 1050), _CLARK),
    Feature("water in leaves", 960, 990, (920, 1080), _CURRAN),
    Feature("water in leaves, or hydrocarbon", 1170, 1220, (1090, 1270), _CURRAN),
    Feature("hydrocarbon, as in plastic, paint or oil", 1715, 1740, (1680, 1775), _CLOUTIS),
    Feature("Al-OH, as in clay and mica", 2185, 2220, (2120, 2250), _CLARK),
    Feature("Mg-OH or hydrocarbon", 2295, 2319, (2250, 2365), _CLARK),
    Feature("carbonate", 2320, 2350, (2260, 2385), _CLARK),
)
"""Features that are looked for, by rising wavelength. Bands of water vapour, 1350-1450 and 1800-1950 nm, have none."""


@dataclass(frozen=True)
class Absorption:
    """A feature of a spectrum.

    Attributes
    ----------
    feature : Feature
    wavelength : float
        Lowest point in nm.
    depth : float
        Share of the continuum that is missing there.
    around : float
        Mean depth of the pixels around at the same wavelength.
    """

    feature: Feature
    wavelength: float
    depth: float
    around: float

    @property
    def phrase(self) -> str:
        """The feature in words: "2.20 µm, 8 % deep (Al-OH, as in clay and mica)"."""
        return f"{self.wavelength / 1000:.2f} µm, {100 * self.depth:.0f} % deep ({self.feature.cause})"

    def to_dict(self) -> dict[str, Any]:
        """Return the feature as values that JSON knows."""
        return {
            "wavelength": self.wavelength,
            "depth": self.depth,
            "around": self.around,
            "cause": self.feature.cause,
            "doi": self.feature.source,
        }


def absorptions(
    spectrum: NDArray[np.float64], ring: NDArray[np.float64], wavelength: NDArray[np.float64] | None
) -> tuple[Absorption, ...]:
    """Return the known absorption features that a spectrum has and the pixels around it have not.

    A feature counts from a depth of 3 % that exceeds the mean depth of the pixels around by 3 % and by three of their
    standard deviations.

    Parameters
    ----------
    spectrum : (bands,) ndarray
    ring : (n, bands) ndarray
        Spectra of the pixels around.
    wavelength : (bands,) ndarray or None
        In nm, in any order.

    Returns
    -------
    tuple of Absorption
        By rising wavelength; empty without wavelengths, or with fewer than eight pixels around.

    Examples
    --------
    >>> import numpy as np
    >>> wavelength = np.arange(2000.0, 2450.0, 10.0)
    >>> around = 0.4 + 0.002 * np.random.default_rng(0).normal(size=(50, 45))
    >>> clay = around[0] * (1 - 0.1 * np.exp(-(((wavelength - 2205) / 20) ** 2)))
    >>> [found.feature.cause for found in absorptions(clay, around, wavelength)]
    ['Al-OH, as in clay and mica']
    """
    if wavelength is None or len(ring) < _LEAST_RING:
        return ()
    order = np.argsort(wavelength, kind="stable")
    order = order[np.isfinite(wavelength[order])]
    at, own, others = wavelength[order], spectrum[order], ring[:, order]
    found = [seen for feature in FEATURES if (seen := _seen(feature, own, others, at)) is not None]
    return tuple(_without_neighbours(found))


def _seen(
    feature: Feature, own: NDArray[np.float64], ring: NDArray[np.float64], at: NDArray[np.float64]
) -> Absorption | None:
    """Return a feature where a spectrum has it, with evidence; None otherwise."""
    ends = [int(np.argmin(np.abs(at - end))) for end in feature.shoulders]
    inside = np.flatnonzero((at >= feature.low) & (at <= feature.high))
    width = feature.shoulders[1] - feature.shoulders[0]
    apart = max(abs(at[ends[0]] - feature.shoulders[0]), abs(at[ends[1]] - feature.shoulders[1]))
    if not len(inside) or apart > width / 5 or ends[1] - ends[0] < 4:
        return None
    part = (at - at[ends[0]]) / max(at[ends[1]] - at[ends[0]], 1e-9)
    depth = _depth(own, part, ends)
    if depth is None:
        return None
    between = slice(ends[0] + 1, ends[1])
    lowest = ends[0] + 1 + int(np.argmax(depth[between]))
    if lowest not in inside:
        return None
    if depth[lowest] < LEAST_DEPTH:
        return None
    around = _depths(ring, part, ends, lowest)
    if len(around) < _LEAST_RING:
        return None
    more = depth[lowest] - around.mean()
    if more < max(LEAST_DEPTH, LEAST_SIGMA * around.std()):
        return None
    return Absorption(feature, float(at[lowest]), float(depth[lowest]), float(around.mean()))


def _depth(spectrum: NDArray[np.float64], part: NDArray[np.float64], ends: list[int]) -> NDArray[np.float64] | None:
    """Return ``1 - R/C`` at each band; None where the continuum is not positive."""
    left, right = spectrum[ends[0]], spectrum[ends[1]]
    if not (left > 0 and right > 0):
        return None
    continuum = left + (right - left) * part
    return np.asarray(1 - np.divide(spectrum, continuum, out=np.ones_like(spectrum), where=continuum > 0))


def _depths(ring: NDArray[np.float64], part: NDArray[np.float64], ends: list[int], band: int) -> NDArray[np.float64]:
    """Return `_depth` of each spectrum at one band, without those whose continuum is not positive."""
    left, right = ring[:, ends[0]], ring[:, ends[1]]
    known = (left > 0) & (right > 0)
    left, right, values = left[known], right[known], ring[known, band]
    continuum = left + (right - left) * part[band]
    return np.asarray(1 - np.divide(values, continuum, out=np.ones_like(values), where=continuum > 0))


def _without_neighbours(found: list[Absorption]) -> list[Absorption]:
    """Return one feature for each lowest point, the deepest: shoulders of two features may overlap."""
    kept: dict[float, Absorption] = {}
    for seen in found:
        known = kept.get(seen.wavelength)
        if known is None or seen.depth > known.depth:
            kept[seen.wavelength] = seen
    return list(kept.values())


def sentence_of(found: Sequence[Absorption]) -> str:
    """Return features in a sentence without a full stop; empty without any.

    Examples
    --------
    >>> sentence_of([Absorption(FEATURES[-1], 2335.0, 0.081, 0.01)])
    'It absorbs at 2.33 µm, 8 % deep (carbonate), more than the pixels around it; a hint, no proof'
    """
    if not found:
        return ""
    return f"It absorbs at {'; '.join(seen.phrase for seen in found)}, more than the pixels around it; a hint, no proof"
