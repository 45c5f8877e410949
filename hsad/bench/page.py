"""Tables of the bench in pages of the manual, and the numbers behind them as JSON.

A table of a page is known by the first cell of its first row, and stands two lines below a line on the machine. The
numbers are in a file with the name of the page: those of ``evidence/speed.md`` in ``data/speed.json``. Where there is
no folder ``data`` beside that of the page, they are beside the page.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hsad.errors import ParameterError
from hsad.files import whole_file

__all__ = ["check_page", "data_of", "keep", "put_into", "table_of", "tables_in", "write_data"]


def check_page(page: str | Path, *headings: str) -> None:
    """Refuse a page that has no table starting with one of `headings`.

    Raises
    ------
    ParameterError
        If the page cannot be read, or does not have exactly one such table below a line on the machine.
    """
    for heading in headings:
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


def keep(page: str | Path, table: str) -> None:
    """Keep a table, as `put_into` takes it, in the file of the numbers of a page; others of the file stay."""
    machine, _, *rows = table.splitlines()
    cells = [_cells(row) for row in rows]
    kept = data_of(page)
    tables = {**kept.get("tables", {}), cells[0][0]: {"measured": machine, "columns": cells[0], "rows": cells[2:]}}
    write_data(page, {**kept, "tables": tables})


def table_of(kept: dict[str, Any]) -> str:
    """Return a table that was kept, as `put_into` takes it."""
    columns, rows = kept["columns"], kept["rows"]
    lines = [_row(columns), "|---" * len(columns) + "|", *(_row(row) for row in rows)]
    return "\n".join([kept["measured"], "", *lines])


def tables_in(page: str | Path) -> dict[str, str]:
    """Return the tables of a page that stand below a line on the machine, by their first cell."""
    lines = _lines(Path(page))
    found = {}
    for number in range(2, len(lines)):
        if lines[number].startswith("|") and lines[number - 2].startswith("hsad "):
            first, stop = _place(lines, _start(lines[number]), page)
            found[_start(lines[number])] = "\n".join(lines[first:stop])
    return found


def data_of(page: str | Path) -> dict[str, Any]:
    """Return the numbers that were kept for a page; nothing if there is no such file."""
    path = _data(Path(page))
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def write_data(page: str | Path, data: dict[str, Any]) -> None:
    """Write the numbers of a page; a list of numbers takes one line."""
    with whole_file(_data(Path(page)), overwrite=True) as staged:
        staged.write_text(_json(data) + "\n", encoding="utf-8")


def _json(value: Any, indent: str = "") -> str:
    """Return JSON in which a list without lists and mappings takes one line."""
    deeper = indent + " "
    if isinstance(value, dict) and value:
        items = [f"{json.dumps(name)}: {_json(inner, deeper)}" for name, inner in value.items()]
    elif isinstance(value, list | tuple) and any(isinstance(inner, dict | list | tuple) for inner in value):
        items = [_json(inner, deeper) for inner in value]
    else:
        return json.dumps(value, ensure_ascii=False)
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    return f"{opened}\n{deeper}" + f",\n{deeper}".join(items) + f"\n{indent}{closed}"


def _data(page: Path) -> Path:
    folder = page.parent.parent / "data"
    return (folder if folder.is_dir() else page.parent) / f"{page.stem}.json"


def _lines(page: Path) -> list[str]:
    try:
        return page.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"--into: {page}: cannot be read ({error})") from error


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().split("|")[1:-1]]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


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
