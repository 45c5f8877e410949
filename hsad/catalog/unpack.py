"""Archives that are unpacked whole or not at all, and never outside of their folder."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from hsad.errors import OutputError, SceneError
from hsad.files import check_folder, publish_folder, staging

__all__ = ["unpack", "unpacked_name"]

_MOST_MEMBERS = 10_000  # a scene has far fewer files
_MOST_TIMES = 200  # images shrink to a tenth; what shrinks more was made to fill a disk
_BLOCK = 2**20
_PACKED = (".tar.gz", ".tgz", ".tar", ".zip")


def unpacked_name(name: str) -> str:
    """Return the name of the folder for an archive: its own name without the ending.

    Examples
    --------
    >>> unpacked_name("ang20200712t201415.tar.gz")
    'ang20200712t201415'
    """
    ending = next((end for end in _PACKED if name.lower().endswith(end)), "")
    return name[: len(name) - len(ending)] if ending else f"{name}-unpacked"


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a zip or tar archive into a new folder, and return it.

    Raises
    ------
    SceneError
        When the archive is damaged, or has members that lead out of the folder, are no regular files, or hold more
        than they state.
    OutputError
        When the folder exists, or the disk has no room.
    """
    final = check_folder(folder, (), (), overwrite=False)
    with staging(final) as stage:
        place = stage / final.name
        place.mkdir()
        try:
            _fill(archive, place)
        except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise SceneError(f"{archive}: not a readable archive: {error or type(error).__name__}") from error
        publish_folder(place, final, (), overwrite=False)
    return final


def _fill(archive: Path, place: Path) -> None:
    members = _of_zip if zipfile.is_zipfile(archive) else _of_tar
    most = archive.stat().st_size * _MOST_TIMES
    for number, (name, size, source) in enumerate(members(archive)):
        if number >= _MOST_MEMBERS:
            raise SceneError(f"{archive}: an archive with more than {_MOST_MEMBERS} files")
        target = place / _inside(archive, name)
        most -= size
        if most < 0:
            raise SceneError(f"{archive}: unpacked it takes over {_MOST_TIMES} times its size; nothing was unpacked")
        free = shutil.disk_usage(place).free
        if size > free:
            raise OutputError(f"{archive}: {name} takes {size / 1e6:.4g} MB unpacked, and {free / 1e6:.4g} MB are free")
        target.parent.mkdir(parents=True, exist_ok=True)
        with source, target.open("xb") as file:
            _copy(archive, name, size, source, file)


def _copy(archive: Path, name: str, size: int, source: Any, target: IO[bytes]) -> None:
    """Copy a member; it may hold as many bytes as the archive states."""
    left = size
    while block := source.read(min(_BLOCK, left + 1)):
        left -= len(block)
        if left < 0:
            raise SceneError(f"{archive}: {name} holds more than the {size} bytes that the archive states")
        target.write(block)
    if left:
        raise SceneError(f"{archive}: {name} ends {left} bytes early")


def _inside(archive: Path, name: str) -> PurePosixPath:
    """Return the name of a member if it stays within the folder."""
    path = PurePosixPath(name)
    odd = any(character in name for character in "\\\0:")  # separators and drives of other systems
    if odd or path.is_absolute() or ".." in path.parts or not path.parts:
        raise SceneError(f"{archive}: the member {name!r} leads out of its folder; nothing was unpacked")
    return path


def _of_zip(archive: Path) -> Iterator[tuple[str, int, Any]]:
    with zipfile.ZipFile(archive) as opened:
        for item in opened.infolist():
            mode = item.external_attr >> 16
            if item.is_dir():
                continue
            if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise SceneError(f"{archive}: the member {item.filename!r} is no regular file; nothing was unpacked")
            yield item.filename, item.file_size, opened.open(item)


def _of_tar(archive: Path) -> Iterator[tuple[str, int, Any]]:
    with tarfile.open(archive) as opened:
        for item in opened:
            if item.isdir():
                continue
            source = opened.extractfile(item) if item.isreg() else None
            if source is None:
                raise SceneError(f"{archive}: the member {item.name!r} is no regular file; nothing was unpacked")
            yield item.name, item.size, source
