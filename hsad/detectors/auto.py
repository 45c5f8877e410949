"""The default detector: two kinds of evidence with different false alarms, and nothing to choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Background, Scan
from hsad.detectors.block import Block, narrowed, surroundings, widened
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import require_valid
from hsad.detectors.ring.windows import DualWindow, odd_from
from hsad.errors import DataError
from hsad.kernels.image.smoothing import smoothed, smoothing_radius
from hsad.kernels.ring.task import CRD, Task
from hsad.kernels.summaries import Histogram, Moments

__all__ = ["Auto", "Evidence", "Subspaces"]

_MORPHOLOGY_COMPONENTS = 5

_LEVELS = 5000.0
"""Steps of the quantisation per standard deviation of the first component."""

_CONTRAST_FLOOR = 1e-6
"""Added to a contrast before its logarithm."""

_SOFTENING = 1e-6
"""Added to the squared distance between a pixel and an atom, in units of the mean squared length of the pixels."""

_EVIDENCE_FLOOR = 0.1
"""Added to an evidence, in units of its median, before the logarithm."""

_CONSTANT = 1e-24
"""A band whose variance is below this share of its squared mean is constant but for rounding."""

_ROWS = 32
"""Rows whose moments are formed at once: a leaf is large."""


@dataclass(frozen=True, eq=False)
class Subspaces(Background):
    """The directions in which a scene is looked at.

    Attributes
    ----------
    mean : (d,) ndarray of float64
    spatial : (d, 5) ndarray of float64
        Principal components of the centred spectra, divided by the standard deviation of the first.
    spectral : (d, k) ndarray of float64
        Eigenvectors of the uncentred second moment, divided by the root mean square length of the projected pixels.
    """

    shapes: ClassVar[dict[str, Any]] = {
        "mean": ("bands",), "spatial": ("bands", "components"), "spectral": ("bands", "directions"),
    }  # fmt: skip

    mean: NDArray[np.float64]
    spatial: NDArray[np.float64]
    spectral: NDArray[np.float64]

    def equals(self, other: Subspaces) -> bool:
        """Tell whether the directions are the same, in whichever process they were formed."""
        return self is other or all(
            np.array_equal(one, another) for one, another in zip(vars(self).values(), vars(other).values(), strict=True)
        )


@dataclass(frozen=True, eq=False)
class Evidence(Background):
    """What `Auto` learns of a scene.

    Attributes
    ----------
    subspaces : Subspaces
    spatial_median, spectral_median : float
        Of the two evidences over the scene.
    """

    subspaces: Subspaces
    spatial_median: float
    spectral_median: float


@dataclass(frozen=True)
class Auto(DualWindow):
    """Purified collaborative representation, fused with the contrast of small objects: the default.

    *Spatial evidence* t: the contrast that area openings and closings of the first five principal components remove,
    that is, components brighter or darker than their surroundings and smaller than an area; the geometric mean over
    `areas`, smoothed by a Gaussian. *Spectral evidence* s: the square root of the objective of the distance-weighted
    collaborative representation of a pixel by its ring, on `components` eigenvectors of the uncentred second moment;
    a ring pixel counts with the weight 1/(1 + t/median t), so that what looks like an object does not pass for
    background. The score is ``f - flatten · Q`` with ``f = ln(s/median s + .1) + spatial_weight · ln(t/median t + .1)``
    and Q the local level of clutter: the upper quartile of f in a window around a pixel, averaged over neighbours.

    λ is in units of the median weight, a half. Scores compare between scenes: medians of the scene are their unit.

    Notes
    -----
    It assumes that objects are rare and small: at most as large as the largest of `areas`, fewer than half of the
    pixels of any ring, and that their spectra differ from the background within its leading components. It fails

    - for objects larger than the largest area, which are no small components and fill their own ring: use ``rx``,
      or larger `areas` and `outer`;
    - for frequent targets (more than a per cent or so of the scene, or rows of equal objects): they shape the
      components and the medians, and purification meets its limits: use ``rx`` with ``trim``;
    - for textures made of small bright or dark pieces (parked cars, surf, single trees), which are anomalies by this
      definition: look at the spectral part alone (``spatial_weight=0``), or use ``lrx``;
    - for faint sub-pixel targets whose signature lies outside the leading components: use ``rx`` on all bands.

    The constants were found on benchmark scenes, at once for all, and kept where the score changes least. With
    ``lam=1e-3, areas=(25, 50, 100), smooth=1, spatial_weight=.5, flatten=0`` it is the method as first found, without
    the local level of clutter.

    References
    ----------
    W. Li, Q. Du, "Collaborative representation for hyperspectral anomaly detection", IEEE Trans. Geosci. Remote Sens.
    53(3):1463-1474, 2015. L. Vincent, "Morphological area openings and closings for grey-scale images", 1994.
    """

    title: ClassVar[str] = "purified CRD fused with attribute morphology: nothing to choose"
    reference: ClassVar[str] = "CRD: Li & Du, IEEE TGRS 53(3):1463, 2015; area openings: Vincent, 1994"
    leaf: ClassVar[int] = 256
    evidence: ClassVar[tuple[str, ...]] = ("spectral", "spatial")

    outer: int = parameter(25, "side of the outer window, odd", check=odd_from(3))
    inner: int = parameter(5, "side of the guard window, odd", check=odd_from(1))
    components: int = parameter(
        10, "number of spectral components", check=lambda value: None if value >= 1 else "at least 1"
    )
    lam: float = parameter(0.3, "regularisation λ", check=lambda value: None if value > 0 else "above 0")
    areas: tuple[int, ...] = parameter(
        (15, 50, 100),
        "largest areas of objects, pixels",
        check=lambda areas: None if min(areas) >= 2 else "areas of at least 2 pixels",
    )
    smooth: float = parameter(
        0.7,
        "standard deviation of the smoothing of the spatial evidence, pixels",
        check=lambda value: None if value >= 0 else "at least 0",
    )
    spatial_weight: float = parameter(
        0.4,
        "weight of the spatial evidence; the spectral one has 1",
        check=lambda value: None if value >= 0 else "at least 0",
    )
    flatten: float = parameter(
        0.5,
        "share of the local level of clutter that is subtracted",
        check=lambda value: None if 0 <= value <= 1 else "between 0 and 1",
    )
    clutter: int = parameter(31, "side of the window of the level of clutter, odd", check=odd_from(3))

    @property
    def reach(self) -> int:
        """The clutter's windows, the ring, the smoothing and the largest area, one behind the other.

        The clutter uses fused evidence; the spectral one uses the weights of the ring, up to ``outer // 2`` away (a
        shifted window lies inside what is read near an edge); a weight uses the contrasts within the radius of the
        smoothing; a contrast uses the pixels up to the largest area less one away.
        """
        return self._margin + self.outer // 2 + smoothing_radius(self.smooth) + max(self.areas) - 1

    def footprint(self, bands: int, itemsize: int) -> float:
        """Spectra, the halves of them whose moments are formed, components and maps (measured)."""
        return 1.5 * itemsize * bands + 350.0

    def learn(self, scan: Scan) -> Evidence:
        """Learn the subspaces in one pass, then the median of each evidence in one."""
        moments = require_valid(scan(_moments))
        evidence = Evidence(_subspaces(moments, self.components), np.nan, np.nan)
        evidence = replace(evidence, spatial_median=self._median(scan, self._spatial, evidence))
        return replace(evidence, spectral_median=self._median(scan, self._spectral, evidence))

    def score(self, block: Block, background: Evidence) -> NDArray[np.float64]:
        """Return the fused evidence of the block's core, less the local level of clutter."""
        from hsad.kernels.image.clutter import clutter_level

        wide, core = widened(block, self._margin)
        parts = self._logarithms(wide, background)
        fused = parts[..., 0] + self.spatial_weight * parts[..., 1]
        if self.flatten > 0:
            fused -= self.flatten * clutter_level(fused, self.clutter)
        return np.asarray(fused[core])

    def parts(self, block: Block, background: Evidence) -> NDArray[np.float64]:
        """Return the spectral and the spatial evidence: logarithms of multiples of the scene's medians."""
        wide, core = widened(block, self._margin)
        return np.asarray(self._logarithms(wide, background)[core])

    @property
    def _margin(self) -> int:
        """Pixels around the core whose evidence its level of clutter needs."""
        from hsad.kernels.image.clutter import mean_side

        return self.clutter // 2 + mean_side(self.clutter) // 2 if self.flatten > 0 else 0

    def _logarithms(self, wide: Block, evidence: Evidence) -> NDArray[np.float64]:
        spectral = self._spectral(wide, evidence) / evidence.spectral_median
        spatial = self._spatial(wide, evidence) / evidence.spatial_median
        return np.log(np.stack([spectral, spatial], axis=-1, dtype=np.float64) + _EVIDENCE_FLOOR)

    def _median(self, scan: Scan, values: _Values, evidence: Evidence) -> float:
        histogram = scan(self._histogram, values, evidence, reach=self.reach)
        if histogram is None or not histogram.counts.any():
            raise DataError("no pixel has a score: the ring of each holds too few valid pixels")
        median = histogram.quantile(0.5)
        return max(median, float(np.finfo(np.float32).tiny))

    def _histogram(self, block: Block, values: _Values, evidence: Evidence) -> Histogram | None:
        if not block.core_valid.any():
            return None
        wide, core = widened(block, self._margin)
        scored = values(wide, evidence)[core][block.core_valid]
        return Histogram.of(scored[~np.isnan(scored)])

    def _spectral(self, wide: Block, evidence: Evidence) -> NDArray[np.float32]:
        """Return the objective of the purified representation at the core; NaN where the ring is too empty."""
        from hsad.kernels.image.projection import project
        from hsad.kernels.ring.score import score_rings

        # The median of the weights is a half.
        task = Task(CRD, self.lam / 2, distance=True, objective=True, softening=_SOFTENING)

        def objective() -> NDArray[np.float64]:
            near = narrowed(wide, self.outer // 2)
            contrast = self._contrast(wide, evidence).astype(np.float64)
            vectors = evidence.subspaces.spectral
            components = project(near.spectra, vectors, np.zeros(vectors.shape[1]))
            weights = 1.0 / (1.0 + contrast / evidence.spatial_median)
            return score_rings(components, near.valid, near.core, self.window, task, weights=weights)

        return _remembered(wide, "spectral", evidence, objective)

    def _spatial(self, wide: Block, evidence: Evidence) -> NDArray[np.float32]:
        """Return the smoothed contrast at the core."""
        return self._contrast(wide, evidence)[narrowed(wide, self.outer // 2).core]

    def _contrast(self, wide: Block, evidence: Evidence) -> NDArray[np.float32]:
        """Return the smoothed contrast at the core and the rings around it."""
        from hsad.kernels.image.morphology import area_contrast
        from hsad.kernels.image.projection import project

        def contrast() -> NDArray[np.float64]:
            subspaces = evidence.subspaces
            components = project(wide.spectra, subspaces.spatial, subspaces.mean @ subspaces.spatial)
            contrasts = area_contrast(components, wide.valid, self.areas, _LEVELS)
            mean = np.exp(np.log(contrasts + _CONTRAST_FLOOR).mean(axis=0))
            return smoothed(mean, wide.valid, self.smooth)[surroundings(wide, self.outer // 2)]

        return _remembered(wide, "spatial", evidence, contrast)


_Values = Callable[[Block, Evidence], NDArray[np.float32]]


def _remembered(
    block: Block, name: str, evidence: Evidence, values: Callable[[], NDArray[np.float64]]
) -> NDArray[np.float32]:
    """Return values from the block's memo, if they belong to this evidence; else form and keep them."""
    subspaces, known = block.memo.get(name, (None, None))
    if known is None or not evidence.subspaces.equals(subspaces):
        known = values().astype(np.float32)
        block.memo[name] = (evidence.subspaces, known)
    return np.asarray(known, dtype=np.float32)


def _moments(block: Block) -> Moments | None:
    spectra, valid = block.spectra[block.core], block.core_valid
    merged: Moments | None = None
    for row in range(0, len(valid), _ROWS):
        part = Moments.of(spectra[row : row + _ROWS][valid[row : row + _ROWS]])
        merged = part if merged is None else merged if part is None else merged + part
    return merged


def _subspaces(moments: Moments, components: int) -> Subspaces:
    """Return both sets of directions; constant bands have no part in them."""
    mean, covariance = moments.mean, moments.covariance
    varying = np.diag(covariance) > _CONSTANT * mean**2
    if not varying.any():
        raise DataError("all valid pixels are equal: there is no variation to measure an anomaly by")
    covariance, centre = covariance[np.ix_(varying, varying)], mean[varying]
    variances, principal = _leading(covariance, _MORPHOLOGY_COMPONENTS)
    powers, leading = _leading(covariance + np.outer(centre, centre), components)
    spatial, spectral = (np.zeros((len(mean), vectors.shape[1])) for vectors in (principal, leading))
    spatial[varying] = principal / np.sqrt(variances[0])
    spectral[varying] = leading / np.sqrt(powers.sum())
    return Subspaces(mean, spatial, spectral)


def _leading(matrix: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest eigenvalues of a symmetric matrix and their eigenvectors."""
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1][:count], vectors[:, ::-1][:, :count]
