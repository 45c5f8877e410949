"""Options of the command line, made from the declarations of the library."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hsad import __version__
from hsad.cli.repeated import with_each_flag
from hsad.cli.shell.completion import OutputName, TextOrFile, one_of
from hsad.cli.shell.errors import NAMED_METHOD, Interrupted
from hsad.cli.shell.terminal import QUIET, Lines, echo_block, is_quiet, outcome
from hsad.errors import OutputError
from hsad.files import command_files

if TYPE_CHECKING:
    from hsad.detectors.parameters import Parameter

__all__ = [
    "OUTPUT",
    "DetectCommand",
    "HsadCommand",
    "HsadGroup",
    "declared_options",
    "json_option",
    "overwrite_option",
    "parameters_by_name",
    "print_json",
    "progress",
    "remarks",
    "sentence",
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
        return [*own, *_COMMON, help_option]


class HsadCommand(_WithCommonOptions):
    """A command with the common options."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; none of the files that it names as inputs is replaced."""
        inputs, outputs = _named_files(ctx)
        with command_files(inputs, outputs[0] if outputs else None, _identity(ctx, inputs)):
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt as interruption:
                raise Interrupted from interruption


def _named_files(ctx: click.Context) -> tuple[list[Path], list[Path]]:
    """Return the existing files that a command line names as inputs, and the names of its outputs.

    Every text is an input unless the option says that it is an output: a new command cannot forget to say so.
    """
    inputs: list[Path] = []
    outputs: list[Path] = []
    for param in ctx.command.get_params(ctx):
        value = ctx.params.get(param.name or "")
        texts = [text for text in (value if isinstance(value, tuple) else (value,)) if isinstance(text, str)]
        if param.type is OUTPUT:
            outputs += map(Path, texts)
        else:
            # SCENE.mat:NAME, LIST.gpkg:ID and @FILE name files, too.
            parts = (part for text in texts for part in (text, text.rpartition(":")[0], text.removeprefix("@")))
            inputs += [Path(part) for part in parts if part and _is_file(part)]
    named = [path.absolute() for path in outputs]
    twice = next((path for path in outputs if named.count(path.absolute()) > 1), None)
    if twice is not None:
        raise OutputError(f"{twice} is named for two outputs; choose another name for one of them")
    return inputs, outputs


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # no name at all
        return False


def _identity(ctx: click.Context, inputs: Sequence[Path]) -> str:
    """Return a digest of a command line and of the files it names; options that change no result do not count."""
    told = {name: str(value) for name, value in sorted(ctx.params.items()) if name not in _WITHOUT_EFFECT}
    states = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in inputs]
    return hashlib.sha256(repr((ctx.command_path, __version__, told, states)).encode()).hexdigest()


#: Options that do not change what a command writes.
_WITHOUT_EFFECT = {"overwrite", "as_json", "log", "open_it", "workers", "memory", "tile", "scheduler"}


class HsadGroup(_WithCommonOptions, click.Group):
    """A group of commands, with the common options before the command too."""

    command_class = HsadCommand
    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, each with its whole first sentence, where click cuts sentences off."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self.commands[name].get_short_help_str(limit=1000)) for name in self.list_commands(ctx)]
            )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; a group alone asks for its help page."""
        if not args and not ctx.resilient_parsing:  # the latter while a shell asks what to offer
            echo_block(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)


_COMMON = _common_options()
_TEXT = TextOrFile()

#: The type of every option and argument that names a file or folder to write.
OUTPUT = OutputName()


def parameters_by_name() -> dict[str, Parameter]:
    """Return every parameter of every method under its option's name, the first one of each name."""
    from hsad.detectors import DETECTORS

    found: dict[str, Parameter] = {}
    for cls in DETECTORS.values():
        for p in cls.parameters():
            found.setdefault(p.name.replace("_", "-"), p)
    return found


class DetectCommand(HsadCommand):
    """The command `detect`: its options are the fields of `RunOptions` and the parameters of all methods."""

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
        return super().parse_args(ctx, with_each_flag(self, ctx, args, ("--references", *several)))

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options, made when they are first needed: importing the detectors takes its time."""
        *own, help_option = super().get_params(ctx)
        return [*own, *_run_options(), *_parameter_options(_names_of_detectors()), help_option]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in sections: the command's, those of every method, then method by method."""
        from hsad.detectors import DETECTORS

        made = [*_run_options(), *_parameter_options(_names_of_detectors())]
        own = [p for p in self.get_params(ctx) if isinstance(p, click.Option) and p not in made]
        for title, options in (("Options", own), ("Options of every method", _run_options())):
            rows = [record for p in options if (record := p.get_help_record(ctx)) is not None]
            with formatter.section(title):
                formatter.write_dl(rows)
        for method, cls in DETECTORS.items():
            with formatter.section(f"Parameters of {method} ({cls.title})"):
                formatter.write_dl([(_usage(p), f"{sentence(p.help)}  {_default(p)}") for p in cls.parameters()])


@functools.cache
def _run_options() -> tuple[click.Option, ...]:
    from hsad.job.options import RunOptions

    return declared_options(RunOptions)


def declared_options(declaration: type[Any], *, without: Sequence[str] = ()) -> tuple[click.Option, ...]:
    """Return one click option for each field of a dataclass that `hsad.job.options.option` declares with a metavar.

    Parameters
    ----------
    declaration : dataclass
    without : sequence of str
        Names of fields that get no option.
    """
    return tuple(
        click.Option(
            [f"--{f.name.replace('_', '-')}"],
            type=_type_of(f),
            metavar=None if f.metadata["choices"] or f.type == "bool" else f.metadata["metavar"],
            help=sentence(f.metadata["help"]),
            default=f.default,
            show_default=f.default is not None and f.type != "bool",
            multiple=f.name == "references",
            is_flag=f.type == "bool",
        )
        for f in dataclasses.fields(declaration)
        if f.metadata["metavar"] is not None and f.name not in without
    )


def _type_of(declared: dataclasses.Field[Any]) -> Any:
    """Return the type of an option: the choices of the field, or the numbers that its annotation names."""
    if declared.metadata["choices"]:
        return click.Choice(declared.metadata["choices"])
    kinds = set(str(declared.type).split(" | ")) - {"None"}
    return {"int": click.INT, "float": click.FLOAT, "bool": click.BOOL}.get(
        kinds.pop() if len(kinds) == 1 else "", _TEXT
    )


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


def sentence(phrase: str) -> str:
    """Return a phrase as a sentence: a capital letter at its start, a full stop at its end."""
    return f"{phrase[:1].upper()}{phrase[1:]}{'' if phrase.endswith('.') else '.'}"


def _names_of_detectors() -> tuple[str, ...]:
    from hsad.detectors import DETECTORS

    return tuple(DETECTORS)


@functools.cache
def _parameter_options(detectors: tuple[str, ...]) -> tuple[click.Option, ...]:  # noqa: ARG001  more options with more
    """Return one option for each name of a parameter of any method; an option that is not used is None, or empty."""
    made = []
    for name, p in parameters_by_name().items():
        declaration = f"--{name}/--no-{name}" if p.type is bool else f"--{name}"
        words: Any = one_of(functools.partial(map, str, p.choices))
        kind = None if p.type is bool else str
        made.append(click.Option([declaration], type=kind, default=None, multiple=p.several, shell_complete=words))
    return tuple(made)


def _usage(p: Parameter) -> str:
    name = p.name.replace("_", "-")
    if p.type is bool:
        return f"--{name}/--no-{name}"
    if p.metavar is not None:
        return f"--{name} {p.metavar}"
    numbers = [] if p.type is str else ["INT,INT,..." if p.type is tuple else p.type.__name__.upper()]
    return f"--{name} {'|'.join([*numbers, *map(str, p.choices)])}"


def _default(p: Parameter) -> str:
    return "[required]" if p.required else f"[default: {p.default}]"


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
