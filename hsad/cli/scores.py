"""Commands that take a score raster: what it is worth."""

from __future__ import annotations

from pathlib import Path

import click

from hsad.cli.options import HsadCommand, json_option, overwrite_option, print_json

__all__ = ["evaluate"]


@click.command(cls=HsadCommand)
@click.argument("scores", metavar="SCORES...", nargs=-1, required=True)
@click.option("--truth", required=True, metavar="TRUTH", help="Raster, .npy, .mat:NAME or vector file.")
@click.option("--band", type=int, metavar="N", help="Which band, from 1, of a file that has several.")
@click.option(
    "--false-alarm-rate",
    default=1e-3,
    show_default=True,
    help="Rate of false pixels at which objects are counted.",
)
@click.option("--plot", metavar="ROC.png", help="Draw the ROC curves.")
@overwrite_option
@json_option
def evaluate(
    scores: tuple[str, ...],
    truth: str,
    band: int | None,
    false_alarm_rate: float,
    plot: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Compare SCORES with a truth: areas under the ROC and its relatives, objects found.

    Several score rasters of one scene are compared with each other, in one table and one plot.
    """
    from hsad.evaluation import evaluate as compare
    from hsad.evaluation import roc_curve
    from hsad.files import check_output
    from hsad.job.batch import output_names
    from hsad.products.figures import FIGURE_SUFFIXES, plot_roc
    from hsad.readers import open_mask
    from hsad.report.opened import open_scores

    if plot is not None:
        check_output(plot, FIGURE_SUFFIXES, overwrite=overwrite)
    names = [Path(name).stem for name in output_names(scores)]
    figures, curves = {}, {}
    for name, path in zip(names, scores, strict=True):
        score_map = open_scores(path, band)
        values, truth_map = score_map.rows(0, score_map.grid.rows), open_mask(truth, score_map.grid)
        figures[name] = compare(values, truth_map, false_alarm_rate=false_alarm_rate)
        if plot is not None:
            curves[name] = roc_curve(values, truth_map)
    if plot is not None:
        plot_roc(curves, plot, overwrite=overwrite)
    if as_json:
        print_json(figures[names[0]] if len(names) == 1 else figures)
        return
    width = max(12, *(len(name) + 2 for name in names))
    if len(names) > 1:
        click.echo(f"{'':18}" + "".join(f"{name:>{width}}" for name in names))
    for measure in figures[names[0]]:
        texts = [_number(figures[name][measure]) for name in names]
        click.echo(f"{measure:18} {texts[0]}" if len(names) == 1 else _line(measure, texts, width))


def _number(value: float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _line(measure: str, texts: list[str], width: int) -> str:
    return f"{measure:18}" + "".join(f"{text:>{width}}" for text in texts)
