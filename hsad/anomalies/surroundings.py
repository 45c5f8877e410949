"""The spectrum of an object and the spectra of the ring around it: their mean and their spread."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.anomalies.opened import Scene
    from hsad.anomalies.scoremap import ScoreMap
    from hsad.anomalies.vectors import Anomalies

__all__ = ["Surroundings", "look_around", "with_spectra"]

SIDE = 25
"""Side in pixels of the square around an anomaly from which its background is taken: the outer window of ``auto``."""

_PEAK_BANDS = 3
"""Bands with the largest contrast that a list of anomalies names."""
_LEAST_RING = 8
"""Fewest pixels of a ring without anomalies, as many as touch one pixel: with fewer, anomalies stay in the ring."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The spectrum at a pixel, and the background around it.

    Attributes
    ----------
    spectrum : (bands,) ndarray of float64
        Mean of the object's pixels in the window, or the spectrum of the pixel when it belongs to no object.
    background, spread : (bands,) ndarray of float64
        Mean and standard deviation of the ring: pixels of the window that are no anomaly and touch none.
    pixels, ring : int
        Numbers of pixels of the object in the window, and of the ring.
    """

    spectrum: NDArray[np.float64]
    background: NDArray[np.float64]
    spread: NDArray[np.float64]
    pixels: int
    ring: int

    @property
    def contrast(self) -> NDArray[np.float64]:
        """Difference to the background divided by its spread; 0 in bands without spread."""
        difference = self.spectrum - self.background
        return np.divide(difference, self.spread, out=np.zeros_like(difference), where=self.spread > 0)

    def peak_bands(self) -> NDArray[np.intp]:
        """Return the bands with the largest contrast, at least five bands apart, the largest first."""
        size = np.abs(self.contrast)
        found: list[int] = []
        for band in np.argsort(-size, kind="stable"):
            if all(abs(int(band) - other) >= 5 for other in found):
                found.append(int(band))
            if len(found) == _PEAK_BANDS:
                break
        return np.array(found, dtype=np.intp)


def look_around(scene: Scene, scores: ScoreMap, row: int, col: int, threshold: float, side: int = SIDE) -> Surroundings:
    """Return the spectrum at a pixel of a score map, and that of its ring."""
    from scipy import ndimage

    rows, cols = scene.window(row, col, side)
    spectra, valid = scene.spectra(rows, cols)
    pixel = (row - rows.start, col - cols.start)
    score = scores.rows(rows.start, rows.stop)[:, cols]
    above = (score >= threshold) & valid
    labels, _ = ndimage.label(above, structure=np.ones((3, 3)))
    inside = labels == labels[pixel] if above[pixel] else np.zeros_like(above)
    inside[pixel] = True
    near = ndimage.binary_dilation(above | inside, structure=np.ones((3, 3)))
    ring = valid & ~near
    if ring.sum() < _LEAST_RING:
        ring = valid & ~inside
    around = spectra[ring] if ring.any() else spectra[valid]
    if not len(around):
        around = np.full((1, spectra.shape[2]), np.nan)
    return Surroundings(
        spectra[inside].mean(axis=0), around.mean(axis=0), around.std(axis=0), int(inside.sum()), int(ring.sum())
    )


def with_spectra(anomalies: Anomalies, scores: ScoreMap, scene: Scene, threshold: float, most: int) -> Anomalies:
    """Return the anomalies with the spectra of the first `most` ones and of their rings, as JSON lists."""
    number = len(anomalies)
    texts: dict[str, NDArray[Any]] = {
        name: np.full(number, None, dtype=object)
        for name in ("peak_wavelengths", "mean_spectrum", "background_spectrum")
    }
    wavelength = scene.wavelength
    for place in range(min(most, number)):
        around = look_around(
            scene, scores, int(anomalies.columns["row"][place]), int(anomalies.columns["col"][place]), threshold
        )
        peaks = around.peak_bands()
        named = scene.source.bands[peaks] + 1 if wavelength is None else wavelength[peaks]
        texts["peak_wavelengths"][place] = json.dumps([round(float(value), 2) for value in named])
        texts["mean_spectrum"][place] = json.dumps(_short(around.spectrum))
        texts["background_spectrum"][place] = json.dumps(_short(around.background))
    return anomalies.with_columns(**texts)


def _short(values: NDArray[np.float64]) -> list[float | None]:
    """Return numbers with six digits, None for NaN and infinity."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]
