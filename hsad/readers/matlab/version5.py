"""MATLAB files of version 5 and 4, which scipy reads after a check of their elements."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.matlab.content import Content, MatArray
from hsad.readers.matlab.elements import check_elements

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["load", "read_content"]

_NUMERIC_CLASSES = {
    "double",
    "single",
    "logical",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
# A list with one short text per band has fewer characters than this.
_LARGEST_TEXT = 2**20
_STEP = re.compile(r"\.?([^.(){}]+)|\((\d+)\)|\{(\d+)\}")


def read_content(path: str) -> Content:
    """Return the numeric arrays and texts of a file; structs, cells and texts are loaded.

    Raises
    ------
    SceneError
        When the file is damaged.
    """
    import scipy.io

    check_elements(path)
    try:
        entries = scipy.io.whosmat(path)
    except Exception as error:  # scipy raises errors of many kinds for damaged files
        raise SceneError(f"{path}: not a readable MATLAB file: {_line(error)}") from error
    content = Content()
    try:
        for name, shape, kind in entries:
            if kind in _NUMERIC_CLASSES:
                content.arrays.append(MatArray(name, tuple(map(int, shape)), name))
            elif kind in ("struct", "cell") or (kind == "char" and np.prod(shape) < _LARGEST_TEXT):
                _gather(name, _load_top(path, name), content, name)
    except SceneError as error:
        raise SceneError(f"{path}: {error}" if path not in str(error) else str(error)) from error
    return content


def load(path: str, array: MatArray) -> NDArray[Any]:
    """Return one array, with its axes in the order of MATLAB.

    Raises
    ------
    SceneError
        When the file is damaged.
    """
    check_elements(path)
    value = _load_top(path, array.place)
    for part, element, cell in _STEP.findall(array.name[len(array.place) :]):
        if part:
            value = value[part].ravel(order="F")[0] if value.size == 1 else value[part]
        else:
            value = value.ravel(order="F")[int(element or cell) - 1]
            value = np.asarray(value).reshape(1) if element else value
    return np.asarray(value)


def _load_top(path: str, name: str) -> Any:
    import scipy.io

    try:
        return scipy.io.loadmat(path, variable_names=[name])[name]
    except Exception as error:  # scipy raises errors of many kinds for damaged files
        raise SceneError(f"{path}: cannot read {name}: {_line(error)}") from error


def _gather(name: str, value: Any, content: Content, top: str) -> None:
    """Add a value in the variable `top` to the content, or the parts of a struct or cell."""
    from scipy.io.matlab import MatlabFunction, MatlabOpaque

    content.count()
    if not isinstance(value, np.ndarray) or isinstance(value, MatlabFunction | MatlabOpaque):
        return
    if value.dtype.names:
        elements = value.ravel(order="F")
        for number, element in enumerate(elements, 1):
            index = f"({number})" if len(elements) > 1 else ""
            for part in value.dtype.names:
                _gather(f"{name}{index}.{part}", element[part], content, top)
    elif value.dtype.kind == "O":
        cells = [np.asarray(cell) for cell in value.ravel(order="F")]
        if len(cells) > 1 and all(cell.size == 1 and cell.dtype.kind in "iufU" for cell in cells):
            content.texts[name] = [str(cell.item()) for cell in cells]
        else:
            for number, cell in enumerate(value.ravel(order="F"), 1):
                _gather(f"{name}{{{number}}}", cell, content, top)
    elif value.dtype.kind == "U":
        content.texts[name] = [str(row) for row in value.ravel()]
    elif value.dtype.kind in "iufb":
        content.arrays.append(MatArray(name, value.shape, top))


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
