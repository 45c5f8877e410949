"""The colours of score maps: one palette for QGIS styles and figures."""

from __future__ import annotations

__all__ = ["SCORE_PALETTE", "STRETCH", "is_logarithmic"]

SCORE_PALETTE = (
    "#000004",
    "#0b0724",
    "#210c4a",
    "#3d0965",
    "#57106e",
    "#71196e",
    "#8a226a",
    "#a32c61",
    "#bc3754",
    "#d24644",
    "#e45a31",
    "#f1731d",
    "#f98e09",
    "#fcac11",
    "#f9cb35",
    "#f2ea69",
    "#fcffa4",
)
"""Seventeen equally spaced colours from dark to bright: "inferno", perceptually uniform (CC0)."""

STRETCH = (50.0, 99.9)
"""Percentiles of the scores between which the palette runs. The lower half of the scores is black."""


def is_logarithmic(low: float, high: float) -> bool:
    """Return whether the palette runs logarithmically between two scores: where they differ tenfold or more.

    Squared distances differ so much when a scene has strong targets. A linear scale would show only the targets then.
    """
    return 0 < 10 * low <= high
