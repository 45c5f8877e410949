"""A check of the disk space that a file needs, before the work."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hsad.errors import OutputError

__all__ = ["reserve_space"]


def reserve_space(path: Path, folder: Path, size: int) -> None:
    """Raise an error if `folder` has no space for `size` bytes of temporary files for `path`.

    Raises
    ------
    OutputError
        When the disk is too full, or a quota or a limit on the size of files is too small.
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
