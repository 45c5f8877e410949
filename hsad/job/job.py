"""A scene, a detector and an engine: learning and scoring."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import warnings
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad import __version__
from hsad.detectors import describe_detector
from hsad.detectors.base import Background, Detector
from hsad.engine.held import held
from hsad.engine.run import Engine
from hsad.engine.runners.local import Memory
from hsad.engine.tile_scores import TileScores
from hsad.errors import SceneError, SceneWarning
from hsad.job.describe import count_valid
from hsad.job.identity import Input
from hsad.job.learned import KEPT, Learned, versions_of
from hsad.job.present import Form
from hsad.job.selection import band_wavelengths

if TYPE_CHECKING:
    from hsad.engine.resume import Journal

__all__ = ["Job"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A scene, a detector and an engine, checked before any work.

    Attributes
    ----------
    scene : Input
        The scene to score.
    references : tuple of Input
        The scenes to learn from: the scene itself where the user names no others.
    detector : Detector
    engine : Engine
    background : Learned or None
        What the detector learned before.
    form : Form
        The form of the scores.
    beside : tuple of Path
        Files that are read beside the scenes: a mask, a background.
    """

    scene: Input
    references: tuple[Input, ...]
    detector: Detector
    engine: Engine
    background: Learned | None
    form: Form
    beside: tuple[Path, ...]

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All files that the job reads."""
        return (*(file for scene in (self.scene, *self.references) for file in scene.files.states), *self.beside)

    @functools.cached_property
    def fingerprint(self) -> dict[str, Any]:
        """All that the scores depend on, as JSON holds it: two runs with the same one have the same scores."""
        method, parameters = describe_detector(self.detector)
        return {
            "version": __version__,
            "method": method,
            "parameters": parameters,
            "parts": list(self.form.evidence),
            "scene": self.scene.identity(),
            "references": [reference.identity() for reference in self.references],
            "background": None if self.background is None else self.background.digest(),
        }

    @functools.cached_property
    def digest(self) -> str:
        """A checksum of all that the scores depend on."""
        return hashlib.sha256(json.dumps(self.fingerprint, sort_keys=True).encode()).hexdigest()

    def check_unchanged(self) -> None:
        """Refuse to go on with files that were written since the job was prepared.

        Raises
        ------
        SceneError
        """
        for scene in (self.scene, *self.references):
            scene.check_unchanged()

    def learn(self, journal: Journal | None = None) -> Learned:
        """Return what the detector learns, or what it learned before."""
        if self.background is not None:
            return self.background
        wavelength = band_wavelengths(self.scene.cube)
        bands = self.scene.source.bands
        background = self.engine.learn(self.detector, tuple(scene.source for scene in self.references), journal)
        self.check_unchanged()
        return Learned(
            self.detector,
            background,
            bands,
            self.scene.cube.sizes["band"],
            None if wavelength is None else wavelength[bands],
            versions=versions_of(self.detector),
            run=self.digest,
        )

    def learn_or_read(self, scores: Path | None) -> Learned:
        """Return what the detector learns, or what the same run kept beside its scores.

        Warns
        -----
        SceneWarning
            When the file beside the scores is damaged.
        """
        path = None if scores is None or self.background is not None else scores.with_name(KEPT)
        if path is not None and path.is_file():
            try:
                kept = Learned.load(path)
            except SceneError as error:
                warnings.warn(f"{error}; the scene is learned again", SceneWarning, stacklevel=2)
            else:
                if (kept.run, dict(kept.versions)) == (self.digest, versions_of(self.detector)):
                    self.check_unchanged()
                    return kept
        return self.learn()

    def in_memory(self) -> Job:
        """Return the job with its scene in memory, if that is small, for reading many windows of it in this process."""
        return replace(self, scene=replace(self.scene, source=held(self.scene.source)))

    def tiles(self, learned: Learned, journal: Journal | None = None) -> Generator[TileScores, None, None]:
        """Yield the scores tile by tile; a caller that stops early closes the generator."""
        parts = bool(self.form.evidence)
        return self.engine.score(self.detector, self.scene.source, learned.background, parts=parts, journal=journal)

    def count_valid(self) -> int:
        """Return the number of valid pixels of the scene."""
        return count_valid(self.engine, self.scene.source)

    def scores(self) -> Any:
        """Return all scores."""
        layers = np.empty((*self.scene.source.size, 1 + len(self.form.evidence)), dtype=np.float32)
        learned = self.learn()
        with contextlib.closing(self.tiles(learned)) as tiles:
            for tile in tiles:
                layers[tile.rows, tile.cols] = tile.layers
        learned.require_scores(int(np.isfinite(layers[..., 0]).sum()), self.count_valid)
        self.check_unchanged()
        return self.form.of_scores(layers, learned)

    def lazy_scores(self) -> Any:
        """Return all scores as a dask array."""
        from hsad.engine.lazy import lazy_scores

        # Tasks run wherever the user computes: they carry neither the threads nor the progress bar of this job.
        engine = replace(self.engine, runner=Memory(), progress=Engine.progress)
        learning = functools.partial(_learn_background, replace(self, engine=engine))
        return self.form.of_lazy_scores(lazy_scores(self.engine, self.detector, self.scene.source, learning))


def _learn_background(job: Job) -> Background | None:
    return job.engine.adapted(job.detector, job.scene.source, job.learn().background)
