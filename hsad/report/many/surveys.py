"""Surveys of one scene or of many: a folder for each scene, one list and one page over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hsad.anomalies.gathered import Gathered
from hsad.anomalies.opened import Scene, open_scores, window_origin
from hsad.anomalies.options import KINDS, ListOptions, NamingOptions
from hsad.anomalies.vectors import read_anomalies
from hsad.detectors.base import Detector
from hsad.files import command_files
from hsad.job.given import as_cube
from hsad.job.identity import Files
from hsad.job.many.parts import (
    Done,
    Part,
    asked_for,
    done_parts,
    file_states,
    make_folder,
    parts_of,
    shares_of,
    work_through,
    write_record,
)
from hsad.job.options import ManyOptions, RunOptions
from hsad.job.request import Request
from hsad.plot.thumbnail import draw_thumbnail
from hsad.products.raster import read_provenance
from hsad.readers.collection import expand_scenes
from hsad.report.many.index import Entry, last_run, news, write_index
from hsad.report.notebook import SurveyResult, SurveyResults
from hsad.report.survey import NAMES
from hsad.report.survey import survey as survey_scene

__all__ = ["RECORD", "THUMBNAIL", "survey", "survey_many"]

RECORD = "survey.json"
"""The record of a finished survey, in its folder."""
THUMBNAIL = "thumbnail.jpg"


def survey(
    scene: Any,
    folder: str | Path,
    method: str | Detector | None = None,
    *,
    overwrite: bool = False,
    restart: bool = False,
    decide: ListOptions | Mapping[str, Any] | None = None,
    library: str | Path | None = None,
    kinds: int = KINDS,
    at_once: int | None = None,
    over_all: bool = True,
    **options: Any,
) -> dict[str, Any] | list[dict[str, Any]]:
    """Look for anomalies in a scene or in many: scores, ranked anomalies, a report and a quicklook.

    Parameters
    ----------
    scene : path, or sequence of path
        A scene; or several, a folder of scenes, or a list of them (``.txt``, STAC items). The results of several scenes
        are in a folder for each, with ``index.html``, ``anomalies.gpkg`` and ``anomalies.csv`` over all.
    folder : path
        Made if it does not exist.
    method, **options
        As for `hsad.detect_to_file`.
    overwrite : bool
        Whether results of an earlier time may be replaced. Of several scenes, results that are as asked for stay.
    restart : bool
        Drop an unfinished run instead of continuing it.
    decide : ListOptions or mapping, optional
        How the anomalies are chosen: fields of `ListOptions` such as ``false_objects``, ``rule`` or ``min_pixels``.
    library, kinds : path, optional, and int
        A spectral library for names of the anomalies, and the number of kinds of which more places are shown; see
        `hsad.report.survey.survey`.
    at_once : int, optional
        Number of scenes that are surveyed at the same time, each in a process. By default as many as there are
        processors, and 2 GB of memory for each.
    over_all : bool
        Whether the list and the page over all scenes of the folder are written. False leaves them to a later call, for
        many calls that share a folder: each would read all lists that are there.

    Returns
    -------
    SurveyResult (a dict), or SurveyResults (a list of dict)
        Notebooks show them, and ``to_dataframe()`` makes tables of them. Of one scene see `hsad.report.survey.survey`.
        Of several, one dict for each with ``scene``, ``name``, ``state`` (``done``, ``there already``, ``failed``),
        ``error`` (a text, or None) and, unless it failed, what is returned of one.

    Raises
    ------
    HsadError
        When an option is wrong, a list cannot be read or the folder cannot be made; of one scene also when it fails.

    Examples
    --------
    >>> import hsad, tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for seed in (1, 2):
    ...     _ = hsad.write_cube(hsad.make_scene(rows=80, cols=90, seed=seed).cube, folder / f"s{seed}.hdr")
    >>> found = hsad.survey(folder, folder / "out", "rx", at_once=1)
    >>> [(one["name"], one["state"]) for one in found], (folder / "out" / "index.html").exists()
    ([('s1', 'done'), ('s2', 'done')], True)
    """
    several = isinstance(scene, Sequence) and not isinstance(scene, str)
    named = [str(one) for one in scene] if several else [str(scene)] if isinstance(scene, str | Path) else None
    scenes = None if named is None else expand_scenes(named)
    if scenes is None or (not several and scenes == named):
        return SurveyResult(
            survey_scene(
                scene, folder, method, overwrite=overwrite, restart=restart, decide=decide, library=library,
                kinds=kinds, **options,
            )
        )  # fmt: skip
    found = survey_many(
        scenes,
        folder,
        method,
        overwrite=overwrite,
        restart=restart,
        decide=decide,
        library=library,
        kinds=kinds,
        many=ManyOptions(at_once),
        over_all=over_all,
        **options,
    )
    return SurveyResults(
        {
            "scene": one.source,
            "name": one.name,
            "state": one.state,
            "error": None if one.error is None else str(one.error),
            **one.result,
        }
        for one in found
    )


def survey_many(
    scenes: Sequence[str],
    folder: str | Path,
    method: str | Detector | None = None,
    *,
    overwrite: bool = False,
    restart: bool = False,
    decide: ListOptions | Mapping[str, Any] | None = None,
    library: str | Path | None = None,
    kinds: int = KINDS,
    many: ManyOptions | None = None,
    over_all: bool = True,
    tell: Callable[[BaseException], str] = str,
    announce: Callable[[str], None] | None = None,
    **options: Any,
) -> Iterator[Done]:
    """Survey scenes into a folder for each; one that fails stops no other. The list and the page come last.

    Parameters
    ----------
    scenes : sequence of str
    folder, method, overwrite, restart, decide, library, kinds, **options
        As for `survey`.
    many : ManyOptions, optional
    over_all : bool
        As for `survey`.
    tell : callable
        Returns the line of an error for the page.
    announce : callable, optional
        Gets a sentence on what is new since the last run, if there was one.

    Yields
    ------
    Done
        In the order of the scenes.

    Raises
    ------
    HsadError
        When an option is wrong, or the folder or a file over all scenes cannot be written.
    """
    chosen = decide if isinstance(decide, ListOptions) else ListOptions.of(decide or {})
    NamingOptions(library, kinds)  # these two refuse a wrong option before any work
    Request.of(method, options)
    target = make_folder(folder)
    asked = asked_for({"method": method, **options, **chosen.to_dict(), "library": library, "kinds": kinds})
    parts = parts_of(scenes, target, lambda name: f"{name}/{RECORD}", asked)
    at_once, shared = shares_of(options, len(parts), many or ManyOptions())
    work = {
        "method": method, "decide": chosen, "restart": restart, "library": library, "kinds": kinds, **shared,
    }  # fmt: skip
    outcomes = []
    for done in work_through(
        parts,
        _survey_part,
        work,
        overwrite=overwrite,
        at_once=at_once,
        progress=options.get("progress"),
        desc="scenes",
    ):
        outcome = replace(done, result={**done.result, **_paths(target / done.name)}) if done.result else done
        outcomes.append(outcome)
        yield outcome
    if not over_all:
        return
    sentence = gather(target, {one.name: tell(one.error) for one in outcomes if one.error is not None})
    if announce is not None and sentence:
        announce(sentence)


def _paths(folder: Path) -> dict[str, str]:
    """Return where the results of a scene are, for a record that may have been moved with its folder."""
    return {"folder": str(folder), **{kind: str(folder / name) for kind, name in NAMES.items()}}


def _survey_part(task: tuple[Part, Mapping[str, Any]]) -> dict[str, Any]:
    """Survey one scene of many, and write its record."""
    part, given = task
    run, _ = RunOptions.split(given)
    cube = as_cube(part.source, run)
    files = list(Files.of(cube).states)
    states = file_states(files)
    folder = make_folder(part.record.parent)
    part.record.unlink(missing_ok=True)
    with command_files(files, folder / NAMES["scores"], _identity(part, states)):
        result = survey_scene(part.source, folder, **given)
        scores = open_scores(folder / NAMES["scores"])
        places = [(record["row"], record["col"]) for record in read_anomalies(folder / NAMES["anomalies"])]
        scene = Scene.of(cube, scores.grid, window_origin(run))
        draw_thumbnail(scene, places, folder / THUMBNAIL, overwrite=True)
    result = {
        **result,
        "acquired": read_provenance(folder / NAMES["scores"]).acquired,
        "surveyed": _now(),
        "files": [*NAMES.values(), THUMBNAIL],
    }
    write_record(part, states, result)
    return result


def _identity(part: Part, states: Sequence[Any]) -> str:
    import hashlib
    import json

    return hashlib.sha256(json.dumps([part.asked, states], sort_keys=True).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def gather(folder: Path, failures: Mapping[str, str]) -> str:
    """Write the list and the page over all surveys that are in a folder, of this time and of earlier times.

    A survey is new if it was finished after the run that wrote the last page. So what a run did that ended early is new
    in the next one.

    Parameters
    ----------
    folder : Path
    failures : mapping of str to str
        Why surveys of this time failed, by the names of their scenes.

    Returns
    -------
    str
        What is new, in words; an empty text if there was no run before.
    """
    page = folder / "index.html"
    last, run = last_run(page), _now()
    done = [(path.parent.name, known) for path, known in done_parts(folder, f"*/{RECORD}")]
    done = [(name, known) for name, known in done if name not in failures]
    new = {name for name, known in done if str(known["result"].get("surveyed") or "") > last}
    Gathered.of(((name, folder / name / NAMES["anomalies"]) for name, _ in done), new).write(folder)
    entries = [
        Entry(
            name=name,
            source=str(known["source"]),
            result=known["result"],
            link=f"{name}/{NAMES['report']}",
            picture=folder / name / THUMBNAIL,
            new=bool(last) and name in new,
        )
        for name, known in done
    ]
    write_index(page, entries, failures, run=run)
    return news(entries) if last else ""
