"""Several detectors on one scene: scores of each, one table, ROC curves, one sheet of maps, and how far they agree."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.anomalies.opened import Scene, open_scores, window_origin
from hsad.detectors import detector_class
from hsad.errors import HsadError
from hsad.evaluation import evaluate, roc_curve
from hsad.evaluation.agreement import Disagreement, disagreements, rank_correlation
from hsad.evaluation.intervals import interval_ends
from hsad.files import check_output
from hsad.job.files import is_result, outcome_of, run_into
from hsad.job.given import as_cube
from hsad.job.many.parts import make_folder
from hsad.job.options import RunOptions
from hsad.job.prepare import prepared
from hsad.job.remarks import remarks_on
from hsad.job.request import Request
from hsad.plot.curves import plot_roc
from hsad.plot.pictures import overview
from hsad.plot.sheets.agreement import plot_agreement
from hsad.plot.sheets.maps import plot_sheet
from hsad.readers import open_mask
from hsad.report.comparison.asked import DEFAULT_METHODS, Asked, asked_methods
from hsad.report.comparison.result import FIGURES, TABLES, Compared, Comparison, write_tables

__all__ = ["compare"]

_CORNER = slice(0, 64)
"""Part of the scene on which a method is compiled before the clock starts."""


def compare(
    scene: str | Path,
    folder: str | Path,
    methods: str | Iterable[str] = DEFAULT_METHODS,
    *,
    truth: str | Path | None = None,
    false_alarm_rate: float = 1e-3,
    overwrite: bool = False,
    tell: Callable[[BaseException], str] = str,
    **options: Any,
) -> Comparison:
    """Compare several methods on one scene: against a truth where there is one, and with each other.

    A method that fails stops no other. Scores that are in the folder already, made from the same files with the same
    parameters, are not computed again.

    Parameters
    ----------
    scene : path
    folder : path
        Made if it does not exist. It gets a score raster for each method, `hsad.report.comparison.result.TABLES` and
        `hsad.report.comparison.result.FIGURES`.
    methods : str or iterable of str
        Names of methods, with parameters after a colon: ``"auto,rx,crd:outer=11,inner=5"``.
    truth : path, optional
        As for `hsad evaluate`. Without it there are no figures against a truth.
    false_alarm_rate : float
        Share of background pixels that may be called anomalous where objects are counted.
    overwrite : bool
        Whether existing files that are no results of the same comparison may be replaced.
    tell : callable
        Returns the line of an error.
    **options
        Of the run, as for `hsad.detect_to_file`.

    Returns
    -------
    Comparison

    Raises
    ------
    HsadError
        When an option is wrong, a file cannot be read or written, or all methods fail.

    Examples
    --------
    >>> import hsad, tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> scene = hsad.make_scene(rows=80, cols=90, seed=1)
    >>> path = hsad.write_cube(scene.cube, folder / "scene.hdr")
    >>> np.save(folder / "truth.npy", scene.truth.values)
    >>> found = hsad.compare(folder / "scene.hdr", folder / "out", "rx,rx:trim=0.01", truth=folder / "truth.npy")
    >>> [one.name for one in found.methods], found.correlation[0][1] > 0.9
    (['rx', 'rx:trim=0.01'], True)
    """
    asked = asked_methods(methods)
    run, _ = RunOptions.split(options)
    for one in asked:
        Request.of(one.method, {**options, **one.parameters})
    target = make_folder(folder)
    earlier = _seconds_before(target)
    for name in (*TABLES, *FIGURES):
        check_output(target / name, (), overwrite=overwrite or earlier is not None)
    seconds, failures = _score_all(scene, target, asked, options, earlier or {}, overwrite=overwrite, tell=tell)
    done = [one for one in asked if one.name not in failures]
    if not done:
        raise HsadError(f"{scene}: all methods fail; {asked[0].name}: {failures[asked[0].name]}")
    opened = {one.name: open_scores(target / one.file) for one in done}
    first = next(iter(opened.values()))
    maps = _common({name: scores.rows(0, scores.grid.rows) for name, scores in opened.items()})
    beside = Scene.of(scene, first.grid, window_origin(run), run)
    known = None if truth is None else open_mask(truth, first.grid)
    figures = {} if known is None else {
        name: _judged(values, known, false_alarm_rate) for name, values in maps.items()
    }  # fmt: skip
    correlation = rank_correlation(list(maps.values()))
    places = disagreements(list(maps.values())) if len(maps) > 1 else []
    nothing: dict[str, Any] = {
        "auc": None,
        "average_precision": None,
        "objects": None,
        "objects_found": None,
        "intervals": {},
    }
    rows = [
        Compared(
            name=one.name,
            method=one.method,
            parameters=one.parameters,
            scores=str(target / one.file),
            seconds=seconds.get(one.name),
            error=failures.get(one.name),
            **figures.get(one.name, nothing),
        )
        for one in asked
    ]
    _draw(target, maps, beside, known, rows, correlation, places)
    result = Comparison(
        scene=str(scene),
        folder=str(target),
        truth=None if truth is None else str(truth),
        false_alarm_rate=false_alarm_rate,
        pixels=int(np.isfinite(next(iter(maps.values()))).sum()),
        methods=rows,
        compared=list(maps),
        correlation=correlation.tolist(),
        disagreements=places,
        remarks=remarks_on(beside.cube),
        files=[*(one.file for one in done), *TABLES, *(name for name in FIGURES if (target / name).exists())],
    )
    write_tables(target, result)
    return result


def _seconds_before(folder: Path) -> dict[str, float] | None:
    """Return the times of an earlier comparison in a folder, by the names of methods; None without one."""
    try:
        known = json.loads((folder / TABLES[0]).read_text(encoding="utf-8"))
        return {row["name"]: row["seconds"] for row in known["methods"] if row["seconds"] is not None}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _score_all(
    scene: str | Path,
    folder: Path,
    asked: Sequence[Asked],
    options: Mapping[str, Any],
    earlier: Mapping[str, float],
    *,
    overwrite: bool,
    tell: Callable[[BaseException], str],
) -> tuple[dict[str, float], dict[str, str]]:
    """Score the scene with each method; return wall times and failures, by name."""
    seconds: dict[str, float] = {}
    failures: dict[str, str] = {}
    for one in asked:
        given = {**options, **one.parameters}
        try:
            with prepared(scene, Request.of(one.method, given)) as job:
                output = folder / one.file
                if is_result(output, job):
                    outcome_of(job, output)
                    seconds.update({one.name: earlier[one.name]} if one.name in earlier else {})
                    continue
                _compile(scene, one, given)
                started = time.perf_counter()
                run_into(job, output, overwrite=overwrite, restart=False, save_background=None)
                seconds[one.name] = time.perf_counter() - started
        except Exception as error:  # noqa: BLE001  no error of one method stops the others
            failures[one.name] = tell(error)
    return seconds, failures


def _compile(scene: str | Path, one: Asked, given: Mapping[str, Any]) -> None:
    """Run a method on a corner of the scene, so that compiling is not timed; a method that trains is not run twice."""
    if any(p.name == "seed" for p in detector_class(one.method).parameters()):
        return
    quiet = {name: given[name] for name in ("bands", "workers", *one.parameters) if name in given}
    with contextlib.suppress(HsadError):
        corner = as_cube(scene).isel(y=_CORNER, x=_CORNER)
        with prepared(corner, Request.of(one.method, quiet)) as job:
            job.scores()


def _common(maps: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return score maps with NaN where any of them has no score."""
    common = np.logical_and.reduce([np.isfinite(values) for values in maps.values()])
    return {name: np.where(common, values, np.nan) for name, values in maps.items()}


def _judged(scores: NDArray[np.float64], truth: NDArray[np.bool_], rate: float) -> dict[str, Any]:
    """Return the figures of a method against the truth."""
    found = evaluate(scores, truth, false_alarm_rate=rate)
    names = ("auc", "average_precision", "objects", "objects_found")
    return {**{name: found[name] for name in names}, "intervals": interval_ends(scores, truth, found)}


def _draw(
    folder: Path,
    maps: Mapping[str, NDArray[np.float64]],
    scene: Scene,
    truth: NDArray[np.bool_] | None,
    rows: Sequence[Compared],
    correlation: NDArray[np.float64],
    places: Sequence[Disagreement],
) -> None:
    """Draw the figures over those of an earlier time, and remove those that this comparison does not have."""
    aucs = {row.name: row.auc for row in rows}
    titles = {name: name if aucs[name] is None else f"{name}, AUC {aucs[name]:.4f}" for name in maps}
    picture, colours = overview(scene)
    plot_sheet(
        {titles[name]: values for name, values in maps.items()},
        folder / "maps.png",
        truth=truth,
        picture=picture,
        picture_title=f"Scene, {colours}",
        overwrite=True,
    )
    if len(maps) > 1:
        plot_agreement(maps, correlation, places, folder / "agreement.png", overwrite=True)
    else:
        (folder / "agreement.png").unlink(missing_ok=True)
    if truth is None:
        (folder / "roc.png").unlink(missing_ok=True)
    else:
        curves = {name: roc_curve(values, truth) for name, values in maps.items()}
        plot_roc(curves, folder / "roc.png", overwrite=True)
