"""A table of the bench in a page of the manual, put where the one of the last time stands."""

from __future__ import annotations

from pathlib import Path

from hsad.errors import ParameterError
from hsad.files import whole_file

__all__ = ["check_page", "put_into"]


def check_page(page: str | Path, heading: str) -> None:
    """Refuse a page without a table that starts with `heading`, before anything is measured.

    Raises
    ------
    ParameterError
        When the page cannot be read, or has no such table with its line on the machine above it, or several.
    """
    _place(_lines(Path(page)), heading, page)


def put_into(page: str | Path, table: str) -> None:
    """Replace the table of a Markdown page that starts like `table`, and the line on the machine above it.

    Parameters
    ----------
    page : str or Path
    table : str
        What ``table()`` of a report returns: the line on the machine, an empty line, the table.

    Raises
    ------
    ParameterError
        As `check_page`.
    """
    new = table.splitlines()
    lines = _lines(Path(page))
    first, stop = _place(lines, _start(new[2]), page)
    with whole_file(page, overwrite=True) as staged:
        staged.write_text("\n".join([*lines[:first], *new, *lines[stop:]]) + "\n", encoding="utf-8")


def _lines(page: Path) -> list[str]:
    try:
        return page.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"--into: {page}: cannot be read ({error})") from error


def _start(line: str) -> str:
    """Return the first cell of a row of a table."""
    return line.split("|")[1].strip()


def _place(lines: list[str], heading: str, page: str | Path) -> tuple[int, int]:
    """Return the number of the line on the machine, and of the line after the table."""
    heads = [
        number
        for number in range(2, len(lines))
        if lines[number].startswith("|") and _start(lines[number]) == heading and lines[number - 2].startswith("hsad ")
    ]
    if len(heads) != 1:
        raise ParameterError(
            f"--into: {page}: {len(heads)} tables with {heading!r} in their first column and, two lines above them, "
            "a line that starts with 'hsad '; one is wanted"
        )
    stop = heads[0]
    while stop < len(lines) and lines[stop].startswith("|"):
        stop += 1
    return heads[0] - 2, stop
