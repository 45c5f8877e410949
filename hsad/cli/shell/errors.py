"""The line that an error prints, and the exit status."""

from __future__ import annotations

import dataclasses
import difflib
import os

import click

from hsad.errors import HsadError

__all__ = ["NAMED_METHOD", "Interrupted", "told"]

#: The key of click's context that holds the method of a command line.
NAMED_METHOD = "hsad.method"

_OF_DETECT = ("--method", "--output", "--plot", "--save-background", "--overwrite", "--restart", "--parts", "--log")


class Interrupted(Exception):  # noqa: N818  an interruption is not an error
    """Ctrl-C within a command; click itself would print an empty line and lose the notes of the library."""


def told(error: BaseException) -> tuple[str, int]:
    """Return the line that an error prints, and the exit status."""
    message, status = _message(error)
    notes = getattr(error.__cause__ if isinstance(error, Interrupted) else error, "__notes__", [])
    line = " ".join("; ".join([message, *notes]).split())
    return line.encode("utf-8", "backslashreplace").decode(), status


def _message(error: BaseException) -> tuple[str, int]:
    if isinstance(error, click.UsageError):
        return _usage(error), 1 if _names_unknown_option_of_detect(error) else 2
    if "proj.db" in str(error):
        named = [f"{name}={os.environ[name]}" for name in ("PROJ_DATA", "PROJ_LIB") if name in os.environ]
        return f"PROJ's data are not found ({', '.join(named) or 'no PROJ_DATA is set'}): see hsad doctor", 1
    if isinstance(error, HsadError):
        return str(error), 1
    if isinstance(error, Interrupted | KeyboardInterrupt | click.Abort):
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
    if isinstance(error, click.NoSuchOption) and _names_unknown_option_of_detect(error):
        return _unknown_option(error)
    return f"{message} (hsad {error.ctx.info_name} --help)" if error.ctx and error.ctx.parent else message


def _unknown_option(error: click.NoSuchOption) -> str:
    """Return the message about an unknown option of `detect`: the options of its method, and a similar name."""
    from hsad.detectors import DEFAULT_METHOD, DETECTORS, describe_methods
    from hsad.job.options import RunOptions

    named = error.ctx.meta.get(NAMED_METHOD, DEFAULT_METHOD) if error.ctx is not None else DEFAULT_METHOD
    method = named if named in DETECTORS else DEFAULT_METHOD
    own = [f"--{p['name'].replace('_', '-')}" for p in describe_methods(method)[method]["parameters"]]
    of_all = [f"--{f.name.replace('_', '-')}" for f in dataclasses.fields(RunOptions) if f.metadata["metavar"]]
    # Without the dashes, which all have: `windw` is not `grid`.
    known = [option.lstrip("-") for option in (*own, *of_all, *_OF_DETECT)]
    near = difflib.get_close_matches(error.option_name.lstrip("-"), known, n=1)
    hint = f" (did you mean --{near[0]}?)" if near else ""
    return (
        f"No such option {error.option_name!r}{hint}. The method {method} takes: {', '.join(own) or 'none of its own'}"
    )
