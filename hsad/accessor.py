"""``cube.hsad``: the detectors as methods of any xarray cube."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import xarray as xr

__all__ = ["HsadAccessor"]


@xr.register_dataarray_accessor("hsad")
class HsadAccessor:
    """Detection on a cube: ``cube.hsad.rx(trim=0.01)`` is ``hsad.detect(cube, "rx", trim=0.01)``.

    Each name in `hsad.DETECTORS` is a method, with an underscore for a hyphen. The accessor exists once
    `hsad` has opened or checked a cube, or after ``import hsad.accessor``.
    """

    def __init__(self, cube: xr.DataArray) -> None:
        self._cube = cube

    def detect(self, method: Any = None, **options: Any) -> Any:
        """Score every pixel; see `hsad.detect`."""
        from hsad.detection import detect

        return detect(self._cube, method, **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        from hsad.detectors import DETECTORS

        method = name.replace("_", "-")
        if method not in DETECTORS:
            raise AttributeError(f"no detector {method!r}; there are {', '.join(DETECTORS)}")
        return functools.partial(self.detect, method)

    def __dir__(self) -> list[str]:
        from hsad.detectors import DETECTORS

        return ["detect", *(name.replace("-", "_") for name in DETECTORS)]
