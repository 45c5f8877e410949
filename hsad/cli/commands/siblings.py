"""The commands about one target: everything that is like it, and what of it would have been missed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsad.anomalies.options import NamingOptions
from hsad.cli.commands.detect import run_options
from hsad.cli.options import (
    OUTPUT,
    DetectCommand,
    HsadCommand,
    json_option,
    overwrite_option,
    print_json,
    progress,
    remarks,
    with_options,
)
from hsad.cli.repeated import with_each_flag
from hsad.cli.shell.completion import detector_names
from hsad.cli.shell.interrupt import keeps
from hsad.cli.shell.terminal import echo, echo_block, outcome
from hsad.job.options import RunOptions

if TYPE_CHECKING:
    from hsad.siblings.missed import Missed

__all__ = ["find", "limits"]


@click.command(cls=DetectCommand)
@click.argument("scene")
@click.option(
    "-m",
    "--method",
    metavar="METHOD",
    help="Detector; hsad methods lists them.  [default: auto]",
    shell_complete=detector_names,
)
@click.option("-o", "--output", type=OUTPUT, required=True, metavar="FIGURE.png", help="Figure of the shares found.")
@click.option(
    "--limits",
    "raster",
    type=OUTPUT,
    metavar="FILE.tif",
    help="Also write the smallest fill at each pixel, for ace, mf and rx with --target.",
)
@click.option("--fills", metavar="F,F,...", help="Shares of a pixel that implants cover, above 0 and up to 1.")
@click.option("--sizes", metavar="N,N,...", help="Sizes of implants in pixels.")
@click.option(
    "--objects",
    type=int,
    default=100,
    show_default=True,
    metavar="N",
    help="Number of implants for each fill and size.",
)
@click.option(
    "--draw", type=int, default=0, show_default=True, metavar="N", help="Number from which places and shapes are drawn."
)
@overwrite_option
@json_option
def limits(
    scene: str,
    method: str | None,
    output: str,
    raster: str | None,
    fills: str | None,
    sizes: str | None,
    objects: int,
    draw: int,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Say which objects would have been missed, by fill and size.

    The fill of an object is the share of a pixel that it covers.
    For ace, mf and rx with a --target the smallest fill is computed at each pixel. Otherwise objects are implanted, at
    most 5 at once in 10,000 pixels, and looked for in the default list: of the --target, or of unusual materials.
    """
    from hsad.files import check_output
    from hsad.plot.curves import plot_missed
    from hsad.plot.figures import FIGURE_SUFFIXES
    from hsad.siblings.missed import FILLS
    from hsad.siblings.missed import limits as missed_in

    check_output(output, FIGURE_SUFFIXES, overwrite=overwrite)
    target = options.pop("target", None) or None
    chosen_fills = _numbers("--fills", fills)
    found = missed_in(
        scene,
        method,
        target=target,
        fills=chosen_fills,
        sizes=_numbers("--sizes", sizes),
        objects=objects,
        draw=draw,
        raster=raster,
        overwrite=overwrite,
        progress=progress(),
        **run_options(method, options),
    )
    plot_missed(found, output, overwrite=overwrite)
    if as_json:
        print_json(found.to_dict())
        return
    echo_block(_table(found, chosen_fills or FILLS))
    echo(f"{output}: {found.sentence}")


def _numbers(option: str, text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of numbers such as 0.1,0.5", param_hint=option) from None


def _table(found: Missed, fills: Sequence[float]) -> str:
    """Return the shares found as a table: a line for each of some fills, a column for each size."""
    points = {(p.size, p.fill): p for p in found.points}
    lines = ["fill   " + "".join(f"{f'{size} px':>14}" for size in found.sizes)]
    for fill in sorted(set(fills)):
        cells = [points.get((size, fill)) for size in found.sizes]
        shown = [f"{_cell(point):>14}" for point in cells]
        lines.append(f"{100 * fill:4.3g} % " + "".join(shown))
    return "\n".join(lines)


def _cell(point: Any) -> str:
    if point is None:
        return "-"
    error = f" ({100 * point.low:.0f}-{100 * point.high:.0f})" if point.objects else ""
    return f"{100 * point.found:.0f} %{error}"


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
    "-o",
    "--output",
    type=OUTPUT,
    required=True,
    metavar="FOUND.gpkg",
    help="List to write: .gpkg, .geojson, .shp, .kml or .csv.",
)
@click.option(
    "--false-share",
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="Share of false entries that the list may hold, from 0 to 1.",
)
@click.option("--scores", type=OUTPUT, metavar="S.tif", help="Also write the likeness of every pixel: a cosine.")
@click.option(
    "--limits",
    "raster",
    type=OUTPUT,
    metavar="FILE.tif",
    help="Also write the smallest fill at each pixel with which such an object would be listed.",
)
@with_options(NamingOptions, without=("kinds",))
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
    raster: str | None,
    library: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find everything in SCENE that is like something known.

    That is a pixel, an anomaly of a list or a spectrum of a library. The list is as long as the share of false
    entries in --false-share allows. The answer says how many entries are expected to be false, and which share is the
    smallest that can be stated in this scene.
    """
    from hsad.files import check_output
    from hsad.siblings.find import find_to_file
    from hsad.siblings.missed import limit_target, limits_of_search

    if raster is not None:
        limit_target(list(like), "like")  # refuses several before any work
        check_output(raster, (".tif", ".tiff"), overwrite=options["overwrite"])
    keeps(Path(f"{output}.unfinished"))
    result = find_to_file(
        scene,
        output,
        list(like),
        false_share=false_share,
        scores=scores,
        library=library,
        progress=progress(),
        **options,
    )
    remarks(result.remarks)
    missed = None
    if raster is not None:
        del options["restart"]
        missed = limits_of_search(scene, raster, list(like), result.queries[0]["threshold"], **options)
    if as_json:
        print_json({**result, **({} if missed is None else {"limits": missed.to_dict()})})
        return
    outcome(f"{output}: {result.sentence}")
    if missed is not None:
        outcome(f"{raster}: {missed.sentence}")
