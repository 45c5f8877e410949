"""Windows of HDF5 datasets, for the formats that are HDF5 inside."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import HsadError, SceneError
from hsad.files import keeps_offline
from hsad.readers.rasters.pixels import in_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py
    from numpy.typing import NDArray

__all__ = ["Hdf5Layer", "Hdf5Raster", "column", "open_hdf5", "stated", "text"]


@contextmanager
def open_hdf5(path: str) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; errors, while it is open too, become a `SceneError` that names it."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if keeps_offline():
                _refuse_other_files(file, path)
            yield file
    except HsadError:
        raise
    except Exception as error:  # h5py raises whatever a damaged file makes it stumble over
        said = " ".join(str(error).split()) or type(error).__name__
        raise SceneError(f"{path}: not a readable HDF5 file: {said}") from error


def _refuse_other_files(file: h5py.File, path: str) -> None:
    """Refuse a file with links to other files, or with data in them, before anything of it is followed."""
    import h5py

    waiting, seen = [file], set()
    while waiting:
        group = waiting.pop()
        if group.id in seen:
            continue
        seen.add(group.id)
        for name in group:
            link = group.get(name, getlink=True)
            named = [link.filename] if isinstance(link, h5py.ExternalLink) else []
            item = group[name] if isinstance(link, h5py.HardLink) else None
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif isinstance(item, h5py.Dataset):
                named += [other for other, *_ in item.external or ()]
                named += [source.file_name for source in (item.virtual_sources() if item.is_virtual else ())]
            others = [other for other in named if other != "."]
            if others:
                raise SceneError(f"{path}: {name} lies in another file ({others[0]}), which HSAD_OFFLINE forbids")


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
        return in_pixels(stored.transpose(self.axes), self.dtype)


@dataclass(frozen=True)
class Hdf5Layer:
    """Rows of a two-dimensional dataset; the file is opened for each read."""

    path: str
    dataset: str
    shape: tuple[int, int]

    @classmethod
    def of(cls, path: str, dataset: h5py.Dataset) -> Hdf5Layer:
        """Return the recipe for an open dataset.

        Raises
        ------
        SceneError
            When it has not two dimensions, or holds anything but real numbers.
        """
        if dataset.ndim != 2 or dataset.dtype.kind not in "iufb":
            raise SceneError(f"{path}: {dataset.name} {dataset.shape} of {dataset.dtype} is no image of numbers")
        return cls(path, dataset.name, (int(dataset.shape[0]), int(dataset.shape[1])))

    def read(self, rows: slice) -> NDArray[Any]:
        """Return some rows, shape ``(rows, cols)``."""
        with open_hdf5(self.path) as file:
            return np.asarray(file[self.dataset][rows])


def stated(holder: Any, name: str, source: str) -> Any:
    """Return an attribute of a file, group or dataset.

    Raises
    ------
    SceneError
        When it is missing; the message names the file and the attribute.
    """
    if name not in holder.attrs:
        where = "" if holder.name == "/" else f" of {holder.name}"
        raise SceneError(f"{source}: no attribute {name}{where}")
    return holder.attrs[name]


def text(value: Any) -> str:
    """Return a text however it is stored: bytes, or an array of one string."""
    value = np.asarray(value).ravel()[0] if np.ndim(value) else value
    if isinstance(value, np.ndarray):
        value = value.item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def column(holder: Any, name: str, source: str) -> NDArray[np.float64]:
    """Return a dataset of numbers as a vector.

    Raises
    ------
    SceneError
        When it is missing or does not hold numbers.
    """
    import h5py

    dataset = holder.get(name)
    if not isinstance(dataset, h5py.Dataset):
        raise SceneError(f"{source}: no dataset {holder.name.rstrip('/')}/{name}")
    if dataset.dtype.kind not in "iufb":
        raise SceneError(f"{source}: {dataset.name} holds {dataset.dtype}, not numbers")
    return np.asarray(dataset[...], dtype=np.float64).ravel()
