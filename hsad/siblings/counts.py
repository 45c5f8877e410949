"""What one pass over a scene counts: values and peaks in every direction, and the highest peaks of each query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.image.peaks import NONE, ONE, PEAK_BINS, REACH, VALUE_BINS, count_peaks, in_whole_numbers
from hsad.kernels.triangular import distances, pack_whitening
from hsad.siblings.directions import DECOYS

if TYPE_CHECKING:
    from hsad.detectors.block import Block

__all__ = ["AROUND_ONE", "MOST", "Counts", "Highest", "Sought", "count"]

#: Directions of a query.
_GROUP = 1 + DECOYS

#: Peaks of a query that are kept: the highest ones.
MOST = 10_000

#: Side of the square around a peak that is kept with it.
_AROUND = 2 * REACH + 1

#: Bits of a cosine that are dropped where it only serves to tell which pixels belong to a peak, and what is left of 1.
_AROUND_SHIFT = 15
AROUND_ONE = ONE >> _AROUND_SHIFT


#: Number of bins of whitened lengths, and of them up to the root of the number of bands.
LENGTH_BINS, _BINS_OF_ONE = 8192, 512


@dataclass(frozen=True, eq=False)
class Highest:
    """The highest peaks of the queries, at most `MOST` for each.

    Attributes
    ----------
    query : (n,) ndarray of int64
        Number of the query, from 0.
    row, col : (n,) ndarray of int64
        Pixels of the scene.
    value : (n,) ndarray of int32
        Cosines in whole numbers of `hsad.kernels.image.peaks.ONE`.
    strength : (n,) ndarray of float32
        Contrast along the query, in units of the query's contrast.
    around : (n, 5, 5) ndarray of int16
        The cosines around the peak, rounded down to 1/32768; -32768 where there is no valid pixel.
    """

    query: NDArray[np.int64]
    row: NDArray[np.int64]
    col: NDArray[np.int64]
    value: NDArray[np.int32]
    strength: NDArray[np.float32]
    around: NDArray[np.int16]

    def __add__(self, other: Highest) -> Highest:
        both = Highest(*(np.concatenate([getattr(part, name) for part in (self, other)]) for name in _FIELDS))
        # Sorting takes longer than all of the rest, so it waits until there are too many.
        return both if np.bincount(both.query).max(initial=0) <= MOST else both.first()

    def first(self) -> Highest:
        """Return the `MOST` highest peaks of each query, in an order that does not depend on that of the parts."""
        order = np.lexsort((self.col, self.row, -self.value.astype(np.int64), self.query))
        ranks = np.arange(len(order)) - np.searchsorted(self.query[order], self.query[order])
        return self.chosen(order[ranks < MOST])

    def of(self, query: int) -> Highest:
        """Return the peaks of one query, the highest first."""
        return self.chosen(np.flatnonzero(self.query == query)).first()

    def chosen(self, which: NDArray[Any]) -> Highest:
        """Return some of the peaks: their places in the list, or True for each of them."""
        return Highest(*(getattr(self, name)[which] for name in _FIELDS))


_FIELDS = ("query", "row", "col", "value", "strength", "around")


@dataclass(frozen=True, eq=False)
class Counts:
    """Whole numbers that add up over the parts of a scene.

    Attributes
    ----------
    peaks : (directions, 2, PEAK_BINS) ndarray of int32
        Peaks by height, of the cosine and of its negative.
    values : (directions, VALUE_BINS) ndarray of int64
        Pixels by cosine.
    lengths : (LENGTH_BINS,) ndarray of int64
        Pixels by whitened length.
    highest : Highest
    """

    peaks: NDArray[np.int32]
    values: NDArray[np.int64]
    lengths: NDArray[np.int64]
    highest: Highest

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.peaks + other.peaks,
            self.values + other.values,
            self.lengths + other.lengths,
            self.highest + other.highest,
        )

    def share_longer(self, length: float, bands: int) -> float:
        """Return the share of pixels whose whitened length is at least that of a spectrum of this many bands."""
        return float(self.lengths[_length_bins(np.array([length]), bands)[0] :].sum() / self.lengths.sum())


@dataclass(frozen=True, eq=False)
class Sought:
    """What a pass looks for.

    Attributes
    ----------
    mean : (bands,) ndarray of float64
    whitening : (bands, bands) ndarray of float64
        Upper triangular.
    slopes : (directions, bands) ndarray of float32
        ``W d`` of the whitened unit vectors d: a query, then its decoys, for each query.
    lengths : (queries,) ndarray of float64
        Lengths of the whitened queries.
    own : tuple of (n, 2) ndarray of int64
        Rows and columns of the pixels that each query was taken from.
    """

    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]
    slopes: NDArray[np.float32]
    lengths: NDArray[np.float64]
    own: tuple[NDArray[np.int64], ...]

    def cosines(self, block: Block, slopes: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the cosines of all pixels of a block in some directions, and the whitened lengths of the pixels.

        Returns
        -------
        cosines : (directions, rows, cols) ndarray of int32
            Whole numbers of `ONE`; `NONE` for invalid pixels.
        lengths : (rows, cols) ndarray of float32
        """
        height, width, bands = block.shape
        found = np.empty((len(slopes), height * width), dtype=np.int32)
        lengths = np.empty(height * width, dtype=np.float32)
        packed = pack_whitening(self.whitening, True)
        for rows, spectra, valid in block.strips():
            pixels = np.ascontiguousarray(spectra).reshape(-1, bands)
            first = rows.start * width
            squares = np.empty(len(pixels))
            distances(pixels, self.mean, packed, squares)
            length = np.sqrt(squares).astype(np.float32)
            lengths[first : first + len(pixels)] = length
            scale = np.divide(np.float32(1), length, out=np.zeros_like(length), where=length > 0)
            centred = np.empty(pixels.shape, dtype=np.float32)
            np.subtract(pixels, self.mean, out=centred, casting="same_kind")
            in_whole_numbers(slopes @ centred.T, scale, np.ascontiguousarray(valid).ravel(), found, first)
        return found.reshape(-1, height, width), lengths.reshape(height, width)


def count(block: Block, sought: Sought) -> Counts | None:
    """Return the counts of a block's core, whose surroundings are `REACH` pixels wide."""
    if not block.core_valid.any():
        return None
    images, lengths = sought.cosines(block, sought.slopes)
    groups = len(sought.lengths)
    height, width = lengths.shape
    peaks = np.zeros((len(images), 2, PEAK_BINS), dtype=np.int32)
    values = np.zeros((len(images), VALUE_BINS), dtype=np.int32)
    marked = np.zeros((groups, height, width), dtype=np.bool_)
    free = np.stack([_free(block, own) for own in sought.own])
    rows, cols = ((core.start, core.stop) for core in block.core)
    count_peaks(images, _GROUP, rows, cols, free, peaks, values, marked)
    bins = _length_bins(lengths[block.core][block.core_valid], block.shape[2])
    highest = _highest(block, images[::_GROUP], lengths, marked, sought.lengths)
    return Counts(peaks, values.astype(np.int64), np.bincount(bins, minlength=LENGTH_BINS), highest)


def _length_bins(lengths: NDArray[Any], bands: int) -> NDArray[np.intp]:
    """Return the bins of whitened lengths, which are about the root of the number of bands in the mean."""
    return np.asarray(np.minimum(lengths * (_BINS_OF_ONE / np.sqrt(bands)), LENGTH_BINS - 1).astype(np.intp))


def _free(block: Block, own: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where peaks count: not at the query's own pixels, and not within `REACH` of them."""
    height, width, _ = block.shape
    free = np.ones((height, width), dtype=np.bool_)
    for row, col in own - np.array(block.origin):
        if -REACH <= row < height + REACH and -REACH <= col < width + REACH:
            free[max(0, row - REACH) : row + REACH + 1, max(0, col - REACH) : col + REACH + 1] = False
    return free


def _highest(
    block: Block,
    images: NDArray[np.int32],
    lengths: NDArray[np.float32],
    marked: NDArray[np.bool_],
    units: NDArray[np.float64],
) -> Highest:
    query, row, col = np.nonzero(marked)
    value = images[query, row, col]
    padded = np.pad(images, ((0, 0), (REACH, REACH), (REACH, REACH)), constant_values=NONE)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (_AROUND, _AROUND), axis=(1, 2))
    cosine = value / np.float32(ONE)
    strength = (cosine * lengths[row, col] / units[query]).astype(np.float32)
    origin = block.origin
    return Highest(
        query.astype(np.int64),
        row.astype(np.int64) + origin[0],
        col.astype(np.int64) + origin[1],
        value,
        strength,
        np.minimum(windows[query, row, col] >> _AROUND_SHIFT, np.iinfo(np.int16).max).astype(np.int16),
    )
