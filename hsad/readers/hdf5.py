"""Windows of HDF5 datasets, for the formats that are HDF5 inside."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py
    from numpy.typing import NDArray

__all__ = ["Hdf5Raster", "open_hdf5"]


@contextmanager
def open_hdf5(path: str) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; errors, while it is open too, become a `SceneError` that names it."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError) as error:
        raise SceneError(f"{path}: not a readable HDF5 file: {' '.join(str(error).split())}") from error


@dataclass(frozen=True)
class Hdf5Raster:
    """Windows of a three-dimensional dataset; the file is opened for each read.

    Attributes
    ----------
    path, dataset : str
        The file and the dataset in it.
    axes : tuple of int
        Axes of the dataset that are rows, columns and bands.
    shape, dtype
        As every raster has them.
    block : tuple of int
        Rows and columns of a chunk; where there are none, of a line.
    """

    path: str
    dataset: str
    axes: tuple[int, int, int]
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    block: tuple[int, int]

    @property
    def row_step(self) -> int:
        """Height of a chunk."""
        return self.block[0]

    @classmethod
    def of(cls, path: str, dataset: h5py.Dataset, axes: tuple[int, int, int]) -> Hdf5Raster:
        """Return the recipe for an open dataset.

        Raises
        ------
        SceneError
            When the dataset is empty or holds anything but real numbers.
        """
        if dataset.dtype.kind not in "iufb" or 0 in dataset.shape:
            raise SceneError(f"{path}: {dataset.name} {dataset.shape} holds {dataset.dtype}, a cube holds real numbers")
        rows, cols, bands = (int(dataset.shape[axis]) for axis in axes)
        block = (1, cols)
        if dataset.chunks:
            block = (min(rows, int(dataset.chunks[axes[0]])), min(cols, int(dataset.chunks[axes[1]])))
        dtype = dataset.dtype.newbyteorder("=")
        return cls(path, dataset.name, axes, (rows, cols, bands), dtype, block)

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, shape ``(rows, cols, bands)``."""
        window = [slice(None)] * 3
        window[self.axes[0]], window[self.axes[1]] = rows, cols
        with open_hdf5(self.path) as file:
            stored = file[self.dataset][tuple(window)]
        return np.array(stored.transpose(self.axes), dtype=self.dtype, order="C")
