"""Options of the command line, made from the declarations of the library."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from hsad.cli.declared import (
    HsadOption,
    declared_options,
    method_names,
    options_of_every_run,
    options_of_methods,
    parameters_by_name,
)
from hsad.cli.help_page import help_all_option, write_commands, write_methods, write_options
from hsad.cli.named_files import identity, named_files
from hsad.cli.repeated import with_each_flag
from hsad.cli.shell.completion import OutputName, TextOrFile
from hsad.cli.shell.errors import NAMED_METHOD, Interrupted
from hsad.cli.shell.terminal import QUIET, Lines, echo_block, is_quiet, outcome
from hsad.files import command_files
from hsad.job.environment import reads_in_threads

__all__ = [
    "OUTPUT",
    "DetectCommand",
    "HsadCommand",
    "HsadGroup",
    "json_option",
    "overwrite_option",
    "print_json",
    "progress",
    "remarks",
    "taken_out",
    "with_options",
]

T = TypeVar("T")


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace existing outputs.")


def _common_options() -> list[click.Option]:
    """Return the options that every command takes; `hsad.cli.run` and `progress` look at them."""
    return [
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_set_quiet,
            help="Print errors and warnings only, and what --json asks for.",
        ),
        click.Option(["--debug"], is_flag=True, expose_value=False, help="Show tracebacks and all warnings."),
    ]


def _set_quiet(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.find_root().meta[QUIET] = True


class _WithCommonOptions(click.Command):
    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's options with the common ones before ``--help``."""
        *own, help_option = super().get_params(ctx)
        for param in own:
            if param.type is click.STRING:  # most texts are names of files, so a shell completes all to files
                param.type = _TEXT
        all_option = [_HELP_ALL] if any(isinstance(p, HsadOption) and p.rare for p in own) else []
        return [*own, *_COMMON, *all_option, help_option]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in sections; those that are seldom needed are only named, unless all are asked for."""
        write_options(self, ctx, formatter)


class HsadCommand(_WithCommonOptions):
    """A command with the common options."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; none of the files that it names as inputs is replaced."""
        inputs, outputs = named_files(ctx)
        reads = reads_in_threads() if inputs else contextlib.nullcontext()
        with command_files(inputs, outputs[0] if outputs else None, identity(ctx, inputs)), reads:
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt as interruption:
                raise Interrupted from interruption


class HsadGroup(_WithCommonOptions, click.Group):
    """A group of commands, with the common options before the command too."""

    command_class = HsadCommand
    group_class = type

    #: Headings, and the names of the commands under each; commands that are not named stand under "Commands".
    sections: Mapping[str, Sequence[str]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order of the help page."""
        named = [name for names in self.sections.values() for name in names]
        return [*named, *(name for name in super().list_commands(ctx) if name not in named)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in sections, each with its whole first sentence, then the options."""
        write_commands(self, ctx, formatter)
        super().format_options(ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; a group alone asks for its help page."""
        if not args and not ctx.resilient_parsing:  # the latter while a shell asks what to offer
            echo_block(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)


_COMMON = _common_options()
_HELP_ALL = help_all_option()
_TEXT = TextOrFile()

#: The type of every option and argument that names a file or folder to write.
OUTPUT = OutputName()


class DetectCommand(HsadCommand):
    """The command `detect`: its options are the fields of `RunOptions` and the parameters of all methods.

    Attributes
    ----------
    left_out : sequence of str
        Names of fields of `RunOptions` that a subclass does not take.
    """

    left_out: Sequence[str] = ()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; a detector that is named as ``package.module:Class`` brings options of its own."""
        for flag, value in itertools.pairwise([*args, ""]):
            _, _, joined = flag.partition("--method=")
            named = joined or (value if flag in {"-m", "--method"} else "")
            if named:
                ctx.meta[NAMED_METHOD] = named  # the message about an unknown option lists those of this method
            if ":" in named:
                from hsad.detectors import detector_class

                detector_class(named)
        several = [f"--{name}" for name, p in parameters_by_name().items() if p.several]
        flags = [*(["--references"] if "references" not in self.left_out else []), *several]
        return super().parse_args(ctx, with_each_flag(self, ctx, args, tuple(flags)))

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options, made when they are first needed: importing the detectors takes its time."""
        *own, help_option = super().get_params(ctx)
        own = [p for p in own if p is not _HELP_ALL]
        of_runs = [p for p in options_of_every_run() if p.name not in self.left_out]
        return [*own, *of_runs, *options_of_methods(method_names()), _HELP_ALL, help_option]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in sections, with the parameters of the method that the command line names."""
        from hsad.detectors import DETECTORS

        write_methods(self, ctx, formatter, dict(DETECTORS), ctx.meta.get(NAMED_METHOD))


def with_options(
    declaration: type[Any], *, without: Sequence[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that gives a command the options that a dataclass declares."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        # Where click's own decorators put options, the last one first.
        command.__click_params__ = [  # type: ignore[attr-defined]
            *getattr(command, "__click_params__", []),
            *reversed(declared_options(declaration, without=without)),
        ]
        return command

    return add


def taken_out(declaration: type[T], options: dict[str, Any], *, without: Sequence[str] = ()) -> T:
    """Return the dataclass that declares some options of a command line, and take these options out of the rest."""
    names = [f.name for f in dataclasses.fields(declaration) if f.name in options and f.name not in without]  # type: ignore[arg-type]
    return declaration(**{name: options.pop(name) for name in names})


def remarks(found: Sequence[str], scene: str = "") -> None:
    """Print remarks on a scene to stderr, unless the command line says ``--quiet``."""
    for remark in found:
        outcome(f"hsad: remark: {f'{scene}: ' if scene else ''}{remark}", err=True)


def print_json(value: Any) -> None:
    """Print a value, a `hsad.record.Record` for one, as one JSON object; numbers that JSON cannot hold become null."""
    echo_block(json.dumps(_finite(value), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not (float("-inf") < value < float("inf")):
        return None
    return value


def progress(log: str | None = None) -> Callable[..., Any] | None:
    """Return a display of progress: on stderr, unless with ``--quiet`` or without a terminal, and in a log file.

    Raises
    ------
    OutputError
        When the file cannot be opened, or is anything but a log.
    """
    from hsad.cli.shell.log import LogFile
    from hsad.progress import LOGGER, all_of, bar, log_lines

    ways: list[Callable[..., Any]] = []
    if not is_quiet() and sys.stderr.isatty():
        ways.append(bar)
        _add_handler(LOGGER, logging.StreamHandler(), "%(message)s", remarks_only=True)
    if log is not None:
        ways.append(log_lines)
        _add_handler(LOGGER, LogFile(log), "%(asctime)s %(message)s")
    return all_of(*ways) if ways else None


def _add_handler(logger: logging.Logger, handler: logging.Handler, form: str, *, remarks_only: bool = False) -> None:
    handler.setFormatter(Lines(form))
    if remarks_only:  # the bar shows the rest
        handler.addFilter(lambda record: record.module != "progress")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    def remove() -> None:
        logger.removeHandler(handler)
        handler.close()

    click.get_current_context().call_on_close(remove)
