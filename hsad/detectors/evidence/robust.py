"""A Gaussian of the whole scene that its objects hardly influence: with a ridge, and low weights for far pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Background

__all__ = ["RobustGaussian"]

_RIDGES = (0.3, 0.1, 0.03)
"""Ridge of each round, in units of the mean variance of a band."""


@dataclass(frozen=True, eq=False)
class RobustGaussian(Background):
    """Mean and covariance of k components, and one variance for all other directions.

    Attributes
    ----------
    whitening : (k, k) ndarray of float64
        W with W·Wᵀ = (C + ρI)⁻¹.
    centre : (k,) ndarray of float64
    rest : float
        Variance of each other direction, plus ρ; 0 if there is none.
    """

    shapes: ClassVar[dict[str, Any]] = {"whitening": ("components", "components"), "centre": ("components",)}

    whitening: NDArray[np.float64]
    centre: NDArray[np.float64]
    rest: float

    @classmethod
    def of(
        cls, components: NDArray[np.float64], rest: NDArray[np.float64], left: int, variance: float
    ) -> tuple[RobustGaussian, NDArray[np.float64]]:
        """Return the Gaussian after three rounds, and the weights that a fourth round would give the pixels.

        In the first round all pixels have the same weight. Later a pixel has the weight w = 1/(1 + (D/n)²), with D its
        squared distance in the round before and n the mean of D under that Gaussian. Without a ridge, an object that
        is a few per cent of the scene hides in its own covariance: its squared distance is at most one over its
        share, while the directions of noise give every pixel about their number.

        Parameters
        ----------
        components : (n, k) ndarray of float64
        rest : (n,) ndarray of float64
            Squared lengths of the pixels in the other directions.
        left : int
            Number of the other directions.
        variance : float
            Mean variance of a band, the unit of the ridges.
        """
        weight = np.ones(len(components))
        gaussian = None
        for ridge in _RIDGES:
            gaussian, freedom = cls.weighted(components, rest, weight, left, ridge * variance)
            distance = gaussian.white(components) + (rest / gaussian.rest if left else 0.0)
            weight = 1.0 / (1.0 + (distance / freedom) ** 2)
        assert gaussian is not None  # noqa: S101  there are rounds
        return gaussian, weight

    @classmethod
    def weighted(
        cls,
        components: NDArray[np.float64],
        rest: NDArray[np.float64],
        weight: NDArray[np.float64],
        left: int,
        rho: float,
    ) -> tuple[RobustGaussian, float]:
        """Return the Gaussian of weighted pixels, and the mean of the squared distance under it."""
        total = weight.sum()
        centre = weight @ components / total
        centred = components - centre
        covariance = (centred * weight[:, np.newaxis]).T @ centred / total
        variance = float(weight @ rest) / float(total) / max(left, 1)
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        values = np.maximum(values, 0.0)
        freedom = float((values / (values + rho)).sum()) + (left * variance / (variance + rho) if left else 0.0)
        whitening = vectors / np.sqrt(values + rho)
        return cls(whitening, centre, variance + rho if left else 0.0), freedom

    def white(self, components: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the part of the squared distance of ``(n, k)`` components that lies within them."""
        white = (components - self.centre) @ self.whitening
        return np.asarray((white**2).sum(axis=1))

    def distances(self, components: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the squared distances of ``(rows, cols, k)`` components.

        The bits of a pixel's distance do not depend on its place in the block.
        """
        from hsad.kernels.image.projection import project, squared_lengths

        white = project(components, self.whitening, self.centre @ self.whitening)
        count = white.shape[2]
        squared = squared_lengths(white, np.zeros(count), np.ones(count))
        return squared + rest / self.rest if self.rest > 0 else squared
