"""Wavelengths that the user states for a scene whose file carries none, as numbers or as the name of a file."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import ParameterError
from hsad.files import split_variable
from hsad.readers.bands import UNIT, band_table, with_bands
from hsad.readers.envi.header import is_header, read_header
from hsad.readers.envi.spectral import header_wavelengths
from hsad.readers.existing import existing_file
from hsad.readers.matlab.matfile import is_matlab, listing, load_array, read_content
from hsad.readers.matlab.numpy_files import is_numpy

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike

__all__ = ["with_wavelengths"]

# A text of this size (in bytes) would list more bands than any scene has.
_LARGEST_TEXT = 16 * 2**20
_CENTRES = re.compile(r"wave|center|centre|lambda|^wl|^nm$|^[uµμ]m$", re.IGNORECASE)
_WIDTHS = re.compile(r"fwhm|width", re.IGNORECASE)
_UNIT = re.compile(rf"(?<![a-z])({UNIT})(?![a-z])", re.IGNORECASE)


def with_wavelengths(cube: xr.DataArray, wavelengths: str | Path | ArrayLike) -> xr.DataArray:
    """Return the cube with the stated wavelengths, and with the widths of the file that states them.

    Parameters
    ----------
    cube : (y, x, band) DataArray
    wavelengths : path or (bands,) array_like of float
        One number per band, in nm or µm. A file is a text or CSV table, an ENVI header, a ``.npy`` file, or an array of
        a MATLAB file (``scene.mat:NAME``).

    Raises
    ------
    ParameterError
        When there is not one number per band, or the numbers are no wavelengths.
    SceneError
        When the file cannot be read.
    """
    bands = cube.sizes["band"]
    what = "wavelengths"
    if isinstance(wavelengths, str | Path):
        what = f"wavelengths: {wavelengths}"
        columns = _of_file(wavelengths, bands)
    else:
        columns = {"wavelength": np.ravel(np.asarray(wavelengths)).tolist()}
    listed = columns["wavelength"]
    if len(listed) != bands:
        raise ParameterError(f"{what}: {len(listed)} numbers for a scene of {bands} bands")
    table = band_table(bands, **columns)
    if table.wavelength is None:
        raise ParameterError(f"{what}: {table.remarks[-1]}")
    remarks = [f"{what}: {remark}" for remark in table.remarks]
    if "wavelength" in cube.coords:
        remarks.append("the wavelengths that were stated replace those of the file")
    return with_bands(cube, table).assign_attrs(warnings=[*cube.attrs.get("warnings", ()), *remarks])


def _of_file(name: str | Path, bands: int) -> dict[str, Any]:
    """Return what a file lists, as keywords of `hsad.readers.bands.band_table`."""
    path, variable = split_variable(name)
    existing_file(path)
    if is_numpy(path) or is_matlab(path):
        return {"wavelength": _of_matlab(path, variable, bands)}
    if path.stat().st_size > _LARGEST_TEXT:
        raise ParameterError(f"wavelengths: {path}: too large to be a list of one number per band")
    if is_header(path):
        wavelength, fwhm, units = header_wavelengths(read_header(path), bands)
        if not wavelength:
            raise ParameterError(f"wavelengths: {path}: the ENVI header has no 'wavelength'")
        return {"wavelength": wavelength, "fwhm": fwhm, "units": units}
    return _of_text(path)


def _of_matlab(path: Path, variable: str | None, bands: int) -> list[Any]:
    """Return the named vector or list of texts; without a name the only one with one item per band."""
    content = read_content(str(path))
    vectors = [array for array in content.arrays if math.prod(array.shape) == max(array.shape, default=0)]
    if variable in content.texts:
        return content.texts[variable]
    if variable is not None:
        found = [array for array in vectors if array.name == variable]
    else:
        found = [array for array in vectors if max(array.shape) == bands]
        if len(found) > 1:
            found = [array for array in found if _CENTRES.search(array.field)]
    if len(found) != 1:
        wanted = f"no vector called {variable!r}" if variable else f"not one vector of {bands} numbers"
        raise ParameterError(f"wavelengths: {path}: {wanted}; it holds {listing(content.arrays)}")
    numbers: list[Any] = np.ravel(load_array(str(path), found[0])).tolist()
    return numbers


def _of_text(path: Path) -> dict[str, Any]:
    """Return the columns of a table: those that its first line names, else the first that does not count bands."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    titles: list[str] = []
    rows: list[list[float]] = []
    for line in text.splitlines():
        said, _, comment = line.partition("#")
        items = _items(said)
        numbers = _floats(items)
        if numbers:
            rows.append(numbers)
        elif not rows and (items or comment):
            titles = items or _items(comment)
        elif items:
            raise ParameterError(f"wavelengths: {path}: {line.strip()[:40]!r} is no line of numbers")
    if not rows or len({len(row) for row in rows}) > 1:
        if rows and not titles:  # one list that runs over several lines
            rows = [[number] for row in rows for number in row]
        else:
            what = "its lines differ in their number of columns" if rows else "holds no numbers"
            raise ParameterError(f"wavelengths: {path}: {what}")
    if len(rows) == 1:
        rows = [[number] for number in rows[0]]
    columns = [list(column) for column in zip(*rows, strict=True)]
    named = titles if len(titles) == len(columns) else []
    centre = next((at for at, title in enumerate(named) if _CENTRES.search(title) and not _WIDTHS.search(title)), None)
    width = next((at for at, title in enumerate(named) if _WIDTHS.search(title)), None)
    if centre is None:
        centre = next((at for at, column in enumerate(columns) if at != width and not _counts(column)), 0)
    unit = _UNIT.search(named[centre]) if named else None
    return {
        "wavelength": columns[centre],
        "fwhm": columns[width] if width is not None else None,
        "units": unit.group(1) if unit else None,
    }


def _items(line: str) -> list[str]:
    """Return the cells of a line: separated by semicolons or tabs, else by commas, else by blanks."""
    for separator in (";", "\t"):
        if separator in line:
            # Where semicolons separate numbers, a comma is the decimal point.
            cells = [cell.strip().strip('"') for cell in line.split(separator)]
            return [re.sub(r"^(-?\d+),(\d+)$", r"\1.\2", cell) for cell in cells if cell]
    cells = line.split(",") if "," in line else line.split()
    return [cell for cell in (cell.strip().strip('"') for cell in cells) if cell]


def _floats(items: Sequence[str]) -> list[float]:
    """Return the numbers of the cells, none where a cell is no number."""
    try:
        return [float(item) for item in items]
    except ValueError:
        return []


def _counts(column: Sequence[float]) -> bool:
    """Tell whether a column counts bands from 0 or 1."""
    return len(column) > 1 and any(column == list(range(first, first + len(column))) for first in (0, 1))
