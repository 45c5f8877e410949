"""PaDiM: one Gaussian for each position, learned from other dates, as a change alarm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Background, Scan
from hsad.detectors.block import Block, widened
from hsad.detectors.checks import above, at_least
from hsad.detectors.deep.components import ComponentImages, learn_components
from hsad.detectors.deep.model import DeepDetector
from hsad.detectors.described import for_users
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import require_valid
from hsad.errors import DataError
from hsad.kernels.image.smoothing import smoothed, smoothing_radius
from hsad.kernels.summaries import Moments, Sample

__all__ = ["PaDiM", "Places"]

_FEWEST_DATES = 4
"""Smallest number of dates with data at a position with a score; with fewer, the variance is too uncertain."""

_SAMPLE = 20_000
"""Number of pixels of a date from which its medians are computed."""

_NORMAL = 1.4826
"""Standard deviation of a Gaussian over the median of its absolute deviations."""


@dataclass(frozen=True, eq=False)
class Places(Background):
    """The result of the learning of `PaDiM`: one Gaussian for every position.

    Attributes
    ----------
    images : ComponentImages
    count : (rows, cols) ndarray of int32
        Number of dates with data at each position.
    mean : (rows, cols, k) ndarray of float32
    scatter : (rows, cols, k(k+1)/2) ndarray of float32
    pooled : (k, k) ndarray of float64
        Mean of the covariances of all positions.
    dates : int
    center, spread : (k,) ndarray of float64
        Median and robust deviation of the components of the scored scene; empty before `PaDiM.adapt`.
    """

    shapes: ClassVar[dict[str, Any]] = {
        "count": ("rows", "cols"), "mean": ("rows", "cols", "components"), "scatter": ("rows", "cols", "pairs"),
        "pooled": ("components", "components"),
    }  # fmt: skip

    images: ComponentImages
    count: NDArray[np.int32]
    mean: NDArray[np.float32]
    scatter: NDArray[np.float32]
    pooled: NDArray[np.float64]
    dates: int
    center: NDArray[np.float64]
    spread: NDArray[np.float64]


@for_users
@dataclass(frozen=True)
class PaDiM(DeepDetector):
    """Mahalanobis distance of a pixel from the pixels of its position on other dates, as a change alarm.

    It needs at least four co-registered scenes of one size as references (``references=``, ``--references``), and a
    scene of the same area. Its features are ten principal components of the whole stack, each divided by its deviation.
    The median of each date is subtracted from the components of this date, and the result is divided by its robust
    deviation, so that gain and haze of a date do not count. Each position p has one Gaussian with the mean m and the
    covariance ``K = (1 − share)·C + share·C̄ + epsilon·(tr C + tr C̄)/(2k)·I``. C is the covariance of the position,
    divided by its number of dates less 1, C̄ the mean of all C, and k the number of components. The score is ``√((y −
    m)ᵀ K⁻¹ (y − m))``. C̄ has a share because a dozen dates are few for ten dimensions.

    Notes
    -----
    The references must contain the changes of the seasons. Registration errors are learned if the references have them.
    The model takes ``4·(k + k(k+1)/2)`` bytes for each pixel (260 for ten components), on disk and in memory.

    Examples
    --------
    >>> import hsad
    >>> detector = hsad.PaDiM(components=6)  # hsad.detect(new, detector, references=[…]) needs torch
    >>> detector.halo
    0
    """

    title: ClassVar[str] = "PaDiM: distance of a position to its values on other dates (references); needs torch"
    cites: ClassVar[tuple[str, ...]] = ("defard2021",)
    leaf: ClassVar[int] = 128

    components: int = parameter(10, "number of spectral components", check=at_least(1))
    share: float = parameter(
        0.5,
        "share of the covariance of all positions in that of each",
        check=at_least(0, at_most=1),
    )
    epsilon: float = parameter(
        0.1,
        "added to the covariance, times its mean variance",
        check=above(0),
    )
    smooth: float = parameter(0.0, "standard deviation of the smoothing, pixels", check=at_least(0))

    @property
    def halo(self) -> int:
        """The radius of the smoothing."""
        return smoothing_radius(self.smooth)

    @property
    def smallest_side(self) -> int:
        """A scene of any size can be scored."""
        return 1

    def footprint(self, bands: int, itemsize: int) -> float:
        """Return the bytes per pixel of copies of the spectra, components, and one matrix for each pixel of a chunk."""
        return 2.5 * itemsize * bands + 16.0 * self.components**2 + 60.0 * self.components

    def learn(self, scan: Scan) -> Places:
        """Return the Gaussians, after two passes for components and medians and one pass for each date."""
        from hsad.kernels.device import torch_device
        from hsad.kernels.networks.positions import PositionMoments

        torch_device(self.device, "padim")
        found = scan(_by_date)
        dates = {} if found is None else found.dates
        if len(dates) < _FEWEST_DATES:
            raise DataError(
                f"padim needs at least {_FEWEST_DATES} dates of one place as references: there "
                f"{'is' if len(dates) == 1 else 'are'} {len(dates)} with valid pixels"
            )
        sizes = sorted({(date.rows, date.cols) for date in dates.values()})
        if len(sizes) > 1:
            named = " and ".join(f"{rows} x {cols}" for rows, cols in sizes[:2])
            raise DataError(f"padim: the references are of different sizes, {named} pixels: they must be co-registered")
        moments = [date.moments for date in dates.values()]
        together = moments[0]
        for more in moments[1:]:
            together = together + more
        if not np.trace(together.scatter) > 0:
            raise DataError("all valid pixels are equal: there is no variation to measure an anomaly by")
        images = learn_components(together, self.components, "white")
        samples = scan(_samples, images, self.seed)
        assert samples is not None  # noqa: S101  the pixels that gave the moments
        positions = PositionMoments.empty(*sizes[0], images.count)
        for number in sorted(dates):
            center, spread = _robust(samples.dates[number].spectra)
            values = scan(_values, images, number, center, spread)
            assert values is not None  # noqa: S101  this date has valid pixels
            for first, part in values.parts.items():
                row, col = divmod(first, sizes[0][1])
                positions.add(row, col, part.values, part.valid)
        if not (positions.count >= _FEWEST_DATES).any():
            raise DataError(f"padim: no position has data on at least {_FEWEST_DATES} dates")
        empty = np.zeros(0)
        return Places(
            images,
            positions.count,
            positions.mean,
            positions.scatter,
            positions.pooled(_FEWEST_DATES),
            len(dates),
            empty,
            empty,
        )

    def adapt(self, scan: Scan, background: Places) -> Places:
        """Return the model with the medians and deviations of the scene that will be scored next."""
        samples = require_valid(scan(_samples, background.images, self.seed))
        center, spread = _robust(samples.dates[0].spectra)
        return replace(background, center=center, spread=spread)

    def score(self, block: Block, background: Places) -> NDArray[np.float64]:
        """Return the distances of the block's core, NaN at positions where fewer than four dates have data."""
        wide, core = widened(block, smoothing_radius(self.smooth))
        distances, known, _ = self._distances(wide, background)
        return np.where(known, smoothed(distances, known, self.smooth), np.nan)[core]

    def account(self, block: Block, background: Places) -> Reason:
        """Return ``δ · C⁻¹δ`` of each component divided by the distance, smoothed as the score, divided over bands."""
        wide, core = widened(block, smoothing_radius(self.smooth))
        distances, known, products = self._distances(wide, background)
        parts = products / np.maximum(distances, np.finfo(np.float64).tiny)[..., np.newaxis]
        by_component = smoothed(parts, known, self.smooth)[core][0, 0]
        score = float(self.score(block, background)[0, 0])
        row, col = (start + at for start, at in zip(block.origin, block.place, strict=True))
        return Reason(
            f"it is {score:.3g} standard deviations away from the mean of {background.count[row, col]} dates here",
            background.images.in_bands(by_component),
            unlike="the other dates at this place",
        ).summing_to(score)

    def _distances(
        self, wide: Block, background: Places
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
        """Return the distances of the core, the mask of pixels that have one, and the squares by component."""
        from hsad.kernels.networks.positions import position_distance

        rows, cols = background.count.shape
        if (wide.scene.rows, wide.scene.cols) != (rows, cols):
            raise DataError(
                f"padim: the scene of {wide.scene.rows} x {wide.scene.cols} pixels is not on the grid of "
                f"its references, {rows} x {cols}"
            )
        here = tuple(
            slice(part.start + start, part.stop + start) for part, start in zip(wide.core, wide.origin, strict=True)
        )
        known = wide.core_valid & (background.count[here] >= _FEWEST_DATES)
        distances, products = np.zeros(known.shape), np.zeros((*known.shape, background.images.count))
        if known.any():
            values = (_components(background.images, wide)[wide.core][known] - background.center) / background.spread
            distances[known], products[known] = position_distance(
                values,
                background.count[here][known],
                background.mean[here][known],
                background.scatter[here][known],
                background.pooled,
                share=self.share,
                epsilon=self.epsilon,
                device=self.device,
            )
        return distances, known, products


@dataclass(frozen=True, eq=False)
class Date:
    """Moments of the valid pixels of a date, and the size of the scene."""

    moments: Moments
    rows: int
    cols: int

    def __add__(self, other: Date) -> Date:
        return Date(self.moments + other.moments, self.rows, self.cols)


@dataclass(frozen=True, eq=False)
class ByDate:
    """One value for each date, by the number of the date; values of the same date are merged with ``+``."""

    dates: dict[int, Any]

    def __add__(self, other: ByDate) -> ByDate:
        merged = dict(self.dates)
        for number, value in other.dates.items():
            merged[number] = merged[number] + value if number in merged else value
        return ByDate(merged)


@dataclass(frozen=True, eq=False)
class Part:
    """Values ``(h, w, k)`` of a leaf, and the mask of its valid pixels."""

    values: NDArray[np.float32]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Parts:
    """The leaves of a date, by the number of their first pixel."""

    parts: dict[int, Part]

    def __add__(self, other: Parts) -> Parts:
        return Parts({**self.parts, **other.parts})


def _components(images: ComponentImages, block: Block) -> NDArray[np.float64]:
    from hsad.kernels.image.projection import project

    return project(block.spectra, images.vectors, images.shift)


def _by_date(block: Block) -> ByDate | None:
    moments = Moments.of(block.pieces())
    if moments is None:
        return None
    return ByDate({block.scene.index: Date(moments, block.scene.rows, block.scene.cols)})


def _samples(block: Block, images: ComponentImages, seed: int) -> ByDate | None:
    if not block.core_valid.any():
        return None
    values = _components(images, block)[block.core][block.core_valid]
    # The sample has the same positions on every date, so the choice of pixels does not change the medians.
    sample = Sample.of(values, block.pixel_numbers, _SAMPLE, seed=seed)
    return ByDate({block.scene.index: sample})


def _robust(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the median and the robust deviation of each column; a deviation of 0 is replaced by 1."""
    center = np.median(values, axis=0)
    spread = _NORMAL * np.median(np.abs(values - center), axis=0)
    return center, np.where(spread > 0, spread, 1.0)


def _values(
    block: Block, images: ComponentImages, number: int, center: NDArray[np.float64], spread: NDArray[np.float64]
) -> Parts | None:
    if block.scene.index != number or not block.core_valid.any():
        return None
    values = (_components(images, block)[block.core] - center) / spread
    row, col = (start + part.start for start, part in zip(block.origin, block.core, strict=True))
    return Parts({row * block.scene.cols + col: Part(values.astype(np.float32), block.core_valid)})
