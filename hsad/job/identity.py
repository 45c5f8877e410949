"""The scenes that a job reads, each with its files as they were found."""

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
from hsad.scene.cube import raster_of

__all__ = ["Files", "Input"]


#: Attributes of a cube that name its files; a cube of two dates has those of the first date, too.
_NAMING = ("source", "data_file", "source_before", "data_file_before")


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
        named = [source_file(str(cube.attrs[name])) for name in _NAMING if name in cube.attrs]
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


@dataclass(frozen=True)
class Input:
    """A scene that a job reads: the one that it scores, or a reference that it learns from.

    Attributes
    ----------
    cube : (y, x, band) DataArray
    source : CubeSource
        The pixels and bands that are used.
    files : Files
        The files behind the cube, as they were found.
    """

    cube: xr.DataArray
    source: CubeSource
    files: Files

    @classmethod
    def of(cls, cube: xr.DataArray, source: CubeSource) -> Self:
        """Return a cube with the files behind it."""
        return cls(cube, source, Files.of(cube))

    def check_unchanged(self) -> None:
        """Refuse to go on with files that were written since; numbers in memory stay as they are.

        Raises
        ------
        SceneError
        """
        if self.cube.chunks is not None or raster_of(self.cube) is not None:
            self.files.check_unchanged()

    def identity(self) -> dict[str, Any]:
        """Return what tells the scene from others, as JSON holds it: its files, and a digest of what is used of it."""
        source, attrs = self.source, self.cube.attrs
        digest = hashlib.sha256(repr((source.shape, source.origin, source.nodata)).encode())
        for array in (source.bands, source.gain, source.bias, source.mask):
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        return {
            "name": Path(str(attrs.get("source", ""))).name,
            "variable": attrs.get("variable"),
            "opened_with": attrs.get("opened_with"),  # the same numbers of a file, read in another way
            "flags": list(attrs.get("mask_flags", ())),  # one of them is not in the mask
            "files": [[str(path), state.size, state.changed] for path, state in self.files.states.items()],
            "used": digest.hexdigest(),
        }
