"""``hsad bench``: speed, accuracy, thresholds and large scenes, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hsad.cli.declared import HsadOption
from hsad.cli.options import OUTPUT, HsadCommand, json_option, overwrite_option, print_json, progress
from hsad.cli.shell.terminal import echo_block
from hsad.errors import ParameterError

if TYPE_CHECKING:
    from hsad.bench import (
        Accuracy,
        Calibration,
        ChangeAccuracy,
        Comparison,
        LargeScenes,
        LineRates,
        NamingAccuracy,
        Reading,
        Report,
        SiblingAccuracy,
    )

    Measured = TypeVar("Measured", Report, Reading, LargeScenes)

__all__ = ["bench"]


def _option(section: str, *names: str, **keywords: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds an option under a heading of the help page."""
    return click.option(*names, cls=HsadOption, section=section, **keywords)


_SPEED = "Speed"
_READING = "Reading of files"
_ACCURACY = "Accuracy"
_LINES = "Line by line"
_THRESHOLDS = "Thresholds"
_LARGE = "Large scenes"


@click.command(cls=HsadCommand)
@click.option("--quick", is_flag=True, help="Leave out the slowest work. It goes with speed, --io and --large.")
@click.option(
    "--only",
    default="",
    metavar="TEXT",
    help="Measure only work whose name holds this text; with --accuracy only these methods (rx,crd:outer=11), with "
    "--calibrate (rx,crd).",
)
@click.option(
    "--into",
    type=OUTPUT,
    metavar="PAGE.md",
    help="Replace the tables of this page, and keep their numbers; for speed, --io, --accuracy and --large.",
)
@_option(_SPEED, "--plot", type=OUTPUT, metavar="BENCH.png", help="Draw the times.")
@_option(
    _SPEED,
    "--compare",
    nargs=2,
    metavar="BEFORE.json AFTER.json",
    help="Compare two reports of --json row by row, and measure nothing.",
)
@_option(
    _READING, "--io", "reading", is_flag=True, help="Read windows of files in each layout, and time a plain read, too."
)
@_option(_ACCURACY, "--accuracy", is_flag=True, help="Score scenes with a known truth with every method.")
@_option(_ACCURACY, "--suite", is_flag=True, help="With --accuracy: 86 cases in 8 families, with the regret of each.")
@_option(
    _ACCURACY, "--siblings", is_flag=True, help="With --accuracy: the share of false entries in lists of hsad find."
)
@_option(
    _ACCURACY, "--names", "naming", is_flag=True, help="With --accuracy: names of materials by the library earthlib."
)
@_option(_ACCURACY, "--changes", is_flag=True, help="With --accuracy: change between two dates, on pairs.")
@_option(
    _ACCURACY,
    "--data",
    envvar="HSAD_DATA",
    metavar="DIR",
    help="Folder of benchmark scenes, also for --calibrate.  [HSAD_DATA]",
)
@_option(
    _ACCURACY,
    "--seeds",
    default=1,
    show_default=True,
    metavar="N",
    help="Number of trainings; with --siblings, of seeds.",
)
@_option(
    _ACCURACY,
    "--draw",
    default=0,
    show_default=True,
    metavar="N",
    help="Number from which implants are drawn, also for --calibrate; with --siblings the first seed.",
)
@_option(
    _LINES,
    "--stream",
    "line_by_line",
    is_flag=True,
    help="Measure lines per second and AUCs beside the published algorithm of ERX; --data adds scenes.",
)
@_option(
    _THRESHOLDS,
    "--calibrate",
    type=OUTPUT,
    metavar="BANK.json",
    help="Measure the tables of this file again, and judge the stated numbers of false anomalies.",
)
@_option(
    _LARGE,
    "--large",
    multiple=True,
    metavar="TABLE",
    help="Measure time and memory; hsad help contributing names the tables.",
)
@overwrite_option
@json_option
def bench(
    quick: bool,
    only: str,
    plot: str | None,
    into: str | None,
    compare: tuple[str, str] | None,
    reading: bool,
    accuracy: bool,
    suite: bool,
    siblings: bool,
    naming: bool,
    changes: bool,
    line_by_line: bool,
    calibrate: str | None,
    large: tuple[str, ...],
    data: str | None,
    seeds: int,
    draw: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Measure how fast and how accurate hsad is.

    It measures speed unless --io, --accuracy, --stream, --calibrate or --large asks for something else. --io and some
    rows of speed write temporary files of 0.4 GB, and --large up to 20 GB (TMPDIR). --compare ends with status 1 if a
    row became slower by more than its runs differ among themselves.
    """
    asked = _benches(compare, reading, accuracy, line_by_line, calibrate, large)
    chosen = [name for name, value in asked.items() if value]
    if len(chosen) > 1:
        raise ParameterError(f"{' and '.join(chosen)} exclude each other: choose one")
    kind = chosen[0] if chosen else "speed"
    given = {"--quick": quick, "--only": only, "--plot": plot, "--into": into, "--suite": suite}
    given |= {"--siblings": siblings, "--names": naming, "--changes": changes}
    _refuse_others(kind, [name for name, value in given.items() if value])
    if compare is not None:
        _compare(*compare, as_json=as_json)
        return
    report: (
        Report
        | Accuracy
        | NamingAccuracy
        | SiblingAccuracy
        | ChangeAccuracy
        | Reading
        | Calibration
        | LargeScenes
        | LineRates
    )
    if reading:
        from hsad.bench import run_reading

        report = _put(into, ["layout"], lambda: run_reading(quick=quick, only=only, progress=progress()))
    elif accuracy and changes:
        others = [name for name in ("--suite", "--siblings", "--names", "--into") if given[name]]
        report = _changes(data, only, draw, others)
    elif accuracy:
        report = _names(data, seeds, draw) if naming else _accuracy(suite, siblings, into, data, only, seeds, draw)
    elif line_by_line:
        from hsad.bench import run_lines

        report = run_lines(Path(data) if data else None, draw=draw, progress=progress())
    elif calibrate is not None:
        report = _calibration(calibrate, data, only, draw)
    elif large:
        report = _large(large, only, into, quick=quick)
    else:
        report = _put(into, ["work"], lambda: _speed(quick, only, plot, overwrite))
    _show(report, as_json=as_json)


#: Options that each bench takes beside those of the suite and the output.
_TAKES = {
    "speed": ("--quick", "--only", "--plot", "--into"),
    "--compare": (),
    "--io": ("--quick", "--only", "--into"),
    "--accuracy": ("--only", "--into", "--suite", "--siblings", "--names", "--changes"),
    "--stream": (),
    "--calibrate": ("--only",),
    "--large": ("--quick", "--only", "--into"),
}


def _benches(
    compare: tuple[str, str] | None,
    reading: bool,
    accuracy: bool,
    line_by_line: bool,
    calibrate: str | None,
    large: tuple[str, ...],
) -> dict[str, bool]:
    return {
        "--compare": compare is not None,
        "--io": reading,
        "--accuracy": accuracy,
        "--stream": line_by_line,
        "--calibrate": calibrate is not None,
        "--large": bool(large),
    }


def _refuse_others(kind: str, given: list[str]) -> None:
    """Refuse options that a bench has no use for."""
    wrong = [name for name in given if name not in _TAKES[kind]]
    if wrong:
        homes = [other for other, names in _TAKES.items() if wrong[0] in names]
        raise ParameterError(f"{wrong[0]} does not go with {kind}, but with {' or '.join(homes)}")


def _show(
    report: Report
    | Accuracy
    | NamingAccuracy
    | SiblingAccuracy
    | ChangeAccuracy
    | Reading
    | Comparison
    | Calibration
    | LargeScenes
    | LineRates,
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json(report.to_dict())
    else:
        echo_block(report.table())


def _compare(before: str, after: str, *, as_json: bool) -> None:
    from hsad.bench import compare_reports

    compared = compare_reports(before, after)
    _show(compared, as_json=as_json)
    if compared.slower:
        raise click.exceptions.Exit(1)


def _put(
    into: str | None,
    headings: Sequence[str],
    measure: Callable[[], Measured],
    tables: Callable[[Measured], Iterable[str]] = lambda report: [report.table()],
) -> Measured:
    """Measure, and put the tables into a page that has some with these headings; it is looked at before."""
    from hsad.bench import check_page, keep, put_into

    if into is not None:
        check_page(into, *headings)
    report = measure()
    if into is not None:
        for table in tables(report):
            put_into(into, table)
            keep(into, table)
    return report


def _names(data: str | None, seeds: int, draw: int) -> NamingAccuracy:
    from hsad.bench import run_names

    return run_names(Path(data) if data else None, seeds=seeds, draw=draw, progress=progress())


def _changes(data: str | None, only: str, draw: int, others: list[str]) -> ChangeAccuracy:
    from hsad.bench import run_changes

    if others:
        raise ParameterError(f"--changes measures pairs of dates: it does not go with {others[0]}")
    return run_changes(Path(data) if data else None, draw=draw, only=only, progress=progress())


def _accuracy(
    suite: bool, siblings: bool, into: str | None, data: str | None, only: str, seeds: int, draw: int
) -> Accuracy | SiblingAccuracy:
    from hsad.bench import check_page, run_accuracy, run_siblings, run_suite

    folder = Path(data) if data else None
    if into is not None and (suite or siblings):
        raise ParameterError(f"--into does not go with {'--suite' if suite else '--siblings'}")
    if into is not None:
        check_page(into, "method", "method at 1e-3", "scene")
    if siblings:
        if suite or only:
            raise ParameterError(f"--siblings measures hsad find: it takes no {'--suite' if suite else '--only'}")
        return run_siblings(folder, seeds=seeds, draw=draw, progress=progress())
    methods = _methods(only)
    if suite:
        return run_suite(folder, methods=methods, seeds=seeds, draw=draw, progress=progress())
    report = run_accuracy(folder, methods=methods, seeds=seeds, progress=progress())
    if into is not None:
        report.into(into)
    return report


def _calibration(bank: str, data: str | None, only: str, draw: int) -> Calibration:
    from hsad.bench import run_calibration
    from hsad.files import check_output

    if not data:
        raise ParameterError("--calibrate needs the folder of benchmark scenes: --data DIR, or HSAD_DATA")
    check_output(bank, (".json",), overwrite=True)
    report = run_calibration(Path(data), methods=_methods(only), draw=draw, progress=progress())
    report.write(bank)
    return report


def _large(tables: tuple[str, ...], only: str, into: str | None, *, quick: bool) -> LargeScenes:
    from hsad.bench import run_large

    return _put(
        into,
        tables,
        lambda: run_large(tables, quick=quick, only=only, progress=progress()),
        lambda report: report.tables().values(),
    )


def _methods(only: str) -> list[str]:
    return [name.strip() for name in only.split(",") if name.strip()]


def _speed(quick: bool, only: str, plot: str | None, overwrite: bool) -> Report:
    from hsad.bench import run_bench
    from hsad.files import check_output
    from hsad.plot.figures import FIGURE_SUFFIXES

    if plot is not None:
        check_output(plot, FIGURE_SUFFIXES, overwrite=overwrite)
    report = run_bench(quick=quick, only=only, progress=progress())
    if plot is not None:
        report.plot(plot, overwrite=overwrite)
    return report
