"""Size, colours and files of all figures. They use no pyplot, and therefore no global state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsad.files import whole_file

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

__all__ = ["DPI", "FIGURE_SUFFIXES", "LINE_COLORS", "new_figure", "save_figure"]

FIGURE_SUFFIXES = (".png", ".pdf", ".svg")
DPI = 150
# Okabe and Ito's colours, which colour-blind readers can distinguish.
LINE_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")


def new_figure(inches: tuple[float, float]) -> Figure:
    """Return an empty figure of a size in inches, without pyplot's global state; notebooks show it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from hsad.plot.notebook.figure import ShownFigure

    figure = ShownFigure(figsize=inches, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: str | os.PathLike[str] | None, *, overwrite: bool) -> None:
    """Write a figure to a PNG, PDF or SVG file; without a path, do nothing.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    if path is not None:
        with whole_file(path, FIGURE_SUFFIXES, overwrite=overwrite) as staged:
            figure.savefig(staged, dpi=DPI, format=staged.suffix[1:].lower())
