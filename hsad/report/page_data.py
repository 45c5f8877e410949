"""The data of the review page: what its script draws, as JSON can hold it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.grades import GRADES
from hsad.anomalies.surroundings import look_around
from hsad.anomalies.vectors import COLUMNS, Anomalies
from hsad.plot.pictures import LIST_GREY, data_url, picture_step, score_picture
from hsad.plot.spectrum_line import clear_limits, line_breaks, shaded_stretches, spectrum_axis
from hsad.products.palette import BELOW_PALETTE, FOUND_COLOR, FURTHER_COLOR, GRADE_COLORS, LISTED_PALETTE
from hsad.products.styles import STATE_COLORS
from hsad.scene.ground import pixel_side

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.anomalies.opened import Scene
    from hsad.anomalies.scoremap import ScoreMap
    from hsad.explanation.explanation import Explanation
    from hsad.scene.grid import GeoGrid

__all__ = ["page_data"]

_SPECTRA = 200
"""Anomalies whose spectra are in the page: with 400 bands they take about 2 MB."""
_DEGREE_METRES = 111_320.0
"""A degree of longitude at the equator, in metres: nowhere is a degree much longer."""
_LEFT_OUT = {"peak_wavelengths", "mean_spectrum", "background_spectrum"}


def page_data(
    anomalies: Anomalies,
    scores: ScoreMap,
    scene: Scene,
    reasons: Mapping[int, Explanation],
    kinds: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the data of the page's script, without the picture of the scene.

    Parameters
    ----------
    anomalies : Anomalies
    scores : ScoreMap
    scene : Scene
    reasons : mapping of int to Explanation
        Why some of the anomalies stand out, by their ids.
    kinds : mapping of str to mapping
        For each letter of the column ``kind``: ``name``, ``members`` (ids), ``more`` (places like it: ``row``, ``col``,
        ``cosine``, ``fill``), ``expected_false`` (number of false ones among these places) and ``color``. A kind that
        is missing has its letter only.
    """
    grid = scores.grid
    metres = _metres(grid)
    grey, scale = score_picture(scores, anomalies)
    everything = [anomalies] if anomalies.candidates is None else [anomalies, anomalies.candidates]
    columns = [name for name in dict.fromkeys((*COLUMNS, *anomalies.columns)) if name not in _LEFT_OUT]
    records = [record for part in everything for record in part.records()]
    table = {name: [record[name] for record in records] for name in columns}
    digest = hashlib.sha256(json.dumps([table, scores.source, anomalies.threshold["threshold"]]).encode()).hexdigest()
    axis, axis_name = spectrum_axis(scene.wavelength, scene.source.bands + 1)
    places = [(record["id"], record["row"], record["col"]) for record in records]
    shapes = [shape for part in everything for shape in _shapes(part)]
    collections = [part.to_geojson() for part in everything]
    return {
        "name": Path(scores.source or scene.name).stem,
        "key": digest[:16],
        "rows": grid.rows,
        "cols": grid.cols,
        "step": picture_step(grid.rows, grid.cols),
        "transform": None if grid.transform is None else list(grid.transform)[:6],
        "crs": None if grid.crs is None else str(grid.crs.to_string())[:40],
        "decimals": grid.decimals,
        "degree_decimals": _degree_decimals(metres),
        "metres": metres,
        "palette": _palette(),
        "scale": {
            "floor": scale.floor,
            "start": scale.start,
            "high": scale.high,
            "log": scale.logarithmic,
            "split": LIST_GREY,
        },
        "grey": data_url(grey),
        "columns": columns,
        "grades": [list(grade) for grade in GRADES],
        "colors": {
            "states": STATE_COLORS,
            "grades": GRADE_COLORS,
            "found": FOUND_COLOR,
            "further": FURTHER_COLOR,
            "kinds": _KIND_COLORS,
        },
        "listed": len(anomalies),
        "anomalies": {**table, "further": [place >= len(anomalies) for place in range(len(records))]},
        "kinds": {letter: dict(kind) for letter, kind in kinds.items()},
        "shapes": shapes,
        "boxes": [_box(rings) for rings in shapes],
        "outlines": [feature["geometry"] for collection in collections for feature in collection["features"]],
        "coordinates": {name: collections[0][name] for name in ("crs", "remark") if name in collections[0]},
        "axis": _list(axis),
        "axis_name": axis_name,
        "breaks": line_breaks(axis).tolist(),
        "overlap": bool((np.diff(axis) <= 0).any()),
        "shaded": [stretch for stretch, _ in shaded_stretches(axis, absorption=scene.wavelength is not None)],
        "spectra": _spectra(places, scores, scene, anomalies.threshold["threshold"], reasons),
        "reasons": {number: _reason(why, scene) for number, why in reasons.items()},
    }


_KIND_COLORS = ("#ffb000", "#56b4e9", "#5ee6a8", "#ff9ad5", "#f0e442", "#ff7a45")
"""Colours of kinds, brighter than those of lines on paper: they lie on pictures of scenes."""


def _palette() -> list[list[int]]:
    """Return 256 colours: the first for pixels without a score, then those below the list, then those of the list."""
    below = _between(BELOW_PALETTE, LIST_GREY - 1)
    return [[0, 0, 0], *below, *_between(LISTED_PALETTE, 256 - LIST_GREY)]


def _between(colors: Sequence[str], number: int) -> list[list[int]]:
    """Return a number of colours that run through the given ones."""
    known = np.array([list(bytes.fromhex(color[1:])) for color in colors], dtype=np.float64)
    places = np.linspace(0, len(known) - 1, number)
    channels = [np.interp(places, np.arange(len(known)), known[:, channel]) for channel in range(3)]
    found: list[list[int]] = np.round(np.stack(channels, axis=1)).astype(int).tolist()
    return found


def _box(rings: list[list[float]]) -> list[float]:
    """Return the left, upper, right and lower end of an outline."""
    columns = [value for ring in rings for value in ring[::2]]
    rows = [value for ring in rings for value in ring[1::2]]
    return [min(columns), min(rows), max(columns), max(rows)]


def _metres(grid: GeoGrid) -> float | None:
    """Return how many metres the side of a pixel in the middle is long, None where that is not known."""
    side = pixel_side(grid)
    return side if np.isfinite(side) else None


def _degree_decimals(metres: float | None) -> int:
    """Return the decimals of a longitude or latitude of which the last one counts at most half a pixel."""
    return 5 if metres is None else max(0, math.ceil(-math.log10(metres / 2 / _DEGREE_METRES)))


def _shapes(anomalies: Anomalies) -> list[list[list[float]]]:
    """Return the rings of each outline in pixels, each ring as a list x, y, x, y and so on."""
    import shapely

    if not len(anomalies):
        return []
    outline = anomalies.outline
    if anomalies.grid.transform is not None:
        points = anomalies.grid.to_pixels(shapely.get_coordinates(outline))
        outline = shapely.set_coordinates(outline.copy(), np.round(points, 2))
    found = []
    for shape in outline:
        parts = getattr(shape, "geoms", [shape])
        rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
        found.append([np.asarray(ring.coords)[:-1].ravel().tolist() for ring in rings])
    return found


def _spectra(
    places: Sequence[tuple[int, int, int]],
    scores: ScoreMap,
    scene: Scene,
    threshold: float,
    reasons: Mapping[int, Explanation],
) -> dict[int, dict[str, Any]]:
    """Return the spectra of the highest anomalies and of their backgrounds, with the limits of their axis, by id."""
    axis, _ = spectrum_axis(scene.wavelength, scene.source.bands + 1)
    found = {}
    for number, row, col in places[:_SPECTRA]:
        around = look_around(scene, scores, row, col, threshold)
        lines = [around.spectrum, around.background - around.spread, around.background + around.spread]
        made = _made(reasons[number], scene) if number in reasons else None
        limits = clear_limits(axis, lines if made is None else [*lines, made], absorption=scene.wavelength is not None)
        found[number] = {
            "s": _list(around.spectrum),
            "b": _list(around.background),
            "d": _list(around.spread),
            "limits": list(limits),
        }
    return found


def _same_bands(why: Explanation, scene: Scene) -> bool:
    return np.array_equal(why.bands, scene.source.bands + 1)


def _made(why: Explanation, scene: Scene) -> NDArray[np.float64] | None:
    """Return what the background makes of the spectrum, where its bands are those of the spectra."""
    return why.reason.reconstruction if _same_bands(why, scene) else None


def _reason(why: Explanation, scene: Scene) -> dict[str, Any]:
    """Return an explanation for the page; parts by band only where its bands are those of the spectra."""
    parts = why.reason.contributions if _same_bands(why, scene) else None
    made = _made(why, scene)
    return {
        "text": " ".join(text for text in (f"{why.because}.", why.account, why.likeness) if text),
        "parts": None if parts is None else _list(parts),
        "made": None if made is None else _list(made),
    }


def _list(values: NDArray[np.float64]) -> list[float | None]:
    """Return numbers with four digits, None for NaN and infinity."""
    return [
        float(f"{value:.4g}") if known else None
        for value, known in zip(values.tolist(), np.isfinite(values).tolist(), strict=True)
    ]
