"""Files that hsad writes: score rasters with STAC item and QGIS style, and cubes in the formats of other programs.

A file gets its final name when it is complete. Products import cubes and grids, never readers, detectors or the engine.
Each name of this module is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsad.lazy import lazy_attributes

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
    "Provenance": "hsad.products.provenance",
    "ScoreWriter": "hsad.products.raster",
    "read_provenance": "hsad.products.raster",
    "write_cube": "hsad.products.cubes.convert",
    "write_envi": "hsad.products.cubes.envi",
    "write_scores": "hsad.products.raster",
}

__getattr__ = lazy_attributes(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
