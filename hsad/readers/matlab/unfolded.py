"""Scenes that are stored as a matrix of bands and pixels, such as benchmarks of unmixing (Samson, Jasper, Urban)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hsad.readers.matlab.content import MatArray
from hsad.readers.matlab.matfile import load_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Folded", "folded"]

_ROWS = re.compile(r"^(n_?(um)?_?)?(rows?|lines?|height|h)$", re.IGNORECASE)
_COLUMNS = re.compile(r"^(n_?(um)?_?)?(cols?|columns?|samples?|width|w)$", re.IGNORECASE)


@dataclass(frozen=True)
class Folded:
    """Loader of a cube from a matrix whose pixels are in column order, the order of MATLAB's ``reshape``.

    Attributes
    ----------
    matrix : MatArray
    rows, cols : int
        Number of rows and columns of the scene.
    pixel_axis : int
        The axis of the matrix along which the pixels vary.
    """

    matrix: MatArray
    rows: int
    cols: int
    pixel_axis: int

    @property
    def bands(self) -> int:
        """Number of bands."""
        return self.matrix.shape[1 - self.pixel_axis]

    @property
    def remark(self) -> str:
        """Remark that states the assumed order of pixels."""
        return (
            f"{self.matrix} is a matrix of {self.bands} bands and {self.rows}·{self.cols} pixels: "
            "its pixels are taken column by column"
        )

    def __call__(self, path: str) -> NDArray[Any]:
        """Return the cube, shape ``(rows, cols, bands)``."""
        values = load_array(path, self.matrix)
        spectra = values if self.pixel_axis == 0 else values.T
        return spectra.reshape(self.cols, self.rows, self.bands).transpose(1, 0, 2)


def folded(source: str, arrays: Sequence[MatArray], variable: str | None) -> Folded | None:
    """Return the loader that folds a matrix of the file into a cube, or None if the scene's size is not known.

    The file states the size as two numbers (``nRow``, ``nCol``) or contains a map of the scene's size.

    Parameters
    ----------
    source : str
        The file.
    arrays : sequence of MatArray
        The arrays of the file.
    variable : str, optional
        Name of the matrix; by default the matrix with most bands is chosen.
    """
    matrices = [array for array in arrays if len(array.shape) == 2 and min(array.shape) > 0]
    stated = _stated_size(source, matrices)
    sizes = [stated] if stated else [array.shape for array in matrices if min(array.shape) > 1]
    found = [
        Folded(matrix, rows, cols, axis)
        for rows, cols in sizes
        for matrix in matrices
        for axis in (1, 0)
        if matrix.shape[axis] == rows * cols > 1 and variable in (None, matrix.name)
    ]
    return max(found, key=lambda one: one.bands, default=None)


def _stated_size(source: str, matrices: Sequence[MatArray]) -> tuple[int, ...] | None:
    """Return the rows and columns that the file states as two numbers, or None."""
    size = []
    for called in (_ROWS, _COLUMNS):
        numbers = [array for array in matrices if array.shape == (1, 1) and called.match(array.field)]
        value = float(load_array(source, numbers[0]).item()) if numbers else 0.0
        if not value.is_integer() or value < 1:
            return None
        size.append(int(value))
    return tuple(size)
