"""Commands about scenes: their description and their conversion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from hsad.cli.options import (
    OUTPUT,
    HsadCommand,
    json_option,
    overwrite_option,
    print_json,
    progress,
    taken_out,
    with_options,
)
from hsad.cli.shell.terminal import echo, outcome
from hsad.job.options import SceneOptions

__all__ = ["convert", "info"]


@click.command(cls=HsadCommand)
@click.argument("scene")
@click.option("--statistics", is_flag=True, help="Read all numbers of a large scene, to count its valid pixels.")
@with_options(SceneOptions)
@json_option
def info(scene: str, statistics: bool, as_json: bool, **options: Any) -> None:
    """Print size, wavelengths, position, valid pixels of SCENE.

    The valid pixels of a scene of more than 256 MB are counted in a sample of its rows.
    """
    from hsad.job.describe import describe
    from hsad.job.given import as_cube

    cube = as_cube(scene, taken_out(SceneOptions, options))
    description = describe(cube, statistics=statistics, progress=progress())
    if as_json:
        print_json(description)
        return
    for name, value in description.items():
        if name == "warnings":
            for remark in value:
                echo(f"{'remark':15} {remark}")
        elif value is not None or name not in _OF_PRODUCTS:
            echo(f"{name:15} {'-' if value is None else _SHOWN.get(name, str)(value)}")


_OF_PRODUCTS = {"product", "mask_flags", "flags", "grid"}


def _span(values: list[float | None]) -> str:
    known = [number for number in values if number is not None]
    return (
        f"{min(known):g} to {max(known):g} nm, {len(values)} values" if known else f"not numbers, {len(values)} values"
    )


def _shares(flags: dict[str, float | None]) -> str:
    return ", ".join(flag if share is None else f"{flag} {share:.4f}" for flag, share in flags.items())


# Texts of values that are too long to print as they are.
_SHOWN: dict[str, Callable[[Any], str]] = {
    "wavelength": _span,
    "fwhm": _span,
    "good_bands": lambda good: f"{sum(good)} of {len(good)}",
    "valid_fraction": lambda fraction: f"{fraction:.4f}",
    "mask_flags": lambda flags: ", ".join(flags) or "none",
    "flags": _shares,
}


@click.command(cls=HsadCommand)
@click.argument("scene")
@click.argument("output", metavar="OUT", type=OUTPUT)
@click.option(
    "--interleave",
    metavar="bil|bip|bsq|tile",
    help="Order of the numbers in ENVI files; tile: a COG for GeoTIFF, with the bands of a tile side by side.  "
    "[default: bil]",
)
@click.option("--memory", metavar="SIZE", help="Memory that the command may take, Python included.  [default: 2GB]")
@with_options(SceneOptions)
@overwrite_option
def convert(scene: str, output: str, interleave: Any, memory: str | None, overwrite: bool, **options: Any) -> None:
    """Write SCENE as ENVI, GeoTIFF or Zarr; nothing is lost.

    The ending of OUT chooses the format: .hdr or .img, .tif, .zarr. Numbers stay as they are stored; wavelengths,
    widths, bad bands, nodata, gain and bias, masks and georeferencing go along. Remarks name what a format cannot hold.
    """
    from hsad.job.given import as_cube
    from hsad.products import write_cube

    cube = as_cube(scene, taken_out(SceneOptions, options))
    written = write_cube(cube, output, interleave=interleave, overwrite=overwrite, memory=memory)
    outcome(written)
