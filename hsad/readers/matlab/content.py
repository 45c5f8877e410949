"""What is in a MATLAB file: its numeric arrays and its texts.

Names are written as in MATLAB: ``scene.data`` is a field of a struct, ``scenes(2).data`` one of an array of structs,
``parts{3}`` a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hsad.errors import SceneError

__all__ = ["Content", "MatArray", "listing"]

_MOST_LISTED = 12
# Structs and cells hold a scene's few parts; a file with more parts than this would only take long to list.
_MOST_PARTS = 10_000


@dataclass(frozen=True)
class MatArray:
    """A numeric array of a file.

    Attributes
    ----------
    name : str
        As MATLAB would write it.
    shape : tuple of int
        The axes as the program shows them that wrote the file.
    place : str
        The name of its dataset in an HDF5 file, or of the variable in a file of version 5 that holds it.
    turned : bool
        Whether the dataset has its axes in reverse, as MATLAB writes them.
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
        """The struct or cell that holds it, "" at the top."""
        return self.name[: max(self.name.rfind("."), self.name.rfind("{"), 0)]

    @property
    def field(self) -> str:
        """Its name without the struct's."""
        return self.name.rpartition(".")[2]


@dataclass
class Content:
    """What a file holds.

    Attributes
    ----------
    arrays : list of MatArray
    texts : dict
        Texts by name: one, the rows of an array of characters, or the items of a cell of texts or single numbers.
    """

    arrays: list[MatArray] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    _visited: int = 0

    def count(self) -> None:
        """Count a part of the file that was looked at: an array, a text, a struct, a cell.

        Raises
        ------
        SceneError
            When the parts become too many.
        """
        self._visited += 1
        if self._visited > _MOST_PARTS:
            raise SceneError(f"more than {_MOST_PARTS} arrays, structs and cells")


def listing(arrays: Sequence[MatArray]) -> str:
    """Return the names and shapes of arrays for a message, the first dozen of many."""
    shown = ", ".join(map(str, arrays[:_MOST_LISTED])) or "no numeric array"
    return f"{shown}, …" if len(arrays) > _MOST_LISTED else shown
