"""Maps of a block that are computed once: for all passes over it, and for all blocks that need a part of them."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.block import Block, Leaves, Part, within
from hsad.detectors.evidence.subspaces import Subspaces

__all__ = ["cached"]


def cached(
    block: Block, place: Part, name: str, subspaces: Subspaces, values: Callable[[Block], NDArray[np.floating]]
) -> NDArray[np.float32]:
    """Return a map from the caches of the leaves if it belongs to these subspaces; else compute and store it.

    A map is the same, bit for bit, whichever block computed it. So a block gets the parts of the map that other leaves
    have computed, and a part of a scene that is one block gets its part of the map of the scene.

    Parameters
    ----------
    block : Block
    place : tuple of two slices
        Rows and columns of the block that the map shows.
    name : str
        The name of the map in the caches.
    subspaces : Subspaces
    values : callable
        Returns the map of a block's core.
    """
    rows, cols = (slice(of.start + at, of.stop + at) for of, at in zip(place, block.origin, strict=True))
    if block.whole is not None:
        return cached(block.whole, block.whole.core, name, subspaces, values)[rows, cols]
    known = _part(block.cache, name, subspaces, (rows, cols))
    if known is None and block.leaves is not None:
        known = _assembled(block.leaves, name, subspaces, (rows, cols))
    if known is None:
        known = values(replace(block, core=place)).astype(np.float32)
        block.cache[name] = (subspaces, known, rows.start, cols.start)
    return np.asarray(known, dtype=np.float32)


def _part(cache: MutableMapping[str, Any], name: str, subspaces: Subspaces, window: Part) -> NDArray[np.float32] | None:
    """Return a window of the scene from the map in a cache, None if the cache does not have all of it."""
    before, known, top, left = cache.get(name, (None, None, 0, 0))
    if known is None:
        return None
    rows, cols = within(window, (slice(top, None), slice(left, None)))
    if rows.start < 0 or cols.start < 0 or rows.stop > known.shape[0] or cols.stop > known.shape[1]:
        return None
    return np.asarray(known[rows, cols]) if subspaces.equals(before) else None


def _assembled(leaves: Leaves, name: str, subspaces: Subspaces, window: Part) -> NDArray[np.float32] | None:
    """Return a window of the scene from the maps of the leaves that cover it, None if one of them has none."""
    assembled: NDArray[np.float32] | None = None
    rows, cols = window
    for leaf, cache in leaves.over(rows, cols):
        shared = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(leaf, window, strict=True))
        part = _part(cache, name, subspaces, (shared[0], shared[1]))
        if part is None:
            return None
        if assembled is None:
            shape = (rows.stop - rows.start, cols.stop - cols.start, *part.shape[2:])
            assembled = np.empty(shape, np.float32)
        assembled[within((shared[0], shared[1]), window)] = part
    return assembled
