"""The directions in which a scene is looked at for a query: the query, and decoys of no material."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["DECOYS", "directions_of"]

#: Number of decoys of a query.
DECOYS = 16

#: Largest size of the ratio of a spectrum to the mean of the scene, from which decoys are made.
_LARGEST_RATIO = 20.0

#: Seed of the moves of the decoys: the same query has the same decoys in every run.
_SEED = 0


def directions_of(
    query: NDArray[np.float64], mean: NDArray[np.float64], whitening: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the whitened unit vectors of a query and of its decoys, ``(1 + DECOYS, d)``.

    A decoy is the ratio of the query to the mean of the scene, moved along the bands, every other one reversed: as
    rough and as strong as the query, and of no material. It is made orthogonal to the query in whitened space.

    Parameters
    ----------
    query, mean : (bands,) ndarray
        In the units of the scene.
    whitening : (bands, d) ndarray
        W with W·Wᵀ the inverse of the covariance of the scene.
    """
    random = np.random.default_rng(_SEED)
    ratio = np.clip(np.divide(query, mean, out=np.ones_like(query), where=mean != 0), -_LARGEST_RATIO, _LARGEST_RATIO)
    bands = len(ratio)
    least = max(1, bands // 10)
    moves = random.integers(least, max(least + 1, bands - bands // 10), DECOYS)
    moved = np.array([np.roll(ratio, move)[:: 1 - 2 * (j % 2)] for j, move in enumerate(moves)])
    own = _unit((query - mean) @ whitening)
    decoys = (moved * mean - mean) @ whitening
    return np.vstack([own, _unit(decoys - (decoys @ own)[:, None] * own)])


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-30))
