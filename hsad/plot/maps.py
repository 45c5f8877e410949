"""The figure of a score map, with a picture of the scene beside it."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hsad.errors import ParameterError
from hsad.files import check_output
from hsad.plot.figures import DPI, FIGURE_SUFFIXES, new_figure, save_figure
from hsad.plot.map_marks import add_scale_bar
from hsad.products.palette import SCORE_PALETTE, STRETCH, is_logarithmic
from hsad.products.summary import stretch
from hsad.scene.cube import GeoGrid, geo_grid
from hsad.scene.ground import unit_name
from hsad.scene.masked import with_nan

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["plot_scores"]

_MAP_INCHES = 6.0
_TITLE_LETTERS = 60
"""Letters of a title that fit above a map."""
_LEAST_SHRINKING = 0.05
"""Metres along x for a metre along y at which the aspect of a map in degrees stays: nearer to a pole (87 degrees) the
map would be a line."""
_TRUTH_COLOR = "#00e5ff"  # a bright hue that the palette lacks
_INVALID_COLOR = "#c8ccd0"


def plot_scores(
    scores: xr.DataArray | NDArray[Any],
    path: str | os.PathLike[str] | None = None,
    *,
    truth: ArrayLike | None = None,
    background: ArrayLike | None = None,
    background_title: str = "Scene",
    title: str | None = None,
    overwrite: bool = False,
) -> Figure:
    """Draw a quicklook of a score map.

    The colours run from the median to the 99.9th percentile, logarithmically if these differ tenfold. A map with more
    pixels than the figure is reduced by maxima, so that an anomaly of one pixel stays visible. Georeferenced maps are
    drawn in their coordinates, rotated grids rotated.

    Parameters
    ----------
    scores : (y, x) DataArray or (rows, cols) ndarray
        Grey where NaN.
    path : path, optional
        PNG, PDF or SVG.
    truth : (rows, cols) array_like, optional
        Anomalies are greater than zero; a circle is drawn around each of them.
    background : (rows, cols) or (rows, cols, 3) array_like, optional
        A picture of the whole scene, 0 to 1, drawn beside the map; it may be coarser than the map.
    background_title : str
        The title of the picture.
    title : str, optional
        By default "Anomaly score" and the method, which the map has as an attribute.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ParameterError
        When `scores` is no map, `truth` is not of its size, or `background` is no picture.
    OutputError
        When the file cannot be written.
    """
    if scores.ndim != 2:
        raise ParameterError(f"scores must be a map (rows, cols), not of shape {scores.shape}")
    values = with_nan(scores).astype(np.float64)
    if truth is not None and np.shape(truth) != values.shape:
        raise ParameterError(f"truth of {np.shape(truth)} pixels for scores of {values.shape}")
    if background is not None and np.ndim(background) not in (2, 3):
        raise ParameterError(f"background: an array of shape {np.shape(background)} is no picture")
    rows, cols = values.shape
    grid = GeoGrid(rows, cols, None, None)
    if isinstance(scores, xr.DataArray):
        grid = geo_grid(scores)
        method = scores.attrs.get("method")
        title = title or (f"Anomaly score ({method})" if method else None)
    if path is not None:
        check_output(path, FIGURE_SUFFIXES, overwrite=overwrite)
    figure = _draw_map(
        values,
        grid,
        None if truth is None else np.asarray(truth) > 0,
        None if background is None else np.asarray(background, dtype=np.float64),
        title or "Anomaly score",
        background_title,
    )
    save_figure(figure, path, overwrite=overwrite)
    return figure


def _draw_map(
    values: NDArray[np.float64],
    grid: GeoGrid,
    truth: NDArray[np.bool_] | None,
    background: NDArray[np.float64] | None,
    title: str,
    background_title: str,
) -> Figure:
    from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize

    width, height = _panel_inches(grid)
    panels = 1 if background is None else 2
    figure = new_figure((panels * (width + 0.9) + 1.0, height + 1.2))
    axes = figure.subplots(1, panels, squeeze=False, sharex=True, sharey=True)[0]
    if background is not None:
        _show(axes[0], background, grid, cmap="gray")
        axes[0].set_title(textwrap.fill(background_title, _TITLE_LETTERS), fontsize=10)
    drawn = _reduced(values)
    low, high = stretch(drawn)
    norm = (LogNorm if is_logarithmic(low, high) else Normalize)(low, high)
    drawn = np.maximum(drawn, low)  # what is not positive has no logarithm, and would look like no data
    colors = LinearSegmentedColormap.from_list("hsad scores", SCORE_PALETTE)
    image = _show(axes[-1], drawn, grid, cmap=colors, norm=norm)
    axes[-1].set_title(textwrap.fill(title, _TITLE_LETTERS), fontsize=10)
    flat = height < width / 2
    bar = figure.colorbar(
        image,
        ax=axes[-1],
        extend="both",
        orientation="horizontal" if flat else "vertical",
        aspect=40 if flat else 20,
        pad=0.02,
    )
    low_name, high_name = (f"{percentile:g}" for percentile in STRETCH)
    scale = "logarithmic" if is_logarithmic(low, high) else "linear"
    bar.set_label(f"Score, percentiles {low_name} to {high_name}, {scale} (higher is more anomalous)")
    _label_axes(axes, grid)
    add_scale_bar(axes[0], grid)
    if truth is not None:
        _circle_objects(axes[-1], truth, grid)
    return figure


def _aspect(grid: GeoGrid) -> float:
    """Return how long a unit of y is drawn for one of x: a degree of longitude shrinks towards the poles."""
    if grid.crs is None or grid.transform is None or not grid.crs.is_geographic:
        return 1.0
    _, south, _, north = grid.bounds()
    return 1.0 / max(_LEAST_SHRINKING, math.cos(math.radians((south + north) / 2)))


def _panel_inches(grid: GeoGrid) -> tuple[float, float]:
    """Return width and height of a map, the longer one `_MAP_INCHES`, neither less than a quarter of it."""
    west, south, east, north = grid.bounds()
    width, height = east - west, (north - south) * _aspect(grid)
    scale = _MAP_INCHES / max(width, height)
    return max(width * scale, _MAP_INCHES / 4), max(height * scale, _MAP_INCHES / 4)


def _reduced(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the maxima of square groups of pixels, so that no side is longer than the figure's pixels."""
    step = math.ceil(max(values.shape) / (_MAP_INCHES * DPI))
    if step == 1:
        return values
    rows, cols = (-(-size // step) for size in values.shape)
    padded = np.full((rows * step, cols * step), np.nan)
    padded[: values.shape[0], : values.shape[1]] = values
    # fmax ignores NaN.
    reduced: NDArray[np.float64] = np.fmax.reduce(padded.reshape(rows, step, cols, step), axis=(1, 3))
    return reduced


def _show(axes: Axes, picture: NDArray[np.float64], grid: GeoGrid, **style: Any) -> Any:
    """Draw a picture of the whole grid in the coordinates of the grid."""
    from matplotlib.transforms import Affine2D

    a, b, c, d, e, f = grid.coefficients
    placed = Affine2D.from_values(a, d, b, e, c, f) + axes.transData
    image = axes.imshow(
        picture, extent=(0, grid.cols, grid.rows, 0), interpolation="nearest", transform=placed, **style
    )
    axes.set_facecolor(_INVALID_COLOR)
    west, south, east, north = grid.bounds()
    axes.set_xlim(west, east)
    axes.set_ylim(*((south, north) if grid.transform is not None else (north, south)))
    axes.set_aspect(_aspect(grid))
    return image


def _label_axes(axes: NDArray[Any], grid: GeoGrid) -> None:
    """Name the axes: columns and rows, or the coordinates and their CRS."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    x_name, y_name = "Column, pixels", "Row, pixels"
    if grid.transform is not None:
        x_name, y_name = "x", "y"
        if grid.crs is not None:
            authority = grid.crs.to_authority()
            where = f" ({':'.join(authority)})" if authority else ""
            names = ("Longitude", "Latitude") if grid.crs.is_geographic else ("Easting", "Northing")
            unit = unit_name(grid.crs)
            x_name, y_name = f"{names[0]}, {unit}{where}", f"{names[1]}, {unit}"
    for panel in axes:
        panel.set_xlabel(x_name)
        panel.xaxis.set_major_locator(MaxNLocator(4, min_n_ticks=2))
        panel.yaxis.set_major_locator(MaxNLocator(5, min_n_ticks=2))
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:.10g}"))
        panel.tick_params(labelsize=8)
    axes[0].set_ylabel(y_name)


def _circle_objects(axes: Axes, truth: NDArray[np.bool_], grid: GeoGrid) -> None:
    """Draw a circle around each connected group of true pixels, wide enough to leave the group visible."""
    from matplotlib.collections import EllipseCollection
    from matplotlib.lines import Line2D
    from scipy import ndimage

    labels, count = ndimage.label(truth, structure=np.ones((3, 3)))
    boxes = ndimage.find_objects(labels)
    centers = [((cols.start + cols.stop) / 2, (rows.start + rows.stop) / 2) for rows, cols in boxes]
    sizes = [math.hypot(rows.stop - rows.start, cols.stop - cols.start) for rows, cols in boxes]
    pixel = math.sqrt(grid.pixel_area)
    widths = [(size + max(4.0, 0.02 * max(truth.shape))) * pixel for size in sizes]
    axes.add_collection(
        EllipseCollection(
            list(widths),
            [width / _aspect(grid) for width in widths],
            [0.0] * count,
            units="xy",
            offsets=grid.to_map(centers),
            offset_transform=axes.transData,
            facecolors="none",
            edgecolors=_TRUTH_COLOR,
            linewidths=1.2,
        )
    )
    handle = Line2D([], [], linestyle="none", marker="o", markersize=8)
    handle.set(markerfacecolor=SCORE_PALETTE[2], markeredgecolor=_TRUTH_COLOR)
    axes.figure.legend(
        [handle],
        [f"truth: {count} object{'' if count == 1 else 's'}"],
        loc="outside lower left",
        frameon=False,
        fontsize=8,
    )
