"""What a query found: the peaks above its threshold, and in words how far the number can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.image.peaks import ONE, REACH
from hsad.siblings.counts import AROUND_ONE, MOST, Highest
from hsad.siblings.detector import Looked
from hsad.siblings.directions import FEW_BANDS
from hsad.siblings.shares import Curve, curve_of

__all__ = ["Found", "found_of", "without_twins"]

#: A query that this share of the pixels exceeds in distance from the mean is nothing unusual.
_ORDINARY = 0.3


@dataclass(frozen=True, eq=False)
class Found:
    """What a query found.

    Attributes
    ----------
    name : str
        The query, as the user named it.
    curve : Curve
    share : float
        The share of false ones that was asked for.
    threshold : float
        The lowest cosine of a listed object; inf where nothing is listed.
    peaks : Highest
        The listed objects, the highest first.
    doubts : tuple of str
    """

    name: str
    curve: Curve
    share: float
    threshold: float
    peaks: Highest
    doubts: tuple[str, ...]

    @property
    def cosine(self) -> NDArray[np.float64]:
        """The cosines of the listed objects."""
        return np.asarray(self.peaks.value / ONE)

    @property
    def expected_false(self) -> float:
        """Expected number of false ones among the listed objects."""
        return float(self.curve.expected_at(np.array([self.threshold]))[0]) if len(self.peaks.row) else 0.0

    def pixels(self, rank: int) -> NDArray[np.int64]:
        """Return rows and columns of the pixels of an object, ``(n, 2)``, those of its highest pixel first.

        They are the pixels of the 5 x 5 around the highest one that reach the threshold and touch it.
        """
        from scipy import ndimage

        around = self.peaks.around[rank]
        labels, _ = ndimage.label(around >= np.floor(self.threshold * AROUND_ONE), structure=np.ones((3, 3)))
        inside = np.argwhere(labels == labels[REACH, REACH]) - REACH
        others = inside[(inside != 0).any(axis=1)]
        return np.asarray(np.array([self.peaks.row[rank], self.peaks.col[rank]]) + np.vstack([[[0, 0]], others]))

    def sentence(self) -> str:
        """Return what was found, in words."""
        number = len(self.peaks.row)
        smallest = self.curve.smallest_share()
        stated = ""
        if smallest >= 1:
            stated = " Every list here would be all false by the count of decoys and mirror."
        elif not np.isnan(smallest):
            stated = f" The smallest share that can be stated here is {100 * smallest:.0f} %."
        if number:
            objects = "object" if number == 1 else "objects"
            false = "probably none" if self.expected_false < 0.5 else f"about {self.expected_false:.0f}"
            text = f"{number} more {objects} like {self.name}, {false} of them false."
        else:
            text = f"No other object is listed as like {self.name} at a false share of {100 * self.share:.0f} %."
        return " ".join([text + stated, *(f"{doubt[:1].upper()}{doubt[1:]}." for doubt in self.doubts)])

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON holds them."""
        smallest = self.curve.smallest_share()
        return {
            "like": self.name,
            "found": len(self.peaks.row),
            "expected_false": self.expected_false,
            "smallest_share": None if np.isnan(smallest) else smallest,
            "threshold": None if np.isinf(self.threshold) else self.threshold,
            "doubts": list(self.doubts),
        }


def found_of(looked: Looked, names: tuple[str, ...], share: float) -> list[Found]:
    """Return what each query found at a share of false ones."""
    results = []
    for number, name in enumerate(names):
        curve = curve_of(looked.counts, number, looked.pixels)
        threshold = curve.threshold(share)
        peaks = looked.counts.highest.of(number)
        above = peaks.value >= (threshold * ONE if np.isfinite(threshold) else np.inf)
        results.append(
            Found(name, curve, share, threshold, peaks.chosen(above), _doubts(curve, threshold, looked, number))
        )
    return results


def _doubts(curve: Curve, threshold: float, looked: Looked, number: int) -> tuple[str, ...]:
    doubts = []
    if curve.is_material(threshold):
        doubts.append("more than 2 % of the pixels are like it: it is a material of the scene, not an object")
    if curve.found_at(threshold) > MOST:
        doubts.append(f"{curve.found_at(threshold)} objects reach the threshold, and the {MOST} highest are listed")
    bands = len(looked.sought.mean)
    ordinary = looked.counts.share_longer(float(looked.sought.lengths[number]), bands)
    if ordinary > _ORDINARY:
        doubts.append(
            f"{100 * ordinary:.0f} % of the pixels differ more from the scene's mean than it does: "
            "what the scene is made of cannot be found as an object"
        )
    if bands < FEW_BANDS:
        doubts.append(f"the number of false ones is known for scenes of 100 bands and more, and {bands} are used here")
    return tuple(doubts)


def without_twins(found: list[Found]) -> list[tuple[int, int]]:
    """Return number of query and rank of the objects of all queries, each place once, the highest cosine first.

    Two queries may find the same object, at pixels that are at most `REACH` rows and columns apart. It is listed for
    the query that it is most like.
    """
    ranked = sorted(
        (-int(part.peaks.value[rank]), int(part.peaks.row[rank]), int(part.peaks.col[rank]), number, rank)
        for number, part in enumerate(found)
        for rank in range(len(part.peaks.row))
    )
    taken: dict[tuple[int, int], int] = {}
    kept = []
    for _, row, col, number, rank in ranked:
        near = (
            taken.get((row + down, col + right), number)
            for down in range(-REACH, REACH + 1)
            for right in range(-REACH, REACH + 1)
        )
        if all(other == number for other in near):
            taken[row, col] = number
            kept.append((number, rank))
    return kept
