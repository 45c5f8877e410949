"""A sheet of score maps of one scene, all on one scale: how rare a score is in its map."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import ParameterError
from hsad.evaluation.agreement import rarities
from hsad.files import check_output
from hsad.plot.figures import DPI, FIGURE_SUFFIXES, new_figure, save_figure
from hsad.plot.map_marks import dark_edge
from hsad.plot.reduction import highest
from hsad.products.palette import FOUND_COLOR, SCORE_PALETTE

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["draw_panel", "plot_sheet", "rarity_bar", "rarity_ticks", "ring"]

_INCHES = 3.4
"""Longer side of a map."""
_TITLE_LETTERS = 34
_INVALID_COLOR = "#c8ccd0"
_DARK = 1.0
"""Rarity at which colours begin: nine of ten pixels are black."""


def plot_sheet(
    scores: Mapping[str, NDArray[Any]],
    path: str | os.PathLike[str] | None = None,
    *,
    truth: ArrayLike | None = None,
    picture: NDArray[np.uint8] | None = None,
    picture_title: str = "Scene",
    overwrite: bool = False,
) -> Figure:
    """Draw score maps of one scene beside each other, on one scale.

    Detectors have scales of their own. So a colour says how rare a score is in its map: one pixel in 10, in 100, in
    1000 has a score as high. Maps with more pixels than their place are reduced by maxima.

    Parameters
    ----------
    scores : mapping of str to (rows, cols) ndarray
        By title; NaN (no score) is light grey.
    path : path, optional
        PNG, PDF or SVG.
    truth : (rows, cols) array_like, optional
        Anomalies are greater than zero, and are ringed.
    picture : (rows, cols, 3) ndarray of uint8, optional
        The scene; it may be coarser than the maps.
    picture_title : str
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        When there is no map.
    OutputError
        When the file cannot be written.

    Examples
    --------
    >>> import hsad, numpy as np
    >>> maps = {name: np.random.default_rng(seed).normal(size=(40, 50)) for seed, name in enumerate(["one", "two"])}
    >>> figure = hsad.plot.plot_sheet(maps)
    >>> len(figure.axes)  # two maps and the colour bar
    3
    """
    if not scores:
        raise ParameterError("plot_sheet needs at least one score map")
    if path is not None:
        check_output(path, FIGURE_SUFFIXES, overwrite=overwrite)
    maps = {title: np.asarray(values, dtype=np.float64) for title, values in scores.items()}
    shape = next(iter(maps.values())).shape
    number = len(maps) + (picture is not None)
    cols = min(number, 4 if number > 6 else 3)
    rows = math.ceil(number / cols)
    scale = _INCHES / max(shape)
    width, height = max(shape[1] * scale, _INCHES / 3), max(shape[0] * scale, _INCHES / 3)
    figure = new_figure((cols * (width + 0.15) + 1.4, rows * (height + 0.5) + 0.1))
    panels = figure.subplots(rows, cols, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    top = rarity_ticks(max(int(np.isfinite(values).sum()) for values in maps.values()))
    places = list(panels)
    rings = [] if truth is None else _rings_of(np.asarray(truth) > 0)
    if picture is not None:
        place = places.pop(0)
        place.imshow(picture, extent=(0, shape[1], shape[0], 0), interpolation="nearest")
        place.set_title(textwrap.fill(picture_title, _TITLE_LETTERS), fontsize=9)
        ring(place, rings)
    for (title, values), place in zip(maps.items(), places, strict=False):
        image = draw_panel(place, rarities(values), title, (_DARK, top[-1][0]))
        ring(place, rings)
    rarity_bar(figure, image, list(panels), top, "Pixels with a score as high")
    save_figure(figure, path, overwrite=overwrite)
    return figure


def draw_panel(axes: Axes, values: NDArray[np.float64], title: str, span: tuple[float, float]) -> Any:
    """Draw a map of rarities, or of differences of rarities, with its title; return the image."""
    from matplotlib.colors import LinearSegmentedColormap

    colors = LinearSegmentedColormap.from_list("hsad scores", SCORE_PALETTE).with_extremes(bad=_INVALID_COLOR)
    step = math.ceil(max(values.shape) / (_INCHES * DPI))
    image = axes.imshow(
        np.ma.masked_invalid(highest(values, step)),
        extent=(0, values.shape[1], values.shape[0], 0),
        interpolation="nearest",
        cmap=colors,
        vmin=span[0],
        vmax=span[1],
    )
    axes.set_title(textwrap.fill(title, _TITLE_LETTERS), fontsize=9)
    axes.set_axis_off()
    return image


def rarity_ticks(pixels: int) -> list[tuple[float, str]]:
    """Return the ticks of a bar of rarities, up to the power of ten that a map of so many pixels reaches."""
    most = max(2, math.floor(math.log10(max(pixels, 1))))
    return [(float(power), f"1 in {10**power:,}") for power in range(1, most + 1)]


def rarity_bar(figure: Figure, image: Any, axes: Sequence[Axes], ticks: Sequence[tuple[float, str]], label: str) -> Any:
    """Draw the colour bar of maps of rarities."""
    bar = figure.colorbar(image, ax=list(axes), shrink=0.8, aspect=30, pad=0.02, extend="both")
    bar.set_ticks([place for place, _ in ticks], labels=[text for _, text in ticks])
    bar.ax.tick_params(labelsize=8)
    bar.set_label(label, fontsize=9)
    return bar


def _rings_of(truth: NDArray[np.bool_]) -> list[tuple[float, float, float, str]]:
    """Return column, row, radius and text of a ring around each 8-connected group of true pixels."""
    from scipy import ndimage

    labels, _ = ndimage.label(truth, structure=np.ones((3, 3)))
    margin = max(1.6, 0.015 * max(truth.shape))
    return [
        (
            (cols.start + cols.stop) / 2,
            (rows.start + rows.stop) / 2,
            math.hypot(rows.stop - rows.start, cols.stop - cols.start) / 2 + margin,
            "",
        )
        for rows, cols in ndimage.find_objects(labels)
    ]


def ring(axes: Axes, rings: Sequence[tuple[float, float, float, str]]) -> None:
    """Draw rings (column, row, radius, text) in cyan with a dark edge."""
    from matplotlib.collections import EllipseCollection

    if not rings:
        return
    widths = [2 * radius for _, _, radius, _ in rings]
    circles = EllipseCollection(
        widths,
        widths,
        [0.0] * len(rings),
        units="xy",
        offsets=[(col, row) for col, row, _, _ in rings],
        offset_transform=axes.transData,
        facecolors="none",
        edgecolors=FOUND_COLOR,
        linewidths=1.0,
        path_effects=dark_edge(2.6),
    )
    axes.add_collection(circles)
    for col, row, radius, text in rings:
        if text:
            label = axes.text(col + 0.8 * radius, row - 0.8 * radius, text, fontsize=8, fontweight="bold")
            label.set(color=FOUND_COLOR, ha="left", va="bottom", path_effects=dark_edge(2.5), clip_on=False)
