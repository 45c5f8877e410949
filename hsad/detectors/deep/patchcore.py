"""PatchCore: the distance to the nearest pixel of a bank of ordinary pixels."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Background, Scan
from hsad.detectors.block import Block, widened
from hsad.detectors.checks import at_least, odd_from
from hsad.detectors.deep.components import ComponentImages, learn_components, scene_moments
from hsad.detectors.deep.model import DeepDetector
from hsad.detectors.described import for_users
from hsad.detectors.parameters import parameter
from hsad.errors import DataError, HsadWarning
from hsad.kernels.image.smoothing import smoothed, smoothing_radius
from hsad.kernels.summaries import Histogram, Moments, Sample

__all__ = ["MemoryBank", "PatchCore"]

_CANDIDATES = 10
"""Number of candidates for each pixel of a greedy coreset."""

_FEWEST = 16
"""Smallest number of pixels of a memory bank; a smaller bank does not represent a scene."""


@dataclass(frozen=True, eq=False)
class MemoryBank(Background):
    """The result of the learning of `PatchCore`.

    Attributes
    ----------
    images : ComponentImages
    features : (m, f) ndarray of float64
    places : (m, 2) ndarray of int64
        Rows and columns of the pixels of the bank.
    near : (m, b) ndarray of int64
        Numbers of the nearest pixels of the bank for each pixel of the bank; ``(m, 0)`` without re-weighting.
    size : int
        Number of pixels m.
    """

    shapes: ClassVar[dict[str, Any]] = {
        "features": ("size", "features"), "places": ("size", 2), "near": ("size", "near"),
    }  # fmt: skip

    images: ComponentImages
    features: NDArray[np.float64]
    places: NDArray[np.int64]
    near: NDArray[np.int64]
    size: int


@for_users
@dataclass(frozen=True)
class PatchCore(DeepDetector):
    """Distance of a pixel's features to the nearest features in a bank of ordinary pixels.

    The features are ten components of the uncentred second moment divided by the root mean square length of a pixel. If
    `pool` is above 1, their means over a window of this side are features, too. The bank consists of pixels of the
    references or of the scene. The rarest pixels by Mahalanobis distance and their neighbours are left out of the bank.
    Pixels of the bank that lie within `apart` pixels in the same scene do not count, because an object would find
    itself. Without both rules the area under the curve is .03 on benchmark scenes. Scores are smoothed a little.

    Notes
    -----
    The bank depends on the seed and not on the tiles. ``random`` draws its pixels by a hash. ``greedy`` draws ten times
    more pixels and repeatedly takes the pixel that is farthest from all pixels taken before. So the bank also contains
    rare materials, and anomalies among them.

    A pixel of the bank belongs to the scored scene if its features equal those of its position there. So pixels of
    references from other dates count at any distance.

    Examples
    --------
    >>> import hsad
    >>> detector = hsad.PatchCore(bank=500, apart=5)  # hsad.detect(scene, detector) needs torch
    >>> detector.halo
    8
    """

    title: ClassVar[str] = "PatchCore: distance to the nearest of a bank of ordinary pixels; needs torch"
    cites: ClassVar[tuple[str, ...]] = ("roth2022",)
    leaf: ClassVar[int] = 256

    components: int = parameter(10, "number of spectral components", check=at_least(1))
    bank: int = parameter(2000, "largest number of pixels in the memory bank", check=at_least(_FEWEST))
    coreset: Literal["random", "greedy"] = parameter("random", "choice of the pixels in the memory bank")
    rare: float = parameter(
        0.05,
        "share of the rarest pixels that are left out of the bank, with their neighbours",
        check=at_least(0, below=1),
    )
    apart: int = parameter(
        7, "pixels of the bank within this distance in the same scene do not count; -1: all count", check=at_least(-1)
    )
    pool: int = parameter(1, "side of the window over which features are pooled, odd", check=odd_from(1))
    reweight: int = parameter(
        0, "number of neighbours that re-weight a distance; 0: none; the published method: 9", check=at_least(0)
    )
    smooth: float = parameter(0.7, "standard deviation of the smoothing, pixels", check=at_least(0))

    @property
    def halo(self) -> int:
        """The radius of the smoothing, and that of the pooling or the distance `apart`."""
        return smoothing_radius(self.smooth) + max(self.pool // 2, self.apart, 0)

    @property
    def smallest_side(self) -> int:
        """A scene of any size can be scored, because windows are cut at its edges."""
        return 1

    def footprint(self, bands: int, itemsize: int) -> float:
        """Return the bytes per pixel of copies of the spectra, components, and a chunk of distances."""
        return 2.5 * itemsize * bands + 40.0 * self.components + 600

    def learn(self, scan: Scan) -> MemoryBank:
        """Return the components and the memory bank, after one pass each for components, limit of rarity and bank."""
        from hsad.kernels.device import torch_device
        from hsad.kernels.networks.bank import greedy_coreset, neighbours

        torch_device(self.device, "patchcore")
        moments = scene_moments(scan, "patchcore")
        images = learn_components(moments, self.components, "length")
        rarity = _Rarity.of(moments, images)
        limit = np.inf
        if self.rare > 0:
            histogram = scan(_rarities, rarity)
            assert histogram is not None  # noqa: S101  the pixels that gave the moments
            limit = histogram.quantile(1 - self.rare)
        wanted = self.bank * (_CANDIDATES if self.coreset == "greedy" else 1)
        sample = scan(_candidates, self, images, rarity, limit, wanted, halo=1 + self.pool // 2)
        if sample is None or len(sample.keys) < _FEWEST:
            found = 0 if sample is None else len(sample.keys)
            raise DataError(
                f"patchcore: only {found} pixels are left for the memory bank; choose a rare below {self.rare}"
            )
        features, places = sample.spectra[:, :-2], sample.spectra[:, -2:].astype(np.int64)
        if self.coreset == "greedy":
            chosen = greedy_coreset(features, self.bank, np.random.default_rng(self.seed))
            features, places = features[chosen], places[chosen]
        features = np.ascontiguousarray(features)
        near = neighbours(features, self.reweight) if self.reweight else np.zeros((len(features), 0), dtype=np.int64)
        return MemoryBank(images, features, np.ascontiguousarray(places), near, len(features))

    def adapt(self, scan: Scan, background: MemoryBank) -> MemoryBank:
        """Return the bank, and warn if pixels have no score because the whole bank lies within `apart` of them."""
        extent = np.ptp(background.places, axis=0)
        if self.apart >= 0 and (extent <= 2 * self.apart).all():
            lonely = scan(_lonely, self, background, halo=self.halo)
            if lonely:
                warnings.warn(
                    f"patchcore gives {lonely} pixels no score: the whole memory bank lies within {self.apart} pixels "
                    "of them; choose a smaller apart",
                    HsadWarning,
                    stacklevel=2,
                )
        return background

    def score(self, block: Block, background: MemoryBank) -> NDArray[np.float64]:
        """Return the distances of the block's core, smoothed."""
        wide, core = widened(block, smoothing_radius(self.smooth))
        if not block.core_valid.any():
            return np.full(block.core_valid.shape, np.nan)
        distance, finite, _ = self._distances(wide, background)
        scores = smoothed(np.where(finite, distance, 0.0), finite, self.smooth)
        return np.where(block.core_valid & finite[core], scores[core], np.nan)

    def account(self, block: Block, background: MemoryBank) -> Reason:
        """Return the parts of the distance by component, smoothed as the score, divided over bands.

        A part is the squared distance in one component divided by the distance. A pooled feature counts for its
        component.
        """
        wide, core = widened(block, smoothing_radius(self.smooth))
        distance, finite, steps = self._distances(wide, background)
        squares = steps**2
        shares = squares / np.maximum(squares.sum(axis=2, keepdims=True), np.finfo(np.float64).tiny)
        weighted = shares * np.where(finite, distance, 0.0)[..., np.newaxis]
        parts = np.array([smoothed(part, finite, self.smooth)[core][0, 0] for part in np.moveaxis(weighted, 2, 0)])
        score = float(self.score(block, background)[0, 0])
        return Reason(
            f"the nearest of the {background.size} pixels of the memory bank is {score:.3g} root mean square lengths "
            "of a pixel away",
            background.images.in_bands(parts.reshape(-1, background.images.count).sum(axis=0)),
            unlike="the pixels of the memory bank",
        ).summing_to(score)

    def _distances(
        self, wide: Block, background: MemoryBank
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
        """Return the distances of the core, the mask of pixels that have one, and the differences of the features."""
        from hsad.kernels.networks.bank import Places, nearest

        valid = wide.core_valid
        features = _features(background.images, wide, self.pool)
        rows, cols = (np.arange(part.start, part.stop) for part in wide.core)
        asked = features[wide.core][valid]
        down, right = np.nonzero(valid)
        here = np.stack([rows[down] + wide.origin[0], cols[right] + wide.origin[1]], axis=1)
        own = self.own_places(background, wide, features)
        places = Places(here, background.places, own, self.apart)
        distance = np.zeros(valid.shape)
        distance[valid], which = nearest(
            asked, background.features, places, self.device, background.near if self.reweight else None
        )
        steps = np.zeros((*valid.shape, asked.shape[1]))
        steps[valid] = asked - background.features[which]
        # A distance is infinite if all pixels of the bank lie within `apart`.
        return distance, valid & np.isfinite(distance), steps

    @staticmethod
    def own_places(background: MemoryBank, block: Block, features: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether each pixel of the bank lies in this block and has the features of its position there."""
        at = background.places - np.array(block.origin)
        inside = ((at >= 0) & (at < np.array(block.valid.shape))).all(axis=1)
        own = np.zeros(len(at), dtype=np.bool_)
        seen = features[at[inside, 0], at[inside, 1]]
        # Only the first feature is compared, because pooled features near an edge of the block lack the pixels beyond.
        own[inside] = np.isclose(seen[:, 0], background.features[inside, 0], rtol=1e-9, atol=1e-12)
        return own


@dataclass(frozen=True, eq=False)
class _Rarity:
    """Mahalanobis distance in the space of some components."""

    images: ComponentImages
    mean: NDArray[np.float64]
    inverse: NDArray[np.float64]

    @classmethod
    def of(cls, moments: Moments, images: ComponentImages) -> _Rarity:
        covariance = images.vectors.T @ moments.covariance @ images.vectors
        lifted = covariance + 1e-6 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        return cls(images, moments.mean @ images.vectors, np.linalg.inv(lifted))

    def map(self, block: Block) -> NDArray[np.float64]:
        """Return the squared distance of each pixel of a block with its surroundings, ``(rows, cols)``."""
        centred = _components(self.images, block) - self.mean
        return np.asarray(np.einsum("ijk,kl,ijl->ij", centred, self.inverse, centred, optimize=True))


def _components(images: ComponentImages, block: Block) -> NDArray[np.float64]:
    """Return the components ``(rows, cols, k)`` in full precision, which identifies the pixels of the bank."""
    from hsad.kernels.image.projection import project

    return project(block.spectra, images.vectors, images.shift)


def _lonely(block: Block, detector: PatchCore, background: MemoryBank) -> int:
    """Return the number of pixels of the core that have the whole bank within `apart` pixels."""
    near = block.core_valid.copy()
    ends = background.places.min(axis=0), background.places.max(axis=0)
    for axis, shape in ((0, (-1, 1)), (1, (1, -1))):
        core = block.core[axis]
        at = np.arange(core.start, core.stop) + block.origin[axis]
        farthest = np.maximum(np.abs(at - ends[0][axis]), np.abs(at - ends[1][axis]))
        near &= (farthest <= detector.apart).reshape(shape)
    if not near.any():
        return 0
    own = detector.own_places(background, block, _features(background.images, block, detector.pool))
    return int(near.sum()) if own.all() else 0


def _features(images: ComponentImages, block: Block, pool: int) -> NDArray[np.float64]:
    components = _components(images, block)
    if pool == 1:
        return components
    from scipy.ndimage import uniform_filter

    weight = uniform_filter(block.valid.astype(np.float64), pool, mode="nearest")
    filled = np.where(block.valid[..., None], components, 0.0)
    pooled = uniform_filter(filled, (pool, pool, 1), mode="nearest") / np.maximum(weight, 1e-9)[..., None]
    return np.concatenate([components, pooled], axis=2)


def _rarities(block: Block, rarity: _Rarity) -> Histogram | None:
    return Histogram.of(rarity.map(block)[block.core][block.core_valid]) if block.core_valid.any() else None


def _candidates(
    block: Block, detector: PatchCore, images: ComponentImages, rarity: _Rarity, limit: float, wanted: int
) -> Sample | None:
    """Return a sample of the ordinary pixels of the core: features, row and column of each."""
    from scipy.ndimage import binary_dilation

    rare = binary_dilation((rarity.map(block) > limit) & block.valid)
    ordinary = block.core_valid & ~rare[block.core]
    if not ordinary.any():
        return None
    down, right = np.nonzero(ordinary)
    rows = down + block.core[0].start + block.origin[0]
    cols = right + block.core[1].start + block.origin[1]
    features = _features(images, block, detector.pool)[block.core][ordinary]
    return Sample.of(
        np.column_stack([features, rows, cols]),
        rows * block.scene.cols + cols,
        wanted,
        seed=detector.seed,
        scene=block.scene.index,
    )
