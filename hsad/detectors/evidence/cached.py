"""Maps of a block that are computed once: for all passes over it, or for all parts of a scene."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.block import Block, Part
from hsad.detectors.evidence.subspaces import Subspaces

__all__ = ["cached"]


def cached(
    block: Block, place: Part, name: str, subspaces: Subspaces, values: Callable[[Block], NDArray[np.floating]]
) -> NDArray[np.float32]:
    """Return a map from the block's cache if it belongs to these subspaces; else compute and store it.

    A part of a scene that is one block gets its part of the map of the scene, which is the same, bit for bit.

    Parameters
    ----------
    block : Block
    place : tuple of two slices
        Rows and columns of the block that the map shows.
    name : str
        The name of the map in the cache.
    subspaces : Subspaces
    values : callable
        Returns the map of a block.
    """
    if block.whole is not None:
        rows, cols = (slice(of.start + at, of.stop + at) for of, at in zip(place, block.origin, strict=True))
        return cached(block.whole, block.whole.core, name, subspaces, values)[rows, cols]
    before, known = block.cache.get(name, (None, None))
    if known is None or not subspaces.equals(before):
        known = values(block).astype(np.float32)
        block.cache[name] = (subspaces, known)
    return np.asarray(known, dtype=np.float32)
