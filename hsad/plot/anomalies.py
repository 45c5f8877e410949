"""The figure of a list of anomalies: their outlines and ranks on the score map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.plot.figures import save_figure
from hsad.plot.map_marks import add_north_arrow, dark_edge
from hsad.plot.maps import plot_scores
from hsad.products.styles import STATE_COLORS

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

    from hsad.anomalies.vectors import Anomalies

__all__ = ["plot_anomalies"]

_MOST_LABELS = 30  # more ranks would cover each other


def plot_anomalies(
    scores: Any, anomalies: Anomalies, path: str | os.PathLike[str] | None = None, *, overwrite: bool = False
) -> Figure:
    """Draw a score map with the outlines and ranks of anomalies, a scale bar and a north arrow.

    Parameters
    ----------
    scores : (y, x) DataArray or (rows, cols) ndarray
    anomalies : Anomalies
        The anomalies of these scores, as `hsad.polygons` returns them.
    path : path, optional
        PNG, PDF or SVG.
    overwrite : bool
        Whether an existing file may be replaced.
    """
    import shapely

    figure = plot_scores(scores, title=f"{len(anomalies)} anomalies")
    axes = figure.axes[0]
    for number, outline in enumerate(anomalies.outline):
        color = STATE_COLORS[str(anomalies.columns["state"][number])]
        for part in getattr(outline, "geoms", [outline]):
            x, y = np.asarray(part.exterior.coords).T
            axes.plot(x, y, color=color, linewidth=1.0, path_effects=dark_edge(2.5))
        if number < _MOST_LABELS:
            _, _, east, north = shapely.bounds(outline)
            label = axes.annotate(str(number + 1), (east, north), xytext=(2, 2), textcoords="offset points")
            label.set(color="white", fontsize=7, path_effects=dark_edge(2))
    add_north_arrow(axes, anomalies.grid)
    save_figure(figure, path, overwrite=overwrite)
    return figure
