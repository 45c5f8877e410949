"""A scene, a detector and the means to bring them together: what the user gave, checked before any work.

This is where rooms meet: it opens what is given as a path, turns options into a source of spectra and an engine, lets
a detector learn and score, and hands the scores on with their georeferencing and provenance.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad import __version__
from hsad.detectors import describe_detector
from hsad.detectors.base import Background, Detector
from hsad.engine.memory import memory_bytes
from hsad.engine.run import Engine
from hsad.engine.runners.cluster import Cluster
from hsad.engine.runners.connection import active_client, is_in_worker
from hsad.engine.runners.local import Memory, Runner, Threads
from hsad.engine.source import CubeSource
from hsad.engine.tile_scores import TileScores
from hsad.errors import DataError, ParameterError, TileError
from hsad.job.describe import count_valid
from hsad.job.given import as_cube, is_array
from hsad.job.identity import Files, identity
from hsad.job.learned import Learned, versions_of
from hsad.job.options import RunOptions
from hsad.job.request import Request
from hsad.job.selection import as_asked, band_wavelengths, map_of, pixel_mask, pixel_window, selected, with_common_bands
from hsad.products.ortho import orthorectified
from hsad.products.provenance import source_file
from hsad.progress import LOGGER, chosen_progress
from hsad.scene.cube import GeoGrid, geo_grid
from hsad.scene.swath import GridSwath, Swath, swath_of

if TYPE_CHECKING:
    from hsad.engine.resume import Journal

__all__ = ["Job", "prepared"]


@dataclass(frozen=True)
class Job:
    """A scene, a detector and the means to bring them together; `files` are those of the scene and its references."""

    cube: xr.DataArray
    window: tuple[slice, slice]
    grid: GeoGrid
    detector: Detector
    source: CubeSource
    references: tuple[CubeSource, ...]
    reference_cubes: tuple[xr.DataArray, ...]
    engine: Engine
    given: Learned | None
    as_array: bool
    with_parts: bool
    files: tuple[Files, ...]
    inputs: tuple[Path, ...]
    swath: Swath | None = None
    on_map: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """The kinds of evidence that the result carries."""
        return self.detector.evidence if self.with_parts else ()

    @property
    def map_name(self) -> str:
        """The option `grid` that names the map of the results; empty when they stay on the grid of the scene."""
        if self.swath is None:
            return ""
        return "north-up" if isinstance(self.swath, GridSwath) else "map"

    @property
    def provenance(self) -> dict[str, str]:
        """What a result says about itself."""
        method, parameters = describe_detector(self.detector)
        return {
            "method": method,
            "parameters": json.dumps(parameters),
            "version": __version__,
            **{
                name: str(self.cube.attrs[name])
                for name in ("source", "data_file", "acquired")
                if name in self.cube.attrs
            },
            **({"mask_flags": ",".join(flags)} if (flags := self.cube.attrs.get("mask_flags")) else {}),
            **({"bad_bands": bad} if (bad := self.cube.attrs.get("bad_bands")) else {}),
        }

    @functools.cached_property
    def fingerprint(self) -> dict[str, Any]:
        """What the scores depend on, as JSON holds it: where it is equal, so are the scores."""
        method, parameters = describe_detector(self.detector)
        return {
            "version": __version__,
            "method": method,
            "parameters": parameters,
            "parts": list(self.parts),
            "scene": identity(self.cube, self.files[0], self.source),
            "references": [
                identity(cube, files, source)
                for cube, files, source in zip(self.reference_cubes, self.files[1:], self.references, strict=True)
            ],
            "background": None if self.given is None else self.given.digest(),
        }

    @functools.cached_property
    def digest(self) -> str:
        """A checksum of all that the scores depend on."""
        return hashlib.sha256(json.dumps(self.fingerprint, sort_keys=True).encode()).hexdigest()

    def check_unchanged(self) -> None:
        """Refuse to go on with files that were written since the job was prepared; what is in memory stays as it is.

        Raises
        ------
        SceneError
        """
        for cube, files in zip((self.cube, *self.reference_cubes), self.files, strict=True):
            if cube.chunks is not None:
                files.check_unchanged()

    def learn(self, journal: Journal | None = None) -> Learned:
        """Return what the detector learns, or what was given."""
        if self.given is not None:
            return self.given
        wavelength = band_wavelengths(self.cube)
        bands = self.source.bands
        background = self.engine.learn(self.detector, self.references, journal)
        self.check_unchanged()
        return Learned(
            self.detector,
            background,
            bands,
            self.cube.sizes["band"],
            None if wavelength is None else wavelength[bands],
            versions=versions_of(self.detector),
        )

    def tiles(self, learned: Learned, journal: Journal | None = None) -> Generator[TileScores, None, None]:
        """Yield the scores by tiles; to be closed by who does not take all of them."""
        return self.engine.score(self.detector, self.source, learned.background, parts=self.with_parts, journal=journal)

    def count_valid(self) -> int:
        """Return the number of valid pixels of the scene."""
        return count_valid(self.engine, self.source)

    def scores(self) -> Any:
        """Return all scores."""
        layers = np.empty((*self.source.shape[:2], 1 + len(self.parts)), dtype=np.float32)
        learned = self.learn()
        with contextlib.closing(self.tiles(learned)) as tiles:
            for tile in tiles:
                layers[tile.rows, tile.cols] = tile.layers
        learned.require_scores(int(np.isfinite(layers[..., 0]).sum()), self.count_valid)
        self.check_unchanged()
        if self.as_array:
            return layers if self.parts else layers[..., 0]
        return self._map(layers[..., 0], learned, layers[..., 1:])

    def lazy_scores(self) -> Any:
        """Return all scores as a dask array."""
        from hsad.engine.lazy import lazy_scores

        # Tasks run wherever the user computes: they carry neither this job's threads nor its progress bar.
        engine = replace(self.engine, runner=Memory(), progress=Engine.progress)
        learning = functools.partial(_learn_background, replace(self, engine=engine))
        scores = lazy_scores(self.engine, self.detector, self.source, learning)
        return scores if self.as_array else self._map(scores, None)

    def _map(self, scores: Any, learned: Learned | None, parts: NDArray[np.float32] | None = None) -> xr.DataArray:
        if self.on_map and self.swath is not None:
            return self._on_the_map(scores, learned, parts)
        rows, cols = self.window
        result = xr.DataArray(scores, dims=("y", "x"), name="score", attrs=self._said(learned))
        result.attrs["long_name"] = f"anomaly score ({result.attrs['method']})"
        own = {
            name: coordinate.isel({"y": rows, "x": cols}, missing_dims="ignore")
            for name, coordinate in self.cube.coords.items()
            if coordinate.ndim and set(coordinate.dims) <= {"y", "x"} and name not in {"valid", "quality"}
        }
        if parts is not None:
            own |= {name: (("y", "x"), parts[..., kind]) for kind, name in enumerate(self.parts)}
        return self.grid.attach(result.assign_coords(own))

    def _said(self, learned: Learned | None) -> dict[str, str]:
        """Return what a map says about itself, in texts, which files of every format can hold."""
        if learned is None:
            return self.provenance
        return {**self.provenance, "background": json.dumps(learned.summary()) if learned.background else ""}

    def _on_the_map(self, scores: Any, learned: Learned | None, parts: NDArray[np.float32] | None) -> xr.DataArray:
        if parts is None or self.swath is None:
            raise ParameterError(f"grid: {self.map_name!r} needs all scores: compute=False gives none")
        grid = self.swath.grid
        result = xr.DataArray(orthorectified(scores, self.swath), dims=("y", "x"), name="score")
        result.attrs = {**self._said(learned), "grid": self.map_name}
        own = {name: (("y", "x"), orthorectified(parts[..., kind], self.swath)) for kind, name in enumerate(self.parts)}
        return grid.attach(result.assign_coords(own))


def _learn_background(job: Job) -> Background | None:
    return job.engine.adapted(job.detector, job.source, job.learn().background)


@contextlib.contextmanager
def prepared(cube: Any, request: Request) -> Iterator[Job]:
    """Turn a scene and what is asked for into a job, and close its connections in the end."""
    with _naming(cube):
        job = _prepare(cube, request)
        with contextlib.closing(job.engine.runner):
            yield job


@contextlib.contextmanager
def _naming(cube: Any) -> Iterator[None]:
    """See to it that what is wrong with the pixels is said with the name of their file."""
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
    """Turn a scene and what is asked for into a job, checking all of it before any work."""
    run, given = request.run, request.given
    opened = as_asked(as_cube(cube, run), run)
    grid = geo_grid(opened)
    window = pixel_window(run, grid, swath_of(opened))
    source = selected(opened, run, given, window, pixel_mask(run, grid))
    reference_cubes, references = [opened], [source]
    others = run.references is not None and not (len(run.references) == 1 and run.references[0] is cube)
    if run.references is not None and given is None and others:
        reference_cubes = [
            as_asked(as_cube(scene, replace(run, band_axis=None) if _names_dimensions(scene) else run), run)
            for scene in run.references
        ]
        source, *references = with_common_bands(
            source, *(selected(scene, run, None, None, None) for scene in reference_cubes)
        )
    runner = _runner(run)
    if not isinstance(runner, Cluster):
        request.detector.check_machine()
    files = tuple(map(Files.of, (opened, *reference_cubes)))
    return Job(
        opened,
        window,
        grid.window(*window),
        request.detector,
        source,
        tuple(references),
        tuple(reference_cubes),
        Engine(runner, run.tile, memory_bytes(run.memory), chosen_progress(run.progress) or Engine.progress),
        given,
        is_array(cube),
        run.parts,
        files,
        _inputs(files, run),
        map_of(opened, run, window),
        run.grid in ("map", "north-up"),
    )


def _names_dimensions(scene: Any) -> bool:
    return isinstance(scene, xr.DataArray | xr.Dataset)


def _inputs(scenes: Iterable[Files], run: RunOptions) -> tuple[Path, ...]:
    """Return the files that are read."""
    beside = (source_file(str(given)) for given in (run.mask, run.background) if isinstance(given, str | Path))
    return (*(file for files in scenes for file in files.states), *filter(None, beside))


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
