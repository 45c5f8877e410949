"""The default detector: the strongest of four kinds of evidence with different false alarms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Background, Scan
from hsad.detectors.block import Block, Part, narrowed, surroundings, widened, within
from hsad.detectors.checks import above, at_least, each_at_least, odd_from
from hsad.detectors.described import for_users
from hsad.detectors.evidence.cached import cached
from hsad.detectors.evidence.entered import Entered, Shares
from hsad.detectors.evidence.scene import PATCH_RADIUS, Distances, distances_of, learnable
from hsad.detectors.evidence.subspaces import Subspaces, projected, subspaces_of
from hsad.detectors.moments import moments_of
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import require_valid
from hsad.detectors.ring.windows import DualWindow
from hsad.errors import DataError
from hsad.kernels.image.smoothing import smoothed, smoothing_radius
from hsad.kernels.ring.task import CRD, Task
from hsad.kernels.summaries import Histogram, Sample, Together

__all__ = ["Auto", "Evidence"]

_SAMPLE = 2**15
"""Number of pixels from which the Gaussians of the scene are formed; all pixels of a smaller scene."""

_FINE = 1.15
"""Weight of the fine distance from the scene; the coarse one has 1."""

_REGION_SLOPE, _REGION_OFFSET = 1.75, 1.0
"""Weight of the distances from the scene in the evidence of regions, and the number subtracted from it."""

_LEVELS = 5000.0
"""Quantisation steps per standard deviation of the first component: area openings need levels."""

_CONTRAST_FLOOR = 1e-6
"""Added to a contrast before its logarithm, which a contrast of 0 has not."""

_SOFTENING = 1e-6
"""Added to the squared distance between a pixel and an atom, in units of the mean squared length of the pixels."""

_EVIDENCE_FLOOR = 0.1
"""Added to an evidence, in units of its median, before the logarithm."""


@dataclass(frozen=True, eq=False)
class Evidence(Background):
    """What `Auto` learns of a scene.

    Attributes
    ----------
    subspaces : Subspaces
    spatial_median, spectral_median : float
        Medians of the two kinds of evidence over the scene.
    distances : Distances or None
        How far pixels and patches are from the whole scene; None if ``scene_weight`` is 0.
    """

    subspaces: Subspaces
    spatial_median: float = np.nan
    spectral_median: float = np.nan
    distances: Distances | None = None


@for_users
@dataclass(frozen=True)
class Auto(DualWindow):
    """The strongest of four kinds of evidence, each of which sees what the others do not: the default.

    1. *Spectral* s: unlike its surroundings. The square root of the objective of the distance-weighted collaborative
       representation of a pixel by its ring, on `components` eigenvectors of the uncentred second moment. A ring pixel
       has the weight 1/(1 + t/median t), so that a pixel that looks like an object hardly counts as background. It
       sees small objects, also faint ones.
    2. *Spatial* t: small and bright or dark. The contrast that area openings and closings remove from the first five
       principal components: its geometric mean over `areas`, smoothed by a Gaussian.
    3. *Global* y: unlike the whole scene. The distance from a Gaussian of the scene on 60 principal components and the
       length of the rest, with a small ridge. A pixel that is far from a coarse Gaussian, alone or with its patch, has
       a low weight in it. The coarse Gaussian has 20 components and a large ridge (`RobustGaussian`), and a patch is
       the components smoothed by a Gaussian of 1 pixel. The logarithm of the distance is scaled to 0 at the median and
       1 at the 90th percentile. y is 1.15 times the mean of that of the pixel and of its patch. It sees faint and
       frequent targets, rows of targets, and objects that fill a ring.
    4. *Region* r = 1.75·max(y, c) - ln(s/median s + .1) - 1: unlike the whole scene and like its surroundings, as the
       inside of a large object is. c is the mean for the coarse Gaussians, of which a large object changes less.

    The first two give the local evidence ``f = ln(s/median s + .1) + spatial_weight · ln(t/median t + .1)``. `flatten`
    times the local level of clutter is subtracted from f, y and c. That level is the upper quartile (of y and c the
    median) in a window around a pixel, averaged over neighbours. The score is ``max(f, scene_weight · y, r)``. With
    ``scene_weight=0`` it is f alone.

    λ is in units of the median weight, which is 0.5. Scores of different scenes compare, because medians of the scene
    are their unit.

    Notes
    -----
    It fails, or finds less than another method,

    - for large objects of a material that the scene has elsewhere, or not far from one: nothing is unlike it;
    - for large objects beside unwanted ones that are as unlike the scene (single roofs, pools, bare soil): they rise
      above most of the background, seldom above the strongest small objects;
    - for textures made of small bright or dark pieces (parked cars, surf, single trees), which are anomalies by this
      definition (look at the parts, or use ``lrx``);
    - for faint sub-pixel targets whose signature lies outside the 60 leading components (use ``rx`` on all bands);
    - for pixels as large as the objects, where buildings are unlike the scene too (leave the last two kinds of
      evidence out with ``scene_weight=0``);
    - for stripes, which every kind of evidence takes for objects (remove them first).

    The constants were chosen on benchmark scenes, one set for all scenes, where the score changes least with them. With
    ``lam=1e-3, areas=(25, 50, 100), smooth=1, spatial_weight=.5, flatten=0, scene_weight=0`` it is the first version of
    the method, without the local level of clutter and without the scene as a whole.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 12))
    >>> scene[20, 30] += 9
    >>> scores = hsad.detect(scene, hsad.Auto(outer=15), parts=True)
    >>> np.unravel_index(scores[..., 0].argmax(), scores.shape[:2]) == (20, 30)
    True
    >>> hsad.Auto.evidence[:4]
    ('spectral', 'spatial', 'global', 'region')
    """

    title: ClassVar[str] = "purified CRD, attribute morphology and robust RX: the strongest evidence counts"
    cites: ClassVar[tuple[str, ...]] = ("hsad", "li2015", "vincent1994", "kang2017", "reed1990")
    leaf: ClassVar[int] = 256
    evidence: ClassVar[tuple[str, ...]] = ("spectral", "spatial", "global", "region", "evidence")

    outer: int = parameter(25, "side of the outer window, odd", check=odd_from(3))
    inner: int = parameter(5, "side of the guard window, odd", check=odd_from(1))
    components: int = parameter(10, "number of spectral components", check=at_least(1))
    lam: float = parameter(0.3, "regularisation λ", check=above(0))
    areas: tuple[int, ...] = parameter(
        (15, 50, 100),
        "largest areas of objects, pixels",
        check=each_at_least(2),
    )
    smooth: float = parameter(
        0.7,
        "standard deviation of the smoothing of the spatial evidence, pixels",
        check=at_least(0),
    )
    spatial_weight: float = parameter(
        0.4,
        "weight of the spatial evidence; the spectral one has 1",
        check=at_least(0),
    )
    flatten: float = parameter(
        0.5,
        "share of the local level of clutter that is subtracted",
        check=at_least(0, at_most=1),
    )
    clutter: int = parameter(31, "side of the window of the level of clutter, odd", check=odd_from(3))

    scene_weight: float = parameter(
        1.0,
        "weight of the evidence against the whole scene; 0 leaves it out",
        check=at_least(0),
    )

    @property
    def halo(self) -> int:
        """The sum of the clutter's windows, the ring, the smoothing and the largest area.

        The clutter needs the local evidence around a pixel. That evidence needs the weights of the ring, up to
        ``outer // 2`` pixels away; a window that is shifted at an edge lies inside the block too. A weight needs the
        contrasts within the radius of the smoothing. A contrast needs pixels up to the largest area less one away.
        """
        near = self.outer // 2 + smoothing_radius(self.smooth) + max(self.areas) - 1
        return self._margin + max(near, PATCH_RADIUS)

    def footprint(self, bands: int, itemsize: int) -> float:  # noqa: ARG002  it does not depend on them
        """Return the bytes of components and maps (measured); only a few rows of spectra are in memory at a time."""
        return 700.0

    def learn(self, scan: Scan) -> Evidence:
        """Return what three passes find: the subspaces; contrasts and Gaussians; objectives and distances."""
        moments = require_valid(scan(moments_of))
        evidence = Evidence(subspaces_of(moments, self.components))
        spatial, sample = _collected(scan(self._spatial_pass, evidence, moments.count, halo=self.halo))
        evidence = replace(evidence, spatial_median=_median(spatial))
        if sample is not None:
            evidence = replace(evidence, distances=distances_of(sample.spectra, evidence.subspaces))
        spectral, *distances = _collected(scan(self._spectral_pass, evidence, halo=self.halo))
        evidence = replace(evidence, spectral_median=_median(spectral))
        if evidence.distances is None:
            return evidence
        return replace(evidence, distances=evidence.distances.scaled(distances))

    def score(self, block: Block, background: Evidence) -> NDArray[np.float64]:
        """Return the strongest evidence at the block's core."""
        wide, core = widened(block, self._margin)
        logarithms = self._logarithms(wide, background)
        fused = self._fused(logarithms)
        return np.asarray(np.maximum.reduce([fused, *self._of_scene(wide, background, logarithms)])[core])

    def parts(self, block: Block, background: Evidence) -> NDArray[np.float64]:
        """Return the kinds of evidence, and the number of the largest one.

        The spectral and the spatial evidence are logarithms of multiples of the scene's medians, before the level of
        clutter is subtracted from their sum. The global evidence and that of regions are as in the score, NaN if they
        are left out. The number is 1 to 4, in this order. If the first two together are the largest, it is that of the
        larger one.
        """
        wide, core = widened(block, self._margin)
        logarithms = self._logarithms(wide, background)
        spectral, spatial = logarithms[..., 0], logarithms[..., 1]
        of_scene = self._of_scene(wide, background, logarithms) or [np.full(spectral.shape, np.nan)] * 2
        fused = self._fused(logarithms)
        strongest = np.nan_to_num(np.stack([fused, *of_scene]), nan=-np.inf).argmax(axis=0)
        number = np.where(strongest > 0, strongest + 2.0, np.where(self.spatial_weight * spatial > spectral, 2.0, 1.0))
        number[np.isnan(fused)] = np.nan
        return np.asarray(np.stack([spectral, spatial, *of_scene, number], axis=-1)[core])

    def account(self, block: Block, background: Evidence) -> Reason:
        """Return the numbers of which the score is the largest, and how the largest one divides over bands.

        The local evidence divides as the spectral residual of the pixel does, the other two as the squared distance
        from the scene does.
        """
        wide, core = widened(block, self._margin)
        logarithms = self._logarithms(wide, background)
        maps = [self._fused(logarithms), *self._of_scene(wide, background, logarithms)]
        compared = {
            name: float(values[core][0, 0]) for name, values in zip(("local", "global", "region"), maps, strict=False)
        }
        if np.isnan(compared["local"]):
            return Reason("its ring holds too few valid pixels: it has no score")
        spectral, spatial = map(float, logarithms[core][0, 0])
        entered = Entered(spectral, self.spatial_weight * spatial, compared)
        if entered.largest == "local" or background.distances is None:
            place = core[0].start, core[1].start
            return entered.reason(self._shares(wide, place, background), block.pixel)
        distances = background.distances.fine.by_band(block.pixel, background.subspaces)
        shares = distances / max(float(distances.sum()), np.finfo(np.float64).tiny)
        return entered.reason(Shares(shares), block.pixel)

    def _shares(self, wide: Block, place: tuple[int, int], evidence: Evidence) -> Shares | None:
        """Return how the spectral residual of a pixel of the core divides over the bands."""
        from hsad.kernels.ring.account import account_of_ring

        near, components, weights = self._ring_problem(wide, evidence)
        row, col = (start + core.start for start, core in zip(place, near.core, strict=True))
        found = account_of_ring(components, near.valid, (row, col), self.window, self._task, weights=weights)
        if found is None or not found.difference.any():
            return None
        ring, pixel = near.spectra.reshape(-1, near.shape[2])[found.members], near.spectra[row, col]
        residual = pixel - found.weights @ ring
        shares = residual * (evidence.subspaces.spectral @ found.difference)
        return Shares(
            shares / float(found.difference @ found.difference),
            ring,
            residual,
        )

    @property
    def _margin(self) -> int:
        """Pixels around the core whose evidence its level of clutter needs."""
        from hsad.kernels.image.clutter import mean_side

        return self.clutter // 2 + mean_side(self.clutter) // 2 if self.flatten > 0 else 0

    def _logarithms(self, wide: Block, evidence: Evidence) -> NDArray[np.float64]:
        spectral = self._spectral(wide, evidence) / evidence.spectral_median
        spatial = self._spatial(wide, evidence) / evidence.spatial_median
        return np.log(np.stack([spectral, spatial], axis=-1, dtype=np.float64) + _EVIDENCE_FLOOR)

    def _fused(self, logarithms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the spectral and the spatial evidence together, less the local level of clutter."""
        return self._flattened(logarithms[..., 0] + self.spatial_weight * logarithms[..., 1], 0.75)

    def _of_scene(self, wide: Block, evidence: Evidence, logarithms: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Return the evidence against the whole scene and that of regions at the core; an empty list if left out."""
        if evidence.distances is None:
            return []
        coarse, fine = evidence.distances.unlike(self._distances(wide, evidence))
        coarse = self.scene_weight * self._flattened(coarse, 0.5)
        fine = self.scene_weight * _FINE * self._flattened(fine, 0.5)
        region = _REGION_SLOPE * np.maximum(coarse, fine) - logarithms[..., 0] - _REGION_OFFSET
        return [fine, region]

    def _flattened(self, values: NDArray[np.float64], share: float) -> NDArray[np.float64]:
        """Return an evidence less its share of its level in the surroundings."""
        from hsad.kernels.image.clutter import clutter_level

        return values - self.flatten * clutter_level(values, self.clutter, share) if self.flatten > 0 else values

    def _spatial_pass(self, block: Block, evidence: Evidence, count: int) -> Together | None:
        """Collect the contrasts, and a sample of what the distances from the scene are learned from."""
        place = block.core if block.leaves else surroundings(widened(block, self._margin)[0], self.outer // 2)
        spatial = self._contrast(block, place, evidence)[within(block.core, place)]
        valid = block.core_valid  # known by now without reading the spectra again
        if not valid.any():
            return None
        histogram = Histogram.of(spatial[valid])
        if self.scene_weight == 0:
            return Together((histogram, None))
        numbers, scene = block.pixel_numbers, block.scene.index
        drawn = Sample.candidates(numbers, _SAMPLE, count, scene=scene)
        if not drawn.any():
            return Together((histogram, None))
        chosen = np.zeros_like(valid)
        chosen[valid] = drawn
        values = learnable(block, evidence.subspaces, chosen)
        return Together((histogram, Sample.of(values, numbers[drawn], _SAMPLE, scene=scene)))

    def _spectral_pass(self, block: Block, evidence: Evidence) -> Together | None:
        """Collect the objectives, and the four distances from the scene."""
        wide, core = widened(block, 0 if block.leaves else self._margin)
        objective = self._spectral(wide, evidence)[core]
        valid = block.core_valid
        if not valid.any():
            return None
        objective = objective[valid]
        histogram = Histogram.of(objective[~np.isnan(objective)])
        if evidence.distances is None:
            return Together((histogram,))
        distances = self._distances(wide, evidence)[core][valid]
        return Together((histogram, *(Histogram.of(distances[:, k]) for k in range(distances.shape[1]))))

    def _distances(self, wide: Block, evidence: Evidence) -> NDArray[np.float32]:
        """Return the four squared distances from the scene at the core."""
        distances = evidence.distances
        assert distances is not None  # noqa: S101  the callers checked
        subspaces = evidence.subspaces
        return cached(wide, wide.core, "global", subspaces, lambda block: distances.at(block, subspaces))

    def _spectral(self, wide: Block, evidence: Evidence) -> NDArray[np.float32]:
        """Return the objective of the purified representation at the core; NaN where the ring is too empty."""
        from hsad.kernels.ring.score import score_rings

        def objective(block: Block) -> NDArray[np.float64]:
            near, components, weights = self._ring_problem(block, evidence)
            return score_rings(components, near.valid, near.core, self.window, self._task, weights=weights)

        return cached(wide, wide.core, "spectral", evidence.subspaces, objective)

    @property
    def _task(self) -> Task:
        # The median of the weights is a half.
        return Task(CRD, self.lam / 2, distance=True, objective=True, softening=_SOFTENING)

    def _ring_problem(self, wide: Block, evidence: Evidence) -> tuple[Block, NDArray[np.float64], NDArray[np.float64]]:
        """Return the block that the rings need, its components, and the weights of its pixels in a ring."""
        near = narrowed(wide, self.outer // 2)
        contrast = self._contrast(wide, surroundings(wide, self.outer // 2), evidence).astype(np.float64)
        vectors = evidence.subspaces.spectral
        components = projected(near, vectors, np.zeros(vectors.shape[1]))
        return near, components, 1.0 / (1.0 + contrast / evidence.spatial_median)

    def _spatial(self, wide: Block, evidence: Evidence) -> NDArray[np.float32]:
        """Return the smoothed contrast at the core."""
        return self._contrast(wide, wide.core, evidence)

    def _contrast(self, block: Block, place: Part, evidence: Evidence) -> NDArray[np.float32]:
        """Return the smoothed contrast at some rows and columns of the block."""
        from hsad.kernels.image.morphology import area_contrast

        subspaces = evidence.subspaces

        def contrast(block: Block) -> NDArray[np.float64]:
            near = narrowed(block, smoothing_radius(self.smooth) + max(self.areas) - 1)
            components = projected(near, subspaces.spatial, subspaces.mean @ subspaces.spatial)
            contrasts = area_contrast(components, near.valid, self.areas, _LEVELS)
            mean = np.exp(np.log(contrasts + _CONTRAST_FLOOR).mean(axis=0))
            return smoothed(mean, near.valid, self.smooth)[near.core]

        return cached(block, place, "spatial", subspaces, contrast)


def _collected(together: Together | None) -> tuple[Any, ...]:
    """Return the summaries of a pass."""
    if together is None:
        raise DataError("no pixel has a score: the ring of each holds too few valid pixels")
    return together.parts


def _median(histogram: Histogram) -> float:
    if not histogram.counts.any():
        raise DataError("no pixel has a score: the ring of each holds too few valid pixels")
    return max(histogram.quantile(0.5), float(np.finfo(np.float32).tiny))
