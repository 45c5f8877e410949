"""The commands of the catalogue: which scenes there are to try hsad on, and how to get them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hsad.cli.options import OUTPUT, HsadGroup, json_option, print_json, progress
from hsad.cli.shell.completion import scene_names
from hsad.cli.shell.terminal import echo, outcome

__all__ = ["catalog"]


@click.group(cls=HsadGroup)
def catalog() -> None:
    """List, explain and fetch scenes to try hsad on.

    Some are benchmarks with a known truth, others are products of sensors. For each the catalogue states how to get
    it, its origin, licence, checksum and known defects.
    """


@catalog.command(name="list")
@json_option
def catalog_list(as_json: bool) -> None:
    """List the scenes, and how to get each."""
    from hsad.catalog import list_items

    items = list_items()
    if as_json:
        print_json([item.summary() for item in items])
        return
    for item in items:
        entry = item.summary()
        size = " x ".join(str(n or "?") for n in (entry["rows"], entry["cols"], entry["bands"]))
        echo(f"{entry['name']:20} {item.how:10} {size:>17}  {_sensor(entry):18} {entry['title']}")
    echo("hsad catalog show NAME: origin, licence, checksum, known defects; hsad catalog fetch NAME gets a scene")


def _sensor(entry: dict[str, Any]) -> str:
    """Return the sensor and the size of its pixels on the ground."""
    named = ", ".join(entry["instruments"]) or entry["platform"] or ""
    pixel = f"{entry['gsd']:g} m" if entry["gsd"] else ""
    return ", ".join(part for part in (named, pixel) if part)


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
        if isinstance(value, list):
            for part in value:
                echo(f"{key:16} {part}")
        elif value is not None:
            echo(f"{key:16} {value}")


@catalog.command()
@click.argument("name", shell_complete=scene_names)
@click.option(
    "-o", "--output", type=OUTPUT, default=".", show_default=True, metavar="DIR", help="Folder for the scene."
)
@json_option
def fetch(name: str, output: str, as_json: bool) -> None:
    """Get the scene NAME: download it, or make it.

    A file is compared with the checksum of the catalogue; where the catalogue has none, the checksum of the file is
    printed. A download that was ended early continues with the same command. Archives are unpacked.
    """
    from hsad.catalog import fetch as fetch_item
    from hsad.catalog import get_item

    item = get_item(name)
    files = fetch_item(name, Path(output), progress=progress())
    if as_json:
        print_json({"name": name, "files": [{**file.__dict__, "path": str(file.path)} for file in files]})
        return
    for file in files:
        outcome(f"{file.path}: {'there already' if file.there_already else 'complete'}{_compared(file)}")
    variable = item.assets[0].variable
    outcome(f"try: hsad info {files[0].path}{f':{variable}' if variable else ''}")


def _compared(file: Any) -> str:
    """Return what the checksum of a file says, as the end of a line."""
    if file.sha256 is None:
        return ""
    if file.compared:
        return f", sha256 {file.sha256[:16]} as in the catalogue"
    return f", sha256 {file.sha256}, which could not be compared: the catalogue has none"


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
