"""Files that hsad writes: score rasters with STAC item and QGIS style, and cubes in the formats of other programs.

A file gets its final name when it is complete. Products import cubes and grids, never readers, detectors or the engine.
Each name of this module is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hsad.products.cubes.convert import write_cube
    from hsad.products.cubes.envi import write_envi
    from hsad.products.provenance import Provenance
    from hsad.products.raster import ScoreWriter, read_provenance, write_scores

__all__ = [
    "Provenance",
    "ScoreWriter",
    "read_provenance",
    "write_cube",
    "write_envi",
    "write_scores",
]

_HOMES = {
    "Provenance": "provenance",
    "ScoreWriter": "raster",
    "read_provenance": "raster",
    "write_cube": "cubes.convert",
    "write_envi": "cubes.envi",
    "write_scores": "raster",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
