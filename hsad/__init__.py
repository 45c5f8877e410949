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

from hsad.lazy import lazy_attributes

if TYPE_CHECKING:
    from hsad import plot as plot
    from hsad.anomalies.decide import polygons, threshold
    from hsad.anomalies.headline import headline
    from hsad.anomalies.marks.compared import compare_lists
    from hsad.anomalies.vectors import write_anomalies
    from hsad.changes.change import change, change_to_file
    from hsad.detection import detect, learn, score
    from hsad.detectors import DETECTORS, Detector
    from hsad.errors import HsadError, HsadWarning
    from hsad.evaluation import evaluate
    from hsad.evaluation.intervals import confidence_intervals, evaluate_objects
    from hsad.explanation.explain import explain
    from hsad.job.describe import describe
    from hsad.job.learned import Learned
    from hsad.products.cubes.convert import write_cube
    from hsad.products.raster import write_scores
    from hsad.readers import open_cube, open_mask
    from hsad.report.comparison.compare import compare
    from hsad.report.many.surveys import survey
    from hsad.scene.cube import check_cube
    from hsad.siblings.find import find
    from hsad.siblings.missed import limits
    from hsad.stream.scan import LineScan
    from hsad.synthetic import make_pair, make_scene

__version__ = "0.1.0"

#: Where each public name lives; it is imported when it is first used, so that `import hsad` stays quick.
_HOMES = {
    "DETECTORS": "hsad.detectors",
    "Detector": "hsad.detectors",
    "HsadError": "hsad.errors",
    "HsadWarning": "hsad.errors",
    "Learned": "hsad.job.learned",
    "LineScan": "hsad.stream.scan",
    "change": "hsad.changes.change",
    "change_to_file": "hsad.changes.change",
    "check_cube": "hsad.scene.cube",
    "compare_lists": "hsad.anomalies.marks.compared",
    "compare": "hsad.report.comparison.compare",
    "describe": "hsad.job.describe",
    "detect": "hsad.detection",
    "detect_many": "hsad.job.batch",
    "detect_to_file": "hsad.job.files",
    "evaluate": "hsad.evaluation",
    "confidence_intervals": "hsad.evaluation.intervals",
    "evaluate_objects": "hsad.evaluation.intervals",
    "explain": "hsad.explanation.explain",
    "find": "hsad.siblings.find",
    "headline": "hsad.anomalies.headline",
    "learn": "hsad.detection",
    "limits": "hsad.siblings.missed",
    "make_pair": "hsad.synthetic",
    "make_scene": "hsad.synthetic",
    "open_cube": "hsad.readers",
    "open_mask": "hsad.readers",
    "polygons": "hsad.anomalies.decide",
    "score": "hsad.detection",
    "survey": "hsad.report.many.surveys",
    "threshold": "hsad.anomalies.decide",
    "write_anomalies": "hsad.anomalies.vectors",
    "write_cube": "hsad.products.cubes.convert",
    "write_scores": "hsad.products.raster",
}

__all__ = [
    "DETECTORS",
    "Detector",
    "HsadError",
    "HsadWarning",
    "Learned",
    "LineScan",
    "__version__",
    "change",
    "change_to_file",
    "check_cube",
    "compare",
    "compare_lists",
    "confidence_intervals",
    "describe",
    "detect",
    "detect_many",
    "detect_to_file",
    "evaluate",
    "evaluate_objects",
    "explain",
    "find",
    "headline",
    "learn",
    "limits",
    "make_pair",
    "make_scene",
    "open_cube",
    "open_mask",
    "polygons",
    "score",
    "survey",
    "threshold",
    "write_anomalies",
    "write_cube",
    "write_scores",
]


def __getattr__(name: str) -> Any:
    if name == "plot":  # the one room that users name
        return importlib.import_module("hsad.plot")
    value = _attribute(name)
    if "xarray" in sys.modules:
        importlib.import_module("hsad.accessor")  # cube.hsad exists from now on
    return value


_attribute = lazy_attributes(
    __name__, _HOMES, lambda name: None if name.startswith("_") else _detector_classes().get(name)
)


def __dir__() -> list[str]:
    return sorted([*__all__, *_detector_classes()])


def _detector_classes() -> dict[str, str]:
    """Return the modules of the house's detectors by class: they are listed in `hsad.detectors.registry` only."""
    from hsad.detectors.registry import DETECTORS

    return DETECTORS.class_homes()


if "xarray" in sys.modules:
    importlib.import_module("hsad.accessor")
