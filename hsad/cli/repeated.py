"""Options with several values after one flag."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

__all__ = ["with_each_flag"]


def with_each_flag(
    command: click.Command, context: click.Context, arguments: Sequence[str], flags: Iterable[str]
) -> list[str]:
    """Return a command line in which every value after one of some flags has the flag before it.

    A value that may as well be the argument of the command stays one, if the command line has no other argument.
    """
    repeated = list(arguments)
    for flag in flags:
        repeated = _each_with_flag(repeated, flag)
    return repeated if _has_argument(command, context, repeated) else list(arguments)


def _has_argument(command: click.Command, context: click.Context, arguments: Sequence[str]) -> bool:
    """Tell whether a command line has an argument beside its options."""
    try:
        named, _, _ = command.make_parser(context).parse_args(list(arguments))
    except click.UsageError:
        return True  # the command line is wrong either way, and is refused where it is parsed
    values = [named.get(p.name or "") for p in command.params if isinstance(p, click.Argument)]
    return any(isinstance(value, str) or (isinstance(value, tuple) and len(value) > 0) for value in values)


def _each_with_flag(arguments: Sequence[str], flag: str) -> list[str]:
    """Return a command line in which every value after a flag has the flag before it.

    Examples
    --------
    >>> _each_with_flag(["s.hdr", "--references", "a.hdr", "b.hdr", "-o", "s.tif"], "--references")
    ['s.hdr', '--references', 'a.hdr', '--references', 'b.hdr', '-o', 's.tif']
    """
    made: list[str] = []
    values = 0  # of the flag, so far; 0 outside of them
    for argument in arguments:
        if argument == flag or argument.startswith("-"):
            values = int(argument == flag)
        elif values:
            made += [flag] * (values > 1)
            values += 1
        made.append(argument)
    return made
