"""Commands about scenes: their description and conversion, and the catalogue of scenes with known truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hsad.cli.options import (
    OUTPUT,
    HsadCommand,
    HsadGroup,
    json_option,
    overwrite_option,
    print_json,
    progress,
    taken_out,
    with_options,
)
from hsad.cli.shell.completion import scene_names
from hsad.cli.shell.terminal import echo, outcome
from hsad.job.options import SceneOptions

__all__ = ["catalog", "convert", "info"]


@click.command(cls=HsadCommand)
@click.argument("scene")
@click.option("--statistics", is_flag=True, help="Read all numbers of a large scene, to count its valid pixels.")
@with_options(SceneOptions)
@json_option
def info(scene: str, statistics: bool, as_json: bool, **options: Any) -> None:
    """Print the size, wavelengths, position and valid pixels of SCENE.

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


@click.group(cls=HsadGroup)
def catalog() -> None:
    """List, explain and fetch scenes to try hsad on.

    Most have a known truth. For each the catalogue states the origin, the licence, the checksum and the known defects.
    """


@catalog.command()
@json_option
def libraries(as_json: bool) -> None:
    """List spectral libraries for --library, and where to get them."""
    from hsad.catalog import list_libraries

    found = list_libraries()
    if as_json:
        print_json(found)
        return
    for entry in found:
        echo(f"{entry['name']:10} {entry['title']}")
        for key, word in (("where", "from"), ("point", "use"), ("license", "licence"), ("citation", "cite")):
            echo(f"{'':10} {word}: {entry[key]}")


@catalog.command(name="list")
@json_option
def catalog_list(as_json: bool) -> None:
    """List the scenes."""
    from hsad.catalog import list_items

    items = list_items()
    if as_json:
        print_json([item.summary() for item in items])
        return
    for item in items:
        entry = item.summary()
        size = f"{entry['rows']} x {entry['cols']} x {entry['bands']}"
        echo(f"{entry['name']:24} {size:>18}  {item.how:10}  {entry['title']}")
        echo(f"{'':24} sha256 {(entry['sha256'] or '-')[:16]}; known defects: {len(entry['defects'])}")
    echo("hsad catalog show NAME: origin, licence, checksum, known defects")


@catalog.command()
@click.argument("name", shell_complete=scene_names)
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what is known about the scene NAME."""
    from hsad.catalog import get_item

    item = get_item(name)
    if as_json:
        print_json(item.to_dict())
        return
    for key, value in item.summary().items():
        echo(f"{key:18} {value}")


@catalog.command()
@click.argument("name", shell_complete=scene_names)
@click.option(
    "-o", "--output", type=OUTPUT, default=".", show_default=True, metavar="DIR", help="Folder for the scene."
)
def fetch(name: str, output: str) -> None:
    """Download (or make) the scene NAME and verify its checksum."""
    from hsad.catalog import fetch as fetch_item

    for path in fetch_item(name, Path(output)):
        outcome(path)
