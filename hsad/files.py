"""Names of files, arrays in them, and all that hsad writes: files that appear whole or not at all, logs that grow.

Nothing but a regular file is ever written or replaced, no link is followed, and what stands there stays unless
overwriting was allowed.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hsad.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "check_folder",
    "check_output",
    "drop_statistics",
    "keeps_offline",
    "open_log",
    "publish",
    "publish_folder",
    "refuse_inputs",
    "reserve_space",
    "split_variable",
    "staging",
    "statistics",
    "whole_file",
]

_LOG_LINE = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")

# Formats whose files hold several arrays, or several files.
_WITH_VARIABLE = re.compile(
    r"^(?P<path>.+\.(?:mat|nc|nc4|h5|hdf5|he5|zarr|zip|tar|tgz|tar\.gz)):(?P<variable>[^\\:]+)$", re.IGNORECASE
)


def split_variable(path: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Split ``scene.mat:NAME`` into file and array name; a path that exists as it stands is not split."""
    match = _WITH_VARIABLE.match(os.fspath(path))
    if match is None or Path(path).exists():
        return Path(path), None
    return Path(match["path"]), match["variable"]


def keeps_offline() -> bool:
    """Tell whether files may only be read by themselves: the environment has ``HSAD_OFFLINE`` set, and not to 0.

    What a file names besides (addresses, other files) is not followed then.
    """
    return os.environ.get("HSAD_OFFLINE", "0") not in {"", "0"}


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
        Wrong ending, no such folder, a folder that is not writable, a file that exists already, or anything but a
        regular file of that name: a folder, a link, a device.
    """
    target = _named(path)
    folder = target.parent
    if suffixes and target.suffix.lower() not in suffixes:
        raise OutputError(f"{target}: the name must end with one of {', '.join(suffixes)}")
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise OutputError(f"{target}: the folder {folder} {what}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{target}: the folder {folder} is not writable")
    _check_name(target, overwrite=overwrite)
    return target


def _named(path: str | os.PathLike[str]) -> Path:
    """Return the path, if there can be a file of that name at all."""
    target = Path(path)
    shown = str(target).encode("utf-8", "backslashreplace").decode()
    if not target.name or target.name == ".." or "\0" in shown or shown != str(target):
        raise OutputError(f"{shown!r} is not the name of a file")
    return target


def _check_name(target: Path, *, overwrite: bool) -> None:
    """Refuse a name that something has which may not be replaced; links are not followed."""
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise OutputError(f"{target}: {_kind(mode)} of this name exists already, only a regular file is replaced")
    if not overwrite:
        raise OutputError(f"{target} exists already; --overwrite (overwrite=True) replaces it, or choose another name")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


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
    """Give a hidden folder beside `path` (or in `folder`), on its file system; remove it with all that is left in it.

    What a process that was killed left of such a folder for the same `path` is removed, too.

    Raises
    ------
    OutputError
        When the folder cannot be made, or when anything inside the ``with`` block ends in an ``OSError``.
    """
    _remove_abandoned(path, folder or path.parent)
    try:
        stage = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=folder or path.parent))
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    try:
        with _in_use(stage):
            yield stage
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


# In a folder of `staging`; the process that made it holds a lock on it as long as it lives.
_MARK = "hsad.staging"


@contextmanager
def _in_use(stage: Path) -> Iterator[None]:
    """Mark a folder as one that is at work, where the system knows such locks."""
    with ExitStack() as stack:
        with suppress(OSError, ImportError):
            # Under another name until it is locked: under its own it would look abandoned for a moment.
            stack.enter_context(_locked(stage / f"{_MARK}.new", os.O_CREAT | os.O_EXCL))
            (stage / f"{_MARK}.new").rename(stage / _MARK)
        yield


def _remove_abandoned(path: Path, folder: Path) -> None:
    """Remove folders that were made for `path` by processes that are gone."""
    made = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}\.partial")
    with suppress(OSError):
        for stage in folder.iterdir():
            if made.fullmatch(stage.name) and not stage.is_symlink():
                with suppress(OSError, ImportError), _locked(stage / _MARK):
                    shutil.rmtree(stage)


@contextmanager
def _locked(path: Path, flags: int = 0) -> Iterator[None]:
    """Hold a lock on a file; an `OSError` where another process does. It ends with the process, however that ends."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def reserve_space(path: Path, folder: Path, size: int) -> None:
    """Find out now, not after hours of work, whether `size` bytes fit into `folder` for making `path`.

    Raises
    ------
    OutputError
        When they do not: the disk is full, or a quota or a limit on the size of files stands in the way.
    """
    probe = folder / "space"
    try:
        if hasattr(os, "posix_fallocate"):
            with probe.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        elif (free := shutil.disk_usage(folder).free) < size:
            raise OutputError(f"{path}: needs up to {size / 1e6:.1f} MB, {free / 1e6:.1f} MB are free")
    except OSError as error:
        raise OutputError(f"{path}: needs up to {size / 1e6:.1f} MB while it is written: {error.strerror}") from error
    finally:
        probe.unlink(missing_ok=True)


def publish(staged: Path, final: Path, *, overwrite: bool) -> None:
    """Flush a complete file to the disk and give it its final name.

    Parameters
    ----------
    staged : Path
        In a folder of `staging`, on the file system of `final`.
    final : Path
    overwrite : bool
        Whether it may replace a regular file; otherwise even one that appeared a moment ago stays.

    Raises
    ------
    OutputError
        When something has the name that may not be replaced.
    """
    with staged.open("r+b") as file:
        os.fsync(file.fileno())
    _check_name(final, overwrite=overwrite)
    if overwrite:
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


# What file systems without links, such as FAT, answer.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL}


def check_folder(
    path: str | os.PathLike[str], suffixes: Sequence[str], marks: Sequence[str], *, overwrite: bool
) -> Path:
    """Return `path` if a folder that is a format of its own (a Zarr store) can be written there.

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
    target = _named(path)
    if not (target.is_dir() and not target.is_symlink()):
        return check_output(target, suffixes, overwrite=False)
    if suffixes and target.suffix.lower() not in suffixes:
        raise OutputError(f"{target}: the name must end with one of {', '.join(suffixes)}")
    if not overwrite:
        raise OutputError(f"{target} exists already; allow overwriting or choose another name")
    if not any((target / mark).is_file() for mark in marks):
        raise OutputError(f"{target}: a folder of this name holds something else, which is not replaced")
    return target


def publish_folder(staged: Path, final: Path, marks: Sequence[str], *, overwrite: bool) -> None:
    """Give a complete folder its final name; the one it replaces is put aside first and removed last.

    Raises
    ------
    OutputError
        When something has the name that may not be replaced.
    """
    for file in staged.rglob("*"):
        if file.is_file():
            with file.open("r+b") as opened:
                os.fsync(opened.fileno())
    check_folder(final, (), marks, overwrite=overwrite)
    if final.exists():
        final.rename(staged.with_name(f"{staged.name}.replaced"))  # in the folder that is removed in the end
    staged.rename(final)


def drop_statistics(raster: Path) -> None:
    """Remove what GDAL remembered about an earlier file of this name: it would overrule the new one."""
    statistics(raster).unlink(missing_ok=True)


def statistics(raster: Path) -> Path:
    """Return the name under which GDAL remembers what it found out about a raster."""
    return raster.with_name(f"{raster.name}.aux.xml")


@contextmanager
def whole_file(path: str | os.PathLike[str], suffixes: Sequence[str] = (), *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary name to write to; when the block ends well, the file gets its final name.

    Raises
    ------
    OutputError
        As `check_output` before the block, as `staging` and `publish` after it.
    """
    target = check_output(path, suffixes, overwrite=overwrite)
    with staging(target) as folder:
        yield folder / target.name
        publish(folder / target.name, target, overwrite=overwrite)


def open_log(path: str | os.PathLike[str]) -> int:
    """Return a descriptor that appends to a log: a new file, an empty one, or one that begins as logs of hsad do.

    Raises
    ------
    OutputError
        When it cannot be opened, is not a regular file, or holds anything else.
    """
    target = _named(path)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(target, flags | getattr(os, "O_CLOEXEC", 0), 0o666)
    except OSError as error:
        what = "a link is not followed" if error.errno == errno.ELOOP else error.strerror
        raise OutputError(f"{target}: the log cannot be opened: {what}") from error
    mode = os.fstat(descriptor).st_mode
    start = os.read(descriptor, 19) if stat.S_ISREG(mode) else b""
    if not stat.S_ISREG(mode) or (start and not _LOG_LINE.match(start)):
        os.close(descriptor)
        what = "a regular file" if not stat.S_ISREG(mode) else "a log of hsad"
        raise OutputError(f"{target} is not {what}; choose another name for the log")
    return descriptor
