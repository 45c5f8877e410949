"""Tables of the bench in pages of the manual."""

from __future__ import annotations

from pathlib import Path

from hsad.errors import ParameterError
from hsad.files import whole_file

__all__ = ["check_page", "put_into"]


def check_page(page: str | Path, heading: str) -> None:
    """Refuse a page that has no table starting with `heading`.

    Raises
    ------
    ParameterError
        If the page cannot be read, or does not have exactly one such table below a line on the machine.
    """
    _place(_lines(Path(page)), heading, page)


def put_into(page: str | Path, table: str) -> None:
    """Replace the table of a Markdown page that starts like `table`, and the line on the machine above the table.

    Parameters
    ----------
    page : str or Path
    table : str
        Result of ``table()`` of a report: line on the machine, empty line, table.

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
            f"--into: {page}: one table is needed that has {heading!r} in its first column and, two lines above it, a "
            f"line that starts with 'hsad '; the page has {len(heads)}"
        )
    stop = heads[0]
    while stop < len(lines) and lines[stop].startswith("|"):
        stop += 1
    return heads[0] - 2, stop
