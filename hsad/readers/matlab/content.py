"""Numeric arrays and texts of a MATLAB file.

Names have MATLAB's syntax. ``scene.data`` is a field of a struct, ``scenes(2).data`` a field of an element of an array
of structs, and ``parts{3}`` a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hsad.errors import SceneError

__all__ = ["Content", "MatArray", "listing"]

_MOST_LISTED = 12  # arrays that a message names
# A scene has a few structs and cells. A file with more parts than this takes long to list and is refused.
_MOST_PARTS = 10_000


@dataclass(frozen=True)
class MatArray:
    """A numeric array of a file.

    Attributes
    ----------
    name : str
        Name in MATLAB's syntax.
    shape : tuple of int
        Lengths of the axes, in the order of the program that wrote the file.
    place : str
        Name of the array's dataset in an HDF5 file, or of the variable that contains it in a file of version 5.
    turned : bool
        Whether the dataset has the axes in reverse order, as MATLAB writes them.
    by_matlab : bool
        Whether the file states that MATLAB, or a program that follows its rules, wrote the array.
    """

    name: str
    shape: tuple[int, ...]
    place: str
    turned: bool = False
    by_matlab: bool = True

    def __str__(self) -> str:
        return f"{self.name} ({'×'.join(map(str, self.shape))})"

    @property
    def folder(self) -> str:
        """Name of the struct or cell that contains the array, "" at the top."""
        return self.name[: max(self.name.rfind("."), self.name.rfind("{"), 0)]

    @property
    def field(self) -> str:
        """Name of the array without the name of its struct."""
        return self.name.rpartition(".")[2]


@dataclass
class Content:
    """Arrays and texts of a file.

    Attributes
    ----------
    arrays : list of MatArray
    texts : dict
        Texts by name. A name has one text, the rows of an array of characters, or the items of a cell of texts or of
        single numbers.
    """

    arrays: list[MatArray] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    _visited: int = 0

    def count(self) -> None:
        """Count a part of the file, which is an array, a text, a struct or a cell.

        Raises
        ------
        SceneError
            When the file has too many parts.
        """
        self._visited += 1
        if self._visited > _MOST_PARTS:
            raise SceneError(f"more than {_MOST_PARTS} arrays, structs and cells")


def listing(arrays: Sequence[MatArray]) -> str:
    """Return the names and shapes of at most 12 arrays for a message."""
    shown = ", ".join(map(str, arrays[:_MOST_LISTED])) or "no numeric array"
    return f"{shown}, …" if len(arrays) > _MOST_LISTED else shown
