"""Options of commands, made from what the library declares: fields of dataclasses and parameters of methods."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from hsad.cli.shell.completion import TextOrFile, one_of

if TYPE_CHECKING:
    from hsad.detectors.parameters import Parameter

__all__ = [
    "HsadOption",
    "declared_options",
    "default_of",
    "method_names",
    "options_of_every_run",
    "options_of_methods",
    "parameters_by_name",
    "sentence",
    "usage_of",
]

_TEXT = TextOrFile()


class HsadOption(click.Option):
    """An option that knows its place in the help page.

    Parameters
    ----------
    section : str, optional
        Heading under which it stands; without one it is an option of the command itself.
    rare : bool, optional
        Whether ``--help`` only names it, and ``--help-all`` explains it.
    """

    def __init__(self, *arguments: Any, section: str | None = None, rare: bool = False, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.section = section
        self.rare = rare


def parameters_by_name() -> dict[str, Parameter]:
    """Return every parameter of every method under its option's name, the first one of each name."""
    from hsad.detectors import DETECTORS

    found: dict[str, Parameter] = {}
    for cls in DETECTORS.values():
        for p in cls.parameters():
            found.setdefault(p.name.replace("_", "-"), p)
    return found


@functools.cache
def options_of_every_run() -> tuple[HsadOption, ...]:
    """Return the options that a run of any method has."""
    from hsad.job.options import RunOptions

    return declared_options(RunOptions)


def declared_options(declaration: type[Any], *, without: Sequence[str] = ()) -> tuple[HsadOption, ...]:
    """Return one click option for each field of a dataclass that `hsad.job.options.option` declares with a metavar.

    Parameters
    ----------
    declaration : dataclass
    without : sequence of str
        Names of fields that get no option.
    """
    return tuple(
        HsadOption(
            [f"--{f.name.replace('_', '-')}"],
            type=_type_of(f),
            metavar=None if f.metadata["choices"] or f.type == "bool" else f.metadata["metavar"],
            help=sentence(f.metadata["help"]),
            default=f.default,
            show_default=f.default is not None and f.type != "bool",
            multiple=f.name == "references",
            is_flag=f.type == "bool",
            section=_section(declaration, f.name),
            rare=f.metadata["rare"],
        )
        for f in dataclasses.fields(declaration)
        if f.metadata["metavar"] is not None and f.name not in without
    )


def _section(declaration: type[Any], name: str) -> str:
    """Return the heading of the class that declares a field: an inherited field keeps that of its own class."""
    owner: Any = next(cls for cls in declaration.__mro__ if name in inspect.get_annotations(cls))
    return str(owner.heading)


def _type_of(declared: dataclasses.Field[Any]) -> Any:
    """Return the type of an option: the choices of the field, or the numbers that its annotation names."""
    if declared.metadata["choices"]:
        return click.Choice(declared.metadata["choices"])
    kinds = set(str(declared.type).split(" | ")) - {"None"}
    return {"int": click.INT, "float": click.FLOAT, "bool": click.BOOL}.get(
        kinds.pop() if len(kinds) == 1 else "", _TEXT
    )


def sentence(phrase: str) -> str:
    """Return a phrase as a sentence: a capital letter at its start, a full stop at its end."""
    return f"{phrase[:1].upper()}{phrase[1:]}{'' if phrase.endswith('.') else '.'}"


def method_names() -> tuple[str, ...]:
    """Return the names of all methods, those of other packages too."""
    from hsad.detectors import DETECTORS

    return tuple(DETECTORS)


@functools.cache
def options_of_methods(detectors: tuple[str, ...]) -> tuple[HsadOption, ...]:
    """Return one option for each name of a parameter of some methods; an option that is not used is None, or empty.

    The help text is that of the first method with this parameter, and names all methods that have it.
    """
    from hsad.detectors import DETECTORS

    made = []
    for name, p in parameters_by_name().items():
        takers = [method for method in detectors if p.name in {own.name for own in DETECTORS[method].parameters()}]
        if not takers:
            continue
        declaration = f"--{name}/--no-{name}" if p.type is bool else f"--{name}"
        words: Any = one_of(functools.partial(map, str, p.choices))
        made.append(
            HsadOption(
                [declaration],
                type=None if p.type is bool else str,
                metavar=None if p.type is bool else usage_of(p).partition(" ")[2],
                help=f"{sentence(p.help)} Methods: {', '.join(takers)}.",
                default=None,
                multiple=p.several,
                shell_complete=words,
                section="Parameters of methods",
            )
        )
    return tuple(made)


def usage_of(p: Parameter) -> str:
    """Return how a parameter is written on the command line: ``--solver omp|ista|fista``."""
    name = p.name.replace("_", "-")
    if p.type is bool:
        return f"--{name}/--no-{name}"
    if p.metavar is not None:
        return f"--{name} {p.metavar}"
    numbers = [] if p.type is str else ["INT,INT,..." if p.type is tuple else p.type.__name__.upper()]
    return f"--{name} {'|'.join([*numbers, *map(str, p.choices)])}"


def default_of(p: Parameter) -> str:
    """Return the default of a parameter as the help page has it."""
    return "[required]" if p.required else f"[default: {p.default}]"
