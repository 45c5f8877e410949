"""The products of the pixels of a strip, against those of numpy."""

import numpy as np

from hsad.kernels.ring.dual.patches import Band
from hsad.kernels.ring.task import CRD, Task


def test_products_of_pixels_that_may_be_in_one_ring():
    rows, width, bands, reach = 11, 29, 7, 6
    x = np.random.default_rng(0).normal(size=(rows * width, bands))
    band = Band(x, width, reach, rows, Task(CRD, 1e-3, distance=True))
    band.reach(0, 3)
    band.reach(3, rows)
    numbers = np.arange(len(x))
    row, col = np.divmod(numbers, width)
    near = (np.abs(col[:, None] - col) < reach) & (row[:, None] <= row) & (row < row[:, None] + reach)
    first, second = np.nonzero(near & (numbers >= numbers[:, None]))
    found = band.products[band.starts[first] + second]
    np.testing.assert_allclose(found, np.einsum("ij,ij->i", x[first], x[second]), rtol=1e-12, atol=1e-12)
