"""The colours of score maps: one palette for QGIS styles and figures."""

from __future__ import annotations

__all__ = [
    "BELOW_PALETTE",
    "FOUND_COLOR",
    "GRADE_COLORS",
    "GRADE_DASHES",
    "LISTED_PALETTE",
    "SCORE_PALETTE",
    "STRETCH",
    "is_logarithmic",
]

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

LISTED_PALETTE = SCORE_PALETTE[6:]
"""Colours of the scores of a list, from its lowest to its highest: all of them differ from `BELOW_PALETTE`."""

BELOW_PALETTE = ("#000004", "#33363c")
"""Ends of the dark grey of scores below a list, from their median to the lowest score of the list."""

FOUND_COLOR = "#00e5ff"
"""Rings and outlines of anomalies: a cyan that the palettes lack, drawn with a dark edge."""

FURTHER_COLOR = "#c3cad4"
"""Rings and outlines of candidates that are no better than background, and outlines of anomalies of no kind."""

GRADE_COLORS = {"almost certain": FOUND_COLOR, "likely": "#ffe14d", "possible": "#ff9ad5"}
"""Outlines on an interactive map. The grades differ in brightness and in line style too, see `GRADE_DASHES`."""

GRADE_DASHES = {"almost certain": "-", "likely": "--", "possible": ":"}
"""Line styles of grades, in the letters of matplotlib."""

CLASS_PERCENTILES = (50.0, 95.0, 99.0, 99.9)
"""Percentiles between the five classes of scores without a list."""

STRETCH = (50.0, 99.9)
"""Percentiles of the scores at the ends of the palette. The lower half of the scores is black."""


def is_logarithmic(low: float, high: float) -> bool:
    """Return whether the palette is logarithmic between two scores, that is, their quotient is 10 or more.

    If a scene has strong targets, squared distances differ by more than this, and a linear scale would show only the
    targets.
    """
    return 0 < 10 * low <= high
