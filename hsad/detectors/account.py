"""What a detector says of one pixel's score: in words, and by band where the score has parts by band."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Layers", "Reason"]


@dataclass(frozen=True, eq=False)
class Layers:
    """What an unrolled network learned, network by network.

    Attributes
    ----------
    names : tuple of str
        The start, then the trained networks.
    thresholds : tuple of (layers,) ndarray
        θ of each layer.
    matrices : tuple of (k, k) ndarray
        W.
    unit : str
        Unit of the thresholds.
    index : str
        What a row and a column of W stand for.
    """

    names: tuple[str, ...]
    thresholds: tuple[NDArray[np.float64], ...]
    matrices: tuple[NDArray[np.float64], ...]
    unit: str
    index: str

    def to_dict(self) -> list[dict[str, Any]]:
        """Return one entry a network, of values that JSON knows."""
        return [
            {"network": name, "thresholds": theta.tolist(), "unit": self.unit, "W": matrix.tolist()}
            for name, theta, matrix in zip(self.names, self.thresholds, self.matrices, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Reason:
    """A detector's account of one pixel.

    Attributes
    ----------
    sentence : str
        The account in words, without a full stop.
    contributions : (bands,) ndarray or None
        What of the score comes from each band. They sum to the score. A band that speaks for background has a
        negative one.
    reconstruction, residual : (bands,) ndarray or None
        What the background makes of the pixel, and the rest. They sum to the pixel.
    slopes : (bands,) ndarray or None
        ``contributions / residual``, where each contribution is a product of the two.
    evidence : mapping of str to float
        Each kind of evidence, where a score is made of several. The largest is the score.
    ring : (n, bands) ndarray or None
        The pixels that the detector compared with.
    mean, spread : (bands,) ndarray or None
        Mean and standard deviation of the scene, where the detector compared with the scene.
    layers : Layers or None
        What an unrolled network learned.
    unlike : str
        What the pixel was compared with, in words that follow "unlike"; "" where the score is not high for that.
    """

    sentence: str
    contributions: NDArray[np.float64] | None = None
    reconstruction: NDArray[np.float64] | None = None
    residual: NDArray[np.float64] | None = None
    slopes: NDArray[np.float64] | None = None
    evidence: dict[str, float] = field(default_factory=dict)
    ring: NDArray[np.float64] | None = None
    mean: NDArray[np.float64] | None = None
    spread: NDArray[np.float64] | None = None
    layers: Layers | None = None
    unlike: str = ""

    def summing_to(self, score: float) -> Reason:
        """Return the account with its contributions scaled so that they sum to the score.

        An account may come from another algorithm than the score did. Where a pixel is explained but for rounding,
        the two differ.
        """
        total = 0.0 if self.contributions is None else float(self.contributions.sum())
        if self.contributions is None or total in (0.0, score):
            return self
        slopes = None if self.slopes is None else self.slopes * (score / total)
        return replace(self, contributions=self.contributions * (score / total), slopes=slopes)

    def in_bands(self, pixel: NDArray[np.float64], mean: NDArray[np.float64], vectors: NDArray[np.float64]) -> Reason:
        """Return an account of components as an account of bands.

        The components are ``(pixel - mean) @ vectors``, of orthonormal vectors. A contribution ``slope · residual``
        of components becomes that of bands with ``vectors @ slopes``. Any other is divided over the bands by the
        squares of a vector's elements, which sum to 1.
        """
        contributions = reconstruction = residual = slopes = None
        if self.reconstruction is not None:
            reconstruction = mean + vectors @ self.reconstruction
            residual = pixel - reconstruction
        if self.slopes is not None and residual is not None:
            slopes = vectors @ self.slopes
            contributions = slopes * residual
        elif self.contributions is not None:
            contributions = vectors**2 @ self.contributions
        return replace(
            self,
            contributions=contributions,
            reconstruction=reconstruction,
            residual=residual,
            slopes=slopes,
            ring=None,
            mean=None,
            spread=None,
        )
