"""The command that measures hsad: speed, reading, accuracy, thresholds, large scenes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from hsad.cli.options import OUTPUT, HsadCommand, json_option, overwrite_option, print_json, progress
from hsad.cli.shell.terminal import echo_block
from hsad.errors import ParameterError

if TYPE_CHECKING:
    from hsad.bench import (
        Accuracy,
        Calibration,
        Comparison,
        LargeScenes,
        NamingAccuracy,
        Reading,
        Report,
        SiblingAccuracy,
    )

    Measured = TypeVar("Measured", Report, Reading)

__all__ = ["bench"]


@click.command(cls=HsadCommand)
@click.option(
    "--quick", is_flag=True, help="Speed: leave out many bands and the slowest peers; reading, large scenes: small."
)
@click.option(
    "--only",
    default="",
    metavar="TEXT",
    help="Only work whose name holds this; accuracy: only these methods (rx,crd:outer=11); thresholds: (rx,crd).",
)
@click.option("--plot", type=OUTPUT, metavar="BENCH.png", help="Speed: draw the times.")
@click.option(
    "--into",
    type=OUTPUT,
    metavar="PAGE.md",
    help="Speed, reading, accuracy: replace the tables of this page, and keep their numbers.",
)
@click.option(
    "--compare",
    nargs=2,
    metavar="BEFORE.json AFTER.json",
    help="Speed: compare two reports of --json row by row, and measure nothing.",
)
@click.option("--io", "reading", is_flag=True, help="Reading: windows of files in each layout beside a plain read.")
@click.option("--accuracy", is_flag=True, help="Every detector on scenes whose truth is known.")
@click.option("--suite", is_flag=True, help="Accuracy on 86 cases in 8 families, with the regret of each.")
@click.option("--siblings", is_flag=True, help="Accuracy of hsad find: false share and recall of its lists.")
@click.option("--names", "naming", is_flag=True, help="Accuracy of names by the library of the package earthlib.")
@click.option(
    "--calibrate",
    type=OUTPUT,
    metavar="BANK.json",
    help="Thresholds: measure the tables of this file again; false objects stated.",
)
@click.option("--large", multiple=True, metavar="TABLE", help="Large scenes: time and memory; hsad help contributing.")
@click.option(
    "--data", envvar="HSAD_DATA", metavar="DIR", help="Accuracy, thresholds: folder of benchmark scenes  [HSAD_DATA]"
)
@click.option("--seeds", default=1, show_default=True, help="Accuracy: number of trainings; siblings: of seeds.")
@click.option("--draw", default=0, show_default=True, help="Suite, thresholds: draw of implants; siblings: first seed.")
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
    calibrate: str | None,
    large: tuple[str, ...],
    data: str | None,
    seeds: int,
    draw: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Measure how fast and how accurate hsad is.

    Speed is measured unless --io, --accuracy, --calibrate or --large asks for something else. --io, --large, and
    commands on files, write temporary files (TMPDIR) of 0.4 GB; --large writes up to 20 GB. --compare ends with
    status 1 if a row is slower by more than its runs differ among themselves.
    """
    chosen = [name for name, value in _benches(compare, reading, accuracy, calibrate, large).items() if value]
    if len(chosen) > 1:
        raise ParameterError(f"{' and '.join(chosen)} exclude each other: choose one")
    kind = chosen[0] if chosen else "speed"
    given = {"--quick": quick, "--only": only, "--plot": plot, "--into": into, "--suite": suite}
    given |= {"--siblings": siblings, "--names": naming}
    _refuse_others(kind, [name for name, value in given.items() if value])
    if compare is not None:
        _compare(*compare, as_json=as_json)
        return
    report: Report | Accuracy | NamingAccuracy | SiblingAccuracy | Reading | Calibration | LargeScenes
    if reading:
        from hsad.bench import run_reading

        report = _put(into, "layout", lambda: run_reading(quick=quick, only=only, progress=progress()))
    elif accuracy:
        report = _names(data, seeds, draw) if naming else _accuracy(suite, siblings, into, data, only, seeds, draw)
    elif calibrate is not None:
        report = _calibration(calibrate, data, only, draw)
    elif large:
        report = _large(large, only, quick=quick)
    else:
        report = _put(into, "work", lambda: _speed(quick, only, plot, overwrite))
    _show(report, as_json=as_json)


#: Options that each bench takes beside those of the suite and the output.
_TAKES = {
    "speed": ("--quick", "--only", "--plot", "--into"),
    "--compare": (),
    "--io": ("--quick", "--only", "--into"),
    "--accuracy": ("--only", "--into", "--suite", "--siblings", "--names"),
    "--calibrate": ("--only",),
    "--large": ("--quick", "--only"),
}


def _benches(
    compare: tuple[str, str] | None, reading: bool, accuracy: bool, calibrate: str | None, large: tuple[str, ...]
) -> dict[str, bool]:
    return {
        "--compare": compare is not None,
        "--io": reading,
        "--accuracy": accuracy,
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
    report: Report | Accuracy | NamingAccuracy | SiblingAccuracy | Reading | Comparison | Calibration | LargeScenes,
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


def _put(into: str | None, heading: str, measure: Callable[[], Measured]) -> Measured:
    """Measure, and put the table into a page that has one with this heading; it is looked at before."""
    from hsad.bench import check_page, keep, put_into

    if into is not None:
        check_page(into, heading)
    report = measure()
    if into is not None:
        put_into(into, report.table())
        keep(into, report.table())
    return report


def _names(data: str | None, seeds: int, draw: int) -> NamingAccuracy:
    from hsad.bench import run_names

    return run_names(Path(data) if data else None, seeds=seeds, draw=draw, progress=progress())


def _accuracy(
    suite: bool, siblings: bool, into: str | None, data: str | None, only: str, seeds: int, draw: int
) -> Accuracy | SiblingAccuracy:
    from hsad.bench import check_page, run_accuracy, run_siblings, run_suite

    folder = Path(data) if data else None
    if into is not None and (suite or siblings):
        raise ParameterError(f"--into does not go with {'--suite' if suite else '--siblings'}")
    if into is not None:
        check_page(into, "method", "scene")
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


def _large(tables: tuple[str, ...], only: str, *, quick: bool) -> LargeScenes:
    from hsad.bench import run_large

    return run_large(tables, quick=quick, only=only, progress=progress())


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
