"""The figure of an explanation: spectrum beside background, and what of the score comes from where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.files import check_output
from hsad.products.figures import FIGURE_SUFFIXES, new_figure, save_figure
from hsad.products.layers import draw_layers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.report.explain import Explanation

__all__ = ["plot_explanation"]

_OBJECT, _BACKGROUND, _RECONSTRUCTION = "#d55e00", "#0072b2", "#009e73"
_GAP = 3.0

_SENTENCE = 0.63
"""Inches that are kept free at the foot for the sentence."""


def plot_explanation(explanation: Explanation, path: Any = None, *, overwrite: bool = False) -> Any:
    """Draw an explanation; absorption bands of water vapour are shaded, gaps between bands are gaps.

    Of an unrolled network, the thresholds of its layers and its matrix are drawn below.

    Parameters
    ----------
    explanation : Explanation
    path : path, optional
        PNG, PDF or SVG.
    overwrite : bool
        Whether it may replace a file.

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
    place, label = _axis(explanation)
    breaks = _breaks(place)
    top = axes[0]
    top.fill_between(
        *_broken(
            place, breaks, explanation.background - explanation.spread, explanation.background + explanation.spread
        ),
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
    top.set_ylabel("Value")
    top.set_title(f"{explanation.method}: score {explanation.score:.4g}", loc="left")
    top.legend(frameon=False, fontsize=8, loc="best")
    if lower is not None:
        width = np.median(np.abs(np.diff(place))) if len(place) > 1 else 1.0
        axes[1].bar(place, lower, width=width, color=np.where(lower >= 0, _OBJECT, _BACKGROUND))
        axes[1].axhline(0.0, color="0.4", linewidth=0.8)
        axes[1].set_ylabel("Part of the score" if reason.contributions is not None else "Not explained")
    axes[-1].set_xlabel(label)
    if explanation.wavelength is not None:
        _shade(axes, place)
    figure.text(0.01, 0.005, _wrapped(explanation.sentence), fontsize=7.5, color="0.25", va="bottom")
    below = _SENTENCE / figure.get_figheight()
    figure.set_layout_engine("constrained", rect=(0, below, 1, 1 - below))
    save_figure(figure, path, overwrite=overwrite)
    return figure


def _axis(explanation: Explanation) -> tuple[NDArray[np.float64], str]:
    if explanation.wavelength is None:
        return explanation.bands.astype(np.float64), "Band"
    return explanation.wavelength, "Wavelength (nm)"


def _breaks(place: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return before which bands a line is broken: after a gap, or where the wavelengths step back."""
    steps = np.diff(place)
    if not len(steps):
        return np.empty(0, dtype=np.intp)
    usual = np.median(steps[steps > 0]) if (steps > 0).any() else 1.0
    return np.flatnonzero((steps > _GAP * usual) | (steps <= 0)) + 1


def _broken(
    place: NDArray[np.float64], breaks: NDArray[np.intp], *values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    return tuple(np.insert(array, breaks, np.nan) for array in (place, *values))


def _shade(axes: Any, place: NDArray[np.float64]) -> None:
    """Shade the absorption bands, and the stretches without used bands, within what is shown."""
    from hsad.report.explain import ABSORPTION

    low, high = float(place.min()), float(place.max())
    for panel in axes:
        for start, stop in ABSORPTION:
            if start < high and stop > low:
                panel.axvspan(max(start, low), min(stop, high), color="0.5", alpha=0.15, linewidth=0)
        for number in _breaks(place):
            before, after = float(place[number - 1]), float(place[number])
            if after > before:
                panel.axvspan(before, after, linewidth=0, hatch="///", facecolor="none", edgecolor="0.85")


def _wrapped(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, 150))
