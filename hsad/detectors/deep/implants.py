"""Pseudo-anomalies: small objects with the spectrum of another pixel, put into a piece of the scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.networks.pieces import Example, Piece
from hsad.kernels.networks.training import Lessons, Schedule, Show

__all__ = ["Examples", "Implants", "rare_pixels"]

_RARE = 0.02
"""Share of the pixels, the rarest ones, that are never negative examples, because they may be anomalies."""

_DECIDING = 4
"""Number of pieces with objects that decide when the training stops."""

_GRAIN = 4
"""Number of sample points in a pixel along each axis; the share of points in a shape is its abundance."""

_GAP = 2
"""Least distance between two objects in pixels, so that they remain separate objects."""

_TRIES = 20
"""Number of random positions that are tried before an object is left out."""

_CANDIDATES = 8
"""Number of random pixels from which the spectrum is chosen that differs most from the surroundings."""

_SEEN = 0.25
"""Least abundance of a pixel that counts as object; a pixel with a smaller abundance above 0 is no example."""


@dataclass(frozen=True)
class Implants:
    """Number of random objects, side of the piece in pixels, range of the areas in pixels, least abundance."""

    count: int = 8
    side: int = 72
    smallest: float = 1.0
    largest: float = 60.0
    least_abundance: float = 0.5

    def draw(
        self,
        random: np.random.Generator,
        images: NDArray[np.float32],
        valid: NDArray[np.bool_],
        rare: NDArray[np.bool_],
    ) -> Example:
        """Return a random piece of `images` with implanted objects.

        Parameters
        ----------
        random : Generator
        images : (k, rows, cols) ndarray of float32
        valid : (rows, cols) ndarray of bool
            Pixels with data.
        rare : (rows, cols) ndarray of bool
            Pixels that may be anomalies, which are no negative examples.
        """
        rows, cols = valid.shape
        height, width = min(self.side, rows), min(self.side, cols)
        row, col = random.integers(0, rows - height + 1), random.integers(0, cols - width + 1)
        part = np.s_[row : row + height, col : col + width]
        clean = images[:, part[0], part[1]]
        known = valid[part]
        changed, abundance = clean.copy(), np.zeros((height, width), dtype=np.float32)
        pixels = clean[:, known] if known.any() else clean.reshape(len(clean), -1)
        spread = pixels.std(axis=1) + 1e-9
        for _ in range(self.count):
            shape = _shape(random, self.smallest, self.largest)
            place = _free_place(random, abundance, len(shape))
            if place is None:
                continue
            around = clean[:, place[0], place[1]]
            local = around.mean(axis=(1, 2))
            candidates = pixels[:, random.integers(0, pixels.shape[1], _CANDIDATES)]
            unlike = (((candidates - local[:, None]) / spread[:, None]) ** 2).sum(axis=0)
            spectrum = candidates[:, unlike.argmax(), None, None]
            share = (shape * random.uniform(self.least_abundance, 1.0)).astype(np.float32)
            texture = 0.5 * (around - _local_mean(around)) if len(shape) > 2 else 0.0
            changed[:, place[0], place[1]] = (1 - share) * around + share * (spectrum + texture)
            abundance[place] = np.maximum(abundance[place], share)
        target = (abundance >= _SEEN).astype(np.float32)
        weight = np.where(abundance > 0, target, ~rare[part]).astype(np.float32) * known
        return Example(changed, changed - clean, target, weight)


class Examples:
    """A sequence of pieces with implanted objects, determined by a seed.

    Parameters
    ----------
    pieces : sequence of Piece
    seed : int
    components : int
        Number of leading components that decide which pixels are rare.
    at_once : int, optional
        Number of components that are drawn for each example, with random signs, for networks whose input is one
        component; 0 for all components.
    """

    def __init__(self, pieces: Sequence[Piece], seed: int, components: int, at_once: int = 0) -> None:
        self._pieces = pieces
        self._seed = seed
        self._at_once = at_once
        self._random = np.random.default_rng([seed, 0])
        self._rare = [rare_pixels(piece.images[:components], piece.valid, _RARE) for piece in pieces]

    def draw(self) -> Example:
        """Return the next piece."""
        return self._drawn(self._random)

    def deciding(self) -> list[Example]:
        """Return the pieces that decide when the training stops."""
        random = np.random.default_rng([self._seed, 1])
        return [self._drawn(random) for _ in range(_DECIDING)]

    def lessons(self, schedule: Schedule, show: Show, method: str, device: str) -> Lessons:
        """Return the training data of a network: these examples, and the validation examples."""
        return Lessons(self.draw, self.deciding(), schedule, show, method, device)

    def _drawn(self, random: np.random.Generator) -> Example:
        number = int(random.integers(len(self._pieces)))
        piece = self._pieces[number]
        drawn = Implants().draw(random, piece.images, piece.valid, self._rare[number])
        if not self._at_once:
            return drawn
        chosen = random.permutation(len(drawn.images))[: self._at_once]
        signs = random.choice(np.array([-1, 1], dtype=np.float32), len(chosen))[:, None, None]
        return drawn._replace(images=drawn.images[chosen] * signs, change=drawn.change[chosen] * signs)


def rare_pixels(images: NDArray[np.float32], valid: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """Return the mask of the rarest `share` of the valid pixels by Mahalanobis distance, grown by one pixel.

    Parameters
    ----------
    images : (k, rows, cols) ndarray of float32
    valid : (rows, cols) ndarray of bool
    share : float
    """
    from scipy.ndimage import binary_dilation

    rare = np.zeros(valid.shape, dtype=np.bool_)
    if share > 0 and valid.any():
        pixels = images[:, valid].astype(np.float64)
        centred = pixels - pixels.mean(axis=1, keepdims=True)
        covariance = centred @ centred.T / centred.shape[1]
        lifted = covariance + 1e-9 * max(np.trace(covariance) / len(covariance), 1e-30) * np.eye(len(covariance))
        distance = np.einsum("ij,ij->j", centred, np.linalg.solve(lifted, centred))
        rare[valid] = distance > np.quantile(distance, 1 - share)
    return np.asarray(binary_dilation(rare))


def _shape(random: np.random.Generator, smallest: float, largest: float) -> NDArray[np.float64]:
    """Return a rectangle, an ellipse or a cross with soft edges as shares of pixels, ``(side, side)``."""
    area = np.exp(random.uniform(np.log(smallest), np.log(largest)))
    stretch = np.exp(random.normal(0, 0.45))
    angle = random.uniform(0, np.pi)
    long, short = np.sqrt(area * stretch / np.pi), np.sqrt(area / stretch / np.pi)
    radius = int(np.ceil(max(long, short))) + 1
    points = (np.arange((2 * radius + 1) * _GRAIN) + 0.5) / _GRAIN - radius - 0.5
    down, right = np.meshgrid(points, points, indexing="ij")
    off_down, off_right = random.uniform(-0.5, 0.5, 2)
    u = np.abs((right - off_right) * np.cos(angle) + (down - off_down) * np.sin(angle)) / long
    v = np.abs(-(right - off_right) * np.sin(angle) + (down - off_down) * np.cos(angle)) / short
    kind = random.integers(3)
    if kind == 0:
        inside = (u < np.sqrt(np.pi) / 2) & (v < np.sqrt(np.pi) / 2)  # as large as the ellipse
    elif kind == 1:
        inside = u**2 + v**2 < 1
    else:
        inside = ((u < 0.5) & (v < 1)) | ((u < 1) & (v < 0.5))
    side = 2 * radius + 1
    return np.asarray(inside.reshape(side, _GRAIN, side, _GRAIN).mean(axis=(1, 3)))


def _free_place(random: np.random.Generator, abundance: NDArray[np.float32], side: int) -> tuple[slice, slice] | None:
    """Return a place for a square of this side at a distance from all objects, None if none was found."""
    rows, cols = abundance.shape
    if side >= min(rows, cols):
        return None
    for _ in range(_TRIES):
        row, col = (int(random.integers(0, size - side + 1)) for size in (rows, cols))
        near = abundance[max(0, row - _GAP) : row + side + _GAP, max(0, col - _GAP) : col + side + _GAP]
        if not near.any():
            return slice(row, row + side), slice(col, col + side)
    return None


def _local_mean(images: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(images, (1, 3, 3)))
