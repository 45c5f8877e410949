"""Spectral libraries of the user: the names of the most similar spectra, as hints."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from hsad.errors import SceneError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Library", "angle"]

_LEAST_BANDS = 5
"""Wavelengths that both spectra must have: an angle of fewer numbers says little."""

_MOST_MICROMETRES = 100.0
"""If no wavelength is above this number, they are in micrometres: optical sensors start at 300 nm."""


def angle(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the angle between two spectra in degrees; NaN where one has no length."""
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    if not lengths > 0:
        return float("nan")
    return float(np.degrees(np.arccos(np.clip(float(first @ second) / lengths, -1.0, 1.0))))


@dataclass(frozen=True, eq=False)
class Library:
    """Named spectra.

    Attributes
    ----------
    names : tuple of str
        Printable, in one line each.
    wavelength : (n,) ndarray of float64
        In nm, rising.
    spectra : (names, n) ndarray of float64
        NaN where a spectrum has no number.
    """

    names: tuple[str, ...]
    wavelength: NDArray[np.float64]
    spectra: NDArray[np.float64]

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Read an ENVI spectral library (``.sli`` or its ``.hdr``), or a CSV: wavelengths in nm, one column a name.

        Raises
        ------
        SceneError
            When the file cannot be read.
        """
        file = Path(path)
        if not file.is_file():
            raise SceneError(f"{file}: no such file")
        try:
            names, wavelength, spectra = _csv(file) if file.suffix.lower() == ".csv" else _envi(file)
            return cls._checked([printable(name) for name in names], wavelength, spectra)
        except Exception as error:
            # Another program's reader can fail in any way.
            raise SceneError(f"{file}: not a readable spectral library: {printable(str(error))}") from error

    @classmethod
    def _checked(cls, names: list[str], wavelength: NDArray[np.float64], spectra: NDArray[np.float64]) -> Self:
        """Return the library with rising wavelengths in nm.

        Raises
        ------
        ValueError
            When the parts do not belong together, or a spectrum is empty.
        """
        if spectra.shape != (len(names), len(wavelength)):
            raise ValueError(f"{len(names)} names and {len(wavelength)} wavelengths do not fit spectra {spectra.shape}")
        if not (np.isfinite(wavelength) & (wavelength > 0)).all():
            raise ValueError("a wavelength is missing or is no positive number")
        empty = next((name for name, values in zip(names, spectra, strict=True) if not np.isfinite(values).any()), None)
        if empty is not None:
            raise ValueError(f"the spectrum {empty!r} holds no number")
        if wavelength.max() < _MOST_MICROMETRES:
            wavelength = wavelength * 1000.0
        order = np.argsort(wavelength)
        return cls(tuple(names), wavelength[order], spectra[:, order])

    def nearest(
        self, spectrum: NDArray[np.float64], wavelength: NDArray[np.float64], number: int = 3
    ) -> list[tuple[str, float]]:
        """Return the names with the smallest spectral angles, in degrees, on the wavelengths that both spectra have."""
        angles = []
        for name, values in zip(self.names, self.spectra, strict=True):
            known = np.isfinite(values)
            low, high = self.wavelength[known][[0, -1]]
            common = (wavelength >= low) & (wavelength <= high) & np.isfinite(spectrum)
            if common.sum() >= _LEAST_BANDS:
                other = np.interp(wavelength[common], self.wavelength[known], values[known])
                angles.append((name, angle(spectrum[common], other)))
        return sorted((pair for pair in angles if np.isfinite(pair[1])), key=lambda pair: pair[1])[:number]


def printable(text: str) -> str:
    """Return a text of a file as one line without control characters, which would act on a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _csv(path: Path) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        rows = [(reader.line_num, row) for row in reader if row]
    head = rows[0][1] if rows else []
    if len(head) < 2 or len(rows) < 3:
        raise ValueError("a column of wavelengths and one for each spectrum are needed, with a line of names")
    return head[1:], *_columns(rows[1:], len(head))


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


def _envi(path: Path) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    from spectral.io import envi

    header = path if path.suffix.lower() == ".hdr" else path.with_suffix(".hdr")
    if not header.is_file() and Path(f"{path}.hdr").is_file():
        header = Path(f"{path}.hdr")
    library = envi.open(str(header))
    if not hasattr(library, "spectra"):
        raise ValueError("its header describes an image, not a spectral library")
    if library.bands.centers is None:
        raise ValueError("it has no wavelengths")
    return (
        list(library.names),
        np.array(library.bands.centers, dtype=np.float64),
        np.asarray(library.spectra, dtype=np.float64),
    )
