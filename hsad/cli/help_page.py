"""The help page of a command: common options first, the others by name, everything with ``--help-all``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from hsad.cli.declared import HsadOption, default_of, sentence, usage_of
from hsad.cli.shell.terminal import echo_block

if TYPE_CHECKING:
    from hsad.detectors import Detector

__all__ = ["HELP_ALL", "help_all_option", "write_commands", "write_methods", "write_options"]

#: The key of click's context that is true while everything is asked for.
HELP_ALL = "hsad.help_all"

_OWN = "Options"


def help_all_option() -> click.Option:
    """Return the option ``--help-all``."""
    return click.Option(
        ["--help-all"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_all,
        help="Show all options and exit.",
    )


def _show_all(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        context.meta[HELP_ALL] = True
        echo_block(context.get_help())
        context.exit()


def write_commands(group: click.Group, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the commands of a group under its headings."""
    sections = dict(getattr(group, "sections", {}))
    named = {name for names in sections.values() for name in names}
    sections["Commands"] = [name for name in group.list_commands(ctx) if name not in named]
    width = max(len(name) for name in group.commands)
    for title, names in sections.items():
        rows = [(f"{name:{width}}", group.commands[name].get_short_help_str(limit=1000)) for name in names]
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the options of a command in sections."""
    _write(ctx, formatter, [p for p in command.get_params(ctx) if isinstance(p, click.Option)])


def write_methods(
    command: click.Command,
    ctx: click.Context,
    formatter: click.HelpFormatter,
    methods: dict[str, type[Detector]],
    named: str | None,
) -> None:
    """Write the options of a command that takes the parameters of methods, then method by method.

    Parameters
    ----------
    methods : dict of str to type of Detector
        All methods by name.
    named : str or None
        The method of the command line, whose parameters a short page shows, too.
    """
    options = [p for p in command.get_params(ctx) if isinstance(p, click.Option)]
    _write(ctx, formatter, [p for p in options if getattr(p, "section", None) != "Parameters of methods"])
    everything = bool(ctx.meta.get(HELP_ALL))
    for method, cls in methods.items():
        if everything or method == named:
            with formatter.section(f"Parameters of {method} ({cls.title})"):
                formatter.write_dl([(usage_of(p), f"{sentence(p.help)}  {default_of(p)}") for p in cls.parameters()])
    if not everything:
        with formatter.section("Parameters of a method"):
            formatter.write_text(
                "hsad methods NAME lists those of one method, for example --outer and --inner of crd; "
                "they are options of this command."
            )


def _write(ctx: click.Context, formatter: click.HelpFormatter, options: Iterable[click.Option]) -> None:
    everything = bool(ctx.meta.get(HELP_ALL))
    sections: dict[str, list[click.Option]] = {_OWN: []}
    rare: list[click.Option] = []
    for option in options:
        if isinstance(option, HsadOption) and option.rare and not everything:
            rare.append(option)
        else:
            sections.setdefault(getattr(option, "section", None) or _OWN, []).append(option)
    for title, chosen in sections.items():
        rows = [record for option in chosen if (record := option.get_help_record(ctx)) is not None]
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)
    if rare:
        with formatter.section(f"Less common options, explained by {ctx.command_path} --help-all"):
            formatter.write_text(", ".join(_flags(rare)))


def _flags(options: Sequence[click.Option]) -> list[str]:
    return [option.opts[-1] for option in options]
