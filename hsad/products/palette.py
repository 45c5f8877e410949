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
"""Seventeen equally spaced colours of "inferno" (CC0), which is perceptually uniform, from dark to bright."""

STRETCH = (50.0, 99.9)
"""Percentiles of the scores at the ends of the palette. The lower half of the scores is black."""


def is_logarithmic(low: float, high: float) -> bool:
    """Return whether the palette is logarithmic between two scores, that is, their quotient is 10 or more.

    If a scene has strong targets, squared distances differ by more than this, and a linear scale would show only the
    targets.
    """
    return 0 < 10 * low <= high
