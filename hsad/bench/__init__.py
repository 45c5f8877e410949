"""Speed and accuracy side by side.

``run``, with ``cases``, ``formulas``, ``peers`` and ``commands``: the time of hsad and of the peers that are installed,
in one run; ``regression``: two such reports, row by row; ``page``: a table in the place of last time's;
``compilation``: what the first use of each method compiles.
``reading``: how fast windows of files are read, beside a plain read.
``accuracy``, with ``known`` and ``suite``: what every detector finds on scenes whose truth is known.
"""

from hsad.bench.accuracy import Accuracy, run_accuracy, run_suite
from hsad.bench.page import check_page, put_into
from hsad.bench.reading import Reading, run_reading
from hsad.bench.regression import Comparison, compare_reports
from hsad.bench.run import Report, Row, run_bench

__all__ = [
    "Accuracy",
    "Comparison",
    "Reading",
    "Report",
    "Row",
    "check_page",
    "compare_reports",
    "put_into",
    "run_accuracy",
    "run_bench",
    "run_reading",
    "run_suite",
]
