"""What ``--memory`` means wherever it is given, and what a program takes of it before it begins."""

from __future__ import annotations

from hsad.errors import ParameterError

__all__ = ["DEFAULT", "PROGRAM", "memory_bytes"]

PROGRAM = 200 * 10**6
"""Bytes that Python takes with everything that a run imports and compiles, before the first tile."""

DEFAULT = 2 * 10**9
"""Bytes that a run may take where nobody says, for each process that runs tasks."""


def memory_bytes(text: str | int | None) -> int | None:
    """Return the bytes meant by ``4GB``, ``500MiB`` or a number; None where nothing is said.

    Raises
    ------
    ParameterError
    """
    from dask.utils import parse_bytes

    if text is None:
        return None
    try:
        size = int(parse_bytes(text))
    except (ValueError, AttributeError, OverflowError) as error:
        raise ParameterError(f"memory: {text!r} is not a size such as 4GB or 500MB") from error
    if size <= 0:
        raise ParameterError(f"memory must be above 0, not {text!r}")
    return size
