"""Speed and accuracy side by side.

``run``, with ``cases``, ``formulas`` and ``peers``: the time of hsad and of the peers that are installed, in one run.
``accuracy``, with ``known`` and ``suite``: what every detector finds on scenes whose truth is known.
"""

from hsad.bench.accuracy import Accuracy, run_accuracy, run_suite
from hsad.bench.run import Report, Row, run_bench

__all__ = ["Accuracy", "Report", "Row", "run_accuracy", "run_bench", "run_suite"]
