"""What a person waits for at scenes of a few megabytes, and what a cluster adds to each of many."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from hsad.bench.costs.cost import Cost, CostRow, Work, anonymous, dask_cluster, measured
from hsad.bench.scene_files import Shape
from hsad.job.files import detect_to_file
from hsad.products.cubes.convert import write_cube
from hsad.synthetic import make_scene

__all__ = ["cluster", "waits"]

_REPEATS = 5


def _write_scene(path: Path, shape: Shape, seed: int = 0) -> Path:
    """Write a made scene with targets as an ENVI file."""
    made = make_scene(rows=shape.rows, cols=shape.cols, bands=shape.bands, target_sizes=(1, 3, 9), seed=seed)
    write_cube((made.cube * 10_000).astype(shape.dtype), path, interleave="bip")
    return path


def waits(quick: bool) -> Iterator[Work]:
    """Whole commands on a small scene: the least of five after a first one, the first of all, and a folder."""
    shape = Shape(48, 48, 20) if quick else Shape(100, 100, 200)
    small, scenes = (Shape(32, 32, 20), 3) if quick else (Shape(64, 96, 224), 40)
    repeats = 1 if quick else _REPEATS
    explain = ("explain", "{scene}", "{folder}/first/scores.tif", "--at", "9,9")
    work = {
        "survey": ("survey", "{scene}", "-o", "{folder}/again"),
        "detect": ("detect", "{scene}", "-o", "{folder}/again.tif"),
        "threshold": ("threshold", "{folder}/first/scores.tif", "-o", "{folder}/again.gpkg"),
        "explain": explain,
        "explain to a figure": (*explain, "-o", "{folder}/why.png"),
        "report": ("report", "{scene}", "{folder}/first/scores.tif", "-o", "{folder}/again.html"),
    }

    def warm(name: str) -> Iterator[CostRow]:
        with tempfile.TemporaryDirectory(prefix="hsad-waits-") as folder:
            scene = _write_scene(Path(folder) / "scene.hdr", shape)
            measured(["survey", str(scene), "-o", f"{folder}/first"])
            arguments = [word.format(scene=scene, folder=folder) for word in work[name]]
            costs = [measured([*arguments, "--overwrite"]) for _ in range(repeats + 1)][1:]
            yield CostRow("waits", name, shape, min(costs, key=lambda cost: cost.seconds))

    def first() -> Iterator[CostRow]:
        with tempfile.TemporaryDirectory(prefix="hsad-waits-") as folder:
            scene = _write_scene(Path(folder) / "scene.hdr", shape)
            kernels = {"NUMBA_CACHE_DIR": f"{folder}/kernels"}
            yield CostRow(
                "waits",
                "survey, first use",
                shape,
                measured(["survey", str(scene), "-o", f"{folder}/first"], (), kernels),
            )

    def folder_of_scenes() -> Iterator[CostRow]:
        with tempfile.TemporaryDirectory(prefix="hsad-waits-") as folder:
            (Path(folder) / "scenes").mkdir()
            for seed in range(scenes):
                _write_scene(Path(folder) / "scenes" / f"scene-{seed:02}.hdr", small, seed)
            cost = measured(["survey", f"{folder}/scenes", "-o", f"{folder}/all"])
            yield CostRow("waits", f"survey, a folder of {scenes}", small, cost)

    for name in work:
        yield name, partial(warm, name)
    yield "survey, first use", first
    yield "survey, a folder", folder_of_scenes


def cluster(quick: bool) -> Iterator[Work]:
    """Small scenes in turn on two worker processes: what dask adds to each, and the memory of the workers."""
    shape = Shape(32, 32, 20) if quick else Shape(64, 64, 60)
    scenes, early = (6, 2) if quick else (200, 20)

    def rows() -> Iterator[CostRow]:
        from distributed import Client, as_completed

        with tempfile.TemporaryDirectory(prefix="hsad-cluster-") as folder, dask_cluster(2) as (address, ids):
            paths = [_write_scene(Path(folder) / f"scene-{seed:03}.hdr", shape, seed) for seed in range(scenes)]
            with Client(address) as client:
                client.gather(client.map(_timed_detect, paths[:2], pure=False))  # imports, and compiles
                started = time.perf_counter()
                futures = client.map(_timed_detect, paths, pure=False)
                spent, memory = 0.0, []
                for done, (_, seconds) in enumerate(as_completed(futures, with_results=True), 1):
                    spent += seconds
                    if done in (early, scenes):
                        memory.append(sum(map(anonymous, ids)))
                wall = time.perf_counter() - started
            added = (2 * wall - spent) / scenes
            note = (
                f"{1e3 * added:.0f} ms of a worker added to {1e3 * spent / scenes:.0f} ms a scene; workers hold "
                f"{memory[0] / 1e6:.0f} MB after {early}, {memory[1] / 1e6:.0f} MB after {scenes}"
            )
            yield CostRow("cluster", f"{scenes} scenes, 2 workers", shape, Cost(wall, max(memory)), note=note)

    yield "detect", rows


def _timed_detect(scene: Path) -> float:
    """Detect on a scene by one thread of a worker; return the seconds."""
    started = time.perf_counter()
    detect_to_file(scene, scene.with_suffix(".tif"), "rx", workers=1, overwrite=True)
    return time.perf_counter() - started
