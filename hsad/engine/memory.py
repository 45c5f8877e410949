"""The meaning of ``--memory``, its default, and the memory of the program itself."""

from __future__ import annotations

from hsad.errors import ParameterError

__all__ = ["DEFAULT", "PROGRAM", "memory_bytes"]

PROGRAM = 200 * 10**6
"""Bytes that Python and all imported and compiled code take before the first tile."""

DEFAULT = 2 * 10**9
"""Bytes for each process that runs tasks, where the user sets no limit."""


def memory_bytes(text: str | int | None) -> int | None:
    """Return the bytes of a text such as ``4GB`` or ``500MiB``, or of a number; None for None.

    Raises
    ------
    ParameterError
    """
    if text is None:
        return None
    from dask.utils import parse_bytes

    try:
        size = int(parse_bytes(text))
    except (ValueError, AttributeError, OverflowError) as error:
        raise ParameterError(f"memory: {text!r} is not a size such as 4GB or 500MB") from error
    if size <= 0:
        raise ParameterError(f"memory must be above 0, not {text!r}")
    return size
