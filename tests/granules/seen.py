"""What a detector sees of a product."""

from __future__ import annotations

import numpy as np

from granules import COLS
from hsad.engine.source import source_of


def spectra(cube):
    """Return what a detector sees: physical values of the good bands, and validity."""
    source = source_of(cube)
    rows, cols = slice(0, cube.sizes["y"]), slice(0, cube.sizes["x"])
    return source.spectra(source.read(rows, cols), rows, cols)


def invalid(cube):
    """Return the places that are not valid."""
    return {tuple(int(number) for number in place) for place in np.argwhere(~spectra(cube)[1])}


def row(number, cols=COLS):
    return {(number, col) for col in range(cols)}
