"""The figure of an explanation: spectrum and background, and the parts of the score that come from each band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.files import check_output
from hsad.plot.figures import FIGURE_SUFFIXES, new_figure, save_figure
from hsad.plot.layers import draw_layers
from hsad.plot.spectrum_line import clear_limits, line_breaks, shaded_stretches, spectrum_axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.explanation.explanation import Explanation

__all__ = ["plot_explanation"]

_OBJECT, _BACKGROUND, _RECONSTRUCTION = "#d55e00", "#0072b2", "#009e73"

_SENTENCE = 0.63
"""Inches at the foot of the figure for the sentence."""


def plot_explanation(explanation: Explanation, path: Any = None, *, overwrite: bool = False) -> Any:
    """Draw an explanation; absorption bands of water vapour are shaded, and lines are broken where bands are left out.

    The figure of an unrolled network shows the thresholds of its layers and its matrix below.

    Parameters
    ----------
    explanation : Explanation
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
    reason = explanation.reason
    lower = reason.contributions if reason.contributions is not None else reason.residual
    panels = 1 if lower is None else 2
    height = 3.4 + 2.2 * (panels - 1)
    below_axes = 0.0 if reason.layers is None else 2.8
    figure = new_figure((9.0, height + below_axes + 0.6))
    spectra: Any = figure
    if reason.layers is not None:
        spectra, learned = figure.subfigures(2, 1, squeeze=False, height_ratios=[height, below_axes])[:, 0]
        drawn = reason.layers
        draw_layers(learned, drawn.thresholds, drawn.matrices, drawn.names, drawn.unit, drawn.index)
    axes = spectra.subplots(panels, 1, squeeze=False, sharex=True, height_ratios=[3, 2][:panels])[:, 0]
    place, label = spectrum_axis(explanation.wavelength, explanation.bands)
    breaks = line_breaks(place)
    top = axes[0]
    spread = (explanation.background - explanation.spread, explanation.background + explanation.spread)
    top.fill_between(
        *_broken(place, breaks, *spread),
        color=_BACKGROUND,
        alpha=0.18,
        linewidth=0,
        label="its spread (one standard deviation)",
    )
    for values, color, style, name in (
        (explanation.background, _BACKGROUND, "--", f"background: {explanation.compared_with}"),
        (reason.reconstruction, _RECONSTRUCTION, "-.", "what the background makes of it"),
        (explanation.spectrum, _OBJECT, "-", f"pixel {explanation.row}, {explanation.col}"),
    ):
        if values is not None:
            x, y = _broken(place, breaks, values)
            top.plot(x, y, color=color, linestyle=style, linewidth=1.6, label=name)
    lines = [explanation.spectrum, *spread, *([] if reason.reconstruction is None else [reason.reconstruction])]
    top.set_ylim(*clear_limits(place, lines, absorption=explanation.wavelength is not None))
    top.set_ylabel("Value")
    top.set_title(f"{explanation.method}: score {explanation.score:.4g}", loc="left")
    top.legend(frameon=False, fontsize=8, loc="best")
    if lower is not None:
        width = np.median(np.abs(np.diff(place))) if len(place) > 1 else 1.0
        axes[1].bar(place, lower, width=width, color=np.where(lower >= 0, _OBJECT, _BACKGROUND))
        axes[1].axhline(0.0, color="0.4", linewidth=0.8)
        axes[1].set_ylabel("Part of the score" if reason.contributions is not None else "Not explained")
    axes[-1].set_xlabel(label)
    _shade(axes, place, absorption=explanation.wavelength is not None)
    figure.text(0.01, 0.005, _wrapped(explanation.sentence), fontsize=7.5, color="0.25", va="bottom")
    below = _SENTENCE / figure.get_figheight()
    figure.set_layout_engine("constrained", rect=(0, below, 1, 1 - below))
    save_figure(figure, path, overwrite=overwrite)
    return figure


def _broken(
    place: NDArray[np.float64], breaks: NDArray[np.intp], *values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    return tuple(np.insert(array, breaks, np.nan) for array in (place, *values))


def _shade(axes: Any, place: NDArray[np.float64], *, absorption: bool) -> None:
    """Shade the absorption windows, and hatch the stretches without used bands."""
    for (start, stop), absorbed in shaded_stretches(place, absorption=absorption):
        for panel in axes:
            if absorbed:
                panel.axvspan(start, stop, color="0.5", alpha=0.15, linewidth=0)
            else:
                panel.axvspan(start, stop, linewidth=0, hatch="///", facecolor="none", edgecolor="0.85")


def _wrapped(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, 150))
