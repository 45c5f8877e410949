"""What a command costs: seconds, and anonymous memory of all its processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from hsad.bench.scene_files import Shape

__all__ = ["Cost", "CostRow", "Work", "anonymous", "dask_cluster", "detect", "measured"]


@dataclass(frozen=True)
class Cost:
    """What a command cost.

    Attributes
    ----------
    seconds : float
        Wall time, the start of Python included.
    peak : int
        Largest sum of the anonymous memory of the process and its descendants, bytes.
    """

    seconds: float
    peak: int


@dataclass(frozen=True)
class CostRow:
    """One run of a table.

    Attributes
    ----------
    table, work : str
    shape : Shape
    cost : Cost or None
        None where no whole command was run, or it failed.
    speeds : dict of str to float
        Speeds of other ways to read the file, MB/s.
    remark : str
        Why the run failed.
    note : str
        Further figures, in words.
    """

    table: str
    work: str
    shape: Shape
    cost: Cost | None = None
    speeds: dict[str, float] = field(default_factory=dict)
    remark: str = ""
    note: str = ""

    def line(self) -> str:
        """Return the row in Markdown."""
        cells = ["-"] * 4
        if self.cost is not None:
            spent = self.cost.seconds
            cells = [f"{spent:.1f}", f"{1e6 * spent / self.shape.pixels:.2f}", f"{self.shape.size / 1e6 / spent:.0f}"]
            cells.append(f"{self.cost.peak / 1e6:.0f} MB")
        beside = [f"{name} {speed:.0f} MB/s" for name, speed in self.speeds.items()]
        beside = beside or [self.remark or self.note or "-"]
        return f"| {self.work} | {self.shape} | {' | '.join(cells)} | {'; '.join(beside)} |"


def anonymous(root: int) -> int:
    """Return the anonymous memory of a process and its descendants in bytes."""
    total, waiting = 0, [root]
    while waiting:
        folder = Path(f"/proc/{waiting.pop()}")
        try:
            rollup = (folder / "smaps_rollup").read_text()
            total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Anonymous:")) * 1024
            for thread in (folder / "task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
        except OSError:
            continue  # the process has ended
    return total


def measured(
    arguments: Sequence[str], others: Sequence[int] = (), environment: Mapping[str, str] = MappingProxyType({})
) -> Cost:
    """Run ``python -m hsad`` and return its cost, the memory of the processes `others` included.

    `environment` holds variables beside those of this process.

    Raises
    ------
    RuntimeError
        When the command fails; the message is what it printed.
    """
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  a fixed program
            [sys.executable, "-m", "hsad", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
        )
        peak = 0
        while process.poll() is None:
            before = time.perf_counter()
            peak = max(peak, sum(map(anonymous, (process.pid, *others))))
            # The system walks through all pages of a process to answer: at most 5 % of the time goes into that.
            time.sleep(max(0.02, 20 * (time.perf_counter() - before)))
        spent = time.perf_counter() - start
        output.seek(0)
        if process.returncode:
            raise RuntimeError(output.read())
    return Cost(spent, peak)


def detect(scene: Path, method: str, *options: str, others: Sequence[int] = ()) -> Cost:
    """Run ``hsad detect`` on a scene into a temporary folder and return its cost."""
    with tempfile.TemporaryDirectory(prefix="hsad-large-") as folder:
        output = str(Path(folder) / "scores.tif")
        return measured(["detect", str(scene), "-m", method, "-o", output, *options], others)


@contextmanager
def dask_cluster(workers: int) -> Iterator[tuple[str, list[int]]]:
    """Yield the address of a dask cluster of processes with one thread each, and the ids of these processes."""
    import dask
    from distributed import LocalCluster

    # What `hsad doctor` advises.
    thresholds = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": thresholds}),
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None) as local,
    ):
        yield local.scheduler_address, [worker.pid for worker in local.workers.values()]


#: A piece of work of a table: its name, and the call that yields its rows.
Work = tuple[str, Callable[[], Iterator[CostRow]]]
