"""Commands that compare: score rasters with a truth, and methods with each other."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hsad.cli.options import (
    OUTPUT,
    HsadCommand,
    json_option,
    overwrite_option,
    print_json,
    progress,
    remarks,
    taken_out,
    with_options,
)
from hsad.cli.shell.completion import detector_names
from hsad.cli.shell.errors import told
from hsad.cli.shell.terminal import echo, echo_block, outcome
from hsad.job.options import RunOptions

__all__ = ["compare", "evaluate"]

_TRUTH = "Map of the known objects: a raster, .npy, .mat:NAME or a vector file."


@click.command(cls=HsadCommand)
@click.argument("scores", metavar="SCORES...", nargs=-1, required=True)
@click.option(
    "--truth",
    required=True,
    metavar="TRUTH",
    help=_TRUTH,
)
@click.option("--band", type=int, metavar="N", help="Number of the band, from 1, in a file with several.")
@click.option(
    "--false-alarm-rate",
    default=1e-3,
    show_default=True,
    metavar="RATE",
    help="Share of background pixels above the threshold at which objects are counted.",
)
@click.option("--plot", type=OUTPUT, metavar="ROC.png", help="Draw the ROC curves.")
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
    """Compare SCORES with a truth: AUC and objects found.

    Several score rasters of one scene are compared with each other, in one table and one plot. The figures auc,
    average_precision and objects_found are followed by a 90 % confidence interval (bootstrap over objects). --json
    also has the figures of each object.
    """
    from hsad.anomalies.opened import open_scores
    from hsad.evaluation import evaluate as compare
    from hsad.evaluation import roc_curve
    from hsad.evaluation.intervals import evaluate_objects, interval_ends
    from hsad.files import check_output
    from hsad.job.batch import output_names
    from hsad.plot.curves import plot_roc
    from hsad.plot.figures import FIGURE_SUFFIXES
    from hsad.readers import open_mask

    if plot is not None:
        check_output(plot, FIGURE_SUFFIXES, overwrite=overwrite)
    names = [Path(name).stem for name in output_names(scores)]
    figures: dict[str, dict[str, Any]] = {}
    curves = {}
    for name, path in zip(names, scores, strict=True):
        score_map = open_scores(path, band)
        values, truth_map = score_map.rows(0, score_map.grid.rows), open_mask(truth, score_map.grid)
        whole = compare(values, truth_map, false_alarm_rate=false_alarm_rate)
        each = [asdict(entry) for entry in evaluate_objects(values, truth_map)]
        figures[name] = {**whole, "intervals": interval_ends(values, truth_map, whole), "each_object": each}
        if plot is not None:
            curves[name] = roc_curve(values, truth_map)
    if plot is not None:
        plot_roc(curves, plot, overwrite=overwrite)
    if as_json:
        print_json(figures[names[0]] if len(names) == 1 else figures)
    else:
        _table(figures)


def _table(figures: dict[str, dict[str, Any]]) -> None:
    """Print measures, one column a score raster; with one raster the intervals beside, else below."""
    names = list(figures)
    width = max(15, *(len(name) + 2 for name in names))
    if len(names) > 1:
        echo(_line("", names, width))
    for measure in figures[names[0]]:
        if measure in ("intervals", "each_object"):
            continue
        texts = [_number(figures[name][measure]) for name in names]
        spans = ["-".join(map(_number, figures[name]["intervals"].get(measure, ()))) for name in names]
        if len(names) == 1:
            echo(f"{measure:18} {texts[0]}" + (f"  (90 %: {spans[0]})" if spans[0] else ""))
            continue
        echo(_line(measure, texts, width))
        if any(spans):
            echo(_line("  90 %", spans, width))


def _number(value: float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _line(measure: str, texts: list[str], width: int) -> str:
    return f"{measure:18}" + "".join(f"{text:>{width}}" for text in texts)


@click.command(cls=HsadCommand)
@click.argument("scene")
@click.option(
    "-m",
    "--method",
    "methods",
    multiple=True,
    metavar="A,B:NAME=VALUE,...",
    shell_complete=detector_names,
    help="Methods, with parameters after a colon (crd:outer=11,inner=5); may be repeated.  [auto,rx,lrx,crd]",
)
@click.option("--truth", metavar="TRUTH", help=_TRUTH)
@click.option("-o", "--output", type=OUTPUT, required=True, metavar="FOLDER", help="Folder for all results.")
@click.option(
    "--false-alarm-rate",
    default=1e-3,
    show_default=True,
    metavar="RATE",
    help="Share of background pixels above the threshold at which objects are counted.",
)
@with_options(RunOptions)
@overwrite_option
@json_option
def compare(
    scene: str,
    methods: tuple[str, ...],
    truth: str | None,
    output: str,
    false_alarm_rate: float,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare several methods on one SCENE.

    The result is one table, one sheet of maps, and figures of how far the methods agree.
    With --truth the table has AUC, average precision, objects found and their 90 % intervals (bootstrap over objects),
    and there are ROC curves. Without it methods are compared with each other: the correlation of their ranks, and the
    places where they disagree. A method that fails stops no other.
    """
    import dataclasses

    from hsad.report.comparison.asked import DEFAULT_METHODS
    from hsad.report.comparison.compare import compare as look

    options["references"] = list(options["references"]) or None
    run = taken_out(RunOptions, options)
    given = {f.name: getattr(run, f.name) for f in dataclasses.fields(run) if f.metadata["metavar"] is not None}
    result = look(
        scene,
        output,
        methods or DEFAULT_METHODS,
        truth=truth,
        false_alarm_rate=false_alarm_rate,
        overwrite=overwrite,
        tell=lambda error: told(error)[0],
        **{**given, "progress": progress()},
    )
    remarks(result.remarks)
    failed = [one for one in result.methods if one.error is not None]
    for one in failed:
        echo(f"hsad: error: {one.name}: {one.error}", err=True)
    if as_json:
        print_json(result.to_dict())
    else:
        echo_block(result.table())
        if result.truth is not None:
            echo(f"objects found: at a rate of {result.false_alarm_rate:g} false pixels; seconds: without compiling")
        outcome(f"{result.folder}: {', '.join(result.files)}")
    if failed:
        raise click.exceptions.Exit(1)
