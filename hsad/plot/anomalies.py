"""The figure of a list of anomalies: their outlines and ranks on the score map, its headline above."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.headline import headline
from hsad.plot.figures import save_figure
from hsad.plot.map_marks import add_north_arrow, dark_edge
from hsad.plot.maps import plot_scores
from hsad.products.palette import FOUND_COLOR

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

    from hsad.anomalies.vectors import Anomalies

__all__ = ["plot_anomalies"]


def plot_anomalies(
    scores: Any, anomalies: Anomalies, path: str | os.PathLike[str] | None = None, *, overwrite: bool = False
) -> Figure:
    """Draw a score map with the outlines of anomalies, numbered rings around them, a scale bar and a north arrow.

    Colours, rings and numbers are those of `plot_scores` with a list; the title is the list's headline.

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
    figure = plot_scores(scores, anomalies=anomalies, title=headline(anomalies))
    axes = figure.axes[0]
    for outline in anomalies.outline:
        for part in getattr(outline, "geoms", [outline]):
            x, y = np.asarray(part.exterior.coords).T
            axes.plot(x, y, color=FOUND_COLOR, linewidth=0.8, path_effects=dark_edge(1.8))
    add_north_arrow(axes, anomalies.grid)
    save_figure(figure, path, overwrite=overwrite)
    return figure
