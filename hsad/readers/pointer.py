"""Files that only stand for a file: what a clone has of large files before Git LFS has brought them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsad.errors import SceneError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["refuse_pointer"]

_START = b"version https://git-lfs.github.com/spec/"


def refuse_pointer(path: Path) -> None:
    """Refuse a Git LFS pointer.

    Raises
    ------
    SceneError
        Saying what it is and how the file comes here.
    OSError
        When the file may not be opened.
    """
    with path.open("rb") as file:
        start = file.read(len(_START))
    if start == _START:
        raise SceneError(f"{path}: a Git LFS pointer, not the file itself: `git lfs pull` brings it")
