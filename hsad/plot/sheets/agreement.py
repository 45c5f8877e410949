"""The figure of how far score maps agree: a matrix of rank correlations, and the places where they disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import ParameterError
from hsad.evaluation.agreement import Disagreement, rarities
from hsad.plot.figures import new_figure, save_figure
from hsad.plot.sheets.maps import draw_panel, rarity_bar, ring

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["plot_agreement"]

_FACTORS = ((0.0, "none"), (1.0, "10 times"), (2.0, "100 times"), (3.0, "1,000 times"), (4.0, "10,000 times"))


def plot_agreement(
    scores: Mapping[str, NDArray[Any]],
    correlation: NDArray[np.float64],
    places: Sequence[Disagreement],
    path: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
) -> Figure:
    """Draw rank correlations as a matrix, and a map of the disagreement with its strongest places numbered.

    The colours of the map say by what factor a pixel is rarer in the map that ranks it highest than in the one that
    ranks it lowest.

    Parameters
    ----------
    scores : mapping of str to (rows, cols) ndarray
        By name, at least two.
    correlation : (n, n) ndarray
        As `hsad.evaluation.agreement.rank_correlation` returns it.
    places : sequence of Disagreement
    path : path, optional
        PNG, PDF or SVG.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        When there are fewer than two maps.
    OutputError
        When the file cannot be written.
    """
    if len(scores) < 2:
        raise ParameterError("plot_agreement needs at least two score maps")
    side = 1.6 + 0.62 * len(scores)
    rows, cols = next(iter(scores.values())).shape
    width = 5.0 * min(1.0, cols / rows)
    figure = new_figure((side + width + 2.2, max(side, 5.0 * min(1.0, rows / cols) + 0.6)))
    matrix, place = figure.subplots(1, 2, width_ratios=[side, width + 1.2])
    _draw_matrix(matrix, list(scores), correlation)
    rare = np.array([rarities(np.asarray(values, dtype=np.float64)) for values in scores.values()])
    spread = rare.max(axis=0) - rare.min(axis=0)  # NaN where a map has no score
    known = spread[np.isfinite(spread)]
    top = max(1.0, float(known.max(initial=0.0)))
    image = draw_panel(place, spread, "Where they disagree", (0.0, top))
    margin = max(2.5, 0.02 * max(rows, cols))
    ring(place, [(spot.col + 0.5, spot.row + 0.5, margin, str(n)) for n, spot in enumerate(places, start=1)])
    ticks = [tick for tick in _FACTORS if tick[0] <= top]
    rarity_bar(figure, image, [place], ticks, "Rarer in one map than in another")
    save_figure(figure, path, overwrite=overwrite)
    return figure


def _draw_matrix(axes: Axes, names: list[str], correlation: NDArray[np.float64]) -> None:
    axes.imshow(correlation, cmap="RdBu", vmin=-1, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_title("Rank correlation (Spearman)", fontsize=9)
    for row, values in enumerate(correlation):
        for col, value in enumerate(values):
            dark = abs(value) > 0.6
            axes.text(
                col, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if dark else "black"
            )
