"""The figure of what would have been missed: the share of objects found against their fill, a line for each size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsad.files import check_output
from hsad.plot.figures import FIGURE_SUFFIXES, LINE_COLORS, new_figure, save_figure

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

    from hsad.siblings.missed import Missed

__all__ = ["plot_missed"]


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
    figure = new_figure((7.5, 4.8))
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
    axes.legend(title="Size of the object", frameon=False, loc="upper left")
    if any(point.objects for point in missed.points):
        axes.text(
            0.99, 0.02, "bars: 90 % interval", transform=axes.transAxes, ha="right", color="0.4", fontsize="small"
        )
    save_figure(figure, path, overwrite=overwrite)
    return figure
