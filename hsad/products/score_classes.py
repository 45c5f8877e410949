"""The five named classes in which a GIS draws scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hsad.products.palette import BELOW_PALETTE, LISTED_PALETTE

if TYPE_CHECKING:
    from hsad.products.summary import BandSummary

__all__ = ["ScoreClass", "classes_by_share", "classes_of_list"]

_LISTED_COLORS = (LISTED_PALETTE[1], LISTED_PALETTE[5], LISTED_PALETTE[-1])
_BELOW_ALPHA = 150
_LOWER_HALF = "lower half of the scores"


@dataclass(frozen=True)
class ScoreClass:
    """A class of scores, from the upper end of the class before it.

    Attributes
    ----------
    upper : float
        The class ends below this score; infinite for the last one.
    label : str
    color : str
        ``#rrggbb``.
    alpha : int
        0 (what lies under the raster shows) to 255.
    """

    upper: float
    label: str
    color: str
    alpha: int = 255


def classes_by_share(band: BandSummary) -> list[ScoreClass]:
    """Return the classes of scores whose list is not known: by the share of pixels that reach them."""
    labels = [_LOWER_HALF, "upper half", "highest 5 %", "highest 1 %", "highest 0.1 %"]
    limits = band.limits if math.isfinite(band.low) else (0.2, 0.4, 0.6, 0.8)
    colors = [BELOW_PALETTE[0], BELOW_PALETTE[1], *_LISTED_COLORS]
    return _rising(
        [
            ScoreClass(*one)
            for one in zip((*limits, math.inf), labels, colors, (0, _BELOW_ALPHA, 255, 255, 255), strict=True)
        ]
    )


def classes_of_list(
    median: float, threshold: float, highest: float, grades: Mapping[str, tuple[float, float | None]]
) -> list[ScoreClass]:
    """Return the classes of scores for a list of anomalies.

    Parameters
    ----------
    median, threshold, highest : float
        The median score, the lowest score of the list, and the highest score.
    grades : mapping of str to (float, float or None)
        For each grade, from the least to the most certain, its largest probability of being background and the lowest
        score that has it, None where no score has it. Without grades the list is in three parts of equal width.
    """
    beyond = math.nextafter(max(highest, threshold), math.inf)
    if grades:
        starts = [beyond if start is None else start for _, start in grades.values()]
        names = [f"{name}: background with probability {most:g} at most" for name, (most, _) in grades.items()]
        below, limit = "no better than background", starts[0]
        names = [
            name if start < beyond else f"{name} (no score here)" for name, start in zip(names, starts, strict=True)
        ]
    else:
        below, limit = "below the list", threshold
        starts = [threshold + (highest - threshold) * third / 3 for third in range(3)]
        names = [f"in the list, {part} third of its scores" for part in ("lower", "middle", "upper")]
    uppers = (*starts[1:], math.inf)
    return _rising(
        [
            ScoreClass(min(median, limit), _LOWER_HALF, BELOW_PALETTE[0], 0),
            ScoreClass(limit, below, BELOW_PALETTE[1], _BELOW_ALPHA),
            *(ScoreClass(*part) for part in zip(uppers, names, _LISTED_COLORS, strict=True)),
        ]
    )


def _rising(classes: list[ScoreClass]) -> list[ScoreClass]:
    """Return the classes with ends that rise: a class that would be empty ends just above the one before it."""
    found: list[ScoreClass] = []
    for one in classes:
        least = -math.inf if not found else math.nextafter(found[-1].upper, math.inf)
        found.append(replace(one, upper=max(one.upper, least)))
    return found
