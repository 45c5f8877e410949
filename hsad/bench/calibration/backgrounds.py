"""The scores of known scenes, with the peaks of background and of objects among them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hsad.anomalies.null.tail import Tail, peaks_of
from hsad.anomalies.scoremap import ScoreMap
from hsad.detection import detect
from hsad.errors import HsadWarning
from hsad.files import whole_file

if TYPE_CHECKING:
    from hsad.bench.calibration.scenes import Case
    from hsad.bench.known import KnownScene

__all__ = ["BACKGROUND", "LEFT_OUT", "OBJECT", "Background", "background_of", "scored"]

BACKGROUND, OBJECT, LEFT_OUT = 0, 1, 2
"""What a peak is: more than 2 pixels from every object; at most 2 pixels from one; at most 2 pixels from what the truth
leaves out."""
_NEAR = np.ones((5, 5), dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Background:
    """The scores of a scene of known truth.

    Attributes
    ----------
    name, family, ground, origin : str
    learned : bool
        Whether the bank learns from it.
    scores : (rows, cols) ndarray of float64
    objects : (rows, cols) ndarray of bool
    place : (rows, cols) ndarray of uint8
        `BACKGROUND`, `OBJECT` or `LEFT_OUT` for each pixel.
    tail : Tail
        Of all scores.
    at_peaks : (n,) ndarray of uint8
        The same for each of the tail's peaks.
    units : float
        Background pixels with a score / 10⁴.
    """

    name: str
    family: str
    ground: str
    origin: str
    learned: bool
    scores: NDArray[np.float64]
    objects: NDArray[np.bool_]
    place: NDArray[np.uint8]
    tail: Tail
    at_peaks: NDArray[np.uint8]
    units: float

    @property
    def peaks(self) -> NDArray[np.float64]:
        """Scores of the peaks of background, falling."""
        return np.asarray(self.tail.peaks[self.at_peaks == BACKGROUND])


def background_of(case: Case, scores: NDArray[np.float64]) -> Background:
    """Return what the scores of a scene are at each peak: background, object, or left out."""
    truth = case.scene.truth
    objects = np.nan_to_num(truth, nan=0.0) != 0
    place = np.zeros(truth.shape, dtype=np.uint8)
    place[ndimage.binary_dilation(np.isnan(truth), _NEAR)] = LEFT_OUT
    place[ndimage.binary_dilation(objects, _NEAR)] = OBJECT
    row, col = np.nonzero(peaks_of(scores))
    order = np.argsort(-scores[row, col], kind="stable")  # as the peaks of a tail
    units = float((np.isfinite(scores) & (place == BACKGROUND)).sum() / 1e4)
    scene = case.scene
    return Background(
        scene.name, scene.family, case.ground, case.origin, case.learned, scores, objects, place,
        Tail.of(ScoreMap.of(scores)), place[row[order], col[order]], units,
    )  # fmt: skip


def scored(scene: KnownScene, method: str, cache: Path | None) -> NDArray[np.float64]:
    """Return the scores of a scene by a detector's default parameters, from a folder of earlier ones where it is there.

    Parameters
    ----------
    scene : KnownScene
    method : str
    cache : Path, optional
        Folder of scores; new ones are put there.
    """
    place = None if cache is None else cache / f"{method}-{scene.name.replace('/', '-')}.npy"
    if place is not None and place.is_file():
        return np.asarray(np.load(place), dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HsadWarning)  # remarks on made scenes
        scores = np.asarray(detect(scene.cube, method, workers=1), dtype=np.float64)
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(place, overwrite=True) as staged, staged.open("wb") as file:
            np.save(file, scores)
    return scores
