"""Scenes that are stored as a matrix of bands and pixels, as the benchmarks of unmixing are (Samson, Jasper, Urban)."""

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
    """Loader of a cube from a matrix whose pixels run down the columns of the scene, as MATLAB's ``reshape`` has them.

    Attributes
    ----------
    matrix : MatArray
    rows, cols : int
        Size of the scene.
    pixel_axis : int
        The axis of the matrix that runs through the pixels.
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
        """What was assumed, as a sentence."""
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
    """Return how a matrix of the file becomes a cube, None where the file does not state the size of a scene.

    The size stands in the file as two numbers (``nRow``, ``nCol``), or is that of a map beside the matrix.

    Parameters
    ----------
    source : str
        The file.
    arrays : sequence of MatArray
        What it holds.
    variable : str, optional
        The matrix; the largest that has an axis of all pixels by default.
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
    """Return the rows and columns that stand in the file as two numbers, None where they do not."""
    size = []
    for called in (_ROWS, _COLUMNS):
        numbers = [array for array in matrices if array.shape == (1, 1) and called.match(array.field)]
        value = float(load_array(source, numbers[0]).item()) if numbers else 0.0
        if not value.is_integer() or value < 1:
            return None
        size.append(int(value))
    return tuple(size)
