"""Small detectors, one of each kind that the engine must run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hsad.detectors.base import Background, Detector, Scan
from hsad.detectors.block import Block
from hsad.detectors.parameters import parameter
from hsad.kernels.summaries import Moments, Sample, Totals


@dataclass(frozen=True)
class LocalContrast(Detector):
    """Local: distance to the mean of a window that is shifted inside the scene; learns nothing."""

    leaf: ClassVar[int] = 16
    window: int = parameter(9, "side of the window")

    @property
    def halo(self):
        return self.window // 2

    def score(self, block: Block, background: None):  # noqa: ARG002
        rows, cols, _ = block.spectra.shape
        scores = np.full(block.core_valid.shape, np.nan)
        for row, col in np.argwhere(block.core_valid):
            y, x = row + block.core[0].start, col + block.core[1].start
            top = min(max(y - self.halo, 0), rows - self.window)
            left = min(max(x - self.halo, 0), cols - self.window)
            here = np.s_[top : top + self.window, left : left + self.window]
            scores[row, col] = np.linalg.norm(block.spectra[y, x] - block.spectra[here][block.valid[here]].mean(0))
        return scores


@dataclass(frozen=True, eq=False)
class Mean(Background):
    mean: np.ndarray


@dataclass(frozen=True)
class MeanDistance(Detector):
    """Learns the mean of the scene in one pass."""

    leaf: ClassVar[int] = 16

    def learn(self, scan: Scan):
        return Mean(scan(_total).mean)

    def score(self, block: Block, background: Mean):
        return block.spread(np.linalg.norm(block.pixels - background.mean, axis=1))


def _total(block: Block):
    return Totals(len(block.pixels), block.pixels.sum(axis=0))


@dataclass(frozen=True, eq=False)
class History(Background):
    means: np.ndarray


@dataclass(frozen=True)
class RobustMean(Detector):
    """Learns in many passes until convergence; each pixel has a state, whose cache equals a replay of the passes."""

    leaf: ClassVar[int] = 16
    use_cache: bool = parameter(True, "cache the states between passes")

    def learn(self, scan: Scan):
        means = np.atleast_2d(scan(_total).mean)
        for _ in range(200):
            mean = scan(self._weighted, means).mean
            means = np.vstack([means, mean])
            if np.abs(means[-1] - means[-2]).max() < 1e-4:
                return History(means)
        raise AssertionError("did not converge")

    def score(self, block: Block, background: History):
        return block.spread(self._state(block, background.means))

    def _state(self, block: Block, means: np.ndarray):
        pixels = block.pixels
        done, state = (
            block.cache.get("state", (0, np.zeros(len(pixels)))) if self.use_cache else (0, np.zeros(len(pixels)))
        )
        if done > len(means):  # a state that another run left
            done, state = 0, np.zeros(len(pixels))
        for mean in means[done:]:
            state = 0.5 * state + np.linalg.norm(pixels - mean, axis=1)
        block.cache["state"] = (len(means), state)
        return state

    def _weighted(self, block: Block, means: np.ndarray):
        weights = np.exp(-self._state(block, means))
        return Totals(weights.sum(), (weights[:, None] * block.pixels).sum(axis=0))


@dataclass(frozen=True, eq=False)
class Prototypes(Background):
    centres: np.ndarray


@dataclass(frozen=True)
class NearestPrototype(Detector):
    """Learns from a sample of bounded size, drawn by a hash: distance to the nearest of a few k-means centres."""

    leaf: ClassVar[int] = 16
    seed: int = parameter(3, "of the sample")

    def learn(self, scan: Scan):
        sample = scan(_sample, self.seed).spectra
        centres = sample[:4].copy()
        for _ in range(10):
            nearest = np.linalg.norm(sample[:, None] - centres, axis=2).argmin(axis=1)
            for number in np.unique(nearest):
                centres[number] = sample[nearest == number].mean(axis=0)
        return Prototypes(centres)

    def score(self, block: Block, background: Prototypes):
        distances = np.linalg.norm(block.pixels[:, None] - background.centres, axis=2)
        return block.spread(distances.min(axis=1, initial=np.inf))


def _sample(block: Block, seed: int):
    return Sample.of(block.pixels, block.pixel_numbers, 50, seed=seed, scene=block.scene.index)


@dataclass(frozen=True)
class Places:
    """Moments for each leaf, over a stack of scenes."""

    moments: dict[tuple[int, int], Moments]

    def __add__(self, other):
        merged = dict(self.moments)
        for place, moments in other.moments.items():
            merged[place] = merged[place] + moments if place in merged else moments
        return Places(merged)


@dataclass(frozen=True, eq=False)
class PlaceMeans(Background):
    rows: np.ndarray
    cols: np.ndarray
    means: np.ndarray


@dataclass(frozen=True)
class PlaceDistance(Detector):
    """Learns by place over several reference scenes: distance to the mean of this leaf in all of them."""

    leaf: ClassVar[int] = 16

    def learn(self, scan: Scan):
        places = scan(_place).moments
        rows, cols = (np.array(axis) for axis in zip(*places, strict=True))
        return PlaceMeans(rows, cols, np.array([moments.mean for moments in places.values()]))

    def score(self, block: Block, background: PlaceMeans):
        here = (background.rows == block.origin[0]) & (background.cols == block.origin[1])
        if not here.any():
            return np.full(block.core_valid.shape, np.nan)
        return block.spread(np.linalg.norm(block.pixels - background.means[here][0], axis=1))


def _place(block: Block):
    moments = Moments.of(block.pixels)
    return None if moments is None else Places({block.origin: moments})
