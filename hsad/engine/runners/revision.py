"""The revision of hsad that a process runs: all processes of a cluster must have the same one."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from hsad import __version__

__all__ = ["revision"]


@functools.cache
def revision() -> str:
    """Return the version and a digest of all source files of hsad.

    The digest is computed once a process, before its first task: source files that are replaced later do not change
    the code that the process has loaded already.
    """
    package = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return f"{__version__}, sources {digest.hexdigest()[:12]}"
