"""The readers, in the order in which they are tried; a new reader is a module and a line in `READERS`.

A reader of somebody else's package is found through the entry point group ``hsad.readers``; see the manual's page
"adding a reader".
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Protocol

from hsad.errors import HsadError, SceneError, SceneWarning
from hsad.readers import geotiff, xarrays
from hsad.readers.envi import scene as envi
from hsad.readers.matlab import scene as matlab
from hsad.readers.packed import archives, images
from hsad.readers.sensors import SENSORS

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

__all__ = ["CATCH_ALL", "READERS", "Reader", "all_readers"]

_GROUP = "hsad.readers"


class Reader(Protocol):
    """The interface of a format's module.

    A reader of product folders also has ``folders = True``: only such a reader is asked about folders. A reader that
    takes options of `hsad.open_cube` beside the name lists them in ``accepted``, of ``band_axis`` and ``partial``, and
    its `read` has keyword parameters of these names.
    """

    @property
    def name(self) -> str:
        """The format, as messages and ``attrs["reader"]`` call it."""
        ...

    def can_read(self, path: Path, /) -> bool:
        """Tell, from the name and first bytes, whether this reader reads an existing file."""
        ...

    def read(self, path: Path, /, variable: str | None = None) -> xr.DataArray:
        """Return the lazily indexed cube; `variable` picks an array of a file that has several."""
        ...


# The first reader that can read a file reads it, so products come before the formats that they are made of.
READERS: tuple[Reader, ...] = (*SENSORS, envi, matlab, archives, images)

# These read nearly any file, but know less of it. They come last, after the readers of other packages.
CATCH_ALL: tuple[Reader, ...] = (xarrays, geotiff)


def all_readers() -> tuple[Reader, ...]:
    """Return all readers, those of other packages included, in the order in which they are tried."""
    return (*READERS, *_foreign(), *CATCH_ALL)


@dataclass(frozen=True)
class _Foreign:
    """A reader of another package; its errors name the package."""

    reader: Any
    package: str

    @property
    def name(self) -> str:
        """The format."""
        return str(self.reader.name)

    @property
    def folders(self) -> bool:
        """Whether it is asked about folders."""
        return bool(getattr(self.reader, "folders", False))

    def can_read(self, path: Path, /) -> bool:
        """Tell whether the reader reads the file."""
        try:
            return bool(self.reader.can_read(path))
        except Exception as error:
            raise self._failure(path, error) from error

    @property
    def accepted(self) -> tuple[str, ...]:
        """Options of `hsad.open_cube` that it takes."""
        return tuple(getattr(self.reader, "accepted", ()))

    def read(self, path: Path, /, variable: str | None = None, **options: Any) -> xr.DataArray:
        """Return the cube."""
        from hsad.scene.cube import check_cube

        try:
            return check_cube(self.reader.read(path, variable, **options))
        except Exception as error:
            raise self._failure(path, error) from error

    def _failure(self, path: Path, error: Exception) -> Exception:
        if isinstance(error, HsadError):
            return error
        said = " ".join(str(error).split())
        return SceneError(f"{path}: the reader {self.name} of {self.package} failed: {type(error).__name__}: {said}")


@functools.cache
def _foreign() -> tuple[Reader, ...]:
    """Return the readers of other packages; one that cannot be loaded is passed over with a warning, once."""
    found: list[Reader] = []
    for entry in sorted(entry_points(group=_GROUP), key=lambda entry: entry.name):
        try:
            found.append(_loaded(entry))
        except Exception as error:  # noqa: BLE001  the import of a package can raise anything
            said = " ".join(str(error).split())
            warnings.warn(
                f"the reader {entry.name} of {_package(entry)} ({entry.value}) cannot be used: "
                f"{type(error).__name__}: {said}",
                SceneWarning,
                stacklevel=2,
            )
    return tuple(found)


def _loaded(entry: EntryPoint) -> _Foreign:
    reader = entry.load()
    if isinstance(reader, type):
        reader = reader()
    missing = [what for what in ("name", "can_read", "read") if not hasattr(reader, what)]
    if missing:
        raise SceneError(f"it has no {' and no '.join(missing)}")
    return _Foreign(reader, _package(entry))


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module
