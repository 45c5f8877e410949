"""Anomalies: connected pixels above a threshold, found strip by strip, the same objects whatever the strips.

Pixels belong to one object when they touch, also at a corner. With ``merge`` D they belong to one object when they lie
at most D rows and D columns apart. Parts of one large object are joined: where pixels above a second, lower score
connect them, and where one part lies in a hole of another. Memory holds one strip, the outlines, and a few numbers per
object.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["Objects", "find_objects"]

_EIGHT = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True)
class Objects:
    """Objects, the highest score first.

    Attributes
    ----------
    outline : (n,) ndarray of shapely Polygon or MultiPolygon
        In pixel coordinates: x is the column, y the row, the first pixel covers 0 to 1. Holes are holes.
    pixels : (n,) ndarray of int
        The number of pixels.
    score_max, score_mean : (n,) ndarray of float
        Over the object's pixels.
    row, col : (n,) ndarray of int
        The pixel with the highest score (the first of equal ones).
    """

    outline: NDArray[Any]
    pixels: NDArray[np.int64]
    score_max: NDArray[np.float64]
    score_mean: NDArray[np.float64]
    row: NDArray[np.int64]
    col: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pixels)

    def chosen(self, which: NDArray[Any]) -> Objects:
        """Return some of the objects: those at these places, or those that a mask marks."""
        return Objects(**{f.name: getattr(self, f.name)[which] for f in fields(Objects)})


def find_objects(
    strips: Iterable[tuple[int, NDArray[np.floating[Any]]]],
    threshold: float,
    *,
    min_pixels: int = 1,
    merge: int = 1,
    joined_from: float = math.inf,
) -> Objects:
    """Return the objects of a score map: groups of pixels whose score is at least the threshold.

    Parameters
    ----------
    strips : iterable of (int, (rows, cols) ndarray)
        The map from the top to the bottom, in strips of any height: first row and scores (NaN without a score).
    threshold : float
        A pixel belongs to an object when its score is at least this.
    min_pixels : int
        Smaller objects are left out.
    merge : int
        Pixels at most this many rows and columns apart belong to one object; 1: they touch.
    joined_from : float
        Objects are one where a way of touching pixels whose score is at least this leads from one to the other. With a
        value at or above the threshold no objects are joined.

    Returns
    -------
    Objects

    Raises
    ------
    ParameterError
        When `min_pixels` or `merge` is below 1, or the threshold is NaN.
    """
    for name, value in (("min_pixels", min_pixels), ("merge", merge)):
        if value < 1:
            raise ParameterError(f"{name} must be at least 1, not {value}")
    if np.isnan(threshold):
        raise ParameterError("threshold must be a number, not nan")
    joins = joined_from < threshold
    parts = _Parts(merge)
    for first, scores in strips:
        parts.add(first, scores, scores >= threshold, scores >= joined_from if joins else None)
    return parts.objects(min_pixels)


class _Labels:
    """Groups of touching pixels in each strip, numbered over all strips from 0, and the pairs of numbers of one group.

    Attributes
    ----------
    count : int
        The number of groups in all strips so far.
    pairs : list of (n, 2) ndarray of int
        Groups of two neighbouring strips that touch.
    """

    def __init__(self) -> None:
        self.count = 0
        self.pairs: list[NDArray[np.int64]] = []
        self._last: NDArray[np.int64] | None = None

    def add(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the number of each pixel's group, -1 outside of the mask; the strips come from the top down."""
        from scipy import ndimage

        labels, count = ndimage.label(mask, structure=_EIGHT)
        numbers = np.where(labels > 0, labels.astype(np.int64) - 1 + self.count, -1)
        if self._last is not None:
            self._join(self._last, numbers[0])
        self._last = numbers[-1]
        self.count += count
        return numbers

    def _join(self, above: NDArray[np.int64], below: NDArray[np.int64]) -> None:
        for shift in (-1, 0, 1):
            upper = above[max(0, shift) : len(above) + min(0, shift)]
            lower = below[max(0, -shift) : len(below) + min(0, -shift)]
            touching = (upper >= 0) & (lower >= 0)
            self.pairs.append(np.unique(np.stack([upper[touching], lower[touching]], axis=1), axis=0))


class _Parts:
    """The parts of objects in each strip, numbered over all strips, and the pairs of parts that are one object."""

    def __init__(self, merge: int) -> None:
        self.merge = merge
        self.parts = _Labels()
        self.grounds = _Labels()  # what joins parts
        self.on_ground: list[NDArray[np.int64]] = []  # pairs of a part and the ground on which it stands
        self.rows: list[dict[str, NDArray[Any]]] = []
        self.polygons: list[NDArray[Any]] = []
        self.owners: list[NDArray[np.int64]] = []
        self.above: NDArray[np.bool_] | None = None  # the mask's last rows

    def add(
        self,
        first: int,
        scores: NDArray[np.floating[Any]],
        mask: NDArray[np.bool_],
        ground: NDArray[np.bool_] | None,
    ) -> None:
        start = self.parts.count
        numbers = self.parts.add(self._grown(mask))
        row, col = np.nonzero(mask)
        if ground is not None:
            grounds = self.grounds.add(ground)[row, col]
            self.on_ground.append(np.unique(np.stack([numbers[row, col], grounds], axis=1), axis=0))
        owner = numbers[row, col] - start
        self._measure(first, start, scores[row, col].astype(np.float64), row, col, owner)
        self._outline(first, start, mask, np.maximum(numbers - start + 1, 0).astype(np.int32), row, col, owner)

    def _grown(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the mask with each pixel stretched down and to the right, so that pixels `merge` apart touch."""
        stretch = self.merge - 1
        if stretch == 0:
            return mask
        above = np.zeros((stretch, mask.shape[1]), dtype=np.bool_) if self.above is None else self.above
        tall = np.concatenate([above, mask])
        self.above = tall[-stretch:].copy()
        wide = tall.copy()
        for step in range(1, stretch + 1):
            wide[:, step:] |= tall[:, :-step]
        grown = wide[stretch:].copy()
        for step in range(1, stretch + 1):
            grown |= wide[stretch - step : len(wide) - step]
        return grown

    def _measure(
        self,
        first: int,
        start: int,
        value: NDArray[np.float64],
        row: NDArray[np.intp],
        col: NDArray[np.intp],
        owner: NDArray[np.int64],
    ) -> None:
        # The pixel with the highest score of each part: sorted by part, then by falling score, then by place.
        order = np.lexsort((np.arange(len(value)), -value, owner))
        parts, starts = np.unique(owner[order], return_index=True)
        best = order[starts]
        self.rows.append(
            {
                "part": parts + start,
                "pixels": np.bincount(owner)[parts],
                "total": np.bincount(owner, weights=value)[parts],
                "highest": value[best],
                "row": row[best] + first,
                "col": col[best],
            }
        )

    def _outline(
        self,
        first: int,
        start: int,
        mask: NDArray[np.bool_],
        labels: NDArray[np.int32],
        row: NDArray[np.intp],
        col: NDArray[np.intp],
        owner: NDArray[np.int64],
    ) -> None:
        """Store the outlines of the strip's parts: rectangles (most of them) all at once, the others by tracing."""
        import shapely
        from affine import Affine
        from rasterio.features import shapes

        if not len(owner):
            return
        order = np.argsort(owner, kind="stable")  # within a part still by rows
        parts, starts, sizes = np.unique(owner[order], return_index=True, return_counts=True)
        low, high = row[order][starts], row[order][starts + sizes - 1]
        left, right = np.minimum.reduceat(col[order], starts), np.maximum.reduceat(col[order], starts)
        plain = sizes == (high - low + 1) * (right - left + 1)
        boxes = shapely.box(left[plain], low[plain] + first, right[plain] + 1, high[plain] + first + 1)
        self.polygons.append(boxes)
        self.owners.append(parts[plain] + start)
        if plain.all():
            return
        rectangular = np.zeros(int(labels.max()) + 1, dtype=np.bool_)
        rectangular[parts[plain] + 1] = True
        placed = Affine(1, 0, 0, 0, 1, first)
        traced = [
            (shapely.Polygon(shape["coordinates"][0], shape["coordinates"][1:]), int(label) - 1 + start)
            for shape, label in shapes(labels, mask=mask & ~rectangular[labels], connectivity=4, transform=placed)
        ]
        self.polygons.append(np.array([polygon for polygon, _ in traced], dtype=object))
        self.owners.append(np.array([number for _, number in traced], dtype=np.int64))

    def objects(self, min_pixels: int) -> Objects:
        """Return the objects with enough pixels, the highest score first."""
        parts, grounds = self.parts.count, self.grounds.count  # numbers of grounds follow those of parts
        on_ground = [both + np.array([0, parts]) for both in self.on_ground]
        of_grounds = [both + parts for both in self.grounds.pairs]
        pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *self.parts.pairs, *on_ground, *of_grounds])
        whole = _groups(pairs, parts + grounds)[:parts]
        found, groups = self._ranked(whole)
        inside = _in_holes(found)
        if len(inside):
            found, _ = self._ranked(_groups(groups[inside], int(whole.max()) + 1)[whole])
        return found.chosen(found.pixels >= min_pixels)

    def _ranked(self, whole: NDArray[np.int64]) -> tuple[Objects, NDArray[np.int64]]:
        """Return the objects, and the number of each, where `whole` says which object each part belongs to."""
        empty = {name: np.empty(0, dtype=np.int64) for name in ("part", "pixels", "total", "highest", "row", "col")}
        table = {name: np.concatenate([empty[name], *(rows[name] for rows in self.rows)]) for name in empty}
        owner = whole[table["part"].astype(np.int64)]
        order = np.lexsort((table["col"], table["row"], -table["highest"], owner))
        found, starts = np.unique(owner[order], return_index=True)
        best = order[starts]
        ranked = np.lexsort((table["col"][best], table["row"][best], -table["highest"][best]))
        best, found = best[ranked], found[ranked]
        pixels, total = (np.bincount(owner, weights=table[name], minlength=1) for name in ("pixels", "total"))
        highest = table["highest"][best].astype(np.float64)
        objects = Objects(
            outline=self._outlines(whole, found),
            pixels=pixels[found].astype(np.int64),
            score_max=highest,
            score_mean=total[found] / pixels[found],
            row=table["row"][best].astype(np.int64),
            col=table["col"][best].astype(np.int64),
        )
        return objects, found

    def _outlines(self, whole: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[Any]:
        """Return the outline of each wanted object: its parts put together, without vertices on straight edges."""
        import shapely

        outlines = np.empty(len(wanted), dtype=object)
        if not len(wanted):
            return outlines
        polygons = np.concatenate(self.polygons)
        owner = whole[np.concatenate(self.owners)]
        place = np.full(len(whole), -1)
        place[wanted] = np.arange(len(wanted))
        rank = place[owner]
        polygons, rank = polygons[rank >= 0], rank[rank >= 0]
        order = np.argsort(rank, kind="stable")
        polygons, rank = polygons[order], rank[order]
        starts = np.searchsorted(rank, np.arange(len(wanted)))
        stops = np.append(starts[1:], len(rank))
        single = stops - starts == 1
        outlines[single] = polygons[starts[single]]
        for number in np.flatnonzero(~single):
            outlines[number] = shapely.union_all(polygons[starts[number] : stops[number]])
        outlines[~single] = shapely.simplify(outlines[~single], 0.0)
        return np.asarray(shapely.normalize(outlines))


def _groups(pairs: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """Return the number of the group of each of `number` things, where pairs of things belong to one group."""
    # The import of scipy's function would take as long as all else that is done with a list.
    lowest, before = np.arange(number), np.empty(0, dtype=np.int64)
    while not np.array_equal(lowest, before):
        before = lowest.copy()
        ends = before[pairs]
        for end in ends.T:
            np.minimum.at(lowest, end, ends.min(axis=1))
        lowest = lowest[lowest]
    return np.unique(lowest, return_inverse=True)[1]


def _in_holes(objects: Objects) -> NDArray[np.int64]:
    """Return pairs of objects, ``(n, 2)``: one lies in a hole of the other that is not larger than the other itself.

    A larger hole is not the inside of an object: a road around a town, a shore around an island.
    """
    import shapely

    parts, owner = shapely.get_parts(objects.outline, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    inner = np.concatenate([[False], part[1:] == part[:-1]]) if len(part) else np.empty(0, dtype=np.bool_)
    holes, owner = shapely.polygons(rings[inner]), owner[part[inner]]
    filled = shapely.area(holes) <= objects.pixels[owner]
    holes, owner = holes[filled], owner[filled]
    hole, inside = shapely.STRtree(objects.outline).query(holes, predicate="covers")
    return np.stack([owner[hole], inside], axis=1)
