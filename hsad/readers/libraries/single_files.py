"""Spectral libraries in one file: CSV, and ENVI's binary file with its header."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hsad.readers.libraries.content import Content

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_csv", "read_envi", "read_table"]

_CLASS = "class"
"""First cell of a line of classes, and name of the column of classes in a table beside an ENVI library."""


def read_csv(path: Path) -> Content:
    """Return the content of a CSV with a column of wavelengths and one for each spectrum."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        rows = [(reader.line_num, row) for row in reader if row]
    head = rows[0][1] if rows else []
    classes: list[str] = []
    if len(rows) > 1 and rows[1][1][0].strip().lower() == _CLASS:
        line, cells = rows.pop(1)
        if len(cells) != len(head):
            raise ValueError(f"line {line} has another number of columns than the first")
        classes = cells[1:]
    if len(head) < 2 or len(rows) < 3:
        raise ValueError("a column of wavelengths and one for each spectrum are needed, with a line of names")
    return Content(head[1:], *_columns(rows[1:], len(head)), classes)


def _columns(rows: list[tuple[int, list[str]]], width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return wavelengths and spectra of numbered lines; an empty cell is NaN."""
    values = np.full((len(rows), width), np.nan)
    for at, (line, row) in enumerate(rows):
        if len(row) != width:
            raise ValueError(f"line {line} has another number of columns than the first")
        for column, cell in enumerate(row):
            if cell.strip():
                try:
                    values[at, column] = float(cell)
                except ValueError as error:
                    raise ValueError(f"line {line}: {cell!r} is not a number") from error
    return values[:, 0], values[:, 1:].T


def read_envi(path: Path) -> Content:
    """Return the content of an ENVI spectral library, with classes from a table of the same name beside it."""
    from spectral.io import envi

    header = path if path.suffix.lower() == ".hdr" else path.with_suffix(".hdr")
    if not header.is_file() and Path(f"{path}.hdr").is_file():
        header = Path(f"{path}.hdr")
    library = envi.open(str(header))
    if not hasattr(library, "spectra"):
        raise ValueError("its header describes an image, not a spectral library")
    if library.bands.centers is None:
        raise ValueError("it has no wavelengths")
    names = list(library.names)
    return Content(
        names,
        np.array(library.bands.centers, dtype=np.float64),
        np.asarray(library.spectra, dtype=np.float64),
        _classes_beside(path, names),
    )


def _classes_beside(path: Path, names: list[str]) -> list[str]:
    """Return the classes of names from a CSV beside an ENVI library that has columns name and class."""
    table = path.with_suffix(".csv")
    if not table.is_file():
        return []
    by_name = {row.get("name", ""): row.get(_CLASS, "") for row in read_table(table)}
    return [by_name.get(name, "") for name in names]


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the lines of a CSV as dicts, by the names of its columns in small letters."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [
            {str(name).strip().lower(): (value or "").strip() for name, value in row.items() if isinstance(value, str)}
            for row in csv.DictReader(file)
        ]
