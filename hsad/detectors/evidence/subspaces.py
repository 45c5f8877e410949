"""The directions on which the default detector projects the spectra of a scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Background
from hsad.detectors.block import Block
from hsad.detectors.moments import leading
from hsad.errors import DataError
from hsad.kernels.summaries import Moments

__all__ = ["Subspaces", "projected", "subspaces_of"]

_MORPHOLOGY_COMPONENTS = 5

_SCENE_COMPONENTS = 60
"""Number of principal components in which a pixel is compared with the whole scene; the rest counts as one length."""

_CONSTANT = 1e-24
"""A band whose variance is below this share of its squared mean varies by rounding only."""


@dataclass(frozen=True, eq=False)
class Subspaces(Background):
    """The directions on which the spectra of a scene are projected.

    Attributes
    ----------
    mean : (d,) ndarray of float64
    spatial : (d, 5) ndarray of float64
        Principal components of the centred spectra, divided by the standard deviation of the first.
    spectral : (d, k) ndarray of float64
        Eigenvectors of the uncentred second moment, divided by the root mean square length of the projected pixels.
    principal : (d, 60) ndarray of float64
        Principal components of the centred spectra.
    varying : (d,) ndarray of float64
        1 for a band that varies, else 0.
    variance : float
        Mean variance of the bands that vary.
    """

    shapes: ClassVar[dict[str, Any]] = {
        "mean": ("bands",), "spatial": ("bands", "components"), "spectral": ("bands", "directions"),
        "principal": ("bands", "scene"), "varying": ("bands",),
    }  # fmt: skip

    mean: NDArray[np.float64]
    spatial: NDArray[np.float64]
    spectral: NDArray[np.float64]
    principal: NDArray[np.float64]
    varying: NDArray[np.float64]
    variance: float

    def equals(self, other: Subspaces) -> bool:
        """Tell whether the directions are equal, even if another process computed them."""
        return self is other or all(
            np.array_equal(one, another) for one, another in zip(vars(self).values(), vars(other).values(), strict=True)
        )


def projected(block: Block, vectors: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``spectra @ vectors - shift`` of a whole block, a few rows of which are read at a time."""
    from hsad.kernels.image.projection import Projection

    project = Projection(vectors, shift)
    components = np.empty((*block.shape[:2], vectors.shape[1]))
    for rows, spectra, _ in block.strips():
        components[rows] = project(spectra)
    return components


def subspaces_of(moments: Moments, components: int) -> Subspaces:
    """Return the directions; their elements at constant bands are 0."""
    mean, covariance = moments.mean, moments.covariance
    varying = np.diag(covariance) > _CONSTANT * mean**2
    if not varying.any():
        raise DataError("all valid pixels are equal: there is no variation to measure an anomaly by")
    covariance, centre = covariance[np.ix_(varying, varying)], mean[varying]
    variances, principal = leading(covariance, _SCENE_COMPONENTS)
    powers, strongest = leading(covariance + np.outer(centre, centre), components)
    spatial, spectral = (
        np.zeros((len(mean), count)) for count in (min(_MORPHOLOGY_COMPONENTS, principal.shape[1]), strongest.shape[1])
    )
    spatial[varying] = principal[:, :_MORPHOLOGY_COMPONENTS] / np.sqrt(variances[0])
    spectral[varying] = strongest / np.sqrt(powers.sum())
    whole = np.zeros((len(mean), principal.shape[1]))
    whole[varying] = principal
    variance = float(np.trace(covariance)) / len(covariance)
    return Subspaces(mean, spatial, spectral, whole, varying.astype(np.float64), variance)
