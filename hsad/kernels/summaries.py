"""Results of a pass over a scene: small typed summaries that merge with ``+``.

Each is formed from one block of pixels by its ``of`` and is as large after merging as before. Merging is exact in
exact arithmetic; in floating point it depends on the order, which is why the engine merges along a fixed tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Histogram",
    "Largest",
    "Moments",
    "Sample",
    "Together",
    "Totals",
    "in_single_precision",
    "pixel_keys",
    "quantile",
]


@dataclass(frozen=True, eq=False)
class Totals:
    """A count and a sum.

    Attributes
    ----------
    count : int
        Number of things summed.
    total : float or ndarray
        Their sum.
    """

    count: int
    total: Any

    def __add__(self, other: Totals) -> Totals:
        return Totals(self.count + other.count, self.total + other.total)

    @property
    def mean(self) -> Any:
        """The sum divided by the count."""
        return self.total / self.count


@dataclass(frozen=True, eq=False)
class Together:
    """Several summaries from one pass; a part that is None adds nothing.

    Attributes
    ----------
    parts : tuple
    """

    parts: tuple[Any, ...]

    def __add__(self, other: Together) -> Together:
        pairs = zip(self.parts, other.parts, strict=True)
        return Together(tuple(b if a is None else a if b is None else a + b for a, b in pairs))


@dataclass(frozen=True)
class Largest:
    """The largest of some numbers.

    Attributes
    ----------
    value : float
    """

    value: float

    def __add__(self, other: Largest) -> Largest:
        return Largest(max(self.value, other.value))


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and scatter of spectra, merged without the cancellation of E[x²] − E[x]².

    Attributes
    ----------
    count : int
        Number of spectra n.
    mean : (d,) ndarray of float64
    scatter : (d, d) ndarray of float64
        Sum of the outer products of the deviations from the mean.

    References
    ----------
    Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1982.
    """

    count: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]

    @classmethod
    def of(cls, spectra: NDArray[np.float64] | Iterable[NDArray[np.float64]]) -> Self | None:
        """Return the moments of ``(n, d)`` spectra, or of several such pieces together; None when there are none."""
        from hsad.kernels.triangular import add_pixels, new_scatter, scatter_matrix

        scatter = None
        for piece in [spectra] if isinstance(spectra, np.ndarray) else spectra:
            if len(piece):
                scatter = new_scatter(piece.shape[1]) if scatter is None else scatter
                add_pixels(np.ascontiguousarray(piece), scatter)
        return None if scatter is None else cls(int(scatter.number[0]), scatter.mean, scatter_matrix(scatter))

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        step = other.mean - self.mean
        mean = self.mean + step * (other.count / count)
        between = np.outer(step, step) * (self.count * other.count / count)
        return Moments(count, mean, self.scatter + other.scatter + between)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """The scatter divided by n (the maximum-likelihood estimate), shape ``(d, d)``."""
        return self.scatter / self.count


@dataclass(frozen=True, eq=False)
class Sample:
    """A random sample of pixels without replacement that does not depend on how the scene was cut.

    Every pixel gets a pseudo-random key from its number, its scene and a seed; the sample is those with the
    smallest keys ("bottom-k"), so the sample of a union is found from the samples of its parts.

    Attributes
    ----------
    keys : (n,) ndarray of uint64
        In increasing order.
    spectra : (n, d) ndarray
    size : int
        Most pixels the sample may hold.
    """

    keys: NDArray[np.uint64]
    spectra: NDArray[np.float64]
    size: int

    @classmethod
    def of(
        cls,
        spectra: NDArray[np.float64],
        numbers: NDArray[np.int64],
        size: int,
        *,
        seed: int = 0,
        scene: int = 0,
    ) -> Self | None:
        """Return the sample of ``(n, d)`` spectra whose pixels have these absolute `numbers`, None when n is 0."""
        if not len(spectra):
            return None
        keys = pixel_keys(numbers, seed, scene)
        first = np.argsort(keys, kind="stable")[:size]
        return cls(keys[first], spectra[first], size)

    @staticmethod
    def candidates(
        numbers: NDArray[np.int64], size: int, total: int, *, seed: int = 0, scene: int = 0
    ) -> NDArray[np.bool_]:
        """Tell which of the pixels may be in a sample of `size` from `total` pixels; others need not be computed.

        Their keys lie in the lowest part of all keys, which holds 1.5 times as many pixels as the sample on average.
        """
        share = min(1.0, 1.5 * size / max(total, 1))
        return np.asarray(pixel_keys(numbers, seed, scene) <= np.uint64(share * float(2**64 - 2**12)))

    def __add__(self, other: Sample) -> Sample:
        keys = np.concatenate([self.keys, other.keys])
        first = np.argsort(keys, kind="stable")[: self.size]
        return Sample(keys[first], np.concatenate([self.spectra, other.spectra])[first], self.size)


def pixel_keys(numbers: NDArray[np.int64], seed: int, scene: int) -> NDArray[np.uint64]:
    """Hash pixel numbers: SplitMix64 (Steele, Lea, Flood 2014), a bijection, so no two pixels of a scene tie."""
    state = _splitmix64(np.array([seed], dtype=np.uint64) ^ np.uint64(scene << 32))
    return _splitmix64(numbers.astype(np.uint64) ^ state)


def _splitmix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


_LARGEST = float(np.finfo(np.float32).max)


def in_single_precision(values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return numbers as float32; those beyond its range become its largest number."""
    return np.asarray(np.clip(values, -_LARGEST, _LARGEST), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of float32 numbers by half of their bits; two passes find any quantile exactly.

    Attributes
    ----------
    counts : (65536,) ndarray of int64
        In increasing order of the numbers.
    """

    counts: NDArray[np.int64]

    @classmethod
    def of(cls, values: NDArray[np.floating[Any]], prefix: int | None = None) -> Self:
        """Count `values` by their upper 16 bits or, among those with this upper half, by their lower 16 bits."""
        bits = in_single_precision(values).view(np.uint32)
        # Without their sign, IEEE numbers sort like integers.
        negative = bits >> np.uint32(31) == 1
        ordered = np.where(negative, ~bits, bits | np.uint32(0x80000000))
        upper = ordered >> np.uint32(16)
        halves = upper if prefix is None else ordered[upper == prefix] & np.uint32(0xFFFF)
        return cls(np.bincount(halves.astype(np.int64), minlength=65536))

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(self.counts + other.counts)

    def quantile(self, share: float) -> float:
        """Return a quantile of positive numbers from their upper halves alone, in one pass instead of two.

        Within a bin, whose ends differ by less than 1 %, the numbers are taken to be spread evenly. NaN when there
        are none.
        """
        cumulative = np.cumsum(self.counts)
        if not cumulative[-1]:
            return float("nan")
        rank = share * cumulative[-1]
        upper = int(np.searchsorted(cumulative, rank))
        ends = (np.array([upper, upper + 1], dtype=np.uint32) & np.uint32(0x7FFF)) << np.uint32(16)
        low, high = ends.view(np.float32).astype(np.float64)
        below = cumulative[upper] - self.counts[upper]
        return float(low + (high - low) * (rank - below) / self.counts[upper])


def quantile(histogram: Callable[[int | None], Histogram | None], share: float) -> float:
    """Return the smallest number that at least `share` of the counted numbers do not exceed.

    Parameters
    ----------
    histogram : callable
        ``histogram(prefix)`` makes one pass: `Histogram.of` with that prefix over all numbers, merged.
    share : float
        In (0, 1]; 0.5 gives the (lower) median.

    Returns
    -------
    float
        An element of the numbers, rounded to float32; NaN when there are none.
    """
    coarse = histogram(None)
    if coarse is None or not coarse.counts.any():
        return float("nan")
    cumulative = np.cumsum(coarse.counts)
    # The tolerance keeps 0.3·10 from asking for the fourth of ten numbers.
    rank = max(1, int(np.ceil(share * cumulative[-1] * (1 - 1e-15))))
    upper = int(np.searchsorted(cumulative, rank))
    fine = histogram(upper)
    assert fine is not None  # noqa: S101  the same pixels were counted a moment ago
    below = int(cumulative[upper]) - int(coarse.counts[upper])
    lower = int(np.searchsorted(np.cumsum(fine.counts), rank - below))
    ordered = np.uint32(upper << 16 | lower)
    bits = ordered & np.uint32(0x7FFFFFFF) if ordered >> np.uint32(31) else ~ordered
    return float(np.array([bits], dtype=np.uint32).view(np.float32)[0])
