"""``hsad methods``: the detectors, their parameters, and the works that they cite."""

from __future__ import annotations

import textwrap
from typing import Any

import click

from hsad.cli.options import HsadCommand, json_option, print_json
from hsad.cli.shell.completion import detector_names
from hsad.cli.shell.terminal import echo, echo_block
from hsad.errors import ParameterError

__all__ = ["methods"]


@click.command(cls=HsadCommand)
@click.argument("method", required=False, shell_complete=detector_names)
@click.option("--bibtex", is_flag=True, help="Print the works that the method cites, as BibTeX.")
@json_option
def methods(method: str | None, bibtex: bool, as_json: bool) -> None:
    """List the methods, or the parameters of one METHOD."""
    from hsad.detectors import describe_methods

    described = describe_methods(method)
    if bibtex:
        _echo_bibtex(described, as_json=as_json)
        return
    if as_json:
        print_json(described[method] if method else described)
        return
    for name, entry in described.items():
        default = "  (default)" if entry["default"] else ""
        origin = f"  (package {entry['package']})" if entry["package"] else ""
        echo(f"{name:16} {entry['title']}{default}{origin}")
        if method:
            for line in [work["text"] for work in entry["references"]] or [entry["reference"]]:
                for part in textwrap.wrap(line, 100, initial_indent=" " * 17, subsequent_indent=" " * 19):
                    echo(part)
            for p in entry["parameters"]:
                default = "required" if p["required"] else p["default"]
                choices = f" ({', '.join(map(str, p['choices']))})" if p["choices"] else ""
                echo(f"  --{p['name'].replace('_', '-'):18} {p['help']}{choices}  [{default}]")


def _echo_bibtex(described: dict[str, dict[str, Any]], *, as_json: bool) -> None:
    """Print the works that methods cite as BibTeX, each once.

    Raises
    ------
    ParameterError
        With --json, whose output has these entries anyway; and where a package states no BibTeX for its method.
    """
    if as_json:
        raise ParameterError("--bibtex and --json exclude each other: the output of --json has the BibTeX, too")
    entries = {work["key"]: work["bibtex"] for entry in described.values() for work in entry["references"]}
    if not entries:
        (name, entry), *_ = described.items()
        raise ParameterError(
            f"--bibtex: the package of {name!r} states no BibTeX; its reference is {entry['reference']!r}"
        )
    echo_block("\n\n".join(entries.values()))
