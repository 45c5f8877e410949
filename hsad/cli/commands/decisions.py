"""The commands from scores to decisions: threshold, explain, report, review, survey."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from hsad.anomalies.options import FORMATS, ListOptions, NamingOptions
from hsad.cli.commands.detect import run_options
from hsad.cli.commands.many import report_all, survey_all, threshold_all
from hsad.cli.options import (
    OUTPUT,
    DetectCommand,
    HsadCommand,
    json_option,
    overwrite_option,
    print_json,
    progress,
    remarks,
    taken_out,
    with_options,
)
from hsad.cli.shell.terminal import echo, outcome
from hsad.job.options import ManyOptions, SceneOptions

__all__ = ["explain", "report", "review", "survey", "threshold"]


def _renamed(context: click.Context, _: click.Parameter, value: str | None) -> None:
    """Refuse the name that ``--degrees-of-freedom`` had before."""
    if value is not None:
        raise click.UsageError("--bands are the bands of a scene; chi2 and f take --degrees-of-freedom", context)


#: The name that ``--degrees-of-freedom`` had before, in commands that use no bands of a scene.
_former_bands = click.option("--bands", hidden=True, expose_value=False, callback=_renamed)


@click.command(cls=HsadCommand)
@click.argument("scores", metavar="SCORES...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=OUTPUT,
    required=True,
    metavar="OUT",
    help="File to write: a mask (.tif), outlines (.gpkg, .geojson, .shp, .kml) or a table (.csv). For several, a "
    "folder.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="File for each of several rasters.  [default: gpkg]",
)
@_former_bands
@with_options(ListOptions)
@with_options(ManyOptions)
@click.option("--p-values", type=OUTPUT, metavar="FILE.tif", help="Also write a p-value for every pixel.")
@overwrite_option
@json_option
def threshold(
    scores: tuple[str, ...],
    output: str,
    form: str | None,
    p_values: str | None,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """List the anomalies of SCORES, or write a mask of them.

    Without a rule the list holds every anomaly that is more probably real than background. Its grade states how
    probable it is that the anomaly is background: almost certain, at most .1; likely, at most .3; possible, at most
    .5. The answer says how many anomalies are expected to be false, and whether to trust this number.

    Several rasters, or a folder of them, give one file for each in a folder, and one list of all (.gpkg, .csv).
    """
    from hsad.anomalies.decide import threshold_to_file
    from hsad.errors import ParameterError

    decide, many = taken_out(ListOptions, options), taken_out(ManyOptions, options)
    named = _rasters(scores, output)
    if named is not None:
        if p_values is not None:
            raise ParameterError("p-values are of one raster: there are several here")
        threshold_all(
            named, output, decide=decide, form=form or "gpkg", many=many, overwrite=overwrite, as_json=as_json
        )
        return
    if form is not None:
        raise ParameterError(f"format is for several rasters: the name of {output} says what is written for one")
    result = threshold_to_file(scores[0], output, decide, p_values=p_values, overwrite=overwrite)
    if as_json:
        print_json(result)
        return
    outcome(f"{output}: {result['headline']}")
    outcome(result["sentence"])
    if result["marks"]:
        outcome(f"{result['marks']}.")


def _rasters(scores: Sequence[str], output: str) -> list[str] | None:
    """Return the score rasters that go into a folder; None for one raster that gets the name of the output."""
    from hsad.errors import ParameterError
    from hsad.products.raster import RASTER_SUFFIXES
    from hsad.readers.collection import listed_files

    named = listed_files(scores, RASTER_SUFFIXES)
    is_one = named == list(scores) and len(named) == 1
    is_file = not Path(output).is_dir() and (bool(Path(output).suffix) or (is_one and not output.endswith("/")))
    if is_file and is_one:
        return None
    if is_file:
        raise ParameterError(f"output: {output} is the name of one file; {len(named)} rasters need a folder")
    return named


def _pair(kind: type, form: str) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Return a function that reads two numbers from a text; a text of another form is wrong usage."""

    def parsed(context: click.Context, option: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        try:
            first, second = map(kind, text.split(","))
        except ValueError:
            raise click.BadParameter(f"{text!r} is not {form}", context, option) from None
        return first, second

    return parsed


@click.command(cls=HsadCommand)
@click.argument("scene")
@click.argument("scores")
@click.option("--id", "number", type=int, metavar="N", help="Explain the anomaly with this id in the list --anomalies.")
@click.option(
    "--anomalies", metavar="A.gpkg", help="List of anomalies, for --id and for anomalies with similar spectra."
)
@click.option(
    "--at", callback=_pair(int, "ROW,COL"), metavar="ROW,COL", help="Explain the pixel at this row and column, from 0."
)
@click.option(
    "--lonlat", callback=_pair(float, "X,Y"), metavar="X,Y", help="Explain the pixel at this longitude and latitude."
)
@with_options(NamingOptions, without=("kinds",))
@click.option("-o", "--output", type=OUTPUT, metavar="FIGURE.png", help="Draw the explanation into this file.")
@with_options(SceneOptions)
@overwrite_option
@json_option
def explain(scene: str, scores: str, output: str | None, overwrite: bool, as_json: bool, **where: Any) -> None:
    """Say why a pixel or an anomaly of SCENE stands out."""
    from hsad.explanation.explain import explain_scores
    from hsad.files import check_output
    from hsad.plot.figures import FIGURE_SUFFIXES

    if output is not None:
        check_output(output, FIGURE_SUFFIXES, overwrite=overwrite)
    stated = taken_out(SceneOptions, where)
    found = explain_scores(scene, scores, stated=stated, **where)
    if output is not None:
        found.plot(output, overwrite=overwrite)
    if as_json:
        print_json(found.to_dict())
    else:
        echo(found.sentence)


@click.command(cls=HsadCommand)
@click.argument("names", metavar="SCENE SCORES | SCORES...", nargs=-1, required=True)
@click.option(
    "-o", "--output", type=OUTPUT, required=True, metavar="REPORT.html", help="Page to write; for several, a folder."
)
@_former_bands
@with_options(ListOptions)
@with_options(SceneOptions)
@with_options(NamingOptions, without=("kinds",))
@with_options(ManyOptions)
@click.option(
    "--no-reasons", is_flag=True, help="Leave out the reasons; then the detector need not learn the scene again."
)
@click.option("--open", "open_it", is_flag=True, help="Open the page in a browser.")
@overwrite_option
@json_option
def report(
    names: tuple[str, ...],
    output: str,
    no_reasons: bool,
    open_it: bool,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write a page in which the anomalies are reviewed.

    The page shows a map, the ranked list, spectra and reasons, and needs no network. With -o REPORT.html the scene
    comes before its scores. With -o FOLDER every name is a score raster, or a folder of them: each raster names its
    scene and gets a page, and index.html leads to all pages.
    """
    from hsad.report.page import PAGE_SUFFIXES, report_to_file

    decide, stated = taken_out(ListOptions, options), taken_out(SceneOptions, options)
    many, library = taken_out(ManyOptions, options), options["library"]
    if Path(output).suffix.lower() not in PAGE_SUFFIXES:
        report_all(
            _rasters(names, output) or list(names),
            output,
            decide=decide,
            stated=stated,
            library=library,
            reasons=not no_reasons,
            many=many,
            overwrite=overwrite,
            open_it=open_it,
            as_json=as_json,
        )
        return
    if len(names) != 2:
        given = "one name is" if len(names) == 1 else f"{len(names)} names are"
        raise click.UsageError(f"{output} is one page, of a SCENE and its SCORES: {given} given")
    scene, scores = names
    result = report_to_file(
        scene,
        scores,
        output,
        decide,
        stated=stated,
        library=library,
        reasons=not no_reasons,
        overwrite=overwrite,
    )
    if open_it:
        click.launch(output)
    if as_json:
        print_json(result)
    else:
        outcome(f"{output}: {result['headline']}")
        outcome(result["sentence"])


@click.command(cls=HsadCommand)
@click.argument("anomalies", metavar="A.gpkg", type=OUTPUT)
@click.argument("reviewed", metavar="REVIEWED.geojson|FOUND.gpkg")
@json_option
def review(anomalies: str, reviewed: str, as_json: bool) -> None:
    """Write the marks of a review back into the list of anomalies.

    The marks are the states, notes and classes that were given in the page of a report. If a list of hsad find is
    given instead of a review, its anomalies are added to the GeoPackage with the state pending.
    """
    from hsad.report.review import apply_review

    result = apply_review(anomalies, reviewed)
    if as_json:
        print_json(result)
    else:
        states = ", ".join(f"{count} {state}" for state, count in result["states"].items())
        added = (
            f"{result['added']} added, {result['known']} there already; " if result["added"] + result["known"] else ""
        )
        outcome(f"{anomalies}: {added}{result['changed']} changed; {states}")
        if result["unplaced"]:
            outcome(f"{reviewed} is of another list of this scene: {result['unplaced']} of its marks found no anomaly")


@click.command(cls=DetectCommand)
@click.argument("scenes", metavar="SCENE...", nargs=-1, required=True)
@click.option("-o", "--output", type=OUTPUT, required=True, metavar="FOLDER", help="Folder for all results.")
@click.option("-m", "--method", metavar="METHOD", help="Detector; hsad methods lists them.  [default: auto]")
@with_options(ListOptions)
@with_options(NamingOptions)
@with_options(ManyOptions)
@overwrite_option
@click.option("--restart", is_flag=True, help="Drop an unfinished run instead of continuing it.")
@click.option("--open", "open_it", is_flag=True, help="Open the report, or the page over all scenes, in a browser.")
@json_option
def survey(
    scenes: tuple[str, ...], output: str, method: str | None, open_it: bool, as_json: bool, **options: Any
) -> None:
    """Find the anomalies of SCENE; write a list and a report.

    Scores and a picture go into the same folder. The grade of an anomaly states how probable it is that the anomaly
    is background: almost certain, at most .1; likely, at most .3; possible, at most .5. What is less probable is
    listed as a candidate.

    Several scenes, a folder of scenes or a list (.txt, one scene per line; STAC items, .json) give a folder for each
    scene, and index.html, anomalies.gpkg and anomalies.csv of all. A scene that fails stops no other. The same
    command, given again, continues where it was ended and skips what is done.
    """
    from hsad.readers.collection import expand_scenes
    from hsad.report.survey import survey as look

    own = {name: options.pop(name) for name in ("overwrite", "restart", "library", "kinds")}
    decide = taken_out(ListOptions, options)
    many = taken_out(ManyOptions, options)
    options = run_options(method, options)
    named = expand_scenes(scenes)
    if named != list(scenes) or len(named) > 1:
        survey_all(named, output, method, decide=decide, many=many, open_it=open_it, as_json=as_json, **own, **options)
        return
    result = look(named[0], output, method, decide=decide, progress=progress(), **own, **options)
    if open_it:
        click.launch(result["report"])
    if as_json:
        print_json(result)
        return
    remarks(result["remarks"])
    outcome(result["headline"])
    if result["marks"]:
        outcome(f"{result['marks']}.", err=True)
    outcome(f"{result['report']} shows the answer, {result['anomalies']} is for a GIS.", err=True)
    outcome(result["sentence"], err=True)
