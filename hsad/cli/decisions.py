"""The commands from scores to decisions: threshold, explain, report, review, survey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from hsad.cli.detect import run_options
from hsad.cli.options import DetectCommand, HsadCommand, json_option, overwrite_option, print_json, progress

__all__ = ["explain", "report", "review", "survey", "threshold"]


def threshold_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose a threshold, the fields of `ThresholdOptions`, and a clean region."""
    for option in reversed(
        [
            click.option(
                "--rule",
                type=click.Choice(["bank", "gpd", "percentile", "chi2", "f", "otsu"]),
                help="The bank counts objects, the others pixels. [default: bank where it has a table]",
            ),
            click.option(
                "--false-objects", type=float, default=10.0, show_default=True, help="False objects accepted ..."
            ),
            click.option("--per", type=float, default=1e4, show_default=True, help="... in so many pixels."),
            click.option("--pfa", type=float, help="Share of background pixels accepted, for rules of pixels. [1e-3]"),
            click.option(
                "--fdr", type=float, metavar="Q", help="Share of false ones accepted among the objects found."
            ),
            click.option("--threshold", type=float, metavar="VALUE", help="The score itself."),
            click.option(
                "--clean-region",
                metavar="ROWS,COLS|FILE",
                help="Background to count false objects in: R0:R1,C0:C1 or a mask.",
            ),
            click.option("--min-pixels", type=int, default=1, show_default=True, help="Smallest anomaly."),
            click.option(
                "--merge",
                type=int,
                default=2,
                show_default=True,
                help="Pixels so far apart belong to one anomaly; 1: they touch.",
            ),
        ]
    ):
        command = option(command)
    return command


bands_option = click.option("--bands", type=int, metavar="N", help="Degrees of freedom of chi2 and f.")


@click.command(cls=HsadCommand)
@click.argument("scores")
@click.option("-o", "--output", required=True, metavar="OUT", help=".tif: a mask; .gpkg, .geojson: outlines.")
@threshold_options
@bands_option
@click.option("--p-values", metavar="FILE.tif", help="Also write a p-value for every pixel.")
@overwrite_option
@json_option
def threshold(scores: str, output: str, as_json: bool, **options: Any) -> None:
    """Decide which pixels of SCORES are anomalous: a mask, or one outline for each anomaly.

    The answer says where the threshold comes from, how many false anomalies to expect, and when not to trust that.
    """
    from hsad.anomalies.decide import threshold_to_file

    result = threshold_to_file(scores, output, **options)
    if as_json:
        print_json(result)
        return
    click.echo(f"{output}: {result['summary']}")
    click.echo(result["sentence"])


def _pair(kind: type, form: str) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Return what turns a text into two numbers; another form is wrong usage."""

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
@click.option("--id", "number", type=int, metavar="N", help="An anomaly of --anomalies.")
@click.option("--anomalies", metavar="A.gpkg", help="Anomalies to look up and to compare with.")
@click.option("--at", callback=_pair(int, "ROW,COL"), metavar="ROW,COL", help="A pixel, from 0.")
@click.option("--lonlat", callback=_pair(float, "X,Y"), metavar="X,Y", help="Longitude and latitude.")
@click.option("--library", metavar="FILE", help="Spectral library (.sli, .csv): nearest names, as hints.")
@click.option("-o", "--output", metavar="FIGURE.png", help="Draw it.")
@overwrite_option
@json_option
def explain(scene: str, scores: str, output: str | None, overwrite: bool, as_json: bool, **where: Any) -> None:
    """Say why a pixel or an anomaly of SCORES stands out in SCENE."""
    from hsad.explanation.explain import explain_scores
    from hsad.files import check_output
    from hsad.plot.figures import FIGURE_SUFFIXES

    if output is not None:
        check_output(output, FIGURE_SUFFIXES, overwrite=overwrite)
    found = explain_scores(scene, scores, **where)
    if output is not None:
        found.plot(output, overwrite=overwrite)
    if as_json:
        print_json(found.to_dict())
    else:
        click.echo(found.sentence)


@click.command(cls=HsadCommand)
@click.argument("scene")
@click.argument("scores")
@click.option("-o", "--output", required=True, metavar="REPORT.html", help="The page.")
@threshold_options
@bands_option
@click.option("--no-reasons", is_flag=True, help="Leave out the detector's own account: it learns the scene once more.")
@click.option("--open", "open_it", is_flag=True, help="Open it in a browser.")
@overwrite_option
@json_option
def report(
    scene: str, scores: str, output: str, no_reasons: bool, open_it: bool, as_json: bool, **options: Any
) -> None:
    """Write a page to review the anomalies of SCORES in: map, ranked list, spectra, reasons; no network needed."""
    from hsad.report.page import report_to_file

    result = report_to_file(scene, scores, output, reasons=not no_reasons, **options)
    if open_it:
        click.launch(output)
    if as_json:
        print_json(result)
    else:
        click.echo(f"{output}: {result['summary']}")
        click.echo(result["sentence"])


@click.command(cls=HsadCommand)
@click.argument("anomalies", metavar="A.gpkg")
@click.argument("reviewed", metavar="REVIEWED.geojson")
@json_option
def review(anomalies: str, reviewed: str, as_json: bool) -> None:
    """Write the states that were marked in the report's page back into the GeoPackage."""
    from hsad.report.review import apply_review

    result = apply_review(anomalies, reviewed)
    if as_json:
        print_json(result)
    else:
        states = ", ".join(f"{count} {state}" for state, count in result["states"].items())
        click.echo(f"{anomalies}: {result['changed']} changed; {states}")


@click.command(cls=DetectCommand)
@click.argument("scene")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Folder for all of it.")
@click.option("-m", "--method", help="Detector, see `hsad methods`.")
@threshold_options
@overwrite_option
@click.option("--restart", is_flag=True, help="Drop an unfinished run instead of continuing it.")
@click.option("--open", "open_it", is_flag=True, help="Open the report in a browser.")
@json_option
def survey(scene: str, output: str, method: str | None, open_it: bool, as_json: bool, **options: Any) -> None:
    """Look for anomalies in SCENE: scores, ranked anomalies, a report and a picture, in one folder."""
    from hsad.report.survey import survey as look

    own = {name: options.pop(name) for name in ("overwrite", "restart")}
    decide = {name: options.pop(name) for name in _DECIDE}
    options = run_options(method, options)
    result = look(scene, output, method, decide=decide, progress=progress(), **own, **options)
    if open_it:
        click.launch(result["report"])
    if as_json:
        print_json(result)
        return
    click.echo(result["summary"])
    click.echo(f"{result['report']} shows them, {result['anomalies']} is for a GIS. {result['sentence']}", err=True)


_DECIDE = ("rule", "false_objects", "per", "pfa", "fdr", "threshold", "clean_region", "min_pixels", "merge")
