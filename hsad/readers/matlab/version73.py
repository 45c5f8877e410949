"""MATLAB files of version 7.3, which are HDF5, and other HDF5 files with the suffix ``.mat``.

In MATLAB's arrays the first index varies fastest, so HDF5 shows their axes in reverse order. h5py writes axes in the
order of numpy. If an array has the attribute ``MATLAB_class``, or the file starts with MATLAB's block of text, then
MATLAB or a program with MATLAB's rules wrote the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.matlab.content import Content, MatArray
from hsad.readers.rasters.hdf5 import open_hdf5, text

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray

__all__ = ["load", "read_content"]

_DEEPEST = 32  # levels of structs within structs
# Bytes before the HDF5 content, in which MATLAB writes its name and version.
_USER_BLOCK = 512
# A list with one short text per band has fewer characters than this.
_LARGEST_TEXT = 2**20


def read_content(path: str) -> Content:
    """Return the numeric arrays and texts of a file.

    Raises
    ------
    SceneError
        When the file is damaged, or contains more arrays than a scene has.
    """
    content = Content()
    try:
        with open_hdf5(path) as opened:
            marked = any("MATLAB_class" in item.attrs for _, item in _members(opened))
            by_matlab = marked or opened.userblock_size == _USER_BLOCK
            for name, item in _members(opened):
                if not name.startswith("#"):  # MATLAB stores the contents of cells in a group with such a name
                    _Walk(content, opened, by_matlab).gather(name, item)
    except SceneError as error:
        raise SceneError(f"{path}: {error}" if path not in str(error) else str(error)) from error
    return content


def load(path: str, array: MatArray) -> NDArray[Any]:
    """Return one array in its stated shape."""
    with open_hdf5(path) as file:
        stored: NDArray[Any] = np.asarray(file[array.place])
    return stored.T if array.turned else stored


def _members(group: h5py.Group) -> Iterator[tuple[str, Any]]:
    """Yield the members of a group, except soft and external links."""
    import h5py

    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.HardLink):
            yield name, group[name]


class _Walk:
    """Traversal of an open file that adds its arrays and texts to a `Content`."""

    def __init__(self, content: Content, file: h5py.File, by_matlab: bool) -> None:
        self._content = content
        self._file = file
        self._by_matlab = by_matlab

    def gather(self, name: str, item: Any, depth: int = 0) -> None:
        """Add a dataset, or the parts of a group or cell."""
        import h5py

        if depth > _DEEPEST:
            raise SceneError(f"structs within structs, {depth} deep")
        self._content.count()
        if isinstance(item, h5py.Group):
            for part, member in _members(item):
                if isinstance(member, h5py.Dataset) and _points(member) and not _is_cell(member):
                    for number, element in self._targets(member):  # an array of structs has one target per element
                        self.gather(f"{name}({number}).{part}", element, depth + 1)
                else:
                    self.gather(f"{name}.{part}", member, depth + 1)
        elif not isinstance(item, h5py.Dataset):
            return
        elif _points(item):
            self._cell(name, item, depth)
        elif (listed := _texts(item)) is not None:
            self._content.texts[name] = listed
        elif item.dtype.kind in "iufb" and "MATLAB_empty" not in item.attrs:
            known = self._by_matlab or "MATLAB_class" in item.attrs or "OCTAVE_NEW_FORMAT" in item.parent.attrs
            shape = tuple(map(int, item.shape))
            self._content.arrays.append(MatArray(name, shape[::-1] if known else shape, item.name, known, known))

    def _cell(self, name: str, item: h5py.Dataset, depth: int) -> None:
        import h5py

        cells = list(self._targets(item))
        datasets = [cell for _, cell in cells if isinstance(cell, h5py.Dataset)]
        if len(cells) > 1 and len(datasets) == len(cells) and all(_single(cell) for cell in datasets):
            self._content.texts[name] = [_single_text(cell) for cell in datasets]
            return
        for number, cell in cells:
            self.gather(f"{name}{{{number}}}", cell, depth + 1)

    def _targets(self, item: h5py.Dataset) -> Iterator[tuple[int, Any]]:
        for number, reference in enumerate(np.ravel(item[()]), 1):
            if reference:
                self._content.count()
                yield number, self._file[reference]


def _points(item: h5py.Dataset) -> bool:
    import h5py

    return h5py.check_ref_dtype(item.dtype) is h5py.Reference


def _is_cell(item: h5py.Dataset) -> bool:
    return text(item.attrs.get("MATLAB_class", b"")) == "cell"


def _texts(item: h5py.Dataset) -> list[str] | None:
    """Return the texts of a dataset, or None if it does not contain texts."""
    import h5py

    if text(item.attrs.get("MATLAB_class", b"")) == "char" and item.dtype.kind in "iu":
        if item.size > _LARGEST_TEXT or item.ndim != 2 or "MATLAB_empty" in item.attrs:
            return []
        return ["".join(map(chr, column)).rstrip() for column in np.asarray(item).T.tolist()]
    if item.dtype.kind == "S" or h5py.check_string_dtype(item.dtype) is not None:
        if item.size > _LARGEST_TEXT:
            return []
        return [text(value) for value in np.ravel(item[()])]
    return None


def _single(item: h5py.Dataset) -> bool:
    """Tell whether a cell contains one number or one text."""
    if text(item.attrs.get("MATLAB_class", b"")) == "char":
        return len(_texts(item) or ()) == 1
    return bool(item.size == 1 and item.dtype.kind in "iuf")


def _single_text(item: h5py.Dataset) -> str:
    listed = _texts(item)
    return listed[0] if listed else str(np.ravel(item[()])[0])
