"""Lists and reports of many score rasters: a file for each, and one list or page over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hsad.anomalies.decide import threshold_to_file
from hsad.anomalies.gathered import Gathered
from hsad.anomalies.opened import Scene, is_local_scene, open_scores
from hsad.anomalies.options import ListOptions
from hsad.errors import SceneError
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
from hsad.job.options import ManyOptions, SceneOptions
from hsad.plot.thumbnail import draw_thumbnail
from hsad.products.raster import read_provenance
from hsad.report.many.index import Entry, write_index
from hsad.report.page import check_report, report_of

__all__ = ["report_many", "threshold_many"]

_RECORDS = "records"
"""Folder of the records, in that of the results."""
_TAKEN = ("anomalies", "index")
"""Names of files over all rasters."""


def threshold_many(
    rasters: Sequence[str],
    folder: str | Path,
    decide: ListOptions,
    *,
    form: str = "gpkg",
    overwrite: bool = False,
    many: ManyOptions | None = None,
    progress: Any = None,
) -> Iterator[Done]:
    """Write the anomalies of each score raster; with ``gpkg``, also one list over all that are in the folder.

    Parameters
    ----------
    rasters : sequence of str
    folder : path
        Made if it does not exist. A file is called after its raster, see `hsad.job.batch.scene_names`.
    decide : ListOptions
    form : str
        One of `hsad.anomalies.options.FORMATS`.
    overwrite : bool
        Whether what was made from other scores or with other options is replaced.
    many : ManyOptions, optional
    progress : callable, optional

    Yields
    ------
    Done
        In the order of the rasters; its ``result`` is what `hsad.anomalies.decide.threshold_to_file` returns.

    Raises
    ------
    HsadError
        When the folder or a file over all rasters cannot be written.
    """
    target = make_folder(folder)
    work = {"decide": decide, "form": form}
    asked = asked_for({"format": form, **decide.to_dict()})
    yield from _worked(
        rasters,
        target,
        f".{form}.json",
        asked,
        _threshold_part,
        work,
        overwrite=overwrite,
        many=many,
        progress=progress,
    )
    if form == "gpkg":
        names = [_stem(path, ".gpkg.json") for path, _ in done_parts(target, f"{_RECORDS}/*.gpkg.json")]
        Gathered.of((name, target / f"{name}.gpkg") for name in names).write(target)


def report_many(
    rasters: Sequence[str],
    folder: str | Path,
    decide: ListOptions,
    *,
    stated: SceneOptions,
    library: str | None = None,
    reasons: bool = True,
    overwrite: bool = False,
    many: ManyOptions | None = None,
    progress: Any = None,
    tell: Callable[[BaseException], str] = str,
) -> Iterator[Done]:
    """Write the report of each score raster, and a page over all reports that are in the folder.

    A raster names its scene in its tags.

    Parameters
    ----------
    rasters, folder, decide, overwrite, many, progress
        As for `threshold_many`.
    stated : SceneOptions
    library : str, optional
    reasons : bool
        As for `hsad.report.page.report_to_file`.
    tell : callable
        Returns the line of an error for the page.

    Yields
    ------
    Done
        In the order of the rasters; its ``result`` is what `hsad.report.page.report_to_file` returns.

    Raises
    ------
    HsadError
        When the folder or the page over all reports cannot be written.
    """
    target = make_folder(folder)
    work = {"decide": decide, "stated": stated, "library": library, "reasons": reasons}
    asked = asked_for({"no_reasons": not reasons, "library": library, **stated.stated(), **decide.to_dict()})
    failures = {}
    for done in _worked(
        rasters, target, ".html.json", asked, _report_part, work, overwrite=overwrite, many=many, progress=progress
    ):
        if done.error is not None:
            failures[done.name] = tell(done.error)
        yield done
    entries = []
    for path, record in done_parts(target, f"{_RECORDS}/*.html.json"):
        name = _stem(path, ".html.json")
        if name not in failures:
            picture = path.with_name(f"{name}.jpg")
            entries.append(Entry(name, str(record["source"]), record["result"], f"{name}.html", picture))
    write_index(target / "index.html", entries, failures, lists=())


def _stem(record: Path, ending: str) -> str:
    return record.name.removesuffix(ending)


def _worked(
    rasters: Sequence[str],
    target: Path,
    ending: str,
    asked: Mapping[str, Any],
    function: Callable[[tuple[Part, Mapping[str, Any]]], dict[str, Any]],
    work: Mapping[str, Any],
    *,
    overwrite: bool,
    many: ManyOptions | None,
    progress: Any,
) -> Iterator[Done]:
    make_folder(target / _RECORDS)
    parts = parts_of(rasters, target, lambda name: f"{_RECORDS}/{name}{ending}", asked, taken=_TAKEN)
    at_once, _ = shares_of({}, len(parts), many or ManyOptions())
    for done in work_through(
        parts, function, work, overwrite=overwrite, at_once=at_once, progress=progress, desc="rasters"
    ):
        files = done.result.get("files")
        yield replace(done, result={**done.result, "output": str(target / Path(files[0]).name)}) if files else done


def _threshold_part(task: tuple[Part, Mapping[str, Any]]) -> dict[str, Any]:
    part, given = task
    states = file_states([Path(part.source)])
    output = part.record.parent.parent / f"{part.name}.{given['form']}"
    part.record.unlink(missing_ok=True)
    result = threshold_to_file(part.source, output, given["decide"], overwrite=given["overwrite"])
    result = {**result, "files": [f"../{output.name}"]}
    write_record(part, states, result)
    return result


def _report_part(task: tuple[Part, Mapping[str, Any]]) -> dict[str, Any]:
    part, given = task
    stated = read_provenance(Path(part.source))
    if not is_local_scene(stated.source):
        named = f"the scene that it names, {stated.source}, is not here" if stated.source else "it names no scene"
        raise SceneError(f"{part.source}: {named}; hsad report SCENE {Path(part.source).name} -o report.html takes one")
    scores = open_scores(part.source)
    scene = Scene.of(stated.source, scores.grid, stated=given["stated"])
    states = file_states([Path(part.source), *Files.of(scene.cube).states])
    output = part.record.parent.parent / f"{part.name}.html"
    part.record.unlink(missing_ok=True)
    check_report(output, given["library"], reasons=given["reasons"], overwrite=given["overwrite"])
    options = {name: given[name] for name in ("stated", "library", "reasons", "overwrite")}
    anomalies, told = report_of(stated.source, part.source, scores, scene, output, given["decide"], **options)
    picture = part.record.with_name(f"{part.name}.jpg")
    columns = anomalies.columns
    places = list(zip(columns["row"].tolist(), columns["col"].tolist(), strict=True))
    draw_thumbnail(scene, places, picture, overwrite=True)
    files = [f"../{output.name}", picture.name]
    result = {**told, "acquired": stated.acquired, "files": files}
    write_record(part, states, result)
    return result
