"""``hsad compare-lists``: two lists of one place at two times."""

from __future__ import annotations

import click

from hsad.cli.options import OUTPUT, HsadCommand, json_option, overwrite_option, print_json
from hsad.cli.shell.terminal import outcome

__all__ = ["compare_lists"]


@click.command(cls=HsadCommand)
@click.argument("old", metavar="OLD.gpkg")
@click.argument("new", metavar="NEW.gpkg")
@click.option(
    "-o", "--output", type=OUTPUT, metavar="DIFF.gpkg", help="NEW with the marks of OLD, and what is gone as a layer."
)
@click.option(
    "--within",
    type=click.FLOAT,
    metavar="DISTANCE",
    help="Largest distance between outlines of one thing, in map units of NEW (pixels without a map).  [default: two "
    "pixels]",
)
@overwrite_option
@json_option
def compare_lists(old: str, new: str, output: str | None, within: float | None, overwrite: bool, as_json: bool) -> None:
    """Say what of a list is still there, new or gone.

    OLD and NEW are lists of one place at two times. What is still there keeps its state, note, class and kind, so that
    a review is done once. DIFF.gpkg is a list like NEW, with the fields status and old_id, and a layer of what is gone.
    """
    from hsad.anomalies.marks.compared import compare_lists as compared

    result = compared(old, new, output, within=within, overwrite=overwrite)
    if as_json:
        print_json(result)
    else:
        outcome(f"{output or new}: {result.sentence()}")
