"""One picture of a survey: the scene with numbered rings, the list, and the spectrum of one anomaly with its reason."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.decide import choose_anomalies
from hsad.anomalies.headline import headline
from hsad.anomalies.opened import Scene, open_scores
from hsad.anomalies.options import ListOptions
from hsad.files import check_output
from hsad.plot.figures import FIGURE_SUFFIXES, LINE_COLORS, new_figure, save_figure
from hsad.plot.map_marks import add_scale_bar
from hsad.plot.pictures import overview
from hsad.plot.rings import draw_rings, rings_of
from hsad.plot.spectrum_line import clear_limits, line_breaks, shaded_stretches
from hsad.products.palette import FOUND_COLOR, GRADE_DASHES
from hsad.report.reasons import Account, explained, with_reasons

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hsad.anomalies.vectors import Anomalies
    from hsad.explanation.explanation import Explanation

__all__ = ["plot_overview"]

_MOST_ROWS = 8
"""Rows of the list that fit."""
_COLUMNS = ((0.0, "no."), (0.09, "grade"), (0.39, "chance that it\nis background"), (0.70, "pixels"), (0.86, "score"))
"""Place of each column of the list, as a share of its width, and its heading."""
_LINE_LETTERS = 74


def plot_overview(header: Path, scores: Path, path: Path | None = None, *, overwrite: bool = False) -> Figure:
    """Draw what a survey answers: where, how sure, and why.

    Parameters
    ----------
    header : path
        The scene; its grid is not rotated.
    scores : path
        Its scores, which list at least one anomaly.
    path : path, optional
        PNG, PDF or SVG.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if path is not None:
        check_output(path, FIGURE_SUFFIXES, overwrite=overwrite)
    anomalies, reasons, scene = _surveyed(header, scores)
    figure = new_figure((11.0, 5.0))
    picture, listed, spectrum = figure.subplot_mosaic(
        [["map", "list"], ["map", "spectrum"]], width_ratios=[5, 6], height_ratios=[2, 3]
    ).values()
    figure.suptitle(headline(anomalies), fontsize=12, fontweight="bold")
    west, south, east, north = anomalies.grid.bounds()
    picture.imshow(overview(scene)[0], extent=(west, east, south, north), interpolation="nearest")
    picture.set_axis_off()
    add_scale_bar(picture, anomalies.grid)
    _write_list(listed, anomalies)
    first = anomalies.records()[0]["id"]
    _draw_spectrum(spectrum, reasons[first])
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
    figure.set_layout_engine("none")  # places on the figure are final from here on
    picture.apply_aspect()
    draw_rings(picture, rings_of(anomalies, GRADE_DASHES, _MOST_ROWS), anomalies.grid, 1.0, FOUND_COLOR)
    save_figure(figure, path, overwrite=overwrite)
    return figure


def _surveyed(header: Path, scores: Path) -> tuple[Anomalies, dict[int, Explanation], Scene]:
    """Return the anomalies of a score raster with why they stand out, and the scene.

    Parameters
    ----------
    header : path
        The scene.
    scores : path
        Its scores.
    """
    opened = open_scores(scores)
    scene = Scene.of(header, opened.grid)
    anomalies = choose_anomalies(opened, scene, ListOptions())
    reasons = explained(anomalies, opened, scene, Account(header, {}, (0, 0)))
    return with_reasons(anomalies, reasons), reasons, scene


def _write_list(axes: Axes, anomalies: Anomalies) -> None:
    axes.set_axis_off()
    axes.set_title("The list, the surest first", fontsize=10, loc="left")
    records = anomalies.records()[:_MOST_ROWS]
    heights = np.linspace(0.62, 0.0, max(len(records), 5))
    for place, heading in _COLUMNS:
        axes.text(place, 0.98, heading, fontsize=8, color="0.35", va="top", transform=axes.transAxes)
    for height, record in zip(heights, records, strict=False):
        chance = f"{record['p_false']:.0%}".replace("%", " %")
        texts = (record["id"], record["grade"], chance, record["n_pixels"], f"{record['score_max']:.1f}")
        for (place, _), text in zip(_COLUMNS, texts, strict=True):
            axes.text(place, height, str(text), fontsize=9, transform=axes.transAxes)


def _draw_spectrum(axes: Axes, why: Explanation) -> None:
    """Draw a pixel and what surrounds it, with the first sentences about it above."""
    place = np.asarray(why.bands if why.wavelength is None else why.wavelength, dtype=np.float64)
    breaks = line_breaks(place)
    low, high = why.background - why.spread, why.background + why.spread

    def broken(values: Any) -> Any:
        return np.insert(np.asarray(values, dtype=np.float64), breaks, np.nan)

    axes.fill_between(broken(place), broken(low), broken(high), color=LINE_COLORS[0], alpha=0.18, linewidth=0)
    axes.plot(broken(place), broken(why.background), "--", color=LINE_COLORS[0], label="its surroundings, ± 1 σ")
    axes.plot(broken(place), broken(why.spectrum), color=LINE_COLORS[1], label=f"anomaly {why.number}")
    axes.set_ylim(*clear_limits(place, [why.spectrum, low, high], absorption=why.wavelength is not None))
    for (start, stop), absorbed in shaded_stretches(place, absorption=why.wavelength is not None):
        if absorbed:
            axes.axvspan(start, stop, color="0.5", alpha=0.15, linewidth=0)
    axes.set_xlabel("Wavelength (nm)" if why.wavelength is not None else "Band", fontsize=9)
    axes.set_ylabel("Reflectance", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    told = f"Why number {why.number}: {why.because[0].lower()}{why.because[1:]}."
    if why.likeness:
        told += f" {why.likeness}"
    axes.set_title("\n".join(textwrap.wrap(told, _LINE_LETTERS)), fontsize=9, loc="left")
