"""Figures of measures: ROC curves flat and in space, separability, shares of objects found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hsad.errors import ParameterError
from hsad.evaluation import scored_pixels
from hsad.files import check_output
from hsad.plot.figures import FIGURE_SUFFIXES, LINE_COLORS, new_figure, save_figure

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from hsad.siblings.missed import Missed

__all__ = ["Curve", "plot_missed", "plot_roc", "plot_roc_3d", "plot_separability"]

_LINE_STYLES = ("-", "--", "-.", ":")  # they distinguish lines when the colours repeat


class Curve(Protocol):
    """A receiver operating characteristic, as `hsad.evaluation.roc_curve` gives it."""

    @property
    def false_alarm_rate(self) -> NDArray[np.float64]: ...  # noqa: D102  what its name says, 0 to 1, rising
    @property
    def detection_rate(self) -> NDArray[np.float64]: ...  # noqa: D102  likewise
    @property
    def auc(self) -> float: ...  # noqa: D102  the area under the curve


def plot_roc(
    curves: Mapping[str, Curve], path: str | os.PathLike[str] | None = None, *, overwrite: bool = False
) -> Figure:
    """Draw ROC curves over a logarithmic false-alarm rate, where detectors of rare targets differ.

    Parameters
    ----------
    curves : mapping of str to Curve
        Curves by their names. The legend lists the area under each curve, the largest first.
    path : path, optional
        PNG, PDF or SVG.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ParameterError
        When there is no curve.
    OutputError
        When the file cannot be written.
    """
    if not curves:
        raise ParameterError("plot_roc needs at least one curve")
    if path is not None:
        check_output(path, FIGURE_SUFFIXES, overwrite=overwrite)
    positive = [curve.false_alarm_rate[curve.false_alarm_rate > 0].min(initial=1.0) for curve in curves.values()]
    left = 10.0 ** math.floor(min(-1.0, math.log10(min(positive))))
    figure = new_figure((7.0, 5.0))
    axes = figure.add_subplot()
    chance = np.geomspace(left, 1.0, 200)
    axes.plot(chance, chance, color="0.6", linewidth=1, linestyle=(0, (2, 3)), label="chance, AUC 0.5000")
    ranked = sorted(curves.items(), key=lambda item: -item[1].auc)
    for number, (name, curve) in enumerate(ranked):
        axes.plot(
            np.maximum(
                curve.false_alarm_rate, left
            ),  # a logarithmic axis has no zero: such a rate is drawn at its edge
            curve.detection_rate,
            color=LINE_COLORS[number % len(LINE_COLORS)],
            linestyle=_LINE_STYLES[number % len(_LINE_STYLES)],
            linewidth=1.8,
            label=f"{name}, AUC {curve.auc:.4f}",
        )
    axes.set(xscale="log", xlim=(left, 1.0), ylim=(0.0, 1.02), xlabel="False-alarm rate", ylabel="Detection rate")
    axes.set_title("Receiver operating characteristic")
    axes.grid(visible=True, which="major", color="0.85", linewidth=0.7)
    axes.set_axisbelow(True)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        [*handles[1:], handles[0]],
        [*labels[1:], labels[0]],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        borderaxespad=0.0,
    )
    figure.set_size_inches(9.0, 5.0)
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
        Whether an existing file may be replaced.

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
    space.set_box_aspect(None, zoom=0.78)  # space for the labels of its axes, which the layout ignores
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


def plot_missed(missed: Missed, path: str | os.PathLike[str] | None = None, *, overwrite: bool = False) -> Figure:
    """Draw the share of objects that a method finds, against the share of a pixel that they cover.

    Parameters
    ----------
    missed : Missed
        From `hsad.limits`.
    path : path, optional
        PNG, PDF or SVG.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    OutputError
        When the file cannot be written.

    Examples
    --------
    >>> import numpy as np, hsad
    >>> scene = np.random.default_rng(0).normal(size=(60, 70, 8)) + 20
    >>> figure = hsad.plot.plot_missed(hsad.limits(scene, "ace", target=(10, 10)))
    >>> figure.axes[0].get_xlabel()
    'Share of a pixel that the object covers (%)'
    """
    if path is not None:
        check_output(path, FIGURE_SUFFIXES, overwrite=overwrite)
    figure = new_figure((8.8, 4.8))
    axes = figure.add_subplot()
    for number, size in enumerate(missed.sizes):
        points = missed.of_size(size)
        color = LINE_COLORS[number % len(LINE_COLORS)]
        fills, found = [100 * p.fill for p in points], [100 * p.found for p in points]
        counted = points[0].objects > 0
        axes.plot(
            fills, found, color=color, marker="o" if counted else "", label=f"{size} pixel{'s' if size > 1 else ''}"
        )
        if counted:
            low = [100 * (p.found - p.low) for p in points]
            high = [100 * (p.high - p.found) for p in points]
            axes.errorbar(fills, found, yerr=[low, high], color=color, linewidth=1, capsize=3, linestyle="")
    axes.axhline(90, color="0.6", linewidth=1, linestyle=(0, (4, 3)))
    axes.set(
        xscale="log", ylim=(-2, 102), xlabel="Share of a pixel that the object covers (%)", ylabel="Objects found (%)"
    )
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100) if tick >= axes.get_xlim()[0]]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.grid(visible=True, color="0.88", linewidth=0.7)
    axes.set_axisbelow(True)
    what = f"like {missed.target}" if missed.target else "of unusual materials"
    axes.set_title(f"What {missed.method} would have found: objects {what}", fontsize=11)
    bars = "\n(bars: 90 % interval)" if any(point.objects for point in missed.points) else ""
    axes.legend(
        title=f"Size of the object{bars}",
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        borderaxespad=0.0,
    )  # beside the curves, which may run anywhere
    save_figure(figure, path, overwrite=overwrite)
    return figure
