"""The distance of a pixel, and of a patch of pixels, from the whole scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hsad.detectors.base import Background
from hsad.detectors.block import Block, narrowed
from hsad.detectors.evidence.robust import RobustGaussian
from hsad.detectors.evidence.subspaces import Subspaces
from hsad.kernels.image.smoothing import smoothed, smoothing_radius
from hsad.kernels.summaries import Histogram

if TYPE_CHECKING:
    from hsad.kernels.image.projection import Projection

__all__ = ["PATCH_RADIUS", "Distances", "Unlikeness", "distances_of", "learnable"]

_PATCH = 1.0
"""Standard deviation, in pixels, of the Gaussian that averages a pixel and its surroundings to a patch."""

PATCH_RADIUS = smoothing_radius(_PATCH)
"""Pixels on each side that count for a patch."""

_COARSE = 20
"""Number of leading components of the coarse Gaussians."""

_FINE_RIDGE = 3e-4
"""Ridge of the fine Gaussian, in units of the mean variance of a band."""

_ROWS = 32
"""Rows of which the distances are computed together, so that little memory is taken."""

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


@dataclass(frozen=True, eq=False)
class Distances(Background):
    """Four distances from the scene, and their scales.

    Attributes
    ----------
    coarse, coarse_patch : Unlikeness
        Of a pixel and of a patch, each from its own Gaussian of 20 components with a large ridge.
    fine, fine_patch : Unlikeness
        Of a pixel and of a patch from one Gaussian of 60 components with a small ridge.
    """

    coarse: Unlikeness
    coarse_patch: Unlikeness
    fine: Unlikeness
    fine_patch: Unlikeness

    @property
    def all(self) -> tuple[Unlikeness, Unlikeness, Unlikeness, Unlikeness]:
        """The four, in this order."""
        return self.coarse, self.coarse_patch, self.fine, self.fine_patch

    def scaled(self, distances: Sequence[Histogram]) -> Distances:
        """Return a copy with the quantiles of the four squared distances over the scene."""
        return Distances(*(unlike.scaled(of_scene) for unlike, of_scene in zip(self.all, distances, strict=True)))

    def at(self, block: Block, subspaces: Subspaces) -> NDArray[np.float64]:
        """Return the squared distances at the core, ``(rows, cols, 4)``; NaN where a pixel is invalid."""
        near = narrowed(block, PATCH_RADIUS)
        project = _projection(subspaces)
        components, lengths = np.empty((*near.shape[:2], subspaces.principal.shape[1])), np.empty(near.shape[:2])
        for rows, spectra, _ in near.strips():
            components[rows], lengths[rows] = project(spectra), _lengths_from(spectra, subspaces)
        squared = np.empty((*near.core_valid.shape, len(self.all)))
        inside, cols = near.core
        for start in range(inside.start, inside.stop, _ROWS):
            stop = min(start + _ROWS, inside.stop)
            around = slice(max(0, start - PATCH_RADIUS), stop + PATCH_RADIUS)
            patches = smoothed(components[around], near.valid[around], _PATCH)[start - around.start :][: stop - start]
            of_rows = squared[start - inside.start : stop - inside.start]
            self._measure(components[start:stop, cols], lengths[start:stop, cols], patches[:, cols], of_rows)
        squared[~near.core_valid] = np.nan
        return squared

    def _measure(
        self,
        components: NDArray[np.float64],
        lengths: NDArray[np.float64],
        patches: NDArray[np.float64],
        squared: NDArray[np.float64],
    ) -> None:
        """Write the four squared distances of some rows to `squared`."""
        components, patches = np.ascontiguousarray(components), np.ascontiguousarray(patches)
        leading = np.ascontiguousarray(components[..., :_COARSE])
        others, rest = (np.maximum(lengths - _lengths(part), 0.0) for part in (leading, components))
        nothing = np.zeros_like(rest)
        squared[..., 0] = self.coarse.gaussian.distances(leading, others)
        squared[..., 1] = self.coarse_patch.gaussian.distances(patches[..., :_COARSE], nothing)
        squared[..., 2] = self.fine.gaussian.distances(components, rest)
        squared[..., 3] = self.fine_patch.gaussian.distances(patches, nothing)

    def unlike(self, squared: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the coarse and the fine evidence of `at`: each is the mean of that of the pixel and of its patch."""
        values = [unlike.of(squared[..., k].astype(np.float64)) for k, unlike in enumerate(self.all)]
        return (values[0] + values[1]) / 2, (values[2] + values[3]) / 2


def learnable(block: Block, subspaces: Subspaces, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return what `distances_of` needs of the chosen pixels of the core: components, squared lengths, and patches."""
    near = narrowed(block, PATCH_RADIUS)
    leading = np.empty((*near.shape[:2], min(_COARSE, subspaces.principal.shape[1])))
    wanted = np.zeros(near.shape[:2], dtype=np.bool_)
    wanted[near.core] = chosen
    found: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    project, project_leading = _projection(subspaces), _projection(subspaces, _COARSE)
    for rows, spectra, _ in near.strips():
        leading[rows] = project_leading(spectra)
        pixels = spectra[wanted[rows]][:, np.newaxis]
        if len(pixels):
            found.append((project(pixels)[:, 0], _lengths_from(pixels, subspaces)))
    patches = smoothed(leading, near.valid, _PATCH)[wanted]
    components, lengths = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return np.concatenate([components, lengths, patches], axis=1)


def _projection(subspaces: Subspaces, count: int | None = None) -> Projection:
    from hsad.kernels.image.projection import Projection

    vectors = subspaces.principal[:, :count]
    return Projection(vectors, subspaces.mean @ vectors)


def _lengths_from(spectra: NDArray[np.float64], subspaces: Subspaces) -> NDArray[np.float64]:
    """Return the squared lengths of spectra, ``(rows, cols, bands)``, from the mean of the scene."""
    from hsad.kernels.image.projection import squared_lengths

    return squared_lengths(np.ascontiguousarray(spectra), subspaces.mean, subspaces.varying)


def distances_of(values: NDArray[np.float64], subspaces: Subspaces) -> Distances:
    """Return the distances of which the scales are not known yet; `values` are those of `learnable`, ``(pixels, n)``.

    The fine Gaussian has small weights for pixels that are far from the coarse ones, alone or with their patch. So a
    large object does not hide in a covariance that it widened.
    """
    count = subspaces.principal.shape[1]
    pixel, lengths, patch = values[:, :count], values[:, count], values[:, count + 1 :]
    bands, variance = int(subspaces.varying.sum()), subspaces.variance
    leading = pixel[:, :_COARSE]
    rest_of_leading, rest = (np.maximum(lengths - (part**2).sum(axis=1), 0.0) for part in (leading, pixel))
    of_pixels, weight = RobustGaussian.of(leading, rest_of_leading, bands - leading.shape[1], variance)
    of_patches, weight_of_patch = RobustGaussian.of(patch, np.zeros(len(patch)), 0, variance)
    fine, _ = RobustGaussian.weighted(pixel, rest, weight * weight_of_patch, bands - count, _FINE_RIDGE * variance)
    return Distances(*(Unlikeness(gaussian, np.nan, np.nan) for gaussian in (of_pixels, of_patches, fine, fine)))


def _lengths(components: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared lengths of ``(rows, cols, k)`` components."""
    from hsad.kernels.image.projection import squared_lengths

    count = components.shape[2]
    return squared_lengths(components, np.zeros(count), np.ones(count))


def _logarithm(squared: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(np.asarray(squared, dtype=np.float64), _NO_DISTANCE)))
