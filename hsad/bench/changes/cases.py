"""Pairs with known changes: two dates of a synthetic place, and benchmark scenes split into two noisy dates.

A benchmark scene is split into its leading components and its noise. The second date has the components with a gain
and an offset by band, a gain that varies over the scene, and a displacement; its noise is that of other pixels. New
objects are implanted into the second date, objects that are gone into the first. The objects of the scene are on both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.bench.known import KnownScene
from hsad.bench.suite import stretched
from hsad.synthetic import make_pair
from hsad.synthetic.fields import gaussian_field
from hsad.synthetic.implants import implant, material_ratios, without_noise

__all__ = ["REGISTRATIONS", "PairCase", "Split", "split_pairs", "synthetic_pairs"]

#: Root mean square displacements of the second date, in pixels.
REGISTRATIONS = (0.0, 0.3, 0.7)

#: Changes of season and light of the synthetic pairs.
_SEASONS = ((0.0, 0.3), (0.3, 0.6), (1.0, 1.0))

#: Pixels of the implants, and the limits of their fills.
_SIZES, _FILLS = (1, 1, 2, 4, 9, 16), (0.3, 1.0)

#: Further dates without a change, for methods that learn from several.
_FURTHER = 5

#: Rows and columns by which the noise of a date is moved.
_NOISE_FROM = ((17, 29), (41, 7), (5, 53), (31, 3), (11, 37), (23, 19))


@dataclass(frozen=True, eq=False)
class PairCase:
    """Two dates and what changed.

    Attributes
    ----------
    name, family : str
    registration : float
        Root mean square displacement, in pixels.
    before, after : (rows, cols, bands) ndarray
    truth : (rows, cols) ndarray of float64
        0 no change, else the number of an object that is new or gone; NaN is left out.
    further : tuple of ndarray
        More dates like the first.
    """

    name: str
    family: str
    registration: float
    before: Any
    after: Any
    truth: NDArray[np.float64]
    further: tuple[Any, ...] = ()


def synthetic_pairs(seed: int) -> Iterator[PairCase]:
    """Yield pairs of `hsad.make_pair` with a displacement and a season in rotation."""
    for number, registration in enumerate(REGISTRATIONS):
        season, illumination = _SEASONS[(seed + number) % len(_SEASONS)]
        pair = make_pair(seed=seed, season=season, illumination=illumination, registration=registration)
        truth = pair.truth.values.astype(np.float64)
        yield PairCase(f"seed {seed}", "synthetic", registration, pair.before, pair.after, truth)


def split_pairs(scene: KnownScene, seed: int) -> Iterator[PairCase]:
    """Yield a benchmark scene as two dates, once for each displacement."""
    split = Split(scene.cube.values.astype(np.float64), scene.truth)
    for number, registration in enumerate(REGISTRATIONS):
        random = np.random.default_rng([seed, number])
        before, after, truth, *further = split.dates(registration, random, _SIZES, _FILLS, further=_FURTHER)
        yield PairCase(scene.name, "split", registration, before, after, truth, tuple(further))


class Split:
    """A scene that is split into two dates and more.

    Parameters
    ----------
    spectra : (rows, cols, bands) ndarray of float64
    truth : (rows, cols) ndarray
        Objects of the scene, which are on all dates, as other numbers than 0.
    """

    def __init__(self, spectra: NDArray[np.float64], truth: NDArray[Any]) -> None:
        self._clean = without_noise(spectra)
        self._noise = spectra - self._clean
        self._there = truth > 0
        ground = np.maximum(spectra[truth == 0].mean(axis=0), 1)
        self._materials = [ground * stretched(ratio, len(ground)) for ratio in material_ratios()]

    def dates(
        self,
        registration: float,
        random: np.random.Generator,
        sizes: Sequence[int],
        fills: tuple[float, float],
        *,
        further: int = 0,
        noise: float = 1.0,
    ) -> list[NDArray[np.float64]]:
        """Return the first date, the second, what changed, and further dates like the second without a change.

        Parameters
        ----------
        registration : float
            Root mean square displacement of all dates but the first, in pixels.
        random : numpy.random.Generator
        sizes : sequence of int
            Pixels of each object that is gone; as many are new.
        fills : (float, float)
            Limits of the share of each of its pixels that an object covers.
        further : int
            Number of further dates.
        noise : float
            Noise of all dates but the first, as a multiple of that of the scene.
        """
        dates = [self._clean, *(_another(self._clean, registration, random) for _ in range(1 + further))]
        noisy = [
            date + (noise if number else 1.0) * np.roll(self._noise, step, axis=(0, 1))
            for number, (date, step) in enumerate(zip(dates, ((0, 0), *_NOISE_FROM), strict=False))
        ]
        before, gone = implant(noisy[0], self._there, sizes, fills, self._materials, random)
        after, new = implant(noisy[1], self._there | (gone > 0), sizes, fills, self._materials, random)
        truth = np.where(gone > 0, gone, np.where(new > 0, new + len(sizes), 0.0))
        return [before, after, truth, *noisy[2:]]


def _another(clean: NDArray[np.float64], registration: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Return a scene without noise in other light, displaced."""
    from scipy import ndimage

    rows, cols, bands = clean.shape
    length = min(rows, cols) / 4
    moved = np.mgrid[:rows, :cols].astype(np.float64)
    for axis in range(2):
        moved[axis] += registration / np.sqrt(2) * gaussian_field((rows, cols), length, random)
    placed = np.stack(
        [ndimage.map_coordinates(clean[..., band], moved, order=1, mode="nearest") for band in range(bands)], axis=-1
    )
    curve = np.cumsum(random.normal(size=bands)) / np.sqrt(bands)
    gain = 1 + 0.15 * curve
    haze = 0.05 * clean.mean() * np.linspace(1, 0, bands)
    light = 1 + 0.1 * gaussian_field((rows, cols), min(rows, cols) / 6, random)
    return np.asarray(placed * gain * light[..., np.newaxis] + haze)
