"""Pictures of a scene and of its scores for a page: reduced to a bounded size, as PNG within a data URL."""

from __future__ import annotations

import base64
import io
import math
from typing import TYPE_CHECKING

import numpy as np

from hsad.plot.reduction import highest
from hsad.plot.score_scale import ScoreScale
from hsad.plot.true_colour import RGB_NM, nearest_bands, stretched
from hsad.products.ortho import orthorectified

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.anomalies.opened import Scene
    from hsad.anomalies.scoremap import ScoreMap
    from hsad.anomalies.vectors import Anomalies

__all__ = ["LIST_GREY", "data_url", "overview", "picture_step", "reduced_scores", "score_picture"]

LIST_GREY = 96
"""The grey of the lowest score of a list, see `score_picture`."""
_MOST = 1600
"""Pixels of the longer side of a picture: about as many as a screen shows."""
_FALSE_NM = (2200.0, 1650.0, 850.0)
"""Wavelengths of red, green and blue in false colour: soil, dry and green vegetation differ there."""
_FAR_NM = 60.0
"""Largest distance in nm of a band from its colour: two colours are 80 nm apart or more."""
_STRIP_ROWS = 64
"""Rows that are read at a time: a tile of most files."""


def picture_step(rows: int, cols: int) -> int:
    """Return the side in pixels of the squares that become one pixel, so that no side of a picture is above 1600."""
    return max(1, math.ceil(max(rows, cols) / _MOST))


def overview(scene: Scene) -> tuple[NDArray[np.uint8], str]:
    """Return the scene as a picture ``(rows, cols, 3)``, and which bands its colours show.

    The picture is in true colour when the scene has bands of red, green and blue, else in false colour of three
    infrared bands, else of three evenly spaced bands. Every `picture_step`-th pixel is read.
    """
    bands, named = _colours(scene)
    step = picture_step(scene.grid.rows, scene.grid.cols)
    if scene.swath is None:
        values = _sampled(scene, bands, step)
    else:  # a strip of the map may show all rows of the sensor, so these are read once
        row, col = scene.origin
        placed = orthorectified(_sampled(scene.on_the_sensor(), bands, 1), scene.swath)
        values = placed[row : row + scene.grid.rows : step, col : col + scene.grid.cols : step]
    return (np.nan_to_num(stretched(values)) * 255).astype(np.uint8), named


def _sampled(scene: Scene, bands: list[int], step: int) -> NDArray[np.floating]:
    """Return three bands of every `step`-th pixel, NaN where it is invalid."""
    strips = []
    height = _STRIP_ROWS if step <= _STRIP_ROWS else 1
    for first in range(0, scene.grid.rows, height * (step if height == 1 else 1)):
        rows = slice(first, min(scene.grid.rows, first + height))
        spectra, valid = scene.spectra(rows, slice(0, scene.grid.cols))
        skip = -first % step
        part = spectra[skip::step, ::step][..., bands]
        part[~valid[skip::step, ::step]] = np.nan
        strips.append(part)
    return np.concatenate(strips)


def _colours(scene: Scene) -> tuple[list[int], str]:
    wavelength = scene.wavelength
    if wavelength is not None:
        for kind, wanted in (("true colour", tuple(RGB_NM.values())), ("false colour", _FALSE_NM)):
            bands, distance = nearest_bands(wavelength, wanted)
            if (distance <= _FAR_NM).all():
                return bands.tolist(), f"{kind}: {', '.join(f'{wavelength[band]:.0f}' for band in bands)} nm"
    number = len(scene.source.bands)
    even = [round((number - 1) * share) for share in (0.75, 0.5, 0.25)]
    return even, f"bands {', '.join(str(scene.source.bands[band] + 1) for band in even)}"


def score_picture(scores: ScoreMap, anomalies: Anomalies) -> tuple[NDArray[np.uint8], ScoreScale]:
    """Return scores as grey ``(rows, cols)``, and the scale for the list of their anomalies.

    A pixel without a score is 0. Grey 1 to `LIST_GREY` - 1 is linear from the scale's floor to its start, `LIST_GREY`
    to 255 runs from its start to its end. Groups of `picture_step` pixels show their highest score, so that an anomaly
    of one pixel stays visible.
    """
    values, _ = reduced_scores(scores)
    scale = ScoreScale.of(values, anomalies)
    with np.errstate(invalid="ignore", divide="ignore"):
        below = np.clip((values - scale.floor) / ((scale.start - scale.floor) or 1.0), 0, 1) * (LIST_GREY - 2)
        listed = np.clip(scale.place(values), 0, 1) * (255 - LIST_GREY)
        grey = np.where(values >= scale.start, LIST_GREY + np.round(listed), 1 + np.round(below))
        return np.where(np.isfinite(values), grey, 0).astype(np.uint8), scale


def reduced_scores(scores: ScoreMap) -> tuple[NDArray[np.float64], int]:
    """Return the highest scores of groups of `picture_step` x `picture_step` pixels, and that step."""
    step = picture_step(scores.grid.rows, scores.grid.cols)
    waiting: list[NDArray[np.float64]] = []
    reduced = []
    for first, strip in scores.strips():
        waiting.append(strip)
        tall = np.concatenate(waiting)
        last = first + len(strip) == scores.grid.rows
        whole = len(tall) if last else len(tall) // step * step
        if whole:
            reduced.append(highest(tall[:whole], step))
        waiting = [tall[whole:]]
    return np.concatenate(reduced), step


def data_url(picture: NDArray[np.uint8]) -> str:
    """Return a picture as a URL that holds it as a PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
