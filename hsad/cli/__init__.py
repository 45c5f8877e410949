"""The command line: parse, one library call, print.

Results go to files, figures to stdout, progress and remarks to stderr. Whatever is wrong with the input ends with
one line ``hsad: error: …`` and status 1 (2 for wrong usage).
"""

from __future__ import annotations

import gc
import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import TextIO

import click

from hsad.cli.program import hsad
from hsad.cli.shell.errors import told
from hsad.cli.shell.interrupt import answered_at_once
from hsad.cli.shell.terminal import echo
from hsad.errors import HsadWarning
from hsad.job.environment import check_environment
from hsad.lazy.deferred import defer_modules

__all__ = ["main", "run"]

#: Commands that work where the environment makes libraries fail; `doctor` says so.
_NEEDS_NO_LIBRARY = {"completion", "doctor", "help"}

#: Modules that xarray, pandas, scipy and pyproj import at their start, and that most commands do not use.
_SELDOM_USED = ("asyncio", "dask", "dask.array", "dask.base", "numpy.f2py", "numpy.testing", "scipy.special")

#: Objects after which Python looks for cycles: as many as imports make. Looking after each 700 takes .1 s of a command.
_ALLOCATIONS = 50_000

_HELP = {"-h", "--help", "--help-all"}


def main() -> None:
    """Run the command line of this process and end it."""
    _open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may hold what a terminal cannot show
    defer_modules(_SELDOM_USED)
    gc.set_threshold(_ALLOCATIONS)
    with answered_at_once():
        status = run(sys.argv[1:])
    sys.exit(status)


def _open_closed_streams() -> None:
    """Give a process that was started without standard streams (``>&-``) some that lead nowhere.

    Else the next file that is opened would get their numbers, and with them what a library prints. What is written to
    a closed stdout fails, as it must; nobody can be told of a closed stderr.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if descriptor == 2 else os.O_RDONLY)  # gets the lowest free number
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  for the process's life
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  likewise


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status."""
    debug = "--debug" in arguments
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", HsadWarning)
            warnings.showwarning = _show_warning
        try:
            if not _NEEDS_NO_LIBRARY.intersection(arguments[:1]) and not _HELP.intersection(arguments):
                check_environment()
            # A command that ends with click's Exit has its status returned here; the others return nothing.
            status = hsad.main(list(arguments), prog_name="hsad", standalone_mode=False)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader of our output has gone (`hsad methods | head`): nothing is left to say.
            _let_go_of_stdout()
            return 1
        except (Exception, KeyboardInterrupt) as error:
            if debug and not isinstance(error, click.ClickException | KeyboardInterrupt):
                raise
            message, failed = told(error)
            if isinstance(error, OSError) and _is_of_printing(error):
                message = f"the standard output cannot be written: {error.strerror or error}"
                _let_go_of_stdout()  # what still waits to be printed is given up
            echo(f"hsad: error: {message}", err=True)
            return failed
    return int(status or 0)


def _is_of_printing(error: OSError) -> bool:
    """Tell whether an error arose where results are printed, or where `run` sends off what was printed."""
    return traceback.extract_tb(error.__traceback__)[-1].name in {"echo", run.__name__}


def _let_go_of_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_warning(  # the signature of warnings.showwarning
    message: Warning | str,
    category: type[Warning],  # noqa: ARG001
    filename: str,  # noqa: ARG001
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    echo(f"hsad: warning: {message}", err=True)
