"""Commands on many scenes: a line for each, a summary, and status 1 if any failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsad.cli.options import print_json, progress, remarks
from hsad.cli.shell.errors import told
from hsad.cli.shell.terminal import echo, outcome

if TYPE_CHECKING:
    from hsad.job.many.parts import Done

__all__ = ["report_all", "survey_all", "threshold_all"]


def survey_all(
    scenes: list[str], output: str, method: str | None, *, open_it: bool, as_json: bool, **given: Any
) -> None:
    """Survey scenes into a folder."""
    from hsad.report.many.surveys import survey_many

    news: list[str] = []
    found = survey_many(scenes, output, method, tell=_line, announce=news.append, progress=progress(), **given)
    _show(found, Path(output), "surveyed", news=news, open_it=open_it, as_json=as_json)


def threshold_all(rasters: list[str], output: str, *, as_json: bool, **given: Any) -> None:
    """Write the anomalies of score rasters into a folder."""
    from hsad.report.many.rasters import threshold_many

    found = threshold_many(rasters, output, progress=progress(), **given)
    _show(found, Path(output), "listed", page="anomalies.gpkg" if given["form"] == "gpkg" else None, as_json=as_json)


def report_all(rasters: list[str], output: str, *, open_it: bool, as_json: bool, **given: Any) -> None:
    """Write the reports of score rasters into a folder."""
    from hsad.report.many.rasters import report_many

    found = report_many(rasters, output, tell=_line, progress=progress(), **given)
    _show(found, Path(output), "reported", open_it=open_it, as_json=as_json)


def _line(error: BaseException) -> str:
    return told(error)[0]


def _show(
    found: Iterable[Done],
    folder: Path,
    verb: str,
    *,
    page: str | None = "index.html",
    news: Sequence[str] = (),
    open_it: bool = False,
    as_json: bool,
) -> None:
    """Print the outcome of each of many, and a summary; end with status 1 if any failed."""
    outcomes = []
    remarked: dict[str, list[str]] = {}
    for one in found:
        outcomes.append(one)
        if one.error is not None:
            line = _line(one.error)
            echo(f"hsad: error: {'' if line.startswith(one.source) else f'{one.source}: '}{line}", err=True)
        elif not as_json:
            for remark in one.result.get("remarks", ()) if one.state == "done" else ():
                remarked.setdefault(remark, []).append(one.source)
            before = "" if one.state == "done" else "there already: "
            where = one.result.get("output") or folder / one.name
            outcome(f"{where}: {before}{one.result['headline']}")
    counts = {state: sum(one.state == state for one in outcomes) for state in ("done", "there already", "failed")}
    if as_json:
        print_json(
            [
                {
                    "scene": one.source,
                    "name": one.name,
                    "state": one.state,
                    "error": None if one.error is None else _line(one.error),
                    **one.result,
                }
                for one in outcomes
            ]
        )
    else:
        for remark, sources in remarked.items():  # scenes of one sensor often have the same
            several = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
            remarks([remark], f"{sources[0]}{several}")
        said = ", ".join(f"{count} {verb if state == 'done' else state}" for state, count in counts.items())
        shown = "" if page is None else f"; {folder / page} has them all"
        kind = f"{'scene' if verb == 'surveyed' else 'raster'}{'' if len(outcomes) == 1 else 's'}"
        outcome(f"{len(outcomes)} {kind}: {said}{shown}")
        for sentence in news:  # known when the last scene is done
            outcome(sentence)
    if open_it and page is not None:
        click.launch(str(folder / page))
    if counts["failed"]:
        raise click.exceptions.Exit(1)
