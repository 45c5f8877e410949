"""Hyperspectral anomaly detection: any cube file in, a georeferenced anomaly map out.

>>> import hsad
>>> scene = hsad.make_scene(rows=80, cols=90, seed=1)
>>> scores = hsad.detect(scene.cube, "rx")
>>> scores.dims, scores.rio.crs == scene.cube.rio.crs
(('y', 'x'), True)
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hsad.cube import check_cube
    from hsad.description import describe
    from hsad.detection import detect, learn, score
    from hsad.detectors import DETECTORS, Detector
    from hsad.detectors.auto import Auto
    from hsad.detectors.global_rx import GlobalRX
    from hsad.detectors.low_rank.band_rpca import BandRPCA
    from hsad.detectors.low_rank.patches import LowRank
    from hsad.detectors.low_rank.rpca import RPCA
    from hsad.detectors.ring.collaborative import CRD, KernelCRD
    from hsad.detectors.ring.local_rx import LocalRX
    from hsad.detectors.ring.sparse import SRD
    from hsad.errors import HsadError, HsadWarning
    from hsad.evaluation import evaluate
    from hsad.job.learned import Learned
    from hsad.products.raster import write_scores
    from hsad.readers import open_cube
    from hsad.synthetic import make_scene

__version__ = "0.1.0"

#: Where each public name lives; it is imported when it is first used, so that `import hsad` stays quick.
_HOMES = {
    "CRD": "hsad.detectors.ring.collaborative",
    "RPCA": "hsad.detectors.low_rank.rpca",
    "SRD": "hsad.detectors.ring.sparse",
    "Auto": "hsad.detectors.auto",
    "BandRPCA": "hsad.detectors.low_rank.band_rpca",
    "LowRank": "hsad.detectors.low_rank.patches",
    "DETECTORS": "hsad.detectors",
    "Detector": "hsad.detectors",
    "GlobalRX": "hsad.detectors.global_rx",
    "HsadError": "hsad.errors",
    "HsadWarning": "hsad.errors",
    "KernelCRD": "hsad.detectors.ring.collaborative",
    "LocalRX": "hsad.detectors.ring.local_rx",
    "Learned": "hsad.job.learned",
    "check_cube": "hsad.cube",
    "describe": "hsad.description",
    "detect": "hsad.detection",
    "detect_many": "hsad.job.batch",
    "detect_to_file": "hsad.job.files",
    "evaluate": "hsad.evaluation",
    "learn": "hsad.detection",
    "make_scene": "hsad.synthetic",
    "open_cube": "hsad.readers",
    "score": "hsad.detection",
    "write_scores": "hsad.products.raster",
}

__all__ = [
    "CRD",
    "DETECTORS",
    "RPCA",
    "SRD",
    "Auto",
    "BandRPCA",
    "Detector",
    "GlobalRX",
    "HsadError",
    "HsadWarning",
    "KernelCRD",
    "Learned",
    "LocalRX",
    "LowRank",
    "__version__",
    "check_cube",
    "describe",
    "detect",
    "detect_many",
    "detect_to_file",
    "evaluate",
    "learn",
    "make_scene",
    "open_cube",
    "score",
    "write_scores",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hsad' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    if "xarray" in sys.modules:
        importlib.import_module("hsad.accessor")  # cube.hsad exists from now on
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if "xarray" in sys.modules:
    importlib.import_module("hsad.accessor")
