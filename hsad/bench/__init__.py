"""Speed and accuracy side by side.

``run``, with ``cases``, ``formulas`` and ``peers``: the time of hsad and of the peers that are installed, in one run.
``reading``: how fast windows of files are read, beside a plain read.
``accuracy``, with ``known`` and ``suite``: what every detector finds on scenes whose truth is known.
"""

from hsad.bench.accuracy import Accuracy, run_accuracy, run_suite
from hsad.bench.reading import Reading, run_reading
from hsad.bench.run import Report, Row, run_bench

__all__ = ["Accuracy", "Reading", "Report", "Row", "run_accuracy", "run_bench", "run_reading", "run_suite"]
