"""Builders of sensor products: small files of exactly the layout in which each is delivered.

Each writes with the format's own library (h5py, rasterio, plain text) and returns the main file. The numbers follow
`stored`, so that every test can say by hand what must come out.
"""

from __future__ import annotations

import numpy as np

ROWS, COLS = 5, 4


def stored(bands, dtype="int16", rows=ROWS, cols=COLS):
    """Return numbers that tell where they stand: 1000 + 100 · row + 10 · column + band, ``(rows, cols, bands)``."""
    row, col, band = np.indices((rows, cols, bands))
    return (1000 + 100 * row + 10 * col + band).astype(dtype)
