"""``hsad find``: everything like this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hsad.cli.interrupt import keeps
from hsad.cli.options import (
    OUTPUT,
    HsadCommand,
    json_option,
    overwrite_option,
    print_json,
    progress,
    remarks,
    with_options,
)
from hsad.cli.repeated import with_each_flag
from hsad.cli.terminal import outcome
from hsad.job.options import RunOptions

__all__ = ["find"]

#: Options of runs that a search does not take.
_WITHOUT = ("pca", "background", "references")


class _FindCommand(HsadCommand):
    """The command `find`: several queries may follow one ``--like``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with ``--like`` before each query."""
        return super().parse_args(ctx, with_each_flag(self, ctx, args, ("--like",)))


@click.command(cls=_FindCommand)
@click.argument("scene")
@click.option(
    "--like",
    multiple=True,
    required=True,
    metavar="TARGET...",
    help="What to look for: ROW,COL, LIST.gpkg:ID, LIST.gpkg:KIND or LIBRARY:NAME; several may follow.",
)
@click.option(
    "-o", "--output", type=OUTPUT, required=True, metavar="FOUND.gpkg", help="List to write, .gpkg or .geojson."
)
@click.option(
    "--false-share", default=0.1, show_default=True, help="Share of false ones that the list may hold, from 0 to 1."
)
@click.option("--scores", type=OUTPUT, metavar="S.tif", help="Also write the likeness of every pixel: a cosine.")
@with_options(RunOptions, without=_WITHOUT)
@overwrite_option
@click.option("--restart", is_flag=True, help="Drop an unfinished run instead of continuing it.")
@json_option
def find(
    scene: str,
    like: tuple[str, ...],
    output: str,
    false_share: float,
    scores: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find everything in SCENE that is like a pixel, an anomaly of a list or a spectrum of a library.

    The list is as long as the stated share of false ones allows; the answer says how many of it are expected to be
    false, and which share is the smallest that can be stated in this scene.
    """
    from hsad.siblings.find import find_to_file

    keeps(Path(f"{output}.unfinished"))
    result = find_to_file(
        scene, output, list(like), false_share=false_share, scores=scores, progress=progress(), **options
    )
    remarks(result.remarks)
    if as_json:
        print_json(result)
        return
    outcome(f"{output}: {result.sentence}")
