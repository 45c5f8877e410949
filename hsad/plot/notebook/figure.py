"""A figure that a notebook shows: as the last value of a cell, with or without ``%matplotlib inline``, and once."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

__all__ = ["ShownFigure"]

_DPI = 100


class ShownFigure(Figure):
    """A figure with a picture of itself for notebooks.

    It belongs to no backend: pyplot does not know it, so that no backend shows it a second time at the end of a cell.
    Where a notebook has a rule of its own for figures (``%matplotlib inline``), that rule is used and not this picture.
    """

    def _repr_png_(self) -> bytes:
        """Return the figure as a PNG of 100 pixels an inch."""
        file = io.BytesIO()
        self.savefig(file, dpi=_DPI, format="png")
        return file.getvalue()
