"""The change between two dates: scores in memory, or straight into files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hsad.changes.stack import stacked
from hsad.detectors import DETECTORS
from hsad.detectors.change.base import ChangeDetector
from hsad.errors import ParameterError
from hsad.job.files import RunOutcome, run_into_or_read
from hsad.job.given import is_array
from hsad.job.job import Job
from hsad.job.prepare import prepared
from hsad.job.request import Method, Request

__all__ = ["DEFAULT_CHANGE", "change", "change_methods", "change_to_file"]

#: The method without a choice: the highest mean average precision over the pairs of
#: ``hsad bench --accuracy --changes``.
DEFAULT_CHANGE = "covariance-equalisation"


def change(before: Any, after: Any, method: Method | None = None, **options: Any) -> Any:
    """Score the change of every pixel between two dates of one place: higher = more anomalous.

    Parameters
    ----------
    before, after : cube, (rows, cols, bands) array_like, or path
        The two dates, as for `hsad.detect`. Their bands may differ. Where their grids differ, the second date is
        resampled to the grid of the first, and a warning says so. A pixel that is invalid on one date has no score.
    method : str, Detector or class of detectors, optional
        ``chronochrome``, ``covariance-equalisation`` or ``hyperbolic``, or what these stand for;
        ``covariance-equalisation`` by default.
    **options
        As for `hsad.detect`. ``bands``, ``bad_bands``, ``mask_flags``, ``nodata`` and ``band_axis`` apply to each date;
        ``mask``, ``region`` and ``bbox`` to the first. ``pca`` and ``references`` do not exist here.

    Returns
    -------
    (y, x) DataArray or (rows, cols) ndarray of float32
        On the grid of the first date, NaN where a pixel is invalid on one date; an array for two arrays. With
        ``parts=True`` also how unlike each date is what the other predicts, as `hsad.detect` returns kinds of evidence.

    Raises
    ------
    HsadError
        When an option is wrong, a date cannot be read, or the dates do not meet.

    Warns
    -----
    SceneWarning
        When the second date is resampled.

    Examples
    --------
    >>> import numpy as np, hsad
    >>> before = np.random.default_rng(0).normal(size=(40, 50, 6))
    >>> after = 2 * before + 1  # other light
    >>> after[20, 30] += 8  # something new
    >>> scores = hsad.change(before, after)
    >>> scores.shape, bool(scores[20, 30] == scores.max())
    ((40, 50), True)
    """
    with _prepared(before, after, method, options) as job:
        return job.scores() if options.get("compute", True) else job.lazy_scores()


def change_to_file(
    before: Any,
    after: Any,
    output: str | Path,
    method: Method | None = None,
    *,
    overwrite: bool = False,
    restart: bool = False,
    save_background: str | Path | None = None,
    **options: Any,
) -> RunOutcome:
    """Score the change between two dates into a Cloud-Optimized GeoTIFF, tile by tile.

    Parameters
    ----------
    before, after, method, **options
        As for `change`.
    output, overwrite, restart, save_background
        As for `hsad.detect_to_file`: a run that ended early is continued by the same call.

    Returns
    -------
    RunOutcome

    Raises
    ------
    HsadError
        As `change` and `hsad.detect_to_file`.

    Examples
    --------
    >>> import hsad, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> pair = hsad.make_pair(60, 70, 20, seed=1, new_sizes=(9,), gone_sizes=(9,), kept_sizes=(9,), fills=(1.0,))
    >>> outcome = hsad.change_to_file(pair.before, pair.after, folder / "change.tif")
    >>> outcome.method, (folder / "change.tif").exists()
    ('covariance-equalisation', True)
    """
    with _prepared(before, after, method, options) as job:
        outcome, _ = run_into_or_read(
            job, Path(output), overwrite=overwrite, restart=restart, save_background=save_background
        )
    return outcome


def change_methods() -> list[str]:
    """Return the methods that compare two dates."""
    return [name for name, cls in DETECTORS.items() if issubclass(cls, ChangeDetector)]


@contextlib.contextmanager
def _prepared(before: Any, after: Any, method: Method | None, options: Mapping[str, Any]) -> Iterator[Job]:
    default = None if options.get("background") is not None else DEFAULT_CHANGE
    request = Request.of(method or default, options)
    if request.run.pca is not None:
        raise ParameterError("pca: components of two dates together mix them: choose bands instead")
    if request.run.references is not None:
        raise ParameterError("references: two dates are learned from themselves; of four dates or more padim learns")
    if not isinstance(request.detector, ChangeDetector):
        named = method if isinstance(method, str) else type(request.detector).__name__
        raise ParameterError(f"method: {named!r} scores one scene; choose from {', '.join(change_methods())}")
    cube, run = stacked(before, after, request.run)
    with prepared(cube, replace(request, run=run)) as job:
        as_array = is_array(before) and is_array(after)
        yield replace(job, form=replace(job.form, as_array=as_array))
