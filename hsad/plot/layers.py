"""The figure of an unrolled network: the learned thresholds of its layers, and its matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hsad.plot.figures import LINE_COLORS, new_figure, save_figure

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from matplotlib.figure import Figure, FigureBase
    from numpy.typing import NDArray

__all__ = ["draw_layers", "plot_layers"]

_DIVERGING = "RdBu_r"


def plot_layers(
    thresholds: Sequence[NDArray[np.float64]],
    matrices: Sequence[NDArray[np.float64]],
    names: Sequence[str],
    path: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
) -> Figure:
    """Draw the thresholds θ of the layers of several networks, and how far each matrix W is from ½I.

    Parameters
    ----------
    thresholds : sequence of (layers,) ndarray
    matrices : sequence of (k, k) ndarray
    names : sequence of str
        Names of the networks: "start", "seed 0".
    path : path, optional
        PNG, PDF or SVG.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    Figure
    """
    figure = new_figure((3.2 * (len(matrices) + 1), 3.2))
    draw_layers(figure, thresholds, matrices, names)
    save_figure(figure, path, overwrite=overwrite)
    return figure


def draw_layers(
    figure: FigureBase,
    thresholds: Sequence[NDArray[np.float64]],
    matrices: Sequence[NDArray[np.float64]],
    names: Sequence[str],
    unit: str = "medians",
    index: str = "component",
) -> None:
    """Draw what `plot_layers` draws into a figure or a part of a figure."""
    grid = figure.subplots(1, len(matrices) + 1, squeeze=False)[0]
    axes = grid[0]
    for number, (theta, name) in enumerate(zip(thresholds, names, strict=True)):
        layers = np.arange(1, len(theta) + 1)
        axes.plot(layers, theta, "o-", color=LINE_COLORS[number % len(LINE_COLORS)], label=name)
    axes.set(xlabel="layer", ylabel=f"threshold θ, {unit}", title="θ")
    axes.set_xticks(np.arange(1, max(map(len, thresholds)) + 1))
    axes.set_ylim(0, 1.08 * max(1e-9, *(float(theta.max()) for theta in thresholds)))
    axes.legend(frameon=False)
    changes = [matrix - 0.5 * np.eye(len(matrix)) for matrix in matrices]
    limit = max(*(float(np.abs(change).max()) for change in changes), 1e-3)
    for axes, change, name in zip(grid[1:], changes, names, strict=True):
        image = axes.imshow(change, cmap=_DIVERGING, vmin=-limit, vmax=limit)
        axes.set(title=f"W − ½I, {name}", xlabel=index, ylabel=index)
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_major_locator().set_params(integer=True)
    figure.colorbar(image, ax=list(grid[1:]), fraction=0.05)
