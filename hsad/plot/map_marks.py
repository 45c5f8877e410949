"""Marks on maps: a scale bar, and an arrow to the north."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hsad.scene.ground import metres_along_x

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hsad.scene.cube import GeoGrid

__all__ = ["add_north_arrow", "add_scale_bar", "dark_edge"]


def dark_edge(width: float) -> list[Any]:
    """Return the effect that makes a bright mark visible on bright pixels: a dark line of this width under it."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground="black", alpha=0.8)]


def add_scale_bar(axes: Axes, grid: GeoGrid) -> None:
    """Draw a bar of a round length in the lower left, in metres, in units of a CRS without metres, or in pixels."""
    west, east = axes.get_xlim()
    metres = metres_along_x(grid)
    unit = "m"
    if not math.isfinite(metres):
        metres, unit = 1.0, "pixels" if grid.transform is None else "units"
    wanted = abs(east - west) * metres / 5
    power = 10 ** math.floor(math.log10(wanted))
    length = max(step * power for step in (1, 2, 5) if step * power <= wanted)
    shown = f"{length / 1000:g} km" if unit == "m" and length >= 1000 else f"{length:g} {unit}"
    fraction = length / metres / abs(east - west)
    place: dict[str, Any] = {"transform": axes.transAxes, "color": "white", "path_effects": dark_edge(5)}
    axes.plot([0.04, 0.04 + fraction], [0.04, 0.04], linewidth=3, **place)
    place["path_effects"] = dark_edge(2)
    axes.text(0.04, 0.055, shown, fontsize=8, **place)


def add_north_arrow(axes: Axes, grid: GeoGrid) -> None:
    """Draw an arrow to the grid's north in the upper right; nothing without georeferencing."""
    if grid.transform is None or grid.crs is None:
        return
    style = {"arrowstyle": "-|>", "color": "white", "linewidth": 1.5, "path_effects": dark_edge(3.5)}
    axes.annotate("", (0.95, 0.97), (0.95, 0.88), xycoords="axes fraction", arrowprops=style)
    letter = axes.text(0.95, 0.85, "N", transform=axes.transAxes, color="white", ha="center", va="center", fontsize=9)
    letter.set_path_effects(dark_edge(2.5))
