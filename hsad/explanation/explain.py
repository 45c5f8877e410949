"""Why a pixel scores as it does: its spectrum, its background, the parts of its score, and similar spectra."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.opened import Scene, open_scores
from hsad.anomalies.scoremap import ScoreMap
from hsad.anomalies.surroundings import Surroundings, contrast_to, look_around
from hsad.anomalies.vectors import read_anomalies, read_candidates, read_threshold
from hsad.detectors import detector_class
from hsad.detectors.account import Reason
from hsad.detectors.block import Block, InMemory, clamped
from hsad.detectors.block import Scene as BlockScene
from hsad.detectors.change.base import ChangeDetector
from hsad.errors import DataError, ParameterError
from hsad.explanation.absorption import absorptions
from hsad.explanation.explanation import THE_SCENE, Explanation
from hsad.explanation.names import AROUND, Namer, is_background, namer_of
from hsad.job.job import Job
from hsad.job.options import SceneOptions
from hsad.job.prepare import prepared
from hsad.job.request import Request
from hsad.readers.libraries.library import Library

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.job.learned import Learned

__all__ = ["Explainer", "accounts_for_one_scene", "explain", "explain_scores", "explainer", "of_anomaly", "similar"]

_SHARE = 4
"""A block has about this many times the pixels whose evidence its one pixel needs."""
_MOST = 128 * 2**20
"""Bytes of the spectra of the largest scene whose evidence is computed as a whole."""


@dataclass(frozen=True, eq=False)
class Explainer:
    """A detector that has learned a scene and can explain any pixel of it."""

    job: Job
    learned: Learned
    namer: Namer | None = None
    whole: Block | None = None

    def at(self, row: int, col: int) -> Explanation:
        """Return why a pixel scores as it does.

        Raises
        ------
        ParameterError
            When the pixel lies outside the scene.
        DataError
            When the pixel is invalid or has no score.
        """
        rows, cols, _ = self.job.scene.source.shape
        if not (0 <= row < rows and 0 <= col < cols):
            raise ParameterError(f"at {row},{col}: the scene has {rows} rows and {cols} columns")
        detector, background = self.learned.detector, self.learned.background
        block = self._block(row, col, detector.halo)
        if not block.core_valid.all():
            raise DataError(f"at {row},{col}: the pixel is invalid (nodata, NaN or masked)")
        score = float(detector.score(block, background)[0, 0])
        if np.isnan(score):
            raise DataError(f"at {row},{col}: the pixel has no score: its ring holds too few valid pixels")
        reason = detector.account(block, background)
        spectrum = np.array(block.spectra[block.core][0, 0])
        mean, spread, compared = self._compared(row, col, reason)
        wavelength = self.learned.wavelength
        ring = self._ring(row, col, reason)
        names = None if self.namer is None else self.namer.name(spectrum, ring)
        return Explanation(
            self.job.form.provenance["method"],
            row,
            col,
            score,
            np.asarray(self.learned.bands, dtype=np.int64) + 1,
            wavelength,
            spectrum,
            mean,
            spread,
            compared,
            reason,
            contrast_to(spectrum, mean, spread),
            names=names,
            absorptions=absorptions(spectrum, ring, wavelength),
        )

    def _block(self, row: int, col: int, halo: int) -> Block:
        source = self.job.scene.source
        rows, cols = (clamped(at, at + 1, size, halo) for at, size in ((row, source.shape[0]), (col, source.shape[1])))
        if self.whole is None:
            spectra, valid = source.spectra(source.read(rows, cols), rows, cols)
        else:
            spectra, valid = np.ascontiguousarray(self.whole.spectra[rows, cols]), self.whole.valid[rows, cols]
        core = (
            slice(row - rows.start, row - rows.start + 1),
            slice(col - cols.start, col - cols.start + 1),
        )
        scene = BlockScene(0, source.shape[0], source.shape[1])
        return Block(InMemory(spectra, valid), core, (rows.start, cols.start), scene, whole=self.whole)

    def _compared(self, row: int, col: int, reason: Reason) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
        """Return mean and spread of the pixels that the figure shows beside the pixel, and in words which they are."""
        if reason.mean is not None and reason.spread is not None:
            return reason.mean, reason.spread, THE_SCENE
        ring = self._ring(row, col, reason)
        if not len(ring):
            empty = np.full(len(self.learned.bands), np.nan)
            return empty, empty, "nothing, because no valid pixel is near"
        return ring.mean(axis=0), ring.std(axis=0), f"the {len(ring)} pixels of its ring"

    def _ring(self, row: int, col: int, reason: Reason) -> NDArray[np.float64]:
        """Return the spectra of the pixels around a pixel: the detector's ring, or a window without its middle."""
        if reason.ring is not None and reason.ring.shape[1] == len(self.learned.bands):
            return reason.ring
        block = self._block(row, col, AROUND // 2)
        place = block.core[0].start, block.core[1].start
        return block.spectra[block.valid & is_background(block.valid.shape, *place)]


@contextlib.contextmanager
def explainer(
    cube: Any,
    method: Any,
    parameters: Mapping[str, Any],
    library: Any = None,
    *,
    learned: Learned | None = None,
    scores: Path | None = None,
    pixels: int = 1,
) -> Iterator[Explainer]:
    """Yield an explainer after a method has learned a scene.

    Parameters
    ----------
    cube, method, parameters
        As for `hsad.detect`.
    library : Library or path, optional
    learned : Learned, optional
        What the method learned of this scene before.
    scores : Path, optional
        The scores of the scene: a survey keeps beside them what it learned.
    pixels : int
        Number of pixels that will be explained. Where their surroundings are more than a small scene, its evidence is
        computed once, and not again for each of them.
    """
    opened = library if library is None or isinstance(library, Library) else Library.open(library)
    with prepared(cube, Request.of(method, parameters)) as job:
        known = job.learn_or_read(scores) if learned is None else learned
        adapted = job.engine.adapted(known.detector, job.scene.source, known.background)
        known = replace(known, background=adapted)
        held = job.in_memory()
        whole = _whole(held, known.detector.halo, pixels)
        yield Explainer(held, known, None if opened is None else namer_of(job, opened), whole)


def accounts_for_one_scene(method: str) -> bool:
    """Tell whether a method can explain its scores from one scene: those that compare two dates cannot."""
    return not issubclass(detector_class(method), ChangeDetector)


def _whole(job: Job, halo: int, pixels: int) -> Block | None:
    """Return the scene as one block if it is small, and has fewer pixels than the blocks around some of its pixels."""
    rows, cols, bands = job.scene.source.shape
    around = min(rows, 2 * halo + 1) * min(cols, 2 * halo + 1)
    if rows * cols > pixels * around / _SHARE or rows * cols * bands * np.dtype(np.float64).itemsize > _MOST:
        return None
    everything = slice(0, rows), slice(0, cols)
    window = InMemory(*job.scene.source.spectra(job.scene.source.read(*everything), *everything))
    return Block(window, everything, (0, 0), BlockScene(0, rows, cols))


def explain(
    cube: Any,
    detector: Any = None,
    row: int = 0,
    col: int = 0,
    *,
    scores: Any = None,
    library: Any = None,
    **options: Any,
) -> Explanation:
    """Return why a pixel scores as it does.

    Parameters
    ----------
    cube : (y, x, band) DataArray, (rows, cols, bands) array_like, or path
        The scene.
    detector : str or Detector, optional
        As for `hsad.detect`; ``auto`` by default.
    row, col : int
        The pixel, from 0.
    scores : DataArray, array_like or path, optional
        The scores of the scene, so that the explanation says how high the pixel ranks.
    library : path, optional
        A spectral library, as `Library.open` reads it: the explanation then says what the pixel is most like.
    **options
        As for `hsad.detect`.

    Returns
    -------
    Explanation
        ``spectrum``, ``background``, ``reason.contributions`` and so on; ``plot()`` draws it.

    Raises
    ------
    HsadError
        As `hsad.detect`; when the pixel is outside, invalid or without a score.

    Examples
    --------
    >>> import numpy as np, hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 6))
    >>> scene[20, 30, 4] += 8
    >>> why = hsad.explain(scene, "rx", 20, 30)
    >>> int(why.reason.contributions.argmax()), bool(np.isclose(why.reason.contributions.sum(), why.score))
    (4, True)
    """
    with explainer(cube, detector, options, library) as ready:
        found = ready.at(row, col)
    return found if scores is None else _ranked(found, open_scores(scores))


def _ranked(explanation: Explanation, scores: ScoreMap) -> Explanation:
    """Return the explanation with the rank of its pixel among the pixels of a score map."""
    own = scores.rows(explanation.row, explanation.row + 1)[0, explanation.col]
    higher = among = 0
    for _, strip in scores.strips():
        higher += int(np.count_nonzero(strip > own))
        among += int(np.count_nonzero(~np.isnan(strip)))
    return explanation if np.isnan(own) else replace(explanation, rank=higher + 1, among=among)


def of_anomaly(
    explanation: Explanation,
    record: Mapping[str, Any],
    scene: Scene,
    around: Surroundings,
    namer: Namer | None = None,
) -> Explanation:
    """Return the explanation of an anomaly's highest pixel as that of the anomaly.

    Parameters
    ----------
    explanation : Explanation
    record : mapping
        ``id``, ``n_pixels`` and ``area_m2`` of the anomaly.
    scene : Scene
    around : Surroundings
        The mean spectrum of the anomaly, and the ring around it.
    namer : Namer, optional
        Says what the mean spectrum of the anomaly is most like.
    """
    named = replace(explanation, number=int(record["id"]), pixels=int(record["n_pixels"]), area=record["area_m2"])
    known = scene.source.bands + 1
    if not np.isin(explanation.bands, known).all():
        return named
    used = np.searchsorted(known, explanation.bands)
    spectrum, ring = around.spectrum[used], around.around[:, used]
    return replace(
        named,
        contrast=around.contrast[used],
        names=named.names if namer is None else namer.name(spectrum, ring, around.pixels),
        absorptions=absorptions(spectrum, ring, explanation.wavelength),
    )


def angle(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the angle between two spectra in degrees; NaN where one has no length."""
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    if not lengths > 0:
        return float("nan")
    return float(np.degrees(np.arccos(np.clip(float(first @ second) / lengths, -1.0, 1.0))))


def similar(
    explanation: Explanation, anomalies: Sequence[Mapping[str, Any]], own: int | None, most: int = 3
) -> Explanation:
    """Return the explanation with the anomalies whose mean spectra have the smallest angle to the pixel's."""
    angles = []
    for record in anomalies:
        text = record.get("mean_spectrum")
        if text is None or record["id"] == own:
            continue
        other = np.array(json.loads(text), dtype=np.float64)
        if other.shape == explanation.spectrum.shape:
            angles.append((int(record["id"]), angle(explanation.spectrum, other)))
    nearest = sorted((pair for pair in angles if np.isfinite(pair[1])), key=lambda pair: pair[1])[:most]
    return replace(explanation, similar=tuple(nearest))


def explain_scores(
    scene: Any,
    scores: Any,
    *,
    number: int | None = None,
    anomalies: Any = None,
    at: tuple[int, int] | None = None,
    lonlat: tuple[float, float] | None = None,
    library: Any = None,
    stated: SceneOptions | None = None,
) -> Explanation:
    """Return why a pixel of a score raster scores as it does, by the method and parameters that the raster names.

    Parameters
    ----------
    scene, scores : path
        The scene, and the raster of its scores.
    number : int, optional
        The id of an anomaly in `anomalies`; its highest pixel is explained.
    anomalies : path, optional
        A file of `hsad.write_anomalies`, whose spectra are compared with the pixel's.
    at : (int, int), optional
        Row and column in the raster, from 0.
    lonlat : (float, float), optional
        Longitude and latitude.
    library : path, optional
        As for `explain`.

    Raises
    ------
    ParameterError
        When there is not exactly one place, or the raster does not name its method.
    """
    opened = open_scores(scores)
    if sum(given is not None for given in (number, at, lonlat)) != 1:
        raise ParameterError("explain needs one place: an anomaly's id with anomalies, at, or lonlat")
    if not opened.method:
        raise ParameterError(f"{scores}: does not name its method")
    if not accounts_for_one_scene(opened.method):
        raise ParameterError(
            f"{scores}: {opened.method} compares two dates, and explain looks at one scene: the further bands of "
            "hsad change --parts say whether something is new or gone"
        )
    beside = Scene.of(scene, opened.grid, stated=stated)
    records = [] if anomalies is None else [*read_anomalies(anomalies), *read_candidates(anomalies)]
    found = None
    if number is not None:
        found = next((record for record in records if record["id"] == number), None)
        if found is None:
            raise ParameterError(
                f"id {number}: {'give the anomalies' if anomalies is None else f'{anomalies} has no such anomaly'}"
            )
        row, col = int(found["row"]), int(found["col"])
    else:
        row, col = at if at is not None else beside.pixel_at(*lonlat)  # type: ignore[misc]  # one of them is given
    beside.require(row, col)
    options = {} if stated is None else stated.stated()
    named = Path(scores) if isinstance(scores, str | Path) else None
    with explainer(scene, opened.method, {**opened.parameters, **options}, library, scores=named) as ready:
        found_there = ready.at(*beside.own_pixel(row, col))
    why = _ranked(replace(found_there, row=row, col=col), opened)
    if found is not None:
        limit = read_threshold(anomalies)
        highest = float(found["score_max"])  # that of a candidate lies below the limit
        around = look_around(beside, opened, row, col, highest if limit is None else min(limit, highest))
        why = of_anomaly(why, found, beside, around, ready.namer)
    return similar(why, records, number)
