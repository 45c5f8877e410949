"""The command line: parse, one library call, print.

Results go to files, figures to stdout, progress and remarks to stderr. Whatever is wrong with the input ends with
one line ``hsad: error: …`` and status 1 (2 for wrong usage).
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

import click

from hsad.cli.commands import hsad
from hsad.cli.errors import told
from hsad.cli.interrupt import answered_at_once
from hsad.errors import HsadWarning

__all__ = ["main", "run"]


def main() -> None:
    """Run the command line of this process and end it."""
    with answered_at_once():
        status = run(sys.argv[1:])
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status."""
    debug = "--debug" in arguments
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", HsadWarning)
            warnings.showwarning = _show_warning
        try:
            # A command that ends with click's Exit has its status returned here; the others return nothing.
            status = hsad.main(list(arguments), prog_name="hsad", standalone_mode=False)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader of our output has gone (`hsad methods | head`): nothing is left to say.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except (Exception, KeyboardInterrupt) as error:
            if debug and not isinstance(error, click.ClickException | KeyboardInterrupt):
                raise
            message, failed = told(error)
            click.echo(f"hsad: error: {message}", err=True)
            return failed
    return int(status or 0)


def _show_warning(  # the signature of warnings.showwarning
    message: Warning | str,
    category: type[Warning],  # noqa: ARG001
    filename: str,  # noqa: ARG001
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    click.echo(f"hsad: warning: {message}", err=True)
