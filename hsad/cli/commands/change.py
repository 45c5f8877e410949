"""``hsad change``: two dates of one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hsad.cli.commands.detect import check_log, result_line, run_options
from hsad.cli.declared import declared_options, options_of_methods
from hsad.cli.options import (
    OUTPUT,
    HsadCommand,
    json_option,
    overwrite_option,
    print_json,
    progress,
    remarks,
)
from hsad.cli.shell.completion import one_of
from hsad.cli.shell.interrupt import keeps
from hsad.cli.shell.terminal import outcome

__all__ = ["change"]

#: Options of a run that two dates do not have.
_NOT_OF_PAIRS = ("pca", "references")


def _methods() -> tuple[str, ...]:
    from hsad.changes.change import change_methods

    return tuple(change_methods())


def _options() -> list[click.Option]:
    """Return the options of every run, and the parameters of the methods that compare two dates."""
    from hsad.job.options import RunOptions

    # The number of bands of the first date is that of its cube.
    own = [option for option in options_of_methods(_methods()) if option.name != "before_bands"]
    return [*declared_options(RunOptions, without=_NOT_OF_PAIRS), *own]


class ChangeCommand(HsadCommand):
    """The command `change`: the options of every run and of the methods are made when they are first needed."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return all options."""
        known = {param.name for param in self.params}
        self.params += [option for option in _options() if option.name not in known]
        return super().get_params(ctx)


@click.command(cls=ChangeCommand)
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@click.option(
    "-m",
    "--method",
    help="covariance-equalisation (default), hyperbolic or chronochrome.",
    shell_complete=one_of(_methods),
)
@click.option(
    "-o", "--output", type=OUTPUT, required=True, metavar="CHANGE.tif", help="Raster of scores, .tif or ENVI (.img)."
)
@click.option(
    "--save-background", type=OUTPUT, metavar="FILE", help="Write what was learned to this file, for --background."
)
@overwrite_option
@click.option("--restart", is_flag=True, help="Drop an unfinished run instead of continuing it.")
@click.option("--parts", is_flag=True, help="Add how unlike each date is what the other predicts as two further bands.")
@click.option("--log", type=OUTPUT, metavar="FILE", help="Append lines of progress to this log.")
@json_option
def change(
    before: str,
    after: str,
    method: str | None,
    output: str,
    save_background: str | None,
    log: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Score the change between two dates; higher is more changed.

    BEFORE and AFTER show one place. Different light, season and sensors are allowed for: what counts is a pixel whose
    change is unlike that of the scene. AFTER is resampled to the grid of BEFORE if the grids differ. The same command
    continues a run that was ended early. hsad threshold lists the changes.
    """
    from hsad.changes.change import DEFAULT_CHANGE, change_to_file

    if log is not None:
        check_log(Path(log), Path(output), save_background)
    options = {**run_options(method or DEFAULT_CHANGE, options), "progress": progress(log)}
    keeps(Path(f"{output}.unfinished"))
    result = change_to_file(before, after, output, method, save_background=save_background, **options)
    remarks(result.remarks)
    if as_json:
        print_json(result)
    else:
        outcome(f"{result.output}: {result_line(result)}")
