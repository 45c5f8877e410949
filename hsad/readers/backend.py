"""The xarray backend: ``xarray.open_dataset("scene.hdr", engine="hsad")``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from xarray.backends import BackendEntrypoint

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray as xr

__all__ = ["HsadBackend"]


class HsadBackend(BackendEntrypoint):
    """Opens every scene that hsad reads as a dataset with one lazily indexed variable, ``cube``."""

    description: ClassVar[str] = "Hyperspectral scenes: ENVI, GeoTIFF with wavelengths, MATLAB, EMIT (hsad)"
    open_dataset_parameters: ClassVar[tuple[str, ...]] = ("filename_or_obj", "drop_variables")

    def open_dataset(  # type: ignore[override]  # xarray's signature takes any object, this one takes paths
        self, filename_or_obj: str | os.PathLike[Any], *, drop_variables: str | Iterable[str] | None = None
    ) -> xr.Dataset:
        """Return the cube of a file as a dataset; numbers are read when they are first used.

        Parameters
        ----------
        filename_or_obj : str or path
            A scene, as `hsad.open_cube` takes it.
        drop_variables : str or iterable of str, optional
            Coordinates or variables to leave out.
        """
        from hsad.readers.scene import read_cube

        dataset = read_cube(os.fspath(filename_or_obj)).to_dataset(name="cube")
        dropped = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return dataset.drop_vars(dropped, errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Tell whether a file is an ENVI header; xarray has other backends for other suffixes."""
        from hsad.readers.envi.header import is_header

        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        path = Path(os.fspath(filename_or_obj))
        return path.suffix.lower() == ".hdr" and path.is_file() and is_header(path)
