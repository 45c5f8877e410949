"""Which scene it is: its files as they were found, and what of it is used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr

from hsad.engine.source import CubeSource
from hsad.errors import SceneError
from hsad.products.provenance import source_file

__all__ = ["Files", "identity"]


@dataclass(frozen=True)
class _State:
    """What of a file changes when somebody writes it."""

    size: int
    changed: int
    number: int

    @classmethod
    def of(cls, path: Path) -> Self:
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True)
class Files:
    """The files of a scene, each with its size, the time of its last change and its number on the disk."""

    states: dict[Path, _State]

    @classmethod
    def of(cls, cube: xr.DataArray) -> Files:
        """Look at the files behind a cube: those it was opened from."""
        named = [source_file(str(cube.attrs[name])) for name in ("source", "data_file") if name in cube.attrs]
        files = [file for path in named if path for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
        return cls({file.resolve(): _State.of(file) for file in files})

    def check_unchanged(self) -> None:
        """Refuse to go on with files that were written since.

        Raises
        ------
        SceneError
        """
        for path, before in self.states.items():
            try:
                now = _State.of(path)
            except OSError as error:
                raise SceneError(f"{path}: gone while it was read ({error.strerror}): nothing is written") from error
            if now != before:
                sizes = "" if now.size == before.size else f", from {before.size} to {now.size} bytes"
                raise SceneError(f"{path}: changed while it was read{sizes}: scores of a mixture are not written")


def identity(cube: xr.DataArray, files: Files, source: CubeSource) -> dict[str, Any]:
    """Return what tells one scene from another, as JSON holds it: its files, and a digest of what is used of it."""
    digest = hashlib.sha256(repr((source.shape, source.origin, source.nodata)).encode())
    for array in (source.bands, source.gain, source.bias, source.mask):
        digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return {
        "name": Path(str(cube.attrs.get("source", ""))).name,
        "variable": cube.attrs.get("variable"),
        "opened_with": cube.attrs.get("opened_with"),  # the same numbers of a file, read in another way
        "flags": list(cube.attrs.get("mask_flags", ())),  # one of them is not in the mask
        "files": [[str(path), state.size, state.changed] for path, state in files.states.items()],
        "used": digest.hexdigest(),
    }
