"""Windows of HDF5 datasets, for all formats that are based on HDF5."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import HsadError, SceneError
from hsad.gdal import keeps_offline
from hsad.readers.rasters.heaps import refuse_damaged_heaps
from hsad.readers.rasters.pixels import StoredArray, block_of
from hsad.readers.rasters.raw import INTERLEAVES, Layout, RawRaster

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py
    from numpy.typing import NDArray

    from hsad.scene.cube import Raster

__all__ = ["Hdf5Layer", "Hdf5Raster", "column", "hdf5_raster", "open_hdf5", "stated", "text"]


_LARGEST_CHUNK = 2 * 2**30  # bytes; HDF5 unpacks a chunk as a whole into memory


@contextmanager
def open_hdf5(path: str) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; errors during the ``with`` block become a `SceneError` that names the file."""
    import h5py

    refuse_damaged_heaps(path)
    try:
        with h5py.File(path, "r") as file:
            if keeps_offline():
                _refuse_other_files(file, path)
            yield file
    except HsadError:
        raise
    except Exception as error:  # h5py raises errors of many kinds for damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SceneError(f"{path}: not a readable HDF5 file: {reason}") from error


def _refuse_other_files(file: h5py.File, path: str) -> None:
    """Raise `SceneError` for a file with links to other files or with data in them, before a link is followed."""
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
class Hdf5Raster(StoredArray):
    """Windows of a three-dimensional dataset, whose file is opened for each read.

    Attributes
    ----------
    dataset : str
        Name of the dataset in the file.
    """

    dataset: str

    def stored(self, window: tuple[slice, ...]) -> NDArray[Any]:
        """Return a part of the dataset."""
        with open_hdf5(self.path) as file:
            return np.asarray(file[self.dataset][window])


def hdf5_raster(path: str, dataset: h5py.Dataset, axes: tuple[int, int, int]) -> Raster:
    """Return the raster of an open dataset of three axes, of which `axes` are rows, columns and bands.

    Contiguous uncompressed numbers are read without HDF5, because HDF5 takes ten times as long.

    Raises
    ------
    SceneError
        When the dataset is empty, contains anything but real numbers, or has too large chunks.
    """
    if dataset.dtype.kind not in "iufb" or 0 in dataset.shape:
        raise SceneError(f"{path}: {dataset.name} {dataset.shape} holds {dataset.dtype}, a cube holds real numbers")
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if chunk > _LARGEST_CHUNK:
        raise SceneError(f"{path}: a chunk of {dataset.name} has {chunk} bytes, more than {_LARGEST_CHUNK}")
    rows, cols, bands = (int(dataset.shape[axis]) for axis in axes)
    interleave = next((name for name, order in INTERLEAVES.items() if tuple(np.argsort(axes)) == order), None)
    if interleave is not None and (start := _bare(dataset)) is not None:
        return RawRaster(path, Layout((rows, cols, bands), dataset.dtype, interleave, start))
    shape = rows, cols, bands
    dtype = dataset.dtype.newbyteorder("=")
    return Hdf5Raster(path, axes, shape, dtype, block_of(dataset.chunks, axes, shape), dataset.name)


def _bare(dataset: h5py.Dataset) -> int | None:
    """Return the position in the file of a dataset's numbers, or None if numpy cannot read them without HDF5."""
    import h5py

    plain = dataset.dtype.kind in "iuf" and h5py.h5t.py_create(dataset.dtype) == dataset.id.get_type()
    elsewhere = dataset.is_virtual or dataset.external or dataset.chunks
    # A dataset into which nothing was written has no bytes and no position in the file.
    if elsewhere or not plain or dataset.id.get_storage_size() < dataset.nbytes:
        return None
    start: int | None = dataset.id.get_offset()
    return start


@dataclass(frozen=True)
class Hdf5Layer:
    """Rows of a two-dimensional dataset, whose file is opened for each read."""

    path: str
    dataset: str
    shape: tuple[int, int]

    @classmethod
    def of(cls, path: str, dataset: h5py.Dataset) -> Hdf5Layer:
        """Return the layer of an open dataset.

        Raises
        ------
        SceneError
            When the dataset does not have two dimensions, or contains anything but real numbers.
        """
        if dataset.ndim != 2 or dataset.dtype.kind not in "iufb":
            raise SceneError(f"{path}: {dataset.name} {dataset.shape} of {dataset.dtype} is no image of numbers")
        return cls(path, dataset.name, (int(dataset.shape[0]), int(dataset.shape[1])))

    def read(self, rows: slice) -> NDArray[Any]:
        """Return some rows, shape ``(rows, cols)``."""
        with open_hdf5(self.path) as file:
            return np.asarray(file[self.dataset][rows])

    def whole(self) -> NDArray[Any]:
        """Return all rows."""
        return self.read(slice(0, self.shape[0]))


def stated(holder: Any, name: str, source: str) -> Any:
    """Return an attribute of a file, group or dataset.

    Raises
    ------
    SceneError
        When the attribute is missing; the message names the file and the attribute.
    """
    if name not in holder.attrs:
        where = "" if holder.name == "/" else f" of {holder.name}"
        raise SceneError(f"{source}: no attribute {name}{where}")
    return holder.attrs[name]


def text(value: Any) -> str:
    """Return a text that is stored as a string, as bytes, or as an array of one of them."""
    value = np.asarray(value).ravel()[0] if np.ndim(value) else value
    if isinstance(value, np.ndarray):
        value = value.item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def column(holder: Any, name: str, source: str) -> NDArray[np.float64]:
    """Return a dataset of numbers as a vector.

    Raises
    ------
    SceneError
        When the dataset is missing or does not contain numbers.
    """
    import h5py

    dataset = holder.get(name)
    if not isinstance(dataset, h5py.Dataset):
        raise SceneError(f"{source}: no dataset {holder.name.rstrip('/')}/{name}")
    if dataset.dtype.kind not in "iufb":
        raise SceneError(f"{source}: {dataset.name} holds {dataset.dtype}, not numbers")
    return np.asarray(dataset[...], dtype=np.float64).ravel()
