"""All that the command line prints passes through this file, so that no text of a file steers the terminal."""

from __future__ import annotations

import logging
import unicodedata

import click

__all__ = ["QUIET", "Lines", "echo", "echo_block", "is_quiet", "outcome", "plain"]

#: Name under which click's context keeps ``--quiet``.
QUIET = "hsad.quiet"

#: Characters that change the direction of the text after them, or end a line in some programs.
_STEERING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x2028, 0x2029}


def plain(text: str, *, keep: str = "") -> str:
    """Return a text in which control characters, except those of `keep`, are written as escapes, ESC as ``x1b``."""
    return "".join(
        character.encode("unicode_escape").decode()
        if character not in keep and (unicodedata.category(character) == "Cc" or ord(character) in _STEERING)
        else character
        for character in text
    )


def echo(text: object, *, err: bool = False) -> None:
    """Print one line to stdout or stderr, whatever characters are in the names and values that it holds."""
    click.echo(plain(str(text)), err=err)


def is_quiet() -> bool:
    """Tell whether the command line says ``--quiet``."""
    return bool(click.get_current_context().find_root().meta.get(QUIET))


def outcome(text: object, *, err: bool = False) -> None:
    """Print one line about the files that a command wrote, unless the command line says ``--quiet``."""
    if not is_quiet():
        echo(text, err=err)


def echo_block(text: str) -> None:
    """Print a text of several lines to stdout: a table, a script or JSON."""
    click.echo(plain(text, keep="\n\t"))


class Lines(logging.Formatter):
    """A format of log records, one line for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return plain(super().format(record))
