"""The program and its commands: a new one is a function in the module of its family, and one name here."""

from __future__ import annotations

import click

from hsad import __version__
from hsad.cli.commands.about import bench, completion, demo, doctor, manual, methods
from hsad.cli.commands.decisions import explain, report, review, survey, threshold
from hsad.cli.commands.detect import detect
from hsad.cli.commands.scenes import catalog, convert, info
from hsad.cli.commands.scores import compare, evaluate
from hsad.cli.commands.siblings import find, limits
from hsad.cli.options import HsadGroup

__all__ = ["hsad"]


@click.group(cls=HsadGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hsad")
def hsad() -> None:
    """Find the unusual in hyperspectral scenes: any cube file in, a georeferenced anomaly map out.

    SCENE is an ENVI header or data file, a GeoTIFF, a MATLAB file (scene.mat:NAME picks an array), netCDF, Zarr, or a
    sensor's product: its folder, main file or metadata (`hsad help products`).
    """


for command in (
    survey,
    find,
    detect,
    threshold,
    explain,
    report,
    review,
    limits,
    evaluate,
    compare,
    info,
    convert,
    methods,
    catalog,
    demo,
    bench,
    manual,
    completion,
    doctor,
):
    hsad.add_command(command)
