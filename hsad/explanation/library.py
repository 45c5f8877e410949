"""Spectral libraries that a user gives: the nearest names, as hints."""

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
    wavelength : (n,) ndarray of float64
        In nm, rising.
    spectra : (names, n) ndarray of float64
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
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SceneError(f"{file}: not a readable spectral library: {' '.join(str(error).split())}") from error
        if wavelength.max() < 100:
            wavelength = wavelength * 1000.0  # µm
        order = np.argsort(wavelength)
        return cls(tuple(names), wavelength[order], spectra[:, order])

    def nearest(
        self, spectrum: NDArray[np.float64], wavelength: NDArray[np.float64], number: int = 3
    ) -> list[tuple[str, float]]:
        """Return the names with the smallest spectral angle, in degrees, on the wavelengths that both have."""
        common = (wavelength >= self.wavelength[0]) & (wavelength <= self.wavelength[-1]) & np.isfinite(spectrum)
        if common.sum() < _LEAST_BANDS:
            return []
        angles = []
        for name, values in zip(self.names, self.spectra, strict=True):
            known = np.isfinite(values)
            there = np.interp(wavelength[common], self.wavelength[known], values[known])
            angles.append((name, angle(spectrum[common], there)))
        return sorted((pair for pair in angles if np.isfinite(pair[1])), key=lambda pair: pair[1])[:number]


def _csv(path: Path) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        head, *rows = [row for row in csv.reader(file) if row]
    if len(head) < 2 or len(rows) < 2:
        raise ValueError("a column of wavelengths and one for each spectrum are needed, with a line of names")
    wrong = next((number for number, row in enumerate(rows, 2) if len(row) != len(head)), None)
    if wrong is not None:
        raise ValueError(f"line {wrong} has another number of columns than the first")
    values = np.array([[float(cell) if cell.strip() else np.nan for cell in row] for row in rows])
    return head[1:], values[:, 0], values[:, 1:].T


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
