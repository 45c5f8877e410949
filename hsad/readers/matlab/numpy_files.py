"""Arrays in numpy's files, one in ``.npy`` or several named ones in ``.npz``."""

from __future__ import annotations

import math
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsad.errors import SceneError
from hsad.readers.matlab.content import Content, MatArray
from hsad.readers.rasters.raw import INTERLEAVES, Layout, RawRaster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hsad.scene.cube import Raster

__all__ = ["is_numpy", "load", "plain_raster", "read_content"]

# Largest ratio of unpacked to packed bytes that deflate, the compression of ``.npz``, can reach.
_MOST_GROWTH = 1032
# Bytes up to which an unpacked array may have any ratio to its packed size. A larger array may have at most this ratio.
_MOST_UNPACKED = 2**30
_LIKELY_GROWTH = 100
_LARGEST_TEXT = 2**20  # bytes of an array of texts that is loaded


class _Described(NamedTuple):
    """Metadata from the header of an array, and the bytes of the header."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    header: int

    @property
    def size(self) -> int:
        """Bytes of the header and the numbers."""
        return self.header + math.prod(self.shape) * self.dtype.itemsize


def is_numpy(path: str | Path) -> bool:
    """Tell whether a file has the suffix ``.npy`` or ``.npz``."""
    return Path(path).suffix.lower() in (".npy", ".npz")


def read_content(path: str) -> Content:
    """Return the arrays and texts of a file; only texts are loaded.

    Raises
    ------
    SceneError
        When the file is damaged, or an array has fewer bytes than its header states.
    """
    content = Content()
    for name, described in _arrays(path).items():
        if described.dtype.kind == "U" and described.size < _LARGEST_TEXT:
            content.texts[name] = [str(text) for text in np.ravel(_loaded(path, name))]
        elif described.dtype.kind in "iufb":
            content.arrays.append(MatArray(name, described.shape, name))
    return content


def load(path: str, array: MatArray) -> NDArray[Any]:
    """Return the numbers of an array.

    Raises
    ------
    SceneError
        When the file is damaged, or states more bytes than its packed bytes can contain.
    """
    return _loaded(path, array.place)


def plain_raster(path: str, axes: tuple[int, int, int]) -> Raster | None:
    """Return the raster of a ``.npy`` file, whose axes of rows, columns and bands are `axes`.

    The result is None if the file is an archive, or if the columns come before the rows in the file.
    """
    if not path.lower().endswith(".npy"):
        return None
    (described,) = _arrays(path).values()
    stored = [2 - axis if described.fortran else axis for axis in axes]
    interleave = next((name for name, order in INTERLEAVES.items() if tuple(np.argsort(stored)) == order), None)
    if interleave is None or len(described.shape) != 3:
        return None
    rows, cols, bands = (described.shape[axis] for axis in axes)
    return RawRaster(path, Layout((rows, cols, bands), described.dtype, interleave, described.header))


def _arrays(path: str) -> dict[str, _Described]:
    """Return the metadata of all arrays from their headers."""
    with _readable(path):
        if not path.lower().endswith(".npz"):
            with Path(path).open("rb") as file:
                return {Path(path).stem: _described(file, Path(path).stat().st_size, Path(path).stem)}
        found = {}
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                name = entry.filename.removesuffix(".npy")
                if name == entry.filename:
                    continue
                if entry.file_size > _MOST_GROWTH * max(1, entry.compress_size):
                    raise SceneError(f"{name} promises {entry.file_size} bytes, {entry.compress_size} cannot hold them")
                with archive.open(entry) as file:
                    found[name] = _described(file, entry.file_size, name)
        return found


def _loaded(path: str, name: str) -> NDArray[Any]:
    with _readable(path):
        if not path.lower().endswith(".npz"):
            with Path(path).open("rb") as file:
                _described(file, Path(path).stat().st_size, name)
                file.seek(0)
                return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(f"{name}.npy")
            if entry.file_size > max(_MOST_UNPACKED, _LIKELY_GROWTH * entry.compress_size):
                raise SceneError(
                    f"{name} unpacks to {entry.file_size} bytes, more than {_LIKELY_GROWTH} times its "
                    f"{entry.compress_size}: no scene packs so well"
                )
            with archive.open(entry) as file:
                _described(file, entry.file_size, name)
                file.seek(0)
                return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _described(file: IO[bytes], size: int, name: str) -> _Described:
    """Return the metadata of an array from its header.

    Raises
    ------
    SceneError
        When the array has fewer bytes than its header states.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    described = _Described(tuple(map(int, shape)), bool(fortran), dtype, file.tell())
    if min(described.shape, default=1) < 0 or (not dtype.hasobject and described.size > size):
        raise SceneError(f"{name} states {described.size} bytes, it has {size}")
    return described


@contextmanager
def _readable(path: str) -> Iterator[None]:
    """Turn errors of numpy and zipfile about damaged files into one line that names the file."""
    try:
        yield
    except SceneError as error:
        raise SceneError(f"{path}: {error}") from error
    except (OSError, ValueError, EOFError, KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise SceneError(f"{path}: not a readable file of numpy: {' '.join(str(error).split())}") from error
    except (zlib.error, MemoryError, OverflowError, SyntaxError, TypeError, RecursionError) as error:
        raise SceneError(f"{path}: a damaged file of numpy: {' '.join(str(error).split())}") from error
