"""Objects that queries found as a list of anomalies with outlines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsad.anomalies.marks.states import PENDING
from hsad.anomalies.vectors import COLUMNS, Anomalies
from hsad.scene.ground import longitude_latitude, pixel_areas
from hsad.scene.swath import map_strips
from hsad.siblings.results import Found, without_twins

if TYPE_CHECKING:
    from hsad.job.job import Job
    from hsad.scene.cube import GeoGrid
    from hsad.scene.swath import Swath

__all__ = ["listed"]


def listed(found: list[Found], job: Job) -> Anomalies:
    """Return what queries found as one list, the highest cosine first.

    Each object is listed once, for the query that it is most like. Its outline encloses its pixels.
    """
    import shapely

    chosen = without_twins(found)
    pixels = [found[number].pixels(rank) for number, rank in chosen]
    grid = job.form.grid
    if job.form.swath is not None:
        grid = job.form.swath.grid
        placed = _on_map(pixels, job.form.swath)
        seen = [bool(len(places)) for places in placed]
        pixels = [places for places, here in zip(placed, seen, strict=True) if here]
        chosen = [place for place, here in zip(chosen, seen, strict=True) if here]
    outline = np.array([_outline(places) for places in pixels], dtype=object)
    if len(outline):
        outline = shapely.set_coordinates(outline, grid.to_map(shapely.get_coordinates(outline)))
    row = np.array([places[0, 0] for places in pixels], dtype=np.int64)
    col = np.array([places[0, 1] for places in pixels], dtype=np.int64)
    return Anomalies(
        outline, grid, _columns(found, chosen, pixels, row, col, grid, job), _threshold(found, len(chosen))
    )


def _on_map(pixels: list[NDArray[np.int64]], swath: Swath) -> list[NDArray[np.int64]]:
    """Return the pixels of the map that show the pixels of each object, those of its highest pixel first."""
    label = np.full(swath.shape, -1, dtype=np.int64)
    is_peak = np.zeros(swath.shape, dtype=np.bool_)
    for number in range(len(pixels) - 1, -1, -1):  # the highest object last: it has the pixels that several share
        label[tuple(pixels[number].T)] = number
    for places in pixels:
        is_peak[tuple(places[0])] = True
    shown: list[list[tuple[bool, int, int]]] = [[] for _ in pixels]
    for rows in map_strips(swath.grid):
        line, sample = swath.lookup(rows)
        there = line >= 0
        numbers = np.full(line.shape, -1, dtype=np.int64)
        numbers[there] = label[line[there], sample[there]]
        for row, col in np.argwhere(numbers >= 0):
            peak = bool(is_peak[line[row, col], sample[row, col]])
            shown[numbers[row, col]].append((not peak, int(row) + rows.start, int(col)))
    return [np.array(sorted(places), dtype=np.int64)[:, 1:] if places else np.empty((0, 2), int) for places in shown]


def _outline(pixels: NDArray[np.int64]) -> Any:
    """Return the outline of pixels in columns and rows."""
    import shapely

    rows, cols = pixels.T
    return shapely.normalize(shapely.simplify(shapely.union_all(shapely.box(cols, rows, cols + 1, rows + 1)), 0.0))


def _columns(
    found: list[Found],
    chosen: list[tuple[int, int]],
    pixels: list[NDArray[np.int64]],
    row: NDArray[np.int64],
    col: NDArray[np.int64],
    grid: GeoGrid,
    job: Job,
) -> dict[str, NDArray[Any]]:
    number = len(chosen)
    size = np.array([len(places) for places in pixels], dtype=np.int64)
    cosine = np.array([found[query].cosine[rank] for query, rank in chosen], dtype=np.float64)
    unknown: dict[type, NDArray[Any]] = {
        str: np.full(number, None, dtype=object),
        float: np.full(number, np.nan),
        int: np.zeros(number, dtype=np.int64),
        bool: np.zeros(number, dtype=np.bool_),
    }
    lon, lat = longitude_latitude(grid, row, col)
    texts = {"state": PENDING, "extent": "object", "detector": "find", "source": job.form.provenance.get("source")}
    expected = [found[query].curve.expected_at(found[query].cosine[rank : rank + 1])[0] for query, rank in chosen]
    return {
        **{name: unknown[kind] for name, kind in COLUMNS.items()},
        **{name: np.full(number, text, dtype=object) for name, text in texts.items()},
        "trusted": np.array([not found[query].doubts for query, _ in chosen], dtype=np.bool_),
        "id": np.arange(1, number + 1),
        "n_pixels": size,
        "area_m2": size * pixel_areas(grid, row, col),
        "score_max": cosine,
        "row": row,
        "col": col,
        "lon": lon,
        "lat": lat,
        "cosine": cosine,
        "fill": np.array([found[query].peaks.strength[rank] for query, rank in chosen], dtype=np.float64),
        "expected_false": np.array(expected, dtype=np.float64),
        "like": np.array([found[query].name for query, _ in chosen], dtype=object),
    }


def _threshold(found: list[Found], number: int) -> dict[str, Any]:
    """Return what a list says of its threshold."""
    lowest = [part.threshold for part in found if np.isfinite(part.threshold)]
    smallest = [part.curve.smallest_share() for part in found]
    several = len(found) > 1
    doubts = [f"{part.name}: {doubt}" if several else doubt for part in found for doubt in part.doubts]
    return {
        "rule": "siblings",
        "threshold": min(lowest) if lowest else None,
        "expected_false": float(sum(part.expected_false for part in found)),
        "expected_false_high": None,
        "interval": None,
        "at_most": False,
        "rough": False,
        "trusted": not doubts,
        "doubts": doubts,
        "smallest_share": None if np.isnan(smallest).all() else float(np.nanmin(smallest)),
        "options": {"false_share": found[0].share},
        "queries": [part.to_dict() for part in found],
        "anomalies": number,
        "min_pixels": 1,
        "merge": 1,
        "sentence": " ".join(part.sentence() for part in found),
    }
