"""Which outlines of two lists are the same thing: by overlap, else by the distance between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NEAR", "overlapped", "owners"]

NEAR = 2.0
"""Pixels between the outlines of two anomalies that do not overlap and still are one: another detector moves an object
of one pixel that far."""


def owners(new: NDArray[Any], old: NDArray[Any], near: float) -> NDArray[np.intp]:
    """Return for each new outline the number of the old one that it is, -1 for none.

    It is the old one that covers most of it. Where none overlaps it, it is the nearest old one at most `near` away that
    is no other new one. An outline that is None is like no other.
    """
    import shapely

    owner = np.full(len(new), -1, dtype=np.intp)
    if not len(new):
        return owner
    tree = shapely.STRtree(old)
    first, second = tree.query(new, predicate="intersects")
    shared = shapely.area(shapely.intersection(new[first], old[second]))
    for place, number in zip(*(pairs[np.lexsort((second, -shared))] for pairs in (first, second)), strict=True):
        if owner[place] < 0 and shapely.intersection(new[place], old[number]).area > 0:
            owner[place] = number
    free = np.setdiff1d(np.arange(len(old)), owner)
    left = np.flatnonzero(owner < 0)
    if len(free) and len(left):
        at, number = shapely.STRtree(old[free]).query(new[left], predicate="dwithin", distance=near)
        distance = shapely.distance(new[left[at]], old[free[number]])
        taken: set[int] = set()
        for pair in np.lexsort((number, at, distance)):
            place, mark = int(left[at[pair]]), int(free[number[pair]])
            if owner[place] < 0 and mark not in taken:
                owner[place] = mark
                taken.add(mark)
    return owner


def overlapped(old: NDArray[Any], new: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which old outlines share an area with a new one."""
    import shapely

    found = np.zeros(len(old), dtype=np.bool_)
    if len(old) and len(new):
        first, second = shapely.STRtree(new).query(old, predicate="intersects")
        shared = shapely.area(shapely.intersection(old[first], new[second])) > 0
        found[first[shared]] = True
    return found
