"""From a score map to a mask, or to a ranked list of anomalies with outlines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad.anomalies.choose import Threshold, choose_threshold
from hsad.anomalies.headline import answer
from hsad.anomalies.listing import anomalies_of
from hsad.anomalies.marks.carried import carry_marks, marks_sentence
from hsad.anomalies.opened import Scene, is_local_scene, open_scores
from hsad.anomalies.options import ListOptions, ThresholdOptions
from hsad.anomalies.rasters import MASK_NODATA, write_decided
from hsad.anomalies.scoremap import ScoreMap
from hsad.anomalies.vectors import (
    VECTOR_SUFFIXES,
    Anomalies,
    write_anomalies,
)
from hsad.errors import OutputError, ParameterError
from hsad.files import check_output, refuse_inputs
from hsad.job.options import RunOptions
from hsad.job.selection import pixel_window
from hsad.products.raster import RASTER_SUFFIXES
from hsad.scene.cube import GeoGrid

__all__ = ["choose_anomalies", "polygons", "threshold", "threshold_to_file"]


def threshold(scores: Any, **options: Any) -> Any:
    """Return which pixels are anomalous, by a threshold with a stated number of false alarms.

    Parameters
    ----------
    scores : (y, x) DataArray, (rows, cols) array_like or path
        As `hsad.detect` returns them: attributes say by which method they were made.
    **options
        Fields of `hsad.anomalies.options.ThresholdOptions`: ``rule``, ``false_objects``, ``per``, ``pfa``, ``fdr``,
        ``threshold``, ``degrees_of_freedom`` and ``clean_region``. A clean region is a text ``ROW0:ROW1,COL0:COL1``, a
        mask file, a vector file or an array of bool.

    Returns
    -------
    (y, x) DataArray or (rows, cols) ndarray of bool
        An array for an array. The attributes of a DataArray hold ``threshold``, ``rule``, ``sentence`` (where it comes
        from), ``expected_false``, ``trusted`` and ``doubts``.

    Raises
    ------
    HsadError
        When an option is wrong, a rule does not fit the method, or no pixel has a score.

    Examples
    --------
    >>> import hsad
    >>> scores = hsad.detect(hsad.make_scene(rows=80, cols=90, seed=1).cube, "rx")
    >>> mask = hsad.threshold(scores, pfa=1e-3)
    >>> mask.dims, bool((mask == (scores >= mask.attrs["threshold"])).all())
    (('y', 'x'), True)
    """
    opened = open_scores(scores)
    chosen = _chosen(opened, ThresholdOptions.of(options))
    mask = np.concatenate([strip >= chosen.value for _, strip in opened.strips()])
    if not isinstance(opened.values, xr.DataArray):
        return mask
    result = opened.values.copy(data=mask).rename("anomalous")
    result.attrs = {**chosen.to_dict(), "method": opened.method, "source": opened.source}
    return result


def polygons(scores: Any, *, scene: Any = None, **options: Any) -> Anomalies:
    """Return the anomalies of a score map with their outlines and columns, the highest score first.

    Parameters
    ----------
    scores
        As for `threshold`.
    scene : path, cube or array, optional
        Gives the spectra of the first 500 anomalies and of their backgrounds.
    **options
        Fields of `hsad.anomalies.options.ListOptions`: those of `threshold`, ``min_pixels`` and ``merge``.

    Returns
    -------
    Anomalies
        ``len``, ``records()``, ``to_geojson()``; `hsad.write_anomalies` writes them.

    Raises
    ------
    HsadError
        As `threshold`, and when the scores do not lie in the scene.

    Examples
    --------
    >>> import hsad, numpy as np
    >>> found = hsad.polygons(np.eye(40), threshold=0.5)
    >>> found.records()[0]["n_pixels"], found.outline[0].bounds
    (40, (0.0, 0.0, 40.0, 40.0))
    """
    opened = open_scores(scores)
    beside = None if scene is None else Scene.of(scene, opened.grid)
    return choose_anomalies(opened, beside, ListOptions.of(options))


def choose_anomalies(scores: ScoreMap, scene: Scene | None, options: ListOptions) -> Anomalies:
    """Return the anomalies of an open score map, with spectra of an open scene."""
    return anomalies_of(scores, _chosen(scores, options), scene, options)


def _chosen(scores: ScoreMap, options: ThresholdOptions) -> Threshold:
    return choose_threshold(scores, options, _clean(options.clean_region, scores.grid))


def threshold_to_file(
    scores: str | Path,
    output: str | Path,
    options: ListOptions | None = None,
    *,
    p_values: str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a mask raster (``.tif``), or the anomalies of a score raster as `hsad.write_anomalies` does.

    Parameters
    ----------
    scores, output : path
    options : ListOptions, optional
        How the anomalies are chosen.
    p_values : path, optional
        A raster for the p-value of each pixel: the share of background that reaches its score.
    overwrite : bool
        Whether existing outputs may be replaced.

    Returns
    -------
    dict
        ``output``, what `hsad.anomalies.headline.answer` says, ``marks`` (what became of the marks of a replaced list,
        in words), and what `Threshold.to_dict` says.
    """
    options = options or ListOptions()
    target = Path(output)
    allowed = (*RASTER_SUFFIXES, *VECTOR_SUFFIXES)
    if target.suffix.lower() not in allowed:
        raise OutputError(f"{target}: the name must end with one of {', '.join(allowed)}")
    for result in (target, *([] if p_values is None else [Path(p_values)])):
        check_output(result, (), overwrite=overwrite)
        refuse_inputs(result, [Path(scores)])
    opened = open_scores(scores)
    chosen = _chosen(opened, options)
    if p_values is not None and chosen.null is None:
        raise ParameterError(f"p-values: rule {chosen.rule} does not say how background is distributed")
    found = anomalies_of(opened, chosen, _scene_of(opened), options)
    tags = {
        "HSAD_METHOD": opened.method,
        "HSAD_SOURCE": opened.source,
        "HSAD_THRESHOLD": json.dumps(dict(found.threshold)),
    }
    if target.suffix.lower() in RASTER_SUFFIXES:
        write_decided(
            _mask_strips(opened, found), opened.grid, target, description="anomalous", tags=tags, overwrite=overwrite
        )
    else:
        found = carry_marks(found, target)
        write_anomalies(found, target, overwrite=overwrite)
    if p_values is not None:
        strips = ((first, chosen.p_value(strip).astype(np.float32)) for first, strip in opened.strips())
        write_decided(strips, opened.grid, p_values, description="p-value", tags=tags, overwrite=overwrite)
    return {**found.threshold, **answer(found), "marks": marks_sentence(found), "output": str(target)}


def _clean(region: Any, grid: GeoGrid) -> NDArray[np.bool_] | None:
    """Return the pixels of a clean region: a window, a file or an array."""
    if region is None:
        return None
    if isinstance(region, str | Path) and not Path(region).exists():
        if not isinstance(region, str) or ":" not in region:
            raise ParameterError(f"clean region: {region} is neither a file nor ROW0:ROW1,COL0:COL1")
        rows, cols = pixel_window(RunOptions(region=region), grid)
        mask = np.zeros((grid.rows, grid.cols), dtype=np.bool_)
        mask[rows, cols] = True
        return mask
    if isinstance(region, str | Path):
        from hsad.readers import open_mask

        return open_mask(region, grid)
    mask = np.asarray(np.asarray(region) != 0, dtype=np.bool_)
    if mask.shape != (grid.rows, grid.cols):
        raise ParameterError(f"clean region: {mask.shape} pixels for scores of {(grid.rows, grid.cols)}")
    return mask


def _scene_of(scores: ScoreMap) -> Scene | None:
    """Return the scene that a score map names; None for a missing file, one without the map, or one with addresses."""
    from hsad.errors import SceneError

    if not is_local_scene(scores.source):
        return None
    try:
        return Scene.of(scores.source, scores.grid)
    except SceneError:
        return None


def _mask_strips(scores: ScoreMap, found: Anomalies) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the mask: 1 within anomalies (after minimum size), 0 elsewhere, nodata without a score."""
    threshold_value, least = found.threshold["threshold"], found.threshold["min_pixels"]
    for first, strip in scores.strips():
        mask = np.where(np.isnan(strip), MASK_NODATA, strip >= threshold_value).astype(np.uint8)
        if least > 1:
            mask[(mask == 1) & ~_covered(found, first, strip.shape)] = 0
        yield first, mask


def _covered(found: Anomalies, first: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixels of a strip lie in an anomaly."""
    from affine import Affine
    from rasterio.features import rasterize

    if not len(found):
        return np.zeros(shape, dtype=np.bool_)
    whole = replace(found.grid, transform=Affine(*found.grid.coefficients))
    strip = whole.window(slice(first, first + shape[0]), slice(0, shape[1]))
    return np.asarray(rasterize(found.outline, out_shape=shape, transform=strip.transform, dtype="uint8") == 1)
