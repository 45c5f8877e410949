"""Commands that take a score raster: what it is worth."""

from __future__ import annotations

from pathlib import Path

import click

from hsad.cli.options import HsadCommand, json_option, overwrite_option, print_json

__all__ = ["evaluate"]


@click.command(cls=HsadCommand)
@click.argument("scores")
@click.option("--truth", required=True, metavar="TRUTH", help="Raster, .npy, .mat:NAME or vector file.")
@click.option(
    "--false-alarm-rate",
    default=1e-3,
    show_default=True,
    help="Rate of false pixels at which objects are counted.",
)
@click.option("--plot", metavar="ROC.png", help="Draw the ROC curve.")
@overwrite_option
@json_option
def evaluate(
    scores: str, truth: str, false_alarm_rate: float, plot: str | None, overwrite: bool, as_json: bool
) -> None:
    """Compare SCORES with a truth: areas under the ROC and its relatives, objects found."""
    from hsad.cube import geo_grid
    from hsad.evaluation import evaluate as compare
    from hsad.evaluation import roc_curve
    from hsad.files import check_output
    from hsad.products.figures import FIGURE_SUFFIXES, plot_roc
    from hsad.readers import open_cube, open_mask

    if plot is not None:
        check_output(plot, FIGURE_SUFFIXES, overwrite=overwrite)
    score_map = open_cube(scores)[..., 0]
    truth_map = open_mask(truth, geo_grid(score_map))
    figures = compare(score_map, truth_map, false_alarm_rate=false_alarm_rate)
    if plot is not None:
        plot_roc({Path(scores).stem: roc_curve(score_map, truth_map)}, plot, overwrite=overwrite)
    if as_json:
        print_json(figures)
    else:
        for name, value in figures.items():
            click.echo(f"{name:18} {value:.4f}" if isinstance(value, float) else f"{name:18} {value}")
