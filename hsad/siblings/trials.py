"""Trials with implants: objects of known fill and size are put into a scene, and looked for in its list."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.choose import choose_threshold
from hsad.anomalies.options import ThresholdOptions
from hsad.anomalies.scoremap import ScoreMap
from hsad.detectors import describe_detector
from hsad.detectors.moments import moments_of
from hsad.detectors.probe import require_valid
from hsad.engine.run import Engine
from hsad.errors import DataError
from hsad.job.identity import Input
from hsad.siblings.implanted import Clean, Implanted
from hsad.synthetic.implants import material_ratios
from hsad.synthetic.targets import footprint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.anomalies.choose import Threshold
    from hsad.job.job import Job

__all__ = ["Point", "Trial", "materials_of", "scores_of"]

_AT_ONCE = 5
"""Most objects that are implanted at once in 10,000 pixels: 20 at once hide each other."""

_BRIGHTNESS = 0.05
"""Standard deviation of the brightness of an object from pixel to pixel."""

_CLEAR = 3
"""Pixels between an implant and a listed anomaly of the scene, or another implant."""

_TRIES = 300
"""Random places that are tried before an object is left out for want of room."""

_Z = 1.6449
"""Standard deviations of the normal distribution between which 90 % lie."""


@dataclass(frozen=True)
class Point:
    """The share of objects of one fill and size that were found.

    Attributes
    ----------
    fill : float
        Share of each pixel that the object covers.
    size : int
        Pixels of the object.
    found : float
        Share of the objects that are in the list.
    low, high : float
        Between them lies the true share in 90 % of such trials (Wilson's interval); both are `found` for a closed form.
    objects : int
        Number of objects; 0 for a closed form, which looks at every pixel.
    """

    fill: float
    size: int
    found: float
    low: float
    high: float
    objects: int


def scores_of(job: Job) -> ScoreMap:
    """Return the scores of the scene of a job, on the pixels of the scene."""
    learned = job.learn()
    values = np.full(job.scene.source.shape[:2], np.nan, dtype=np.float32)
    for tile in job.tiles(learned):
        values[tile.rows, tile.cols] = tile.scores
    name, parameters = describe_detector(job.detector)
    return ScoreMap(values, job.form.grid, name, parameters, learned.summary())


def materials_of(job: Job) -> list[NDArray[np.float64]]:
    """Return spectra of unusual materials in the units of the scene."""
    mean = require_valid(job.engine.scan(job.scene.source, moments_of)).mean
    places = np.linspace(0, 1, len(mean))
    return [np.interp(places, np.linspace(0, 1, len(ratio)), ratio) * mean for ratio in material_ratios()]


@dataclass(frozen=True, eq=False)
class Trial:
    """Implants in the scene of a job, and a look for them in the list."""

    job: Job
    spectra: Sequence[NDArray[np.float64]]
    before: ScoreMap
    threshold: Threshold
    decide: ThresholdOptions
    rng: np.random.Generator

    def points(self, fills: Sequence[float], sizes: Sequence[int], objects: int) -> list[Point]:
        """Return the share of objects that are found, for each size and fill."""
        wanted = [pair for _ in range(objects) for pair in itertools.product(sizes, fills)]
        source = self.job.scene.source
        at_once = max(1, int(_AT_ONCE * source.shape[0] * source.shape[1] / 1e4))
        order = self.rng.permutation(len(wanted))
        rounds = [[wanted[i] for i in order[at : at + at_once]] for at in range(0, len(wanted), at_once)]
        clean = Clean.of(require_valid(self.job.engine.scan(source, moments_of)))
        hits = {pair: [0, 0] for pair in wanted}
        steps: Any = self.job.engine.progress(rounds, total=len(rounds), desc="rounds of implants")
        for pairs in steps:
            for pair, found in self._round(clean, pairs):
                hits[pair][0] += found
                hits[pair][1] += 1
        if not all(count for _, count in hits.values()):
            raise DataError("the scene has no room for implants away from its own anomalies")
        return [_point(fill, size, *hits[size, fill]) for size, fill in itertools.product(sizes, fills)]

    def _round(self, clean: Clean, pairs: Sequence[tuple[int, float]]) -> Iterator[tuple[tuple[int, float], bool]]:
        """Implant objects of these sizes and fills, and yield for each with room whether it is in the list."""
        from scipy import ndimage

        values = np.asarray(self.before.values)
        taken = ~np.isfinite(values)
        taken |= ndimage.binary_dilation(values >= self.threshold.value, np.ones((3, 3)), iterations=_CLEAR)
        placed = []
        for number, pair in enumerate(pairs):
            pixels = self._place(pair[0], taken)
            if pixels is None:
                continue
            placed.append((pair, pixels, self._added(clean, pixels, pair[1], number)))
            row, col = pixels
            spot = slice(max(0, row.min() - _CLEAR), row.max() + _CLEAR + 1)
            taken[spot, max(0, col.min() - _CLEAR) : col.max() + _CLEAR + 1] = True
        if not placed:
            return
        scores = self._scores_with(placed)
        level = choose_threshold(scores, self.decide).value
        found = np.asarray(scores.values) >= level
        for pair, pixels, _ in placed:
            yield pair, bool(found[pixels].any())

    def _place(self, size: int, taken: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        """Return the pixels of an object of this size where there is room; None without room."""
        rows, cols = taken.shape
        angular = self.rng.random() < 0.5
        down, right = footprint(
            size, "rectangle" if angular else "ellipse", self.rng.uniform(0, np.pi), self.rng.uniform(1, 2.5)
        )
        for _ in range(_TRIES):
            row, col = down + self.rng.integers(rows), right + self.rng.integers(cols)
            if ((row >= 0) & (row < rows) & (col >= 0) & (col < cols)).all() and not taken[row, col].any():
                return row, col
        return None

    def _added(
        self, clean: Clean, pixels: tuple[NDArray[np.intp], NDArray[np.intp]], fill: float, number: int
    ) -> NDArray[np.float64]:
        """Return what an object adds to its pixels."""
        source, (row, col) = self.job.scene.source, pixels
        window = slice(int(row.min()), int(row.max()) + 1), slice(int(col.min()), int(col.max()) + 1)
        spectra, _ = source.spectra(source.read(*window), *window)
        own = spectra[row - window[0].start, col - window[1].start]
        spectrum = self.spectra[number % len(self.spectra)]
        return clean.added(own, spectrum, fill, self.rng.normal(1, _BRIGHTNESS, len(row)))

    def _scores_with(self, placed: Sequence[Any]) -> ScoreMap:
        row = np.concatenate([pixels[0] for _, pixels, _ in placed])
        col = np.concatenate([pixels[1] for _, pixels, _ in placed])
        source: Any = Implanted(self.job.scene.source, row, col, np.concatenate([added for _, _, added in placed]))
        scene = Input(self.job.scene.cube, source, self.job.scene.files)
        references = (scene,) if self.job.references == (self.job.scene,) else self.job.references
        engine = Engine(self.job.engine.runner, self.job.engine.tile, self.job.engine.memory)
        engine.runner.unpin()  # what the last round kept
        return scores_of(replace(self.job, scene=scene, references=references, engine=engine))


def _point(fill: float, size: int, found: int, objects: int) -> Point:
    """Return a share with Wilson's interval of 90 %."""
    share = found / objects
    centre = (share + _Z**2 / (2 * objects)) / (1 + _Z**2 / objects)
    half = _Z / (1 + _Z**2 / objects) * math.sqrt(share * (1 - share) / objects + _Z**2 / (4 * objects**2))
    # Rounding can put an end of the interval on the wrong side of a share of 0 or 1.
    low, high = min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))
    return Point(fill, size, share, low, high, objects)
