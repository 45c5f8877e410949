"""``hsad stream``: scores of lines while they come."""

from __future__ import annotations

import json
from typing import Any

import click

from hsad.cli.commands.detect import run_options
from hsad.cli.options import (
    OUTPUT,
    DetectCommand,
    json_option,
    overwrite_option,
    print_json,
    remarks,
    with_options,
)
from hsad.cli.shell.completion import detector_names
from hsad.cli.shell.interrupt import stops_softly
from hsad.cli.shell.terminal import outcome
from hsad.stream.options import LineOptions

__all__ = ["stream"]

#: Status of a scan that Ctrl-C or SIGTERM has stopped.
_STOPPED = 130


class _StreamCommand(DetectCommand):
    """The command `stream`: it takes no options of whole scenes and of tiles."""

    left_out = (
        *("mask", "grid", "region", "bbox", "tile", "workers", "memory", "scheduler", "references", "partial"),
        "band_axis",
    )


@click.command(cls=_StreamCommand)
@click.argument("scene", metavar="SCENE|-")
@click.option("-m", "--method", help="Detector; hsad methods lists them.  [default: rx]", shell_complete=detector_names)
@click.option(
    "-o",
    "--output",
    type=OUTPUT,
    required=True,
    metavar="SCORES.hdr",
    help="Raster of scores, ENVI, which can be read while it grows.",
)
@click.option("--follow", is_flag=True, help="SCENE is an ENVI file that still grows: wait for further lines.")
@click.option("--header", metavar="FILE.hdr", help="ENVI header that describes the lines of a pipe (SCENE is -).")
@click.option(
    "--wait", default=30.0, show_default=True, metavar="S", help="Seconds without a line that end a file that grows."
)
@click.option("--places", type=OUTPUT, metavar="FILE", help="Write places to this file instead of printing them.")
@click.option(
    "--listed",
    default=10.0,
    show_default=True,
    metavar="N",
    help="Of 10,000 pixels the number whose scores exceed the limit of places, unusual or not.",
)
@with_options(LineOptions)
@overwrite_option
@click.option("--restart", is_flag=True, help="Drop an unfinished scan instead of continuing it.")
@json_option
def stream(
    scene: str,
    method: str | None,
    output: str,
    follow: bool,
    header: str | None,
    wait: float,
    places: str | None,
    listed: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Score the lines of SCENE one by one, as they come.

    SCENE is a file, a file that still grows (--follow), or a pipe (-). A place is a group of pixels above a limit that
    touch each other; each is printed as one JSON object when it is complete. Ctrl-C and SIGTERM keep all that was
    scored; the same command goes on from there.
    """
    from hsad.stream.run import stream_to_file

    def tell(place: dict[str, Any]) -> None:
        if places is None and not as_json:
            outcome(json.dumps(place))

    with stops_softly() as stopped:
        result = stream_to_file(
            scene,
            output,
            method or "rx",
            follow=follow,
            header=header,
            wait=wait,
            listed=listed,
            places=places,
            on_place=tell,
            stopped=stopped,
            **run_options(method or "rx", options),
        )
    remarks(result.remarks)
    if as_json:
        print_json(result)
    else:
        outcome(f"{result.output}: {result.sentence}", err=True)
    if not result.ended:
        raise click.exceptions.Exit(_STOPPED)
