"""What runs over large scenes cost: seconds, and anonymous memory of all their processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from hsad import __version__
from hsad.bench.costs.cost import CostRow, Work, dask_cluster, detect
from hsad.bench.costs.small_scenes import cluster, waits
from hsad.bench.scene_files import ENVI, LARGE, LAYOUTS, Shape, data_file, scene_file
from hsad.bench.timing import plain_read, processor, seconds, uncache
from hsad.engine.runners.local import available_cpus
from hsad.engine.source import source_of
from hsad.errors import ParameterError
from hsad.readers import open_cube

__all__ = ["TABLES", "LargeScenes", "run_large", "window_seconds"]


@dataclass(frozen=True)
class LargeScenes:
    """The rows of one call, and where they were measured."""

    machine: str
    version: str
    rows: tuple[CostRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        return asdict(self)

    def tables(self) -> dict[str, str]:
        """Return each table in Markdown below a line on the machine, by the name that is its first cell."""
        found = {}
        for name in dict.fromkeys(row.table for row in self.rows):
            head = f"| {name} | scene | seconds | µs/pixel | MB/s | most anonymous memory | beside |"
            rows = [row.line() for row in self.rows if row.table == name]
            found[name] = "\n".join([f"hsad {self.version}, {self.machine}", "", head, "|---" * 7 + "|", *rows])
        return found

    def table(self) -> str:
        """Return the report as tables in Markdown, each with what it is above it."""
        return "\n\n".join(f"{TABLES[name].__doc__}\n\n{table}" for name, table in self.tables().items())


def window_seconds(scene: Path, tile: int, halo: int) -> float:
    """Return the time in which one thread reads all tiles of a scene with their halos."""
    source = source_of(open_cube(scene))
    rows, cols, _ = source.shape

    def read() -> None:
        for top in range(0, rows, tile):
            for left in range(0, cols, tile):
                source.read(
                    slice(max(0, top - halo), min(rows, top + tile + halo)),
                    slice(max(0, left - halo), min(cols, left + tile + halo)),
                )

    return seconds(read)


def layouts(quick: bool) -> Iterator[Work]:
    """CRD on 20 GB in every layout, within 2 GB; the file is not in the system's cache."""
    shape = Shape(360, 512, 50, "float32") if quick else LARGE
    options = ("--outer", "5", "--inner", "3", "--memory", "2GB")

    def rows(layout: str) -> Iterator[CostRow]:
        with scene_file(layout, shape) as scene:
            file = data_file(scene)
            uncache(file)
            speeds = {"plain read": shape.size / 1e6 / seconds(partial(plain_read, file))}
            uncache(file)
            speeds["windows"] = shape.size / 1e6 / window_seconds(scene, 256, 2)
            uncache(file)
            yield CostRow("layouts", layout, shape, detect(scene, "crd", *options), speeds)

    for layout in (*ENVI, "striped", "tiled"):
        yield layout, partial(rows, layout)


def methods(quick: bool) -> Iterator[Work]:
    """Peak memory of every method, by limit and number of threads."""
    shape = Shape(128, 128, 60) if quick else Shape(640, 640, 224)
    calls = (
        "rx", "rx --trim 0.01", "crd --outer 5 --inner 3", "lrx --pca 10", "lrx", "kcrd --outer 5 --inner 3", "srd",
        "auto", "low-rank", "rpca", "rpca-bands --tolerance 1e-3 --bands @1-40",
    )  # fmt: skip

    def rows(call: str) -> Iterator[CostRow]:
        with scene_file("bip", shape) as scene:
            for memory in ("1GB",) if quick else ("1GB", "2GB"):
                for workers in ("1",) if quick else ("1", "2"):
                    row = CostRow("methods", f"{call}, {memory}, {workers} threads", shape)
                    try:
                        cost = detect(scene, *call.split(), "--memory", memory, "--workers", workers)
                    except RuntimeError as error:
                        yield replace(row, remark=str(error).strip())
                    else:
                        yield replace(row, cost=cost)

    for call in calls:
        yield call, partial(rows, call)


def formats(quick: bool) -> Iterator[Work]:
    """Speed of RX by layout, beside a plain read and a read by windows; the file not cached, then cached."""
    shape = Shape(256, 256, 60) if quick else Shape(1536, 2048, 224)

    def rows(layout: str) -> Iterator[CostRow]:
        with scene_file(layout, shape) as scene:
            file = data_file(scene)
            for cached in (False, True):
                drop = (lambda: None) if cached else partial(uncache, file)
                drop()
                speeds = {"plain read": shape.size / 1e6 / seconds(partial(plain_read, file))}
                drop()
                speeds["windows"] = shape.size / 1e6 / window_seconds(scene, 256, 0)
                drop()
                name = f"{layout}, {'cached' if cached else 'not cached'}"
                yield CostRow("formats", name, shape, detect(scene, "rx"), speeds)

    for layout in LAYOUTS:
        yield layout, partial(rows, layout)


def linear(quick: bool) -> Iterator[Work]:
    """RX and CRD from 1 to 64 million pixels of 20 bands."""

    def rows(method: str, side: int) -> Iterator[CostRow]:
        shape = Shape(side, side, 20)
        with scene_file("bip", shape) as scene:
            yield CostRow("linear", method, shape, detect(scene, *method.split()))

    for method in ("rx", "crd --outer 5 --inner 3"):
        for side in (128, 256) if quick else (1024, 2048, 4096, 8192):
            yield method, partial(rows, method, side)


def workers(quick: bool) -> Iterator[Work]:
    """1, 2 and 4 threads, and processes of a dask cluster."""
    shape = Shape(256, 256, 20) if quick else Shape(1024, 1024, 100)

    def rows(layout: str, method: str) -> Iterator[CostRow]:
        with scene_file(layout, shape) as scene:
            row = partial(CostRow, "workers", shape=shape)
            for count in (1, 2, 4):
                cost = detect(scene, *method.split(), "--workers", str(count))
                yield row(work=f"{layout}, {method}, {count} threads", cost=cost)
            for count in (1, 2, 4):
                with dask_cluster(count) as (address, ids):
                    cost = detect(scene, *method.split(), "--scheduler", address, others=ids)
                yield row(work=f"{layout}, {method}, {count} processes", cost=cost)

    cases = [("bip", method) for method in ("rx", "crd", "lrx --pca 10", "auto", "low-rank")]
    cases += [(layout, "rx") for layout in ("emit", "striped", "tiled-deflate")]
    for layout, method in cases:
        yield f"{layout} {method}", partial(rows, layout, method)


def commands(quick: bool) -> Iterator[Work]:
    """Whole commands with one thread and with two, on a file in the system's cache."""
    shape = Shape(128, 128, 60) if quick else Shape(1000, 1000, 224)

    def rows(method: str) -> Iterator[CostRow]:
        with scene_file("bip", shape) as scene:
            plain_read(data_file(scene))
            one, two = (detect(scene, method, "--workers", count) for count in ("1", "2"))
            yield CostRow("commands", f"{method}, 1 thread", shape, one)
            note = f"{one.seconds / two.seconds:.2f} times as fast as with one"
            yield CostRow("commands", f"{method}, 2 threads", shape, two, note=note)

    for method in ("rx", "auto", "low-rank", "srd", "lrx", "crd", "kcrd", "rpca"):
        yield method, partial(rows, method)


#: The tables, by name; their docstrings describe them.
TABLES: dict[str, Callable[[bool], Iterator[Work]]] = {
    table.__name__: table for table in (layouts, methods, formats, linear, workers, commands, waits, cluster)
}


def run_large(
    tables: Sequence[str], *, quick: bool = False, only: str = "", progress: Callable[..., Any] | None = None
) -> LargeScenes:
    """Run commands on large scenes and return their costs. It needs Linux, which tells the memory of processes.

    Parameters
    ----------
    tables : sequence of str
        Keys of `TABLES`.
    quick : bool
        Small scenes, which show that everything runs; their figures mean nothing.
    only : str
        Only work whose name holds this text.
    progress : callable, optional
        As `hsad.progress.Progress`.

    Raises
    ------
    ParameterError
        When there is no such table or no such work.
    """
    unknown = [name for name in tables if name not in TABLES]
    if unknown:
        raise ParameterError(f"--large (tables=): no table {unknown[0]!r}; there are {', '.join(TABLES)}")
    work = [(name, call) for table in tables for name, call in TABLES[table](quick)]
    chosen = [call for name, call in work if only in name]
    if not chosen:
        names = ", ".join(dict.fromkeys(name for name, _ in work))
        raise ParameterError(f"--only (only=): no work has {only!r} in its name; there is {names}")
    measured = progress(chosen, total=len(chosen), desc="measuring") if progress else chosen
    rows = tuple(row for call in measured for row in call())
    return LargeScenes(f"{processor()}, {available_cpus()} processors", __version__, rows)
