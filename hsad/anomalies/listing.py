"""From a threshold to a list: objects with their columns, and the candidates below them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hsad.anomalies.grades import grade_of
from hsad.anomalies.marks.states import PENDING
from hsad.anomalies.objects import find_objects
from hsad.anomalies.vectors import Anomalies
from hsad.errors import SceneWarning
from hsad.scene.ground import longitude_latitude, pixel_areas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.anomalies.choose import Threshold
    from hsad.anomalies.objects import Objects
    from hsad.anomalies.opened import Scene
    from hsad.anomalies.options import ListOptions
    from hsad.anomalies.scoremap import ScoreMap

__all__ = ["anomalies_of"]

_REGION_PIXELS = 100
"""Most pixels of an object: larger ones are called regions, since the default detector looks at 25 x 25 pixels."""
_WITH_SPECTRA = 500
"""Anomalies whose spectra go into the list: each takes a window of the scene to be read, and some kilobytes."""
_CANDIDATES = 50
"""Most candidates below a list."""
_HIGHEST = 5
"""Candidates of a scene in which nothing stands out."""
_JOINED = 2
"""Pixels that join the parts of large objects, as a multiple of those above the threshold."""
_JOINING = (0.01, 0.05)
"""Smallest and largest share of a scene's pixels that joins parts: of few pixels no two touch, many are everywhere.
With these numbers no true object of the benchmark scenes, of large implants and of synthetic scenes is in several parts
of the default list of `auto`, and no two of them are one anomaly."""

_CLEARLY = 2.0
"""Ratio of the larger part to the smaller one, each over its median, from which a change has one direction. Of objects
that were exchanged a quarter stays below it, and of those that came or went 5 %."""
_MEDIAN_OF = 1_000_000
"""Most pixels whose median is taken."""


def anomalies_of(scores: ScoreMap, chosen: Threshold, scene: Scene | None, options: ListOptions) -> Anomalies:
    """Return the anomalies above a threshold and the candidates below it, with their spectra when a scene is passed.

    Parameters
    ----------
    scores : ScoreMap
    chosen : Threshold
    scene : Scene or None
    options : ListOptions
        The smallest size and the distance between anomalies.
    """
    found = find_objects(
        scores.strips(),
        chosen.value,
        min_pixels=options.min_pixels,
        merge=options.merge,
        joined_from=_joined_from(chosen),
    )
    chosen = chosen.of_listed(chosen.p_false(found.score_max))
    stated = {
        **chosen.to_dict(), "anomalies": len(found), "min_pixels": options.min_pixels, "merge": options.merge,
    }  # fmt: skip
    listed = replace(_described(scores, chosen, found, scene, stated), seen=(scores, scene))
    below = _candidates(scores, chosen, options, len(found))
    if below is None:
        return listed
    return replace(listed, candidates=_described(scores, chosen, below, scene, stated, above=listed))


def _joined_from(chosen: Threshold) -> float:
    """Return the score from which pixels join the parts of large objects."""
    sample = chosen.tail.sample
    above = len(sample) - int(np.searchsorted(sample, chosen.value, side="left"))
    least, most = (int(share * len(sample)) for share in _JOINING)
    joining = max(above, min(max(_JOINED * above, least), most))
    first = len(sample) - joining
    if 0 < first < len(sample) and sample[first - 1] == sample[first]:
        # More pixels than wanted have this score, in a calm scene most of them: those above it join.
        first = int(np.searchsorted(sample, sample[first], side="right"))
    return float(sample[first]) if first < len(sample) else chosen.value


def _candidates(scores: ScoreMap, chosen: Threshold, options: ListOptions, listed: int) -> Objects | None:
    """Return the highest objects below the default list, None for a list by another rule."""
    if chosen.origin.choice != "list":
        return None
    below = chosen.tail.peaks[chosen.tail.reached(chosen.value) :]
    most = min(len(below), _CANDIDATES if listed else _HIGHEST)
    if not most:
        return None
    found = find_objects(scores.strips(), float(below[most - 1]), min_pixels=options.min_pixels, merge=options.merge)
    return found.chosen(np.flatnonzero(found.score_max < chosen.value)[:most])


def _changes(scores: ScoreMap, found: Objects) -> NDArray[Any]:
    """Return whether each object appeared, disappeared or was altered between two dates; None without parts."""
    parts, words = scores.parts, np.full(len(found), None, dtype=object)
    if parts is None or not len(found):
        return words
    places = {"y": xr.DataArray(found.row, dims="place"), "x": xr.DataArray(found.col, dims="place")}
    new, gone = (part.isel(places).values / _median(part) for part in parts)
    words[:] = "altered"
    words[new >= _CLEARLY * gone] = "appeared"
    words[gone >= _CLEARLY * new] = "disappeared"
    return words


def _median(part: xr.DataArray) -> float:
    """Return the median of an even sample of the pixels."""
    step = max(1, round((part.size / _MEDIAN_OF) ** 0.5))
    return float(np.nanmedian(part[::step, ::step].values))


def _described(
    scores: ScoreMap,
    chosen: Threshold,
    found: Objects,
    scene: Scene | None,
    stated: dict[str, Any],
    above: Anomalies | None = None,
) -> Anomalies:
    """Return objects with their columns; ids and expected false ones go on from those of the list above them."""
    import shapely

    grid, number, start = scores.grid, len(found), 0 if above is None else len(above)
    outline = found.outline
    if number:
        outline = shapely.set_coordinates(outline, grid.to_map(shapely.get_coordinates(outline)))
    lon, lat = longitude_latitude(grid, found.row, found.col)
    if grid.crs is not None and grid.transform is not None and number and np.isnan(lon).all() and above is None:
        warnings.warn(
            f"{scores.source or 'scores'}: there is no way from the CRS to longitude and latitude: these are null, "
            "and outlines are in the coordinates of the scene",
            SceneWarning,
            stacklevel=2,
        )
    texts: NDArray[Any] = np.full(number, None, dtype=object)
    p_false = chosen.p_false(found.score_max)
    listed = above.columns["p_false"] if above is not None else np.empty(0)
    known = np.isfinite(p_false).all()
    expected = listed.sum() + np.cumsum(p_false) if known else chosen.expected(found.score_max)
    result = Anomalies(
        outline,
        grid,
        {
            "id": np.arange(start + 1, start + 1 + number),
            "n_pixels": found.pixels,
            "area_m2": found.pixels * pixel_areas(grid, found.row, found.col),
            "score_max": found.score_max,
            "score_mean": found.score_mean,
            "p_value": np.asarray(chosen.p_value(found.score_max), dtype=np.float64),
            "p_false": p_false,
            "grade": grade_of(p_false),
            "trusted": np.full(number, chosen.trusted),
            "expected_false": expected,
            "state": np.full(number, PENDING, dtype=object),
            "note": texts,
            "class": texts,
            "reason": texts,
            "extent": np.where(found.pixels > _REGION_PIXELS, "region", "object").astype(object),
            "kind": texts,
            "most_like": texts,
            "row": found.row,
            "col": found.col,
            "lon": lon,
            "lat": lat,
            "peak_wavelengths": texts,
            "mean_spectrum": texts,
            "background_spectrum": texts,
            "detector": np.full(number, scores.method or None, dtype=object),
            "source": np.full(number, scores.source or None, dtype=object),
            **({"change": _changes(scores, found)} if scores.compares_dates else {}),
        },
        stated,
    )
    if scene is None or not number:
        return result
    from hsad.anomalies.kinds import with_kinds
    from hsad.anomalies.surroundings import with_spectra

    described = with_spectra(result, scores, scene, chosen.value, _WITH_SPECTRA)
    return described if above is not None else with_kinds(described, scene)
