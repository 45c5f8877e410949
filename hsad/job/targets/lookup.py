"""From what a user names as a target to its spectrum in the units and on the bands of a scene."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.reduced import OnComponents
from hsad.detectors.targets.base import TargetDetector
from hsad.detectors.targets.given import FORMS, Target
from hsad.engine.source import source_of
from hsad.errors import DataError, ParameterError, SceneError
from hsad.job.remarks import sample_rows
from hsad.readers.libraries.library import Library
from hsad.readers.libraries.lists import LIST_SUFFIXES, listed_pixels
from hsad.scene.cube import geo_grid

if TYPE_CHECKING:
    import xarray as xr

    from hsad.detectors.base import Detector
    from hsad.engine.source import CubeSource
    from hsad.scene.swath import Swath

__all__ = ["FoundTarget", "TargetScene", "files_of_targets", "with_targets"]

_PIXEL = re.compile(r"\s*(-?\d+)\s*,\s*(-?\d+)\s*")


@dataclass(frozen=True, eq=False)
class FoundTarget:
    """A target with its spectrum.

    Attributes
    ----------
    name : str
        As the user named it.
    spectrum : (bands,) ndarray of float64
        In the units of the scene, on its used bands.
    rows, cols : (n,) ndarray of int
        The pixels of the scene that it is the mean of; none for a spectrum of a library.
    """

    name: str
    spectrum: NDArray[np.float64]
    rows: NDArray[np.intp]
    cols: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class TargetScene:
    """A scene in which targets are looked up.

    Attributes
    ----------
    cube : (y, x, band) DataArray
    source : CubeSource
        All pixels of the scene on the used bands.
    swath : Swath or None
        From pixels of the map to pixels of the scene, where rows and columns are those of the map.
    option : str
        The option that names the targets, for messages.
    """

    cube: xr.DataArray
    source: CubeSource
    swath: Swath | None
    option: str = "target"

    @classmethod
    def of(
        cls, cube: xr.DataArray, bands: NDArray[np.intp], mask: NDArray[np.bool_] | None, swath: Swath | None
    ) -> TargetScene:
        """Return the scene with some bands and a mask of the user."""
        chosen = np.isin(np.arange(cube.sizes["band"]), bands)
        return cls(cube, source_of(cube, chosen=chosen, mask=mask), swath)

    def found(self, targets: Iterable[Target]) -> list[FoundTarget]:
        """Return the targets with their spectra.

        Raises
        ------
        ParameterError
            When a text has another form, a pixel lies outside, or a file has no such anomaly, kind or name.
        DataError
            When the pixels of a target are invalid.
        SceneError
            When a file cannot be read.
        """
        return [self._found(target) for target in targets]

    def _found(self, target: Target) -> FoundTarget:
        nowhere = np.empty(0, dtype=np.intp)
        if not isinstance(target, str):
            name, spectrum = target
            bands = len(self.source.bands)
            if len(spectrum) != bands:
                raise ParameterError(
                    f"{self.option}: {name} has {len(spectrum)} numbers for {bands} used bands of the scene"
                )
            return FoundTarget(name, np.array(spectrum, dtype=np.float64), nowhere, nowhere)
        pixel = _PIXEL.fullmatch(target)
        if pixel:
            row, col = self._pixel(target, int(pixel[1]), int(pixel[2]))
            return self._mean(target, np.array([row]), np.array([col]))
        path, named = _split(target, self.option)
        try:
            if path.suffix.lower() in LIST_SUFFIXES:
                return self._mean(target, *self._listed(path, named))
            return FoundTarget(target, self._of_library(path, named), nowhere, nowhere)
        except (ParameterError, SceneError) as error:
            raise type(error)(f"{self.option}: {error}") from error

    def _pixel(self, target: str, row: int, col: int) -> tuple[int, int]:
        rows, cols = self.source.size if self.swath is None else (self.swath.grid.rows, self.swath.grid.cols)
        if not (0 <= row < rows and 0 <= col < cols):
            raise ParameterError(f"{self.option}: {target} lies outside: the scene has {rows} rows and {cols} columns")
        if self.swath is None:
            return row, col
        line, sample = (int(places[0, col]) for places in self.swath.lookup(slice(row, row + 1)))
        if line < 0:
            raise DataError(f"{self.option}: {target}: the swath does not reach this pixel of the map")
        return line, sample

    def _listed(self, path: Path, named: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the pixels of the scene that an anomaly covers, or all anomalies of a kind."""
        if self.swath is None:
            rows, cols = np.nonzero(listed_pixels(path, named, geo_grid(self.cube)))
            return rows, cols
        marked = listed_pixels(path, named, self.swath.grid)
        seen: set[tuple[int, int]] = set()
        for row in np.flatnonzero(marked.any(axis=1)):
            line, sample = (places[0] for places in self.swath.lookup(slice(row, row + 1)))
            there = marked[row] & (line >= 0)
            seen.update(zip(line[there].tolist(), sample[there].tolist(), strict=True))
        pixels = np.array(sorted(seen), dtype=np.intp).reshape(-1, 2)
        return pixels[:, 0], pixels[:, 1]

    def _mean(self, target: str, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> FoundTarget:
        """Return the mean of the valid ones of some pixels."""
        total, count = np.zeros(len(self.source.bands)), 0
        for row in np.unique(rows):
            there = cols[rows == row]
            window = slice(int(row), int(row) + 1), slice(int(there.min()), int(there.max()) + 1)
            spectra, valid = self.source.spectra(self.source.read(*window), *window)
            usable = there[valid[0, there - window[1].start]] - window[1].start
            total += spectra[0, usable].sum(axis=0)
            count += len(usable)
        if not count:
            what = "the pixel is" if len(rows) == 1 else f"all of its {len(rows)} pixels are"
            raise DataError(f"{self.option}: {target}: {what} invalid (nodata, NaN or masked)")
        return FoundTarget(target, total / count, rows, cols)

    def _of_library(self, path: Path, named: str) -> NDArray[np.float64]:
        """Return a spectrum of a library on the bands, in a unit of the scene's order."""
        library = Library.open(path)
        coords = self.cube.coords
        if "wavelength" not in coords:
            raise ParameterError(f"{path}: the scene has no wavelengths to place its spectra by")
        wavelength = coords["wavelength"].values[self.source.bands]
        widths = coords["fwhm"].values[self.source.bands] if "fwhm" in coords else None
        number = library.number_of(named)
        spectrum = library.at(wavelength, widths)[number]
        known = np.isfinite(spectrum)
        if not known.all():
            raise ParameterError(
                f"{path}:{named} covers {known.sum()} of the {len(known)} bands of the scene, which lie at "
                f"{wavelength.min():.0f}-{wavelength.max():.0f} nm: choose bands that it covers (bands)"
            )
        return np.asarray(spectrum * _unit_factor(spectrum, self._brightness()))

    def _brightness(self) -> float:
        """Return the mean of the valid spectra in a sample of rows."""
        means = []
        for rows in sample_rows(self.source):
            window = rows, slice(0, self.source.size[1])
            spectra, valid = self.source.spectra(self.source.read(*window), *window)
            means.append(spectra[valid].mean(axis=1))
        found = np.concatenate(means)
        return float(found.mean()) if len(found) else 0.0


def _unit_factor(spectrum: NDArray[np.float64], brightness: float) -> float:
    """Return 1, 100 or 10,000, or the inverse of one: the unit in which a spectrum is of the order of the scene.

    Reflectance is stored from 0 to 1, in per cent, and times 10,000.
    """
    mean = float(spectrum.mean())
    if not (mean > 0 and brightness > 0):
        return 1.0
    return float(100.0 ** np.clip(np.round(np.log10(brightness / mean) / 2), -2, 2))


def with_targets(detector: Detector, scene: TargetScene, origin: tuple[int, int]) -> Detector:
    """Return a detector with the spectra of the targets that it names; any other detector as it is.

    Parameters
    ----------
    detector : Detector
    scene : TargetScene
    origin : (int, int)
        First row and column of the window that is scored.
    """
    inner = detector.unwrapped
    if not isinstance(inner, TargetDetector):
        return detector
    found = dataclasses.replace(scene, option=inner.option).found(inner.target)
    known = inner.with_spectra(
        {target.name: target.spectrum for target in found},
        {target.name: np.column_stack([target.rows, target.cols]) - np.array(origin) for target in found},
    )
    return dataclasses.replace(detector, detector=known) if isinstance(detector, OnComponents) else known


def files_of_targets(targets: Sequence[Target], option: str) -> list[Path]:
    """Return the files that targets name."""
    named = [target for target in targets if isinstance(target, str) and not _PIXEL.fullmatch(target)]
    return [path for path in (_split(target, option)[0] for target in named) if path.is_file()]


def _split(target: str, option: str) -> tuple[Path, str]:
    """Return the file that a target names, and the name in it.

    Raises
    ------
    ParameterError
        When the text has no colon with something on both sides.
    """
    parts = target.split(":")
    ends = [number for number in range(1, len(parts)) if Path(":".join(parts[:number])).exists()] or [1]
    path, named = ":".join(parts[: ends[0]]), ":".join(parts[ends[0] :])
    if not path.strip() or not named.strip():
        raise ParameterError(f"{option}: {target!r} is none of {FORMS}")
    return Path(path), named.strip()
