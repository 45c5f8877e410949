"""Arrays of numpy in files: one in ``.npy``, several with names in ``.npz``."""

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

# No format of compression that zip files have for arrays makes more than this of a byte, arrays of one number included.
_MOST_GROWTH = 1032
# Bytes of an array that any archive may promise; a larger one must not be more than a hundred times its packed size.
_MOST_UNPACKED = 2**30
_LIKELY_GROWTH = 100
_LARGEST_TEXT = 2**20


class _Described(NamedTuple):
    """What the header of an array states, and its bytes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    header: int

    @property
    def size(self) -> int:
        """Bytes of the header and the numbers."""
        return self.header + math.prod(self.shape) * self.dtype.itemsize


def is_numpy(path: str | Path) -> bool:
    """Tell whether a file is called ``.npy`` or ``.npz``."""
    return Path(path).suffix.lower() in (".npy", ".npz")


def read_content(path: str) -> Content:
    """Return the arrays of a file and the texts in it; only texts are loaded.

    Raises
    ------
    SceneError
        When the file is damaged, or an array is not as large as its header states.
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
        When the file is damaged, or promises more than its packed bytes can hold.
    """
    return _loaded(path, array.place)


def plain_raster(path: str, axes: tuple[int, int, int]) -> Raster | None:
    """Return windows of the numbers of a ``.npy`` file, of which `axes` are rows, columns and bands.

    None where the file is an archive, or columns come before rows in it.
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
    """Return what the headers of all arrays state."""
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
    """Return what the header of an array states, if the array is of that size."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    described = _Described(tuple(map(int, shape)), bool(fortran), dtype, file.tell())
    if min(described.shape, default=1) < 0 or (not dtype.hasobject and described.size > size):
        raise SceneError(f"{name} states {described.size} bytes, it has {size}")
    return described


@contextmanager
def _readable(path: str) -> Iterator[None]:
    """Turn what numpy and zipfile raise about damaged files into one line that names the file."""
    try:
        yield
    except SceneError as error:
        raise SceneError(f"{path}: {error}") from error
    except (OSError, ValueError, EOFError, KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise SceneError(f"{path}: not a readable file of numpy: {' '.join(str(error).split())}") from error
    except (zlib.error, MemoryError, OverflowError, SyntaxError, TypeError, RecursionError) as error:
        raise SceneError(f"{path}: a damaged file of numpy: {' '.join(str(error).split())}") from error
