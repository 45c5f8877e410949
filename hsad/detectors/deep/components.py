"""The input of the learned detectors: images of a few spectral components of a scene with any bands."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Background, Scan
from hsad.detectors.block import Block
from hsad.detectors.moments import leading, moments_of, with_signs
from hsad.detectors.probe import require_valid
from hsad.errors import DataError
from hsad.kernels.summaries import Moments

__all__ = ["ComponentImages", "Scaling", "learn_components", "scene_moments"]

#: How components are scaled.
#: length: leading directions of the uncentred second moment, divided by the root mean square length of a pixel.
#: white: principal components, each divided by its deviation. soft: each divided by √(its deviation · first deviation).
Scaling = Literal["length", "white", "soft"]

_NO_VARIATION = 1e-12
"""Directions whose variance is below this share of the largest contain rounding errors only."""

_FEWEST_PIXELS = 64
"""Smallest number of valid pixels to learn from; with fewer, the components depend on chance."""


@dataclass(frozen=True, eq=False)
class ComponentImages(Background):
    """The projection of spectra to images of components.

    Attributes
    ----------
    vectors : (d, k) ndarray of float64
        Scaled directions. The largest element of each is positive.
    shift : (k,) ndarray of float64
        Subtracted from the projections.
    filling : (k,) ndarray of float64
        Components of invalid pixels: the mean of the scene.
    limit : float
        Components are clipped to ± this limit.
    pixels : int
        Number of valid pixels that the projection was learned from.
    checksum : str
        Checksum of the moments of these pixels; it differs between scenes.
    """

    shapes: ClassVar[dict[str, Any]] = {
        "vectors": ("bands", "components"), "shift": ("components",), "filling": ("components",),
    }  # fmt: skip

    vectors: NDArray[np.float64]
    shift: NDArray[np.float64]
    filling: NDArray[np.float64]
    limit: float
    pixels: int
    checksum: str

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.filling)

    def in_bands(self, contributions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return contributions of components divided over the bands, by the squares of each direction."""
        shares = self.vectors**2
        return np.asarray(shares / shares.sum(axis=0) @ contributions)

    def of(self, block: Block) -> NDArray[np.float32]:
        """Return the images of a block with its surroundings, ``(k, rows, cols)``."""
        from hsad.kernels.image.projection import project

        images = project(block.spectra, self.vectors, self.shift)
        images[~block.valid] = self.filling
        np.clip(images, -self.limit, self.limit, out=images)
        return np.ascontiguousarray(images.transpose(2, 0, 1), dtype=np.float32)


def scene_moments(scan: Scan, method: str) -> Moments:
    """Return the count, mean and scatter of the valid pixels, in one pass.

    Raises
    ------
    DataError
        When there are too few valid pixels to learn from, or all valid pixels are equal.
    """
    moments = require_valid(scan(moments_of))
    if moments.count < _FEWEST_PIXELS:
        raise DataError(
            f"{method} needs at least {_FEWEST_PIXELS} valid pixels to learn from: there are {moments.count}"
        )
    if not np.trace(moments.scatter) > 0:
        raise DataError("all valid pixels are equal: there is no variation to measure an anomaly by")
    return moments


def learn_components(moments: Moments, count: int, scaling: Scaling, *, limit: float = np.inf) -> ComponentImages:
    """Return the leading components of pixels with these moments; fewer than `count` if fewer directions vary."""
    mean, covariance = moments.mean, moments.covariance
    second = covariance + np.outer(mean, mean) if scaling == "length" else covariance
    values, vectors = leading(second, count)
    varying = values > _NO_VARIATION * values[0]
    values, vectors = values[varying], with_signs(vectors[:, varying])
    if scaling == "length":
        vectors = vectors / np.sqrt(np.trace(second))
        shift = np.zeros(vectors.shape[1])
    else:
        deviations = np.sqrt(values)
        vectors = vectors / (deviations if scaling == "white" else np.sqrt(deviations * deviations[0]))
        shift = mean @ vectors
    digest = hashlib.sha256(moments.mean.tobytes() + moments.scatter.tobytes()).hexdigest()
    return ComponentImages(vectors, shift, mean @ vectors - shift, float(limit), moments.count, digest)
