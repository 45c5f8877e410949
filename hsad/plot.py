"""Figures: maps with scale bar and north arrow, anomalies on them, ROC curves flat and in space, separability.

>>> import hsad.plot
>>> sorted(hsad.plot.__all__)[:3]
['plot_anomalies', 'plot_explanation', 'plot_layers']
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import ParameterError
from hsad.evaluation import scored_pixels
from hsad.products.figures import LINE_COLORS, new_figure, plot_roc, plot_scores, save_figure
from hsad.products.layers import plot_layers
from hsad.products.map_marks import add_north_arrow, dark_edge
from hsad.products.styles import STATE_COLORS
from hsad.report.figure import plot_explanation

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from hsad.products.anomalies import Anomalies

__all__ = [
    "plot_anomalies",
    "plot_explanation",
    "plot_layers",
    "plot_roc",
    "plot_roc_3d",
    "plot_scores",
    "plot_separability",
]

_MOST_LABELS = 30


def plot_anomalies(
    scores: Any, anomalies: Anomalies, path: str | os.PathLike[str] | None = None, *, overwrite: bool = False
) -> Figure:
    """Draw a score map with the outlines and ranks of anomalies, a scale bar and a north arrow.

    Parameters
    ----------
    scores : (y, x) DataArray or (rows, cols) ndarray
    anomalies : Anomalies
        Of these scores, as `hsad.polygons` returns them.
    path : path, optional
        PNG, PDF or SVG.
    overwrite : bool
        Whether it may replace a file.
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


def _normalised(scores: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scores of anomalous and of background pixels, from 0 to 1 over both."""
    scored = scored_pixels(scores, truth)
    low = min(scored.anomalous.min(), scored.background.min())
    span = max(scored.anomalous.max(), scored.background.max()) - low or 1.0
    return (scored.anomalous - low) / span, (scored.background - low) / span


def plot_roc_3d(
    scores: Mapping[str, ArrayLike],
    truth: ArrayLike,
    path: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
) -> Figure:
    """Draw the ROC in space: detection rate over false-alarm rate and threshold τ, and its two side views.

    Parameters
    ----------
    scores : mapping of str to (rows, cols) array_like
        By the name of the detector.
    truth : (rows, cols) array_like
    path : path, optional
        PNG, PDF or SVG.
    overwrite : bool
        Whether it may replace a file.

    References
    ----------
    C.-I. Chang, IEEE Trans. Geosci. Remote Sens. 59(6):5131, 2021.
    """
    if not scores:
        raise ParameterError("plot_roc_3d needs the scores of at least one detector")
    tau = np.linspace(0, 1, 401)
    figure = new_figure((13.0, 4.4))
    space = figure.add_subplot(1, 3, 1, projection="3d")
    views = [figure.add_subplot(1, 3, 2), figure.add_subplot(1, 3, 3)]
    for number, (name, values) in enumerate(scores.items()):
        anomalous, background = _normalised(values, truth)
        detected, false = (
            1 - np.searchsorted(np.sort(part), tau, side="left") / part.size for part in (anomalous, background)
        )
        color = LINE_COLORS[number % len(LINE_COLORS)]
        space.plot(false, tau, detected, color=color, label=name)
        views[0].plot(tau, detected, color=color, label=f"{name}, area {anomalous.mean():.3f}")
        views[1].plot(tau, false, color=color, label=f"{name}, area {background.mean():.3f}")
    space.set(xlabel="False-alarm rate", ylabel="τ", zlabel="Detection rate")
    space.set_box_aspect(None, zoom=0.78)  # room for the labels of its axes, which no layout knows of
    for view, title in zip(views, ("Detection rate", "False-alarm rate"), strict=True):
        view.set(xlabel="Threshold τ (scores from 0 to 1)", ylabel=title, xlim=(0, 1), ylim=(0, 1.02))
        view.legend(frameon=False, fontsize=8)
        view.grid(visible=True, color="0.88")
    save_figure(figure, path, overwrite=overwrite)
    return figure


def plot_separability(
    scores: Mapping[str, ArrayLike],
    truth: ArrayLike,
    path: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
) -> Figure:
    """Draw boxes of the scores of anomalous and of background pixels, from 0 to 1, for each detector.

    Boxes hold half of the pixels, whiskers 1 to 99 %. Detectors separate well where the boxes lie apart.

    Parameters
    ----------
    scores, truth, path, overwrite
        As for `plot_roc_3d`.
    """
    if not scores:
        raise ParameterError("plot_separability needs the scores of at least one detector")
    figure = new_figure((1.8 + 1.4 * len(scores), 4.4))
    axes = figure.add_subplot()
    for kind, (label, color) in enumerate((("anomalous", LINE_COLORS[1]), ("background", LINE_COLORS[0]))):
        parts = [_normalised(values, truth)[kind] for values in scores.values()]
        boxes = axes.boxplot(
            parts,
            positions=np.arange(len(parts)) + (-0.18 if kind == 0 else 0.18),
            widths=0.3,
            whis=(1, 99),
            showfliers=False,
            patch_artist=True,
            medianprops={"color": "black"},
        )
        for box in boxes["boxes"]:
            box.set(facecolor=color, alpha=0.75)
        boxes["boxes"][0].set_label(label)
    axes.set_xticks(np.arange(len(scores)), list(scores))
    axes.set_ylabel("Score (from 0 to 1)")
    axes.legend(frameon=False)
    save_figure(figure, path, overwrite=overwrite)
    return figure
