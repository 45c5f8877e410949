"""Names of files, arrays in them, and files that appear under their final name only when they are complete."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hsad.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["check_output", "publish", "reserve_space", "split_variable", "staging"]

# Formats whose files hold several arrays.
_WITH_VARIABLE = re.compile(r"^(?P<path>.+\.(?:mat|nc|nc4|h5|hdf5|he5|zarr)):(?P<variable>[^\\:]+)$", re.IGNORECASE)


def split_variable(path: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Split ``scene.mat:NAME`` into file and array name; a path that exists as it stands is not split."""
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
        Wrong ending, no such folder, a folder that is not writable, or a file that exists already.
    """
    target = Path(path)
    folder = target.parent
    if suffixes and target.suffix.lower() not in suffixes:
        raise OutputError(f"{target}: the name must end with one of {', '.join(suffixes)}")
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise OutputError(f"{target}: the folder {folder} {what}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{target}: the folder {folder} is not writable")
    if target.is_dir():
        raise OutputError(f"{target}: a folder of this name exists already")
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already; allow overwriting or choose another name")
    return target


@contextmanager
def staging(path: Path, folder: Path | None = None) -> Iterator[Path]:
    """Give a hidden folder beside `path` (or in `folder`), on its file system; remove it with all that is left in it.

    Raises
    ------
    OutputError
        When the folder cannot be made, or when anything inside the ``with`` block ends in an ``OSError``.
    """
    try:
        stage = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=folder or path.parent))
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    try:
        yield stage
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


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


def publish(staged: Path, final: Path) -> None:
    """Flush a complete file to the disk and give it its final name, replacing what had it."""
    with staged.open("r+b") as file:
        os.fsync(file.fileno())
    # What GDAL remembered about an earlier file of this name would overrule the new one.
    final.with_name(f"{final.name}.aux.xml").unlink(missing_ok=True)
    staged.replace(final)
