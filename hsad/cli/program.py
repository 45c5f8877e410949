"""The program and its commands: a new one is a function in the module of its family, and one name in a section here."""

from __future__ import annotations

import click

from hsad import __version__
from hsad.cli.commands.about import completion, demo, doctor, manual
from hsad.cli.commands.bench import bench
from hsad.cli.commands.catalog import catalog
from hsad.cli.commands.change import change
from hsad.cli.commands.decisions import explain, report, review, survey, threshold
from hsad.cli.commands.detect import detect
from hsad.cli.commands.lists import compare_lists
from hsad.cli.commands.methods import methods
from hsad.cli.commands.scenes import convert, info
from hsad.cli.commands.scores import compare, evaluate
from hsad.cli.commands.siblings import find, limits
from hsad.cli.commands.stream import stream
from hsad.cli.options import HsadGroup

__all__ = ["hsad"]


@click.group(cls=HsadGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hsad")
def hsad() -> None:
    """Find what is unusual in hyperspectral scenes.

    SCENE is an ENVI header or data file, a GeoTIFF, a MATLAB file (scene.mat:NAME chooses an array), netCDF, Zarr, or
    the product of a sensor: its folder, main file or metadata (hsad help products).

    hsad COMMAND --help explains a command, `hsad help` lists the pages of the manual.
    """


#: The commands in the order of work, under the headings of `hsad --help`.
_SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Find what is unusual": (info, survey, detect, stream, threshold, report, explain, review),
    "Go on from what was found": (find, limits, change, compare_lists, compare, evaluate),
    "Scenes and methods": (methods, convert, catalog),
    "About hsad": (demo, manual, doctor, bench, completion),
}

for _commands in _SECTIONS.values():
    for _command in _commands:
        hsad.add_command(_command)
hsad.sections = {title: [str(command.name) for command in commands] for title, commands in _SECTIONS.items()}
