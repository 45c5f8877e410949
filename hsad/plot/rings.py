"""Rings around places on a map, with numbers that cover neither each other nor the places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsad.plot.map_marks import dark_edge

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from hsad.anomalies.vectors import Anomalies
    from hsad.scene.cube import GeoGrid

__all__ = ["Ring", "draw_rings", "ring_around", "rings_of"]

_MARGIN = 1.6
"""Least distance in pixels from an object to its ring."""
_SHARE = 0.012
"""Least distance from an object to its ring, as a share of the longer side of the map."""
_LETTER = (5.0, 9.0)
"""Width of a digit and height of a line at 8 points, in points."""
_DIRECTIONS = tuple(math.radians(angle) for angle in (45, 135, -45, -135, 0, 180, 90, -90))
"""Directions in which a number is tried beside its ring, counterclockwise from the right."""


@dataclass(frozen=True)
class Ring:
    """A circle around an object, in pixels of a map.

    Attributes
    ----------
    col, row : float
        Its centre, from the left and upper edge of the map.
    radius : float
    text : str
        What is written beside it; may be empty.
    dash : str
        Line style of matplotlib.
    """

    col: float
    row: float
    radius: float
    text: str = ""
    dash: str = "-"


def ring_around(col: tuple[float, float], row: tuple[float, float], longest: float, **more: str) -> Ring:
    """Return the ring around a box of pixels on a map whose longer side has `longest` pixels."""
    half = math.hypot(col[1] - col[0], row[1] - row[0]) / 2
    return Ring((col[0] + col[1]) / 2, (row[0] + row[1]) / 2, half + max(_MARGIN, _SHARE * longest), **more)


def rings_of(anomalies: Anomalies, dashes: dict[str, str], most_numbers: int) -> list[Ring]:
    """Return the rings around the outlines of anomalies, in pixels of their grid.

    Parameters
    ----------
    anomalies : Anomalies
        The first `most_numbers` of them get their number.
    dashes : dict of str to str
        Line style of each grade; others are drawn solid.
    most_numbers : int
    """
    import shapely

    grid, longest = anomalies.grid, max(anomalies.grid.rows, anomalies.grid.cols)
    grades = anomalies.columns.get("grade", np.full(len(anomalies), None))
    found = []
    for place, outline in enumerate(anomalies.outline):
        corners = shapely.get_coordinates(outline)
        pixels = corners if grid.transform is None else np.asarray(grid.to_pixels(corners))
        (left, top), (right, bottom) = pixels.min(axis=0), pixels.max(axis=0)
        text = str(anomalies.columns["id"][place]) if place < most_numbers else ""
        dash = dashes.get(str(grades[place]), "-")
        found.append(ring_around((left, right), (top, bottom), longest, text=text, dash=dash))
    return found


def draw_rings(axes: Axes, rings: Sequence[Ring], grid: GeoGrid, aspect: float, color: str) -> None:
    """Draw rings in one colour with a dark edge, so that they show on bright and on dark pixels.

    Parameters
    ----------
    axes : Axes
        Its place on the figure, its limits and its aspect are final.
    rings : sequence of Ring
    grid : GeoGrid
        The grid whose pixels the rings are in.
    aspect : float
        How long a unit of y is drawn for one of x.
    color : str
    """
    from matplotlib.collections import EllipseCollection

    if not rings:
        return
    side = math.sqrt(grid.pixel_area)
    centres = np.asarray(grid.to_map([(ring.col, ring.row) for ring in rings]), dtype=np.float64)
    for dash in dict.fromkeys(ring.dash for ring in rings):
        chosen = [place for place, ring in enumerate(rings) if ring.dash == dash]
        widths = [2 * rings[place].radius * side for place in chosen]
        axes.add_collection(
            EllipseCollection(
                widths,
                [width / aspect for width in widths],
                [0.0] * len(chosen),
                units="xy",
                offsets=centres[chosen],
                offset_transform=axes.transData,
                facecolors="none",
                edgecolors=color,
                linewidths=1.8 if dash == ":" else 1.3,
                linestyles=dash,
                path_effects=dark_edge(3.6),
                zorder=4,
            )
        )
    to_points = 72.0 / axes.figure.dpi
    points = axes.transData.transform(centres) * to_points
    (origin, _), (unit, _) = axes.transData.transform([(0.0, 0.0), (1.0, 0.0)])
    radii = np.array([ring.radius for ring in rings]) * side * abs(unit - origin)
    frame = np.array(axes.get_window_extent().extents) * to_points
    shifts = _free_places([ring.text for ring in rings], points, radii * to_points, frame)
    for ring, centre, shift in zip(rings, centres, shifts, strict=True):
        if ring.text:
            label = axes.annotate(
                ring.text, centre, shift, textcoords="offset points", va="bottom", ha="left", annotation_clip=False
            )
            label.set(color=color, fontsize=8, fontweight="bold", path_effects=dark_edge(2.5), zorder=5)


def _free_places(
    texts: Sequence[str], points: NDArray[np.float64], radii: NDArray[np.float64], frame: NDArray[np.float64]
) -> list[tuple[float, float]]:
    """Return where each text begins, seen from its point: where it covers least of other texts and of ringed places.

    All lengths are in points. Texts are placed in their order, each at one of `_DIRECTIONS`.
    """
    spots = np.column_stack([points - 0.7 * radii[:, None], points + 0.7 * radii[:, None]])
    written = np.empty((0, 4))
    shifts: list[tuple[float, float]] = []
    for place, text in enumerate(texts):
        if not text:
            shifts.append((0.0, 0.0))
            continue
        size = np.array([_LETTER[0] * len(text), _LETTER[1]])
        towards = np.column_stack([np.cos(_DIRECTIONS), np.sin(_DIRECTIONS)])
        corner = points[place] + (radii[place] + 1.0) * towards + (towards - 1) / 2 * size
        boxes = np.column_stack([corner, corner + size])
        others = np.vstack([written, np.delete(spots, place, axis=0)])
        cost = 0.01 * np.arange(len(boxes)) + _shared(boxes, others).sum(axis=1)
        cost += 10 * (size.prod() - _shared(boxes, frame[None])[:, 0])
        best = int(cost.argmin())
        written = np.vstack([written, boxes[best]])
        x, y = corner[best] - points[place]
        shifts.append((float(x), float(y)))
    return shifts


def _shared(some: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area that each of some boxes (left, low, right, high) shares with each of others."""
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, 2:], others[None, :, 2:])
    area: NDArray[np.float64] = np.clip(high - low, 0, None).prod(axis=2)
    return area
