"""Measurements of hsad: speed, reading, accuracy, the tables of the thresholds, and large scenes.

``run``, with ``cases``, ``formulas``, ``peers`` and ``commands``: times of hsad and of the peers that are installed.
``regression``: two reports of ``run`` compared row by row. ``page``: a table of a report in a page of the manual.
``compilation``: every kernel compiled. ``reading``: the speed of reading windows of files.
``accuracy``, with ``known``, ``suite`` and ``figures``: the objects that detectors find on scenes with known truth.
``siblings``: the lists of everything that is like a found object, and names from a spectral library.
``changes``: change between two dates, on pairs with known changes.
``streams``: line by line, beside the published algorithm of ERX.
``calibration``: the tables of the thresholds. ``costs``, with ``scene_files``: time and memory of whole commands.
"""

from hsad.bench.accuracy import Accuracy, run_accuracy, run_suite
from hsad.bench.calibration import Calibration, run_calibration
from hsad.bench.changes.measure import ChangeAccuracy, run_changes
from hsad.bench.costs.large_scenes import LargeScenes, run_large
from hsad.bench.page import check_page, keep, put_into
from hsad.bench.reading import Reading, run_reading
from hsad.bench.regression import Comparison, compare_reports
from hsad.bench.run import Report, Row, run_bench
from hsad.bench.siblings.measure import SiblingAccuracy, run_siblings
from hsad.bench.siblings.naming import NamingAccuracy, run_names
from hsad.bench.streams.measure import LineRates, run_lines

__all__ = [
    "Accuracy",
    "Calibration",
    "ChangeAccuracy",
    "Comparison",
    "LargeScenes",
    "LineRates",
    "NamingAccuracy",
    "Reading",
    "Report",
    "Row",
    "SiblingAccuracy",
    "check_page",
    "compare_reports",
    "keep",
    "put_into",
    "run_accuracy",
    "run_bench",
    "run_calibration",
    "run_changes",
    "run_large",
    "run_lines",
    "run_names",
    "run_reading",
    "run_siblings",
    "run_suite",
]
