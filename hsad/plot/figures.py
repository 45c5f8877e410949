"""Size, colours and files of all figures. They use no pyplot, and therefore no global state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsad.files import whole_file

if TYPE_CHECKING:
    import os
    from pathlib import Path

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
    if path is None:
        return
    with whole_file(path, FIGURE_SUFFIXES, overwrite=overwrite) as staged:
        suffix = staged.suffix[1:].lower()
        if suffix == "png" and _is_laid_out(figure):
            _print_png(figure, staged)
        else:
            figure.savefig(staged, dpi=DPI, format=suffix)


def _is_laid_out(figure: Figure) -> bool:
    """Tell whether the places on a figure are final: its layout was done, and then put out of use."""
    from matplotlib.layout_engine import PlaceHolderLayoutEngine

    return isinstance(figure.get_layout_engine(), PlaceHolderLayoutEngine)


def _print_png(figure: Figure, path: Path) -> None:
    """Write what `Figure.savefig` writes, which draws a figure twice: the first time for its layout."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    before = figure.dpi
    figure.set_dpi(DPI)
    try:
        FigureCanvasAgg(figure).print_png(str(path))  # type: ignore[no-untyped-call]
    finally:
        figure.set_dpi(before)
