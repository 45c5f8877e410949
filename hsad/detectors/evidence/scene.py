"""The distance of a pixel, and of a patch of pixels, from the whole scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hsad.detectors.base import Background
from hsad.detectors.block import Block, narrowed
from hsad.detectors.evidence.robust import RobustGaussian
from hsad.detectors.evidence.subspaces import Subspaces
from hsad.kernels.image.smoothing import smoothed, smoothing_radius
from hsad.kernels.summaries import Histogram

__all__ = ["PATCH_RADIUS", "Unlikeness", "components_of", "gaussians_of"]

_PATCH = 1.0
"""Standard deviation, in pixels, of the Gaussian that averages a pixel and its surroundings to a patch."""

PATCH_RADIUS = smoothing_radius(_PATCH)
"""Pixels on each side that count for a patch."""

_HIGH = 0.9
"""Quantile of the distances at which the evidence is 1; it is 0 at the median."""

_NO_DISTANCE = 1e-30
"""Smaller squared distances are raised to this before their logarithm."""


@dataclass(frozen=True, eq=False)
class Unlikeness(Background):
    """The distance of pixels from the scene as a whole, and its scale.

    Attributes
    ----------
    gaussian : RobustGaussian
        The Gaussian of the pixels' components.
    median, high : float
        Quantiles of the logarithm of the squared distance over the scene.
    """

    gaussian: RobustGaussian
    median: float
    high: float

    def scaled(self, distances: Histogram) -> Unlikeness:
        """Return a copy with the quantiles of squared distances over the scene."""
        median, high = (float(_logarithm(distances.quantile(share))) for share in (0.5, _HIGH))
        return Unlikeness(self.gaussian, median, high)

    def of(self, squared: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithms of squared distances: 0 at the median of the scene, 1 at its 90th percentile."""
        return (_logarithm(squared) - self.median) / max(self.high - self.median, 1e-9)

    def by_band(self, spectrum: NDArray[np.float64], subspaces: Subspaces) -> NDArray[np.float64]:
        """Return what of a pixel's squared distance comes from each band; the parts sum to the distance.

        Within the components it is ``d · V C⁻¹Vᵀd`` with d the difference from the centre, as of any Mahalanobis
        distance; of what they leave out, the square of each band.
        """
        vectors, gaussian = subspaces.principal, self.gaussian
        centred = (spectrum - subspaces.mean) * subspaces.varying
        components = centred @ vectors
        white = gaussian.whitening @ (gaussian.whitening.T @ (components - gaussian.centre))
        parts = (centred - vectors @ gaussian.centre) * (vectors @ white)
        if gaussian.rest > 0:
            parts += (centred - vectors @ components) ** 2 / gaussian.rest
        return np.asarray(parts)


def components_of(
    block: Block, subspaces: Subspaces
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return, at the core, the principal components, the squared length of the rest, and the components of patches."""
    from hsad.kernels.image.projection import project, squared_lengths

    near = narrowed(block, PATCH_RADIUS)
    vectors, shift = subspaces.principal, subspaces.mean @ subspaces.principal
    components = np.empty((*near.shape[:2], vectors.shape[1]))
    rest = np.empty(near.shape[:2])
    for rows, spectra, _ in near.strips():
        components[rows] = project(spectra, vectors, shift)
        rest[rows] = squared_lengths(spectra, subspaces.mean, subspaces.varying)
    rest -= squared_lengths(components, np.zeros(vectors.shape[1]), np.ones(vectors.shape[1]))
    patches = smoothed(components, near.valid, _PATCH)
    return components[near.core], np.maximum(rest, 0.0)[near.core], patches[near.core]


def gaussians_of(values: NDArray[np.float64], subspaces: Subspaces) -> tuple[Unlikeness, Unlikeness]:
    """Return the Gaussians of pixels and of patches; `values` are components, rest and components of patches."""
    count = subspaces.principal.shape[1]
    pixel, rest, patch = values[:, :count], values[:, count], values[:, count + 1 :]
    left = int(subspaces.varying.sum()) - count
    of_pixels = RobustGaussian.of(pixel, rest, left, subspaces.variance)
    of_patches = RobustGaussian.of(patch, np.zeros(len(patch)), 0, subspaces.variance)
    return Unlikeness(of_pixels, np.nan, np.nan), Unlikeness(of_patches, np.nan, np.nan)


def _logarithm(squared: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(np.asarray(squared, dtype=np.float64), _NO_DISTANCE)))
