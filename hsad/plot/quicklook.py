"""The quicklook: a picture of a scene beside its scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hsad.anomalies.opened import Scene, open_scores
from hsad.anomalies.scoremap import ScoreMap
from hsad.plot.maps import plot_scores
from hsad.plot.pictures import overview, reduced_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hsad.anomalies.vectors import Anomalies

__all__ = ["plot_quicklook"]


def plot_quicklook(
    scores: ScoreMap | str | Path,
    scene: Scene | str | Path | None,
    path: str | Path | None = None,
    *,
    anomalies: Anomalies | None = None,
    title: str | None = None,
    truth: Any = None,
    overwrite: bool = False,
) -> Figure:
    """Draw a scene (in true colour when it has the bands) beside its scores, both reduced to the size of the figure.

    Parameters
    ----------
    scores : ScoreMap or path
    scene : Scene, path or None
        The scene that the scores are of. None: the scores are drawn alone.
    path : path, optional
        PNG, PDF or SVG.
    anomalies : Anomalies, optional
        The list to ring and to number in both pictures; colours start at its lowest score.
    title : str, optional
        The title of the figure; of the scores where there is no list. By default the method.
    truth : (rows, cols) array_like, optional
        Anomalies are greater than zero, and are circled, unless the map was reduced.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SceneError
        When a file cannot be read.
    OutputError
        When the figure cannot be written.
    """
    if not isinstance(scores, ScoreMap):
        scores = open_scores(scores)
    if isinstance(scene, str | Path):
        scene = Scene.of(scene, scores.grid)
    values, step = reduced_scores(scores)
    picture, colours = (None, "") if scene is None else overview(scene)
    drawn = scores.grid.coarsened(step).attach(xr.DataArray(values, dims=("y", "x"), attrs={"method": scores.method}))
    return plot_scores(
        drawn,
        path,
        anomalies=anomalies,
        truth=truth if step == 1 else None,
        background=None if picture is None else picture.astype(np.float64) / 255,
        background_title=f"Scene, {colours}",
        title=title,
        overwrite=overwrite,
    )
