"""The figure of a score map, with a picture of the scene beside it."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hsad.anomalies.grades import GRADES
from hsad.errors import ParameterError
from hsad.files import check_output
from hsad.plot.figures import DPI, FIGURE_SUFFIXES, new_figure, save_figure
from hsad.plot.map_marks import add_scale_bar
from hsad.plot.reduction import highest
from hsad.plot.rings import draw_rings, ring_around, rings_of
from hsad.plot.score_scale import ScoreScale
from hsad.products.palette import (
    BELOW_PALETTE,
    FOUND_COLOR,
    FURTHER_COLOR,
    GRADE_DASHES,
    LISTED_PALETTE,
    SCORE_PALETTE,
    STRETCH,
    is_logarithmic,
)
from hsad.products.summary import stretch
from hsad.scene.cube import GeoGrid, geo_grid
from hsad.scene.ground import unit_name
from hsad.scene.masked import with_nan

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from hsad.anomalies.vectors import Anomalies

__all__ = ["plot_scores"]

_MAP_INCHES = 6.0
_WORDS_INCHES = 1.8
"""Width of the colour bar of a list, whose ticks have words."""
_TITLE_LETTERS = 60
"""Letters of a title that fit above a map."""
_LEAST_SHRINKING = 0.05
"""Metres along x for a metre along y at which the aspect of a map in degrees stays: nearer to a pole (87 degrees) the
map would be a line."""
_TRUTH_COLOR = "#ffffff"
_MOST_NUMBERS = 60
"""Numbers beside rings: more would cover each other."""
_DASH_NAMES = {"-": "solid", "--": "dashed", ":": "dotted"}
_INVALID_COLOR = "#c8ccd0"


def plot_scores(
    scores: xr.DataArray | NDArray[Any],
    path: str | os.PathLike[str] | None = None,
    *,
    anomalies: Anomalies | None = None,
    truth: ArrayLike | None = None,
    background: ArrayLike | None = None,
    background_title: str = "Scene",
    title: str | None = None,
    overwrite: bool = False,
) -> Figure:
    """Draw a quicklook of a score map.

    With a list of anomalies the colours run from the lowest score of the list to the highest score, and what lies
    below the list is dark grey. Without a list they run from the median to the 99.9th percentile, logarithmically if
    these differ tenfold. A map with more pixels than the figure is reduced by maxima, so that an anomaly of one pixel
    stays visible. Georeferenced maps are drawn in their coordinates, rotated grids rotated.

    Parameters
    ----------
    scores : (y, x) DataArray or (rows, cols) ndarray
        Light grey where NaN.
    path : path, optional
        PNG, PDF or SVG.
    anomalies : Anomalies, optional
        The list of anomalies of this map, as `hsad.polygons` returns it. Each is ringed; the first 60 are numbered.
        Where nothing stands out its highest candidates are ringed in grey.
    truth : (rows, cols) array_like, optional
        Anomalies are greater than zero; a white circle is drawn around each of them.
    background : (rows, cols) or (rows, cols, 3) array_like, optional
        A picture of the whole scene, 0 to 1, drawn beside the map; it may be coarser than the map.
    background_title : str
        The title of the picture.
    title : str, optional
        By default "Anomaly score" and the method, which the map has as an attribute. The title of a list stands above
        the whole figure.
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

    Examples
    --------
    >>> import hsad
    >>> scores = hsad.detect(hsad.make_scene(rows=60, cols=70, seed=1).cube, "rx")
    >>> figure = hsad.plot.plot_scores(scores, anomalies=hsad.polygons(scores))
    >>> len(figure.axes)  # the map and its colour bar
    2
    """
    _check_sizes(scores, truth, background)
    values = with_nan(scores).astype(np.float64)
    grid = geo_grid(scores) if isinstance(scores, xr.DataArray) else GeoGrid(len(values), values.shape[1], None, None)
    method = scores.attrs.get("method") if isinstance(scores, xr.DataArray) else None
    if path is not None:
        check_output(path, FIGURE_SUFFIXES, overwrite=overwrite)
    picture = None if background is None else np.asarray(background, dtype=np.float64)
    map_title = f"Anomaly score ({method})" if method else "Anomaly score"
    if anomalies is None:
        map_title = title or map_title
    figure, axes = _panels(grid, picture, background_title, 1.0 if anomalies is None else _WORDS_INCHES)
    drawn = highest(values, math.ceil(max(values.shape) / (_MAP_INCHES * DPI)))
    axes[-1].set_title(textwrap.fill(map_title, _TITLE_LETTERS), fontsize=10)
    if anomalies is None:
        _draw_stretched(axes[-1], drawn, grid)
    else:
        scale = ScoreScale.of(drawn, anomalies)
        _draw_listed(axes[-1], drawn, grid, scale)
        if title:
            figure.suptitle(textwrap.fill(title, _TITLE_LETTERS * len(axes)), fontsize=12, fontweight="bold")
    _label_axes(axes, grid)
    add_scale_bar(axes[0], grid)
    if truth is not None:
        _circle_objects(axes[-1], np.asarray(truth) > 0, grid)
    if anomalies is not None:
        _ring(figure, axes, anomalies, scale)
    save_figure(figure, path, overwrite=overwrite)
    return figure


def _check_sizes(scores: Any, truth: ArrayLike | None, background: ArrayLike | None) -> None:
    if scores.ndim != 2:
        raise ParameterError(f"scores must be a map (rows, cols), not of shape {scores.shape}")
    if truth is not None and np.shape(truth) != scores.shape:
        raise ParameterError(f"truth of {np.shape(truth)} pixels for scores of {scores.shape}")
    if background is not None and np.ndim(background) not in (2, 3):
        raise ParameterError(f"background: an array of shape {np.shape(background)} is no picture")


def _panels(
    grid: GeoGrid, background: NDArray[np.float64] | None, background_title: str, bar_inches: float
) -> tuple[Figure, NDArray[Any]]:
    """Return a figure with a place for a map and its colour bar, and with the picture of the scene on its left."""
    width, height = _panel_inches(grid)
    panels = 1 if background is None else 2
    figure = new_figure((panels * (width + 0.9) + bar_inches, height + 1.2))
    axes: NDArray[Any] = figure.subplots(1, panels, squeeze=False, sharex=True, sharey=True)[0]
    if background is not None:
        _show(axes[0], background, grid, cmap="gray")
        axes[0].set_title(textwrap.fill(background_title, _TITLE_LETTERS), fontsize=10)
    return figure, axes


def _draw_stretched(axes: Axes, drawn: NDArray[np.float64], grid: GeoGrid) -> None:
    """Draw scores from their median to their 99.9th percentile, with a colour bar."""
    from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize

    low, high = stretch(drawn)
    norm = (LogNorm if is_logarithmic(low, high) else Normalize)(low, high)
    drawn = np.maximum(drawn, low)  # what is not positive has no logarithm, and would look like no data
    colors = LinearSegmentedColormap.from_list("hsad scores", SCORE_PALETTE)
    bar = _color_bar(axes, _show(axes, drawn, grid, cmap=colors, norm=norm), grid, "both")
    low_name, high_name = (f"{percentile:g}" for percentile in STRETCH)
    scale = "logarithmic" if is_logarithmic(low, high) else "linear"
    bar.set_label(f"Score, percentiles {low_name} to {high_name}, {scale} (higher is more anomalous)")


def _draw_listed(axes: Axes, drawn: NDArray[np.float64], grid: GeoGrid, scale: ScoreScale) -> None:
    """Draw the scores of a list in colours and the others in dark grey, with the colour bar of the list."""
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    below = LinearSegmentedColormap.from_list("hsad background", BELOW_PALETTE)
    listed = LinearSegmentedColormap.from_list("hsad list", LISTED_PALETTE).with_extremes(under=BELOW_PALETTE[1])
    _show(axes, drawn, grid, cmap=below, norm=Normalize(scale.floor, scale.start))
    image = _show(axes, np.where(drawn >= scale.start, drawn, np.nan), grid, cmap=listed, norm=scale.norm())
    bar = _color_bar(axes, image, grid, "min")
    ticks = scale.ticks()
    bar.set_ticks([score for score, _ in ticks], labels=[text for _, text in ticks])
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=9)


def _color_bar(axes: Axes, image: Any, grid: GeoGrid, extend: str) -> Any:
    """Add the colour bar of a map: beside it, or below a flat one."""
    width, height = _panel_inches(grid)
    flat = height < width / 2
    return axes.figure.colorbar(
        image,
        ax=axes,
        extend=extend,
        orientation="horizontal" if flat else "vertical",
        aspect=40 if flat else 20,
        pad=0.02,
    )


def _ring(figure: Figure, axes: NDArray[Any], anomalies: Anomalies, scale: ScoreScale) -> None:
    """Ring and number the anomalies on every panel; say which ones are numbered, and what line styles mean."""
    nothing = not len(anomalies) and anomalies.candidates is not None
    ringed = anomalies.candidates if nothing and anomalies.candidates is not None else anomalies
    rings = rings_of(ringed, GRADE_DASHES, _MOST_NUMBERS)
    kind = "logarithmic" if scale.logarithmic else "linear"
    foot = [f"score: higher is more anomalous, {kind} scale, grey below the list"]
    grades = set(anomalies.columns.get("grade", np.empty(0)))
    used = [f"{_DASH_NAMES[GRADE_DASHES[grade]]}: {grade}" for grade, _ in GRADES if grade in grades]
    if nothing:
        foot.append("rings: the highest scores, no better than background")
    elif used:
        foot.append(f"rings, {', '.join(used)}")
    if len(rings) > _MOST_NUMBERS:
        foot.append(f"the {_MOST_NUMBERS} highest of {len(rings)} are numbered")
    figure.supxlabel("; ".join(foot), fontsize=9)
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
    figure.set_layout_engine("none")  # places on the figure are final from here on
    for panel in axes:
        panel.apply_aspect()
    _align_bar(figure, axes[-1])
    for panel in axes:
        draw_rings(panel, rings, anomalies.grid, _aspect(anomalies.grid), FURTHER_COLOR if nothing else FOUND_COLOR)


def _align_bar(figure: Figure, axes: Axes) -> None:
    """Make a vertical colour bar as high as the map: the layout makes it as high as the map's place."""
    bar = figure.axes[-1]
    place, drawn = bar.get_position(), axes.get_position()
    if place.height > place.width:
        bar.set_position((drawn.x1 + 0.012, drawn.y0, place.width, drawn.height))


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
    from matplotlib.lines import Line2D
    from scipy import ndimage

    labels, count = ndimage.label(truth, structure=np.ones((3, 3)))
    boxes = [((cols.start, cols.stop), (rows.start, rows.stop)) for rows, cols in ndimage.find_objects(labels)]
    rings = [ring_around(cols, rows, max(truth.shape)) for cols, rows in boxes]
    draw_rings(axes, rings, grid, _aspect(grid), _TRUTH_COLOR)
    handle = Line2D([], [], linestyle="none", marker="o", markersize=8)
    handle.set(markerfacecolor=SCORE_PALETTE[2], markeredgecolor=_TRUTH_COLOR)
    axes.figure.legend(
        [handle],
        [f"truth: {count} object{'' if count == 1 else 's'}"],
        loc="outside lower left",
        frameon=False,
        fontsize=8,
    )
