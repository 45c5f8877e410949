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
from hsad.errors import HsadError, HsadWarning

__all__ = ["main", "run"]


def main() -> None:
    """Run the command line of this process and end it."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status."""
    debug = "--debug" in arguments
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", HsadWarning)
            warnings.showwarning = _show_warning
        try:
            hsad.main(list(arguments), prog_name="hsad", standalone_mode=False)
            sys.stdout.flush()
        except click.exceptions.Exit as stop:
            return int(stop.exit_code)
        except BrokenPipeError:
            # The reader of our output has gone (`hsad methods | head`): nothing is left to say.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except (Exception, KeyboardInterrupt) as error:
            if debug and not isinstance(error, click.ClickException | KeyboardInterrupt):
                raise
            message, status = _told(error)
            click.echo(f"hsad: error: {' '.join(message.split())}", err=True)
            return status
    return 0


def _told(error: BaseException) -> tuple[str, int]:
    """Return what is said of an error, and the exit status."""
    if isinstance(error, click.UsageError):
        return _usage(error), 1 if _names_unknown_option_of_detect(error) else 2
    if "proj.db" in str(error):
        named = [f"{name}={os.environ[name]}" for name in ("PROJ_DATA", "PROJ_LIB") if name in os.environ]
        return f"PROJ's data are not found ({', '.join(named) or 'no PROJ_DATA is set'}): see hsad doctor", 1
    if isinstance(error, HsadError):
        return str(error), 1
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return "interrupted", 130
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}): use --memory, --tile or --pca", 1
    if isinstance(error, OSError):
        return f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}", 1
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)", 1


def _names_unknown_option_of_detect(error: click.UsageError) -> bool:
    """Tell whether a parameter is unknown: wrong input (1), where other usage errors are wrong usage (2)."""
    return isinstance(error, click.NoSuchOption) and error.ctx is not None and error.ctx.info_name == "detect"


def _usage(error: click.UsageError) -> str:
    message = error.format_message()
    if _names_unknown_option_of_detect(error):
        from hsad.cli.options import parameters_by_name

        return f"{message} Methods take: {', '.join(f'--{name}' for name in parameters_by_name())}"
    return f"{message} (hsad {error.ctx.info_name} --help)" if error.ctx and error.ctx.parent else message


def _show_warning(  # the signature of warnings.showwarning
    message: Warning | str,
    category: type[Warning],  # noqa: ARG001
    filename: str,  # noqa: ARG001
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    click.echo(f"hsad: warning: {message}", err=True)
