"""Statistics of a raster: range, moments, and the percentiles at the ends of the colour palette."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.gdal import open_raster
from hsad.products.palette import CLASS_PERCENTILES, STRETCH

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["BandSummary", "stretch", "summarize"]

_SAMPLE = 1_000_000
"""Largest number of pixels from which percentiles are computed; about 4 MB."""

_STRIP_PIXELS = 1_000_000
"""Number of pixels that are read at a time; about 4 MB."""


@dataclass(frozen=True)
class BandSummary:
    """Statistics of the finite values of one band; NaN for a band without finite values.

    Attributes
    ----------
    minimum, maximum, mean, stddev : float
        Statistics of all finite values (`stddev` is that of the population).
    count, size : int
        Number of finite values, and number of pixels.
    low, high : float
        The percentiles `STRETCH` of all values, or of a regular sample if there are more than a million pixels.
    limits : tuple of float
        The percentiles `CLASS_PERCENTILES` of the same values.
    """

    minimum: float
    maximum: float
    mean: float
    stddev: float
    count: int
    size: int
    low: float
    high: float
    limits: tuple[float, ...]

    @property
    def valid_percent(self) -> float:
        """Share of the pixels that have a finite value, in percent."""
        return 100.0 * self.count / self.size


def stretch(values: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return the percentiles `STRETCH` of the finite values; the second is always above the first."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return math.nan, math.nan
    low, high = (float(value) for value in np.percentile(finite.astype(np.float64), STRETCH))
    if high <= low:
        # About half of the values or more are equal. The stretch ends at the largest value, or 1 above `low`.
        high = float(finite.max())
    return low, high if high > low else low + 1.0


def summarize(path: Path) -> tuple[BandSummary, ...]:
    """Return the summary of each band of a raster, read in strips."""
    with open_raster(path) as dataset:
        rows, cols = dataset.shape
        return tuple(_summarize_band(dataset, band, rows, cols) for band in dataset.indexes)


def _summarize_band(dataset: Any, band: int, rows: int, cols: int) -> BandSummary:
    from rasterio.windows import Window

    step = max(1, math.ceil(rows * cols / _SAMPLE))
    height = max(1, _STRIP_PIXELS // cols)
    count, mean, squares = 0, 0.0, 0.0
    minimum, maximum = math.inf, -math.inf
    sample: list[NDArray[Any]] = []
    for row in range(0, rows, height):
        strip = dataset.read(band, window=Window(0, row, cols, min(height, rows - row))).ravel()
        values = strip[np.isfinite(strip)].astype(np.float64)
        sample.append(strip[::step].copy())  # a view would hold the whole strip in memory
        if values.size == 0:
            continue
        # Merge of counts, means and sums of squared deviations (Chan, Golub & LeVeque).
        shift = values.mean() - mean
        total = count + values.size
        squares += float(((values - values.mean()) ** 2).sum()) + shift**2 * count * values.size / total
        mean += shift * values.size / total
        count = total
        minimum, maximum = min(minimum, float(values.min())), max(maximum, float(values.max()))
    known = np.concatenate(sample)
    low, high = stretch(known)
    known = known[np.isfinite(known)]
    limits = tuple(np.percentile(known.astype(np.float64), CLASS_PERCENTILES).tolist()) if known.size else ()
    if count == 0:
        minimum = maximum = mean = squares = math.nan
    stddev = math.sqrt(squares / count) if count else math.nan
    return BandSummary(minimum, maximum, float(mean), stddev, count, rows * cols, low, high, limits)
