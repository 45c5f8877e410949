"""Checks of a name before a reader opens it: it can be written down, and a regular file with content stands there."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from hsad.errors import SceneError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["checked_name", "existing_file", "refuse_pointer"]

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|/vsi")  # a path has lost the second slash of s3://
_ADVICE = "; hsad reads files, not addresses: copy the scene, or name its address in a VRT (hsad help clusters)"
_POINTER = b"version https://git-lfs.github.com/spec/"


def existing_file(path: Path) -> Path:
    """Return the path if a regular file stands there that can be opened.

    Raises
    ------
    SceneError
        When it does not exist, is no regular file, may not be opened, has a name that is no text, or is a pointer that
        Git LFS left in place of the file.
    """
    checked_name(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise SceneError(f"{path}: a folder, not a file: name the scene's file in it")
        if not stat.S_ISREG(mode):
            raise SceneError(f"{path}: not a regular file but a pipe, a socket or a device")
        refuse_pointer(path)
    except OSError as error:
        advice = _ADVICE if _ADDRESS.match(str(path)) else ""
        raise SceneError(f"{path}: {(error.strerror or str(error)).lower()}{advice}") from error
    return path


def checked_name(path: Path) -> Path:
    """Return the path if its name can be written down: GDAL, HDF5 and the tags of results take UTF-8 without NUL.

    Raises
    ------
    SceneError
    """
    text = str(path)
    shown = text.encode("utf-8", "backslashreplace").decode()
    if "\0" in text or shown != text:
        raise SceneError(f"{shown!r}: the name holds a NUL" if "\0" in text else f"{shown}: the name is not UTF-8")
    return path


def refuse_pointer(path: Path) -> None:
    """Refuse a pointer of Git LFS: a clone has such a small text instead of each large file that was not fetched yet.

    Raises
    ------
    SceneError
        Its message says what the file is and which command fetches the content.
    OSError
        When the file may not be opened.
    """
    with path.open("rb") as file:
        start = file.read(len(_POINTER))
    if start == _POINTER:
        raise SceneError(f"{path}: a Git LFS pointer, not the file itself: `git lfs pull` brings it")
