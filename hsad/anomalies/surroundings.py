"""The spectrum of an object and the spectra of the ring around it: their mean and their spread."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.explanation.sentence import reason_sentence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.anomalies.opened import Scene
    from hsad.anomalies.scoremap import ScoreMap
    from hsad.anomalies.vectors import Anomalies
    from hsad.scene.grid import GeoGrid

__all__ = ["Surroundings", "contrast_to", "look_around", "with_spectra"]

SIDES = (25, 75, 151)
"""Sides in pixels of the square around an anomaly from which its background is taken: the outer window of ``auto``, and
larger ones for objects that do not fit."""

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
    around : (ring, bands) ndarray of float64
        The spectra of the ring; of all valid pixels of the window where it is empty.
    """

    spectrum: NDArray[np.float64]
    background: NDArray[np.float64]
    spread: NDArray[np.float64]
    pixels: int
    ring: int
    around: NDArray[np.float64] = field(repr=False)

    @property
    def contrast(self) -> NDArray[np.float64]:
        """Difference to the background divided by its spread; 0 in bands without spread, and without a ring."""
        if not self.ring:
            return np.zeros_like(self.spectrum)
        return contrast_to(self.spectrum, self.background, self.spread)

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


def contrast_to(
    spectrum: NDArray[np.float64], background: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the difference to a background in units of its standard deviation (σ); 0 in bands without spread."""
    difference = spectrum - background
    return np.divide(difference, spread, out=np.zeros_like(difference), where=spread > 0)


def look_around(scene: Scene, scores: ScoreMap, row: int, col: int, threshold: float) -> Surroundings:
    """Return the spectrum of the object at a pixel of a score map, and that of its ring.

    The window is the smallest of `SIDES` that holds the whole object and a ring of eight pixels that are no anomaly and
    touch none; the largest one where none does.
    """
    from scipy import ndimage

    for side in SIDES:
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
        if ring.sum() >= _LEAST_RING and not _cut(inside, rows, cols, scores.grid):
            break
    else:
        if ring.sum() < _LEAST_RING:
            ring = valid & ~inside
    around = spectra[ring] if ring.any() else spectra[valid]
    if not len(around):
        around = np.full((1, spectra.shape[2]), np.nan)
    return Surroundings(
        spectra[inside].mean(axis=0),
        around.mean(axis=0),
        around.std(axis=0),
        int(inside.sum()),
        int(ring.sum()),
        around,
    )


def _cut(inside: NDArray[np.bool_], rows: slice, cols: slice, grid: GeoGrid) -> bool:
    """Return whether an object reaches an edge of its window that is no edge of the map."""
    edges = (
        (rows.start > 0, inside[0]),
        (rows.stop < grid.rows, inside[-1]),
        (cols.start > 0, inside[:, 0]),
        (cols.stop < grid.cols, inside[:, -1]),
    )
    return any(within and bool(edge.any()) for within, edge in edges)


def with_spectra(anomalies: Anomalies, scores: ScoreMap, scene: Scene, threshold: float, most: int) -> Anomalies:
    """Return the anomalies with the spectra of the first `most` ones and of their rings, and why they stand out.

    Spectra are JSON lists. The reasons say where in the spectrum an anomaly differs from its surroundings; what a
    detector found it unlike is not in them.
    """
    number = len(anomalies)
    texts: dict[str, NDArray[Any]] = {
        name: np.full(number, None, dtype=object)
        for name in ("peak_wavelengths", "mean_spectrum", "background_spectrum", "reason")
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
        texts["reason"][place] = reason_sentence(
            around.contrast,
            wavelength,
            scene.source.bands + 1,
            pixels=int(anomalies.columns["n_pixels"][place]),
            area=float(anomalies.columns["area_m2"][place]),
        )
    return anomalies.with_columns(**texts)


def _short(values: NDArray[np.float64]) -> list[float | None]:
    """Return numbers with six digits, None for NaN and infinity."""
    return [
        float(f"{value:.6g}") if known else None
        for value, known in zip(values.tolist(), np.isfinite(values).tolist(), strict=True)
    ]
