"""The directions in which a scene is looked at for a query: the query, and decoys of no material."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["DARK_BANDS", "DECOYS", "FEW_BANDS", "directions_of"]

#: Number of decoys of a query.
DECOYS = 16

#: Largest size of the ratio of a spectrum to the mean of the scene, from which decoys are made.
_LARGEST_RATIO = 20.0

#: Largest size of the contrast of a spectrum in standard deviations of the scene, from which decoys are made.
_LARGEST_CONTRAST = 50.0

#: With fewer bands the ratios to the mean have too few shapes.
FEW_BANDS = 30

#: Largest share of bands in which the mean may be zero or negative, for ratios to it.
DARK_BANDS = 0.1

#: Seed of the moves of the decoys: the same query has the same decoys in every run.
_SEED = 0


def directions_of(
    query: NDArray[np.float64], mean: NDArray[np.float64], spread: NDArray[np.float64], whitening: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the whitened unit vectors of a query and of its decoys, ``(1 + DECOYS, d)``.

    A decoy is the query moved along the bands, every other one reversed: as rough and as strong as the query, and of no
    material. What is moved is the ratio to the mean of the scene. With few bands, or where the mean is not positive, it
    is the contrast to the mean in units of the standard deviation. Decoys are made orthogonal to the query in whitened
    space.

    Parameters
    ----------
    query, mean, spread : (bands,) ndarray
        The query, and mean and standard deviation of the scene.
    whitening : (bands, d) ndarray
        W with W·Wᵀ the inverse of the covariance of the scene.
    """
    random = np.random.default_rng(_SEED)
    bands = len(query)
    by_ratio = bands >= FEW_BANDS and np.mean(mean <= 0) <= DARK_BANDS
    if by_ratio:
        ratio = np.divide(query, mean, out=np.ones_like(query), where=mean != 0)
        shape, unit, origin = np.clip(ratio, -_LARGEST_RATIO, _LARGEST_RATIO), mean, mean
    else:
        contrast = np.divide(query - mean, spread, out=np.zeros_like(query), where=spread > 0)
        shape, unit, origin = np.clip(contrast, -_LARGEST_CONTRAST, _LARGEST_CONTRAST), spread, np.zeros_like(mean)
    least = max(1, bands // 10)
    moves = random.integers(least, max(least + 1, bands - bands // 10), DECOYS)
    moved = np.array([np.roll(shape, move)[:: 1 - 2 * (j % 2)] for j, move in enumerate(moves)])
    own = _unit((query - mean) @ whitening)
    decoys = (moved * unit - origin) @ whitening
    return np.vstack([own, _unit(decoys - (decoys @ own)[:, None] * own)])


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-30))
