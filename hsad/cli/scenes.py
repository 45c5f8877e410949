"""Commands about scenes: what a file holds, and where scenes with known truth are."""

from __future__ import annotations

from pathlib import Path

import click

from hsad.cli.options import HsadCommand, HsadGroup, json_option, print_json, progress

__all__ = ["catalog", "info"]


@click.command(cls=HsadCommand)
@click.argument("scene")
@json_option
def info(scene: str, as_json: bool) -> None:
    """Say what SCENE is: size, type, wavelengths, georeferencing, valid pixels."""
    from hsad.description import describe
    from hsad.readers import open_cube

    description = describe(open_cube(scene), progress=progress())
    if as_json:
        print_json(description)
        return
    for name, value in description.items():
        if name == "warnings":
            for remark in value:
                click.echo(f"{'remark':15} {remark}")
        elif name in {"wavelength", "fwhm"} and value is not None:
            known = [number for number in value if number is not None]
            span = f"{min(known):g} to {max(known):g} nm" if known else "not numbers"
            click.echo(f"{name:15} {span}, {len(value)} values")
        elif name == "good_bands" and value is not None:
            click.echo(f"{name:15} {sum(value)} of {description['bands']}")
        elif name == "valid_fraction":
            click.echo(f"{name:15} {value:.4f}")
        else:
            click.echo(f"{name:15} {'-' if value is None else value}")


@click.group(cls=HsadGroup)
def catalog() -> None:
    """Scenes with known truth: where they come from, what is known about them."""


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
        click.echo(f"{entry['name']:24} {entry['title']}")


@catalog.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what is known about the scene NAME."""
    from hsad.catalog import get_item

    item = get_item(name)
    if as_json:
        print_json(item.to_dict())
        return
    for key, value in item.summary().items():
        click.echo(f"{key:18} {value}")


@catalog.command()
@click.argument("name")
@click.option("-o", "--output", default=".", show_default=True, metavar="DIR", help="Folder to put it in.")
def fetch(name: str, output: str) -> None:
    """Download (or make) the scene NAME and verify its checksum."""
    from hsad.catalog import fetch as fetch_item

    for path in fetch_item(name, Path(output)):
        click.echo(path)
