"""Names of files and of arrays in them, and all files that hsad writes: they appear whole or not at all.

Nothing but a regular file is ever written or replaced, no link is followed, and what stands there stays unless
overwriting was allowed. Within a command of the command line, nothing that the command reads is ever replaced.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from hsad.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "check_folder", "check_output", "command_files", "locked", "made_earlier", "named", "note_input", "publish",
    "publish_folder", "refuse_inputs", "split_variable", "staging", "whole_file",
]  # fmt: skip

# Formats whose files hold several arrays, or several files.
_WITH_VARIABLE = re.compile(
    r"^(?P<path>.+\.(?:mat|npz|nc|nc4|h5|hdf5|he5|zarr|zip|tar|tgz|tar\.gz)):(?P<variable>[^\\:]+)$", re.IGNORECASE
)


def split_variable(path: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Return the file and the array name of ``scene.mat:NAME``. The path of an existing file is not split."""
    match = _WITH_VARIABLE.match(os.fspath(path))
    if match is None or Path(path).exists():
        return Path(path), None
    return Path(match["path"]), match["variable"]


def check_output(path: str | os.PathLike[str], suffixes: Sequence[str], *, overwrite: bool = False) -> Path:
    """Return `path` if a file can be written there.

    Parameters
    ----------
    path : path
        The final name.
    suffixes : sequence of str
        The endings the name may have, lower case, with their dot; empty: any.
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    OutputError
        When the ending is wrong, the folder is not writable or cannot be made, the file exists already, or the name
        belongs to something that is no regular file: a folder, a link, a device.
    """
    target = named(path)
    folder = [target, *_missing_folders(target.parent)][-1].parent
    if suffixes and target.suffix.lower() not in suffixes:
        raise OutputError(f"{target}: the name must end with one of {', '.join(suffixes)}")
    if not folder.is_dir():
        raise OutputError(f"{target}: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{target}: the folder {folder} is not writable")
    _check_name(target, overwrite=overwrite)
    return target


def _missing_folders(folder: Path) -> list[Path]:
    """Return the folders that have to be made for `folder`, the innermost first."""
    return [place for place in (folder, *folder.parents) if not os.path.lexists(place)]


def named(path: str | os.PathLike[str]) -> Path:
    """Return the path, if it can be the name of a file."""
    target = Path(path)
    shown = str(target).encode("utf-8", "backslashreplace").decode()
    if not target.name or target.name == ".." or "\0" in shown or shown != str(target):
        raise OutputError(f"{shown!r} is not the name of a file")
    if "\\" in shown:  # GDAL takes it for the end of a folder's name
        raise OutputError(f"{shown!r}: the name of an output cannot hold a backslash")
    return target


def _check_name(target: Path, *, overwrite: bool) -> None:
    """Refuse a name of something that must not be replaced; links are not followed."""
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise OutputError(f"{target}: {_kind(mode)} of this name exists already, only a regular file is replaced")
    command = _COMMAND.get()
    if command is not None and command.reads(target):
        raise OutputError(f"{target} is read by this run; choose another name for what it writes")
    if not overwrite and not made_earlier(target):
        raise OutputError(f"{target} exists already; --overwrite (overwrite=True) replaces it, or choose another name")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


class _CommandFiles:
    """The files of one command: those it reads, and those that an unfinished start of the same command published.

    A mark says when the unfinished start began. It is made before the first file of the command gets its final name,
    and is removed when the command ends well.
    """

    def __init__(self, output: Path | None, identity: str) -> None:
        self._inputs: set[tuple[int, int]] = set()
        self._own: set[tuple[int, int]] = set()
        self._start = time.time_ns() - 10**9  # the clocks of file systems are coarse, or another machine's
        self._output, self._identity = output, identity[:16]
        mark = self._mark
        known = mark is not None and mark.is_file() and not mark.is_symlink()
        self._since = mark.stat().st_mtime_ns if known and mark is not None else None

    @property
    def _mark(self) -> Path | None:
        """In the first output if that is a folder, which the command may have made meanwhile, else beside it."""
        output = self._output
        name = "" if output is None else f".{output.name}.{self._identity}.unfinished-set"
        return None if output is None else (output if output.is_dir() else output.parent) / name

    def note_input(self, path: Path) -> None:
        with suppress(OSError, ValueError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in self._own:
                self._inputs.add((status.st_dev, status.st_ino))

    def reads(self, path: Path) -> bool:
        status = path.stat()
        return (status.st_dev, status.st_ino) in self._inputs

    def made_earlier(self, path: Path) -> bool:
        with suppress(OSError):
            return self._since is not None and path.lstat().st_mtime_ns >= self._since
        return False

    def begin_to_publish(self, staged: Path) -> None:
        status = staged.stat()
        self._own.add((status.st_dev, status.st_ino))
        mark = self._mark
        if mark is not None and self._since is None and not mark.exists():
            with suppress(OSError):
                mark.touch(exist_ok=False)
                os.utime(mark, ns=(self._start, self._start))

    def end(self) -> None:
        if (own := self._mark) is not None:
            known = re.compile(re.escape(own.name).replace(self._identity, "[0-9a-f]{16}"))
            with suppress(OSError):
                for mark in filter(lambda path: known.fullmatch(path.name), own.parent.iterdir()):
                    mark.unlink()


_COMMAND: ContextVar[_CommandFiles | None] = ContextVar("command", default=None)


@contextmanager
def command_files(inputs: Iterable[Path], output: Path | None, identity: str) -> Iterator[None]:
    """Keep `inputs` from being replaced within the block, and let the block go on with its own unfinished outputs.

    Parameters
    ----------
    inputs : iterable of path
    output : path, optional
        The first output of the command: a file, or a folder.
    identity : str
        A digest of the command and its inputs, as hexadecimal digits.
    """
    command = _CommandFiles(output, identity)
    for path in inputs:
        command.note_input(path)
    token = _COMMAND.set(command)
    try:
        yield
        command.end()
    finally:
        _COMMAND.reset(token)


def note_input(path: str | os.PathLike[str]) -> None:
    """Say that the running command reads a file; without a command nothing happens."""
    if (command := _COMMAND.get()) is not None:
        command.note_input(Path(path))


def made_earlier(path: Path) -> bool:
    """Tell whether an unfinished start of the running command published a file: the command may replace or keep it."""
    command = _COMMAND.get()
    return command is not None and command.made_earlier(path)


def refuse_inputs(path: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write to a file that is read.

    Raises
    ------
    OutputError
    """
    for read in inputs:
        if path.exists() and read.exists() and path.samefile(read):
            raise OutputError(f"{path} is read by this run; choose another name for what it writes")


@contextmanager
def staging(path: Path, folder: Path | None = None) -> Iterator[Path]:
    """Yield a hidden folder beside `path` (or in `folder`), on the same file system, and remove it in the end.

    Missing folders above it are made, and removed if they stay empty, as are those of killed processes for `path`.

    Raises
    ------
    OutputError
        When the folder cannot be made, or when anything inside the ``with`` block ends in an ``OSError``.
    """
    place = folder or path.parent
    missing = _missing_folders(place)
    _remove_abandoned(path, place)
    try:
        place.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=place))
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    try:
        with _in_use(stage):
            yield stage
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        with suppress(OSError):  # the first one that is not empty stays, and all above it
            for made in missing:
                made.rmdir()


# A file in each folder of `staging`. The process that made the folder holds a lock on it as long as it lives.
_MARK = "hsad.staging"


@contextmanager
def _in_use(stage: Path) -> Iterator[None]:
    """Mark a folder as in use, where the file system knows locks."""
    with ExitStack() as stack:
        with suppress(OSError):
            # The file gets its name after it is locked. Without a lock the folder would look abandoned.
            stack.enter_context(locked(stage / f"{_MARK}.new", os.O_CREAT | os.O_EXCL))
            (stage / f"{_MARK}.new").rename(stage / _MARK)
        yield


def _remove_abandoned(path: Path, folder: Path) -> None:
    """Remove folders for `path` whose processes have ended."""
    made = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}\.partial")
    with suppress(OSError):
        for stage in folder.iterdir():
            if made.fullmatch(stage.name) and not stage.is_symlink():
                with suppress(OSError), locked(stage / _MARK):
                    shutil.rmtree(stage)


@contextmanager
def locked(path: Path, flags: int = 0) -> Iterator[None]:
    """Hold a lock on a file, opened with `flags`; a `BlockingIOError` where another holder exists.

    The lock ends with the process, also where the process is killed.
    """
    flags |= os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def publish(staged: Path, final: Path, *, overwrite: bool) -> None:
    """Flush a complete file of a folder of `staging` to the disk and give it its final name.

    Without `overwrite`, an existing file stays, also one that appeared a moment ago.

    Raises
    ------
    OutputError
        When the name belongs to something that must not be replaced.
    """
    with staged.open("r+b") as file:
        os.fsync(file.fileno())
    _check_name(final, overwrite=overwrite)
    if (command := _COMMAND.get()) is not None:
        command.begin_to_publish(staged)
    if overwrite or made_earlier(final):
        staged.replace(final)
        return
    try:
        os.link(staged, final)  # unlike a renaming, it fails where the name is taken
    except FileExistsError:
        _check_name(final, overwrite=False)
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        staged.rename(final)


# Errors of file systems without links, such as FAT.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL}


def check_folder(
    path: str | os.PathLike[str], suffixes: Sequence[str], marks: Sequence[str], *, overwrite: bool
) -> Path:
    """Return `path` if a folder in a format such as Zarr can be written there.

    Parameters
    ----------
    path : path
        The final name.
    suffixes : sequence of str
        The endings the name may have, lower case.
    marks : sequence of str
        Names of files, one of which such a folder holds: only a folder with one of them is ever replaced.
    overwrite : bool
        Whether a folder of that name may be replaced.

    Raises
    ------
    OutputError
        As for `check_output`.
    """
    target = named(path)
    if not (target.is_dir() and not target.is_symlink()):
        return check_output(target, suffixes, overwrite=False)
    if suffixes and target.suffix.lower() not in suffixes:
        raise OutputError(f"{target}: the name must end with one of {', '.join(suffixes)}")
    if not overwrite and not made_earlier(target):
        raise OutputError(f"{target} exists already; allow overwriting or choose another name")
    if not any((target / mark).is_file() for mark in marks):
        raise OutputError(f"{target}: a folder of this name holds something else, which is not replaced")
    return target


def publish_folder(staged: Path, final: Path, marks: Sequence[str], *, overwrite: bool) -> None:
    """Give a complete folder its final name. A folder that it replaces is moved away first and removed last.

    Raises
    ------
    OutputError
        When the name belongs to something that must not be replaced.
    """
    for file in staged.rglob("*"):
        if file.is_file():
            with file.open("r+b") as opened:
                os.fsync(opened.fileno())
    check_folder(final, (), marks, overwrite=overwrite)
    if final.exists():
        final.rename(staged.with_name(f"{staged.name}.replaced"))  # in the folder that is removed in the end
    staged.rename(final)


@contextmanager
def whole_file(path: str | os.PathLike[str], suffixes: Sequence[str] = (), *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary name to write to. When the context ends well, the file gets its final name.

    Raises
    ------
    OutputError
        As `check_output` before the block, as `staging` and `publish` after it.
    """
    target = check_output(path, suffixes, overwrite=overwrite)
    with staging(target) as folder:
        yield folder / target.name
        publish(folder / target.name, target, overwrite=overwrite)
