"""The main job in three functions: detect, learn, score. Scores straight into files: `hsad.job.files`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hsad.errors import ParameterError
from hsad.job.learned import Learned
from hsad.job.options import RunOptions, with_options
from hsad.job.prepare import prepared
from hsad.job.request import Method, Request

__all__ = ["detect", "learn", "score"]


@with_options(RunOptions)
def detect(cube: Any, method: Method | None = None, **options: Any) -> Any:
    """Score every pixel of a scene: higher = more anomalous.

    Parameters
    ----------
    cube : (y, x, band) DataArray, Dataset, (rows, cols, bands) array_like, or path
        The scene. Band-first cubes and other names of dimensions are understood; of a dataset the one cube in it, of
        an image that Spectral Python opened its file. Masked pixels of a numpy array are invalid; an array with bands
        first needs ``band_axis=0``.
    method : str, Detector or class of detectors, optional
        One of `hsad.DETECTORS`, ``package.module:Class``, or what these stand for; ``auto`` by default.
    **options
        The options of a run below, and the parameters of the method: `hsad.DETECTORS` gives its class, whose help
        explains them.

    Returns
    -------
    (y, x) DataArray or (rows, cols) ndarray of float32
        Georeferenced like the scene, NaN where a pixel is invalid; an array for an array. With ``compute=False``
        a dask-backed DataArray or a dask array. With ``parts=True`` the kinds of evidence are coordinates of the
        DataArray, or further layers of an array ``(rows, cols, 1 + kinds)``.

    Raises
    ------
    HsadError
        When an option is wrong, the file cannot be read, or the pixels do not allow the method.

    Examples
    --------
    >>> import numpy as np, hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 6))
    >>> scene[20, 30] += 8
    >>> scores = hsad.detect(scene, "rx")
    >>> scores.shape, bool(scores[20, 30] == scores.max())
    ((40, 50), True)
    """
    request = Request.of(method, options)
    with prepared(cube, request) as job:
        return job.scores() if request.run.compute else job.lazy_scores()


@with_options(RunOptions, "background", "references", "parts", "compute")
def learn(cubes: Any, method: Method | None = None, **options: Any) -> Learned:
    """Let a method learn the background of one scene or of several.

    Parameters
    ----------
    cubes : cube, path, or sequence of them
        As for `detect`; several must have the same bands.
    method
        As for `detect`.
    **options
        The options of a run below, and the parameters of the method.

    Returns
    -------
    Learned
        For `score`; ``save`` keeps it in a file.

    Examples
    --------
    >>> import hsad
    >>> before, after = (hsad.make_scene(rows=60, cols=70, bands=20, seed=seed).cube for seed in (1, 2))
    >>> learned = hsad.learn([before], "rx", trim=0.01)
    >>> hsad.score(after, learned).shape
    (60, 70)
    """
    request = Request.of(method, options)
    run = request.run
    if run.background is not None or run.references is not None:
        raise ParameterError("background and references say where scores come from: learn takes neither")
    scenes = list(cubes) if isinstance(cubes, list | tuple) else [cubes]
    if not scenes:
        raise ParameterError("learn needs at least one scene")
    with prepared(scenes[0], replace(request, run=replace(run, references=scenes))) as job:
        return job.learn()


@with_options(RunOptions, "background", "references")
def score(cube: Any, background: Learned | str | Path, **options: Any) -> Any:
    """Score a scene with a background that was learned before.

    Parameters
    ----------
    cube
        As for `detect`, with the bands of the scenes that the background was learned from.
    background : Learned or path
        What `learn` returned or saved.
    **options
        The options of a run below, without the parameters of the method.

    Returns
    -------
    (y, x) DataArray or (rows, cols) ndarray of float32
        As from `detect`.

    Examples
    --------
    >>> import numpy as np, hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 6))
    >>> learned = hsad.learn(scene, "rx")
    >>> bool((hsad.score(scene, learned) == hsad.detect(scene, "rx")).all())
    True
    """
    return detect(cube, background=background, **options)
