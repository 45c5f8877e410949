"""Folders of text files, one for each spectrum: the libraries ECOSTRESS and USGS splib07 as they are downloaded."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hsad.readers.libraries.content import Content

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["read_folder"]

_GRID = np.arange(350.0, 2501.0, 2.0)
"""Wavelengths in nm at which spectra of different spectrometers are put together."""

_KNOWN = 0.99
"""Least share of known samples, by distance, on both sides of a wavelength: one deleted channel reaches to the next."""

_DELETED = -1e30
"""USGS marks deleted channels by -1.23e34."""

_MOST_FILES = 20_000
_MOST_BYTES = 4 * 2**20
"""Largest folder and file that are read: the libraries have some thousand files of some hundred kilobytes."""

_USGS_HEAD = re.compile(r"^\s*(?:splib|s)\d\w*\s+Record=\d+:\s*(\S.*)$", re.IGNORECASE)
"""First line of a file of USGS splib07: library, record, and a title such as ``Kaolinite CM9 BECKb AREF``."""

_USGS_OTHER = re.compile(r"bandpass|resolution|wavenumber|\bsrf\b|\berror", re.IGNORECASE)
"""Titles of files of USGS splib07 that hold neither spectra nor wavelengths."""

_MEASURED = re.compile(r"\s+[A-Z0-9]+[a-z]*\s+[A-Z]+REF\s*$")
"""End of a title: spectrometer, purity and kind of measurement."""


def read_folder(folder: Path) -> Content:
    """Return the content of a folder of text files of ECOSTRESS or of USGS splib07, subfolders included.

    Raises
    ------
    ValueError
        When no file is one of these.
    """
    found = list(itertools.islice(_files(folder), _MOST_FILES))
    spectra = [spectrum for path in found if (spectrum := _ecostress(path)) is not None] or _usgs(found)
    if not spectra:
        raise ValueError("no text file of ECOSTRESS (*.spectrum.txt) or of USGS splib07 is in this folder")
    names, classes, values = zip(*spectra, strict=True)
    return Content(names, _GRID, np.array(values), classes)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the text files that may hold a spectrum, in the order of their names."""
    for path in sorted(folder.rglob("*.txt")):
        if path.is_file() and path.stat().st_size <= _MOST_BYTES:
            yield path


def _on_grid(wavelength: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return a spectrum at `_GRID`, None where it has no number there."""
    order = np.argsort(wavelength)
    wavelength, values = wavelength[order], values[order]
    known = np.isfinite(values)
    if not known.any():
        return None
    placed = np.interp(_GRID, wavelength[known], values[known])
    share = np.interp(_GRID, wavelength, known.astype(np.float64), left=0.0, right=0.0)
    placed[share < _KNOWN] = np.nan
    return placed if np.isfinite(placed).any() else None


def _ecostress(path: Path) -> tuple[str, str, NDArray[np.float64]] | None:
    """Return name, class and reflectance of a file of ECOSTRESS; None for another file."""
    if not path.name.endswith("spectrum.txt"):
        return None
    facts: dict[str, str] = {}
    pairs: list[tuple[float, float]] = []
    for line in path.read_text(encoding="latin-1").splitlines():
        cells = line.split()
        try:
            pairs.append((float(cells[0]), float(cells[1])))
        except (IndexError, ValueError):
            key, colon, value = line.partition(":")
            if colon and not pairs:
                facts.setdefault(key.strip().lower(), value.strip())
    if "name" not in facts or "refl" not in facts.get("y units", "refl").lower():
        return None
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    percent = "percent" in facts.get("y units", "percent").lower()
    values = _on_grid(table[:, 0] * 1000.0, table[:, 1] / (100.0 if percent else 1.0))
    kind = facts.get("type", "").lower()
    named = _first_word(facts["name"]) if kind == "mineral" else " ".join((kind, facts.get("class", "").lower()))
    return None if values is None else (facts["name"], named.strip(), values)


def _usgs(paths: list[Path]) -> list[tuple[str, str, NDArray[np.float64]]]:
    """Return name, class and reflectance of each spectrum of USGS splib07 whose wavelengths are in the folder."""
    wavelengths: list[tuple[str, NDArray[np.float64]]] = []
    spectra: list[tuple[Path, str, NDArray[np.float64]]] = []
    for path in paths:
        head, *lines = path.read_text(encoding="latin-1").splitlines() or [""]
        title = _USGS_HEAD.match(head)
        if title is None:
            continue
        try:
            values = np.array([float(line) for line in lines if line.strip()])
        except ValueError:
            continue
        values = np.where(values < _DELETED, np.nan, values)
        if re.search(r"wavelengths?|\bwaves\b", head, re.IGNORECASE):
            scale = 1.0 if re.search(r"\bnm\b|nanomet", head, re.IGNORECASE) else 1000.0
            wavelengths.append((head.upper(), values * scale))
        elif not _USGS_OTHER.search(head):
            spectra.append((path, title.group(1).strip(), values))
    found = []
    for path, title_text, values in spectra:
        at = _wavelengths_of(title_text, len(values), wavelengths)
        placed = None if at is None else _on_grid(at, values)
        if placed is not None:
            found.append((title_text, _usgs_class(path, title_text), placed))
    return found


def _wavelengths_of(title: str, count: int, known: list[tuple[str, NDArray[np.float64]]]) -> NDArray[np.float64] | None:
    """Return the wavelengths of a spectrum: of this many channels, and of its spectrometer where several have them."""
    fitting = [(head, values) for head, values in known if len(values) == count]
    instrument = (title.split()[-2:-1] or [""])[0][:3].upper()
    named = [values for head, values in fitting if instrument and instrument in head]
    return named[0] if named else fitting[0][1] if fitting else None


def _usgs_class(path: Path, title: str) -> str:
    """Return the mineral of a spectrum, or the words of its chapter, such as ``vegetation``."""
    chapter = next((part for part in reversed(path.parts[:-1]) if part.startswith("Chapter")), "")
    if chapter.startswith("ChapterM_"):
        return _first_word(_MEASURED.sub("", title))
    return chapter.partition("_")[2].replace("_", " ").lower()


def _first_word(text: str) -> str:
    """Return the first word of a text, in small letters."""
    found = re.search(r"[A-Za-z][A-Za-z-]+", text)
    return found.group().lower() if found else ""
