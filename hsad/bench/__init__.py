"""Speed side by side: hsad and the peers that are installed, on the same cube, in one run."""

from hsad.bench.run import Report, Row, run_bench

__all__ = ["Report", "Row", "run_bench"]
