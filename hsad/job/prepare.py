"""From what a user asks for to a job: scenes are opened, options are checked, and the tasks get a place to run."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from hsad.detectors.base import Detector
from hsad.detectors.change.base import ChangeDetector
from hsad.detectors.targets.base import TargetDetector
from hsad.engine.memory import memory_bytes
from hsad.engine.run import Engine
from hsad.engine.runners.cluster import Cluster
from hsad.engine.runners.connection import active_client, is_in_worker
from hsad.engine.runners.local import Memory, Runner, Threads
from hsad.errors import DataError, ParameterError, SceneWarning, TileError
from hsad.job.given import as_cube, is_array
from hsad.job.identity import Input
from hsad.job.job import Job
from hsad.job.options import RunOptions
from hsad.job.present import Form, provenance_of
from hsad.job.request import Request
from hsad.job.selection import as_asked, map_of, pixel_mask, pixel_window, selected, with_common_bands
from hsad.job.targets.lookup import TargetScene, files_of_targets, with_targets
from hsad.products.provenance import source_file
from hsad.progress import LOGGER, chosen_progress
from hsad.scene.cube import geo_grid
from hsad.scene.swath import swath_of

__all__ = ["prepared"]


@contextlib.contextmanager
def prepared(cube: Any, request: Request) -> Iterator[Job]:
    """Give the job of a request, and close its connections in the end."""
    with _naming(cube):
        job = _prepare(cube, request)
        with contextlib.closing(job.engine.runner):
            yield job


@contextlib.contextmanager
def _naming(cube: Any) -> Iterator[None]:
    """Put the name of the scene into errors about its pixels."""
    try:
        yield
    except (DataError, TileError) as error:
        source = str(cube) if isinstance(cube, str | Path) else str(getattr(cube, "attrs", {}).get("source", ""))
        if not source or source in str(error):
            raise
        named = type(error)(f"{source}: {error}")
        for note in getattr(error, "__notes__", ()):
            named.add_note(note)
        raise named from error


def _prepare(cube: Any, request: Request) -> Job:
    """Return the job of a request; all that can be wrong with it is refused before any work."""
    run = request.run
    opened = as_asked(as_cube(cube, run), run)
    grid = geo_grid(opened)
    window = pixel_window(run, grid, swath_of(opened))
    mask = pixel_mask(run, grid)
    source = selected(opened, run, request.background, window, mask)
    others = _references(cube, request)
    if others:
        chosen = [selected(other, run, None, None, None) for other in others]
        source, *chosen = with_common_bands(source, *chosen)
        references = tuple(Input.of(other, part) for other, part in zip(others, chosen, strict=True))
    detector = request.detector
    if isinstance(inner := detector.unwrapped, TargetDetector):
        on_map = run.grid in ("map", "north-up") or (run.grid is None and inner.on_map)
        whole = slice(0, grid.rows), slice(0, grid.cols)
        places = TargetScene.of(opened, source.bands, mask, map_of(opened, run, whole) if on_map else None)
        detector = with_targets(detector, places, (window[0].start, window[1].start))
    if isinstance(detector, ChangeDetector) and "date" in opened.coords:
        detector = detector.with_dates(int((opened.coords["date"].values[source.bands] == 0).sum()))
    _warn_of_columns(detector, opened)
    scene = Input.of(opened, source)
    runner = _runner(run)
    if not isinstance(runner, Cluster):
        detector.check_machine()
    return Job(
        scene=scene,
        references=references if others else (scene,),
        detector=detector,
        engine=Engine(runner, run.tile, memory_bytes(run.memory), chosen_progress(run.progress) or Engine.progress),
        background=request.background,
        form=Form(
            cube=opened,
            window=window,
            grid=grid.window(*window),
            swath=map_of(opened, run, window),
            on_map=run.grid in ("map", "north-up"),
            as_array=is_array(cube),
            evidence=detector.evidence if run.parts else (),
            provenance=provenance_of(detector, opened),
        ),
        beside=tuple(_files_beside(request)),
    )


def _warn_of_columns(detector: Detector, cube: xr.DataArray) -> None:
    """Warn if statistics by column are asked for on a map: its columns need not be those of the detector.

    Warns
    -----
    SceneWarning
    """
    if getattr(detector.unwrapped, "columns", 0) and geo_grid(cube).transform is not None:
        warnings.warn(
            "columns: the scene lies on a map grid; its columns are those of the sensor only if it was never rectified "
            "nor turned",
            SceneWarning,
            stacklevel=4,
        )


def _references(cube: Any, request: Request) -> list[xr.DataArray]:
    """Return the scenes to learn from; none where the scene itself is learned, or nothing."""
    run = request.run
    named = run.references
    if named is None or request.background is not None or (len(named) == 1 and named[0] is cube):
        return []
    if not len(named):
        raise ParameterError("references: there is no scene to learn from")
    without_axis = replace(run, band_axis=None)  # dimensions that have names need no axis
    return [
        as_asked(as_cube(other, without_axis if isinstance(other, xr.DataArray | xr.Dataset) else run), run)
        for other in named
    ]


def _files_beside(request: Request) -> Iterator[Path]:
    """Yield the files that a run reads beside its scenes."""
    run, inner = request.run, request.detector.unwrapped
    if isinstance(inner, TargetDetector):
        yield from files_of_targets(inner.target, inner.option)
    for named in (run.mask, run.background):
        if isinstance(named, str | Path) and (file := source_file(str(named))) is not None:
            yield file


def _runner(run: RunOptions) -> Runner:
    """Return where the tasks run: on the cluster of the options, on the active one, or in threads of this process."""
    if run.scheduler is not None:
        cluster = Cluster(run.scheduler)
        LOGGER.info("the cluster's dashboard: %s", cluster.client.dashboard_link)
        return cluster
    client = active_client() if run.workers is None else None
    if client is not None:
        return Cluster(client)
    # A task of a cluster uses its own thread: the cluster decides how many tasks run at a time.
    alone = run.workers == 1 or (run.workers is None and is_in_worker())
    return Memory() if alone else Threads(run.workers)
