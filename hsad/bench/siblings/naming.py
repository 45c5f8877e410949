"""How often the names from a spectral library are right: objects of its own spectra in real scenes.

An object has 2 x 2 pixels and a spectrum of the library, with a smooth error of 3 %, a brightness drawn from N(1, .15)
and, where asked for, an error of each band by itself. Objects of one fill are implanted together, ten in a ground.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hsad.bench.known import benchmark_scenes
from hsad.bench.suite import GROUNDS
from hsad.errors import ParameterError
from hsad.explanation.names import Namer
from hsad.kernels.summaries import Moments
from hsad.readers.libraries.library import Library
from hsad.synthetic.implants import without_noise

__all__ = ["NamedObject", "NamingAccuracy", "run_names"]

FILLS = (1.0, 0.6, 0.3, 0.15)
_OF_A_CLASS = 60
"""Most spectra of one class: the library then has as many of the others as of soils."""

_SMOOTH, _GAIN, _BRIGHTNESS = 0.03, 0.15, 0.05
_MARGIN = 8
"""Pixels between an object and an edge or another object: the ring around it is whole."""


@dataclass(frozen=True)
class NamedObject:
    """The name of one object.

    Attributes
    ----------
    ground : str
    fill, error : float
        Fill of its pixels, and error of each band by itself.
    right : bool
        Whether the nearest spectrum has the class of the object.
    named, named_without : bool
        Whether it gets a name, and whether it gets one by a library without its class.
    """

    ground: str
    fill: float
    error: float
    right: bool
    named: bool
    named_without: bool


@dataclass(frozen=True)
class NamingAccuracy:
    """The names of one run.

    Attributes
    ----------
    library : str
    seeds : tuple of int
    objects : tuple of NamedObject
    """

    library: str
    seeds: tuple[int, ...]
    objects: tuple[NamedObject, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        return asdict(self)

    def right(self, fill: float, error: float) -> float:
        """Return the share of objects of a fill whose nearest spectrum has the right class."""
        return float(np.mean([one.right for one in self.objects if (one.fill, one.error) == (fill, error)]))

    def table(self) -> str:
        """Return the report as a table in Markdown."""
        fills = " | ".join(f"fill {fill:g}" for fill in FILLS)
        lines = [
            f"Names by {self.library}, seeds {self.seeds[0]}-{self.seeds[-1]}, {len(self.objects)} objects",
            "",
            f"| error of a band | {fills} | named | right of named | named without the class |",
            "|---" * (len(FILLS) + 4) + "|",
        ]
        for error in sorted({one.error for one in self.objects}):
            rows = [one for one in self.objects if one.error == error]
            right = [one.right for one in rows if one.named]
            shares = " | ".join(f"{self.right(fill, error):.2f}" for fill in FILLS)
            lines.append(
                f"| {error:g} | {shares} | {np.mean([one.named for one in rows]):.2f} | "
                f"{np.mean(right) if right else np.nan:.2f} | {np.mean([one.named_without for one in rows]):.2f} |"
            )
        return "\n".join(lines)


def run_names(
    folder: Path | None,
    library: str | Path | Library = "earthlib",
    *,
    seeds: int = 1,
    draw: int = 0,
    objects: int = 10,
    errors: Sequence[float] = (0.0, 0.03),
    progress: Callable[..., Any] | None = None,
) -> NamingAccuracy:
    """Return how often names are right, on the eight grounds of the suite.

    Parameters
    ----------
    folder : Path or None
        Folder of the benchmark scenes.
    library : path or Library
        A library with classes.
    seeds, draw : int
        Number of seeds, and the first one. Constants were chosen on seeds 0 to 3.
    objects : int
        Objects for each ground, fill, error and seed.
    errors : sequence of float
        Standard deviations of the error of each band by itself, as shares.
    progress : callable, optional
        As `hsad.progress.Progress`.

    Raises
    ------
    HsadError
        When there is no folder, a scene is missing, or the library has no classes.
    """
    if folder is None:
        raise ParameterError("--names needs the folder of benchmark scenes: --data DIR, or HSAD_DATA")
    opened = library if isinstance(library, Library) else Library.open(library)
    if not any(opened.classes):
        raise ParameterError(f"--names needs a library with classes: {opened.title} has none")
    known = {scene.name: scene for scene in benchmark_scenes(folder) if scene.name in GROUNDS}
    chosen = tuple(range(draw, draw + seeds))
    work = [(ground, seed, error) for seed in chosen for ground in known for error in errors]
    shown = work if progress is None else progress(work, total=len(work), desc="names")
    found: list[NamedObject] = []
    for ground, seed, error in shown:
        cube, truth = known[ground].cube.values.astype(np.float64), known[ground].truth > 0
        rng = np.random.default_rng([17, seed, GROUNDS.index(ground)])
        part = _part(opened, rng)
        for fill in FILLS:
            found += _named(ground, cube, truth, part, fill, error, objects, rng)
    return NamingAccuracy(opened.title, chosen, tuple(found))


def _part(library: Library, rng: np.random.Generator) -> Library:
    """Return a library with at most `_OF_A_CLASS` spectra of each class."""
    classes = np.array(library.classes)
    kept = np.sort(
        np.concatenate([rng.permutation(np.flatnonzero(classes == name))[:_OF_A_CLASS] for name in np.unique(classes)])
    )
    return Library(
        tuple(library.names[i] for i in kept),
        library.wavelength,
        library.spectra[kept],
        tuple(classes[kept].tolist()),
        library.title,
    )


def _named(
    ground: str,
    cube: NDArray[np.float64],
    truth: NDArray[np.bool_],
    library: Library,
    fill: float,
    error: float,
    objects: int,
    rng: np.random.Generator,
) -> Iterator[NamedObject]:
    """Implant objects of one fill, and yield what they are most like."""
    bands = cube.shape[2]
    # The files of the scenes hold no wavelengths. Those of the sensors' ranges serve as well: the same are compared.
    wavelength = np.linspace(430, 860, bands) if bands < 150 else np.linspace(400, 2450, bands)
    seen = library.at(wavelength)
    # The ground in reflectance: its mean spectrum becomes that of the library.
    cube = cube * (np.nanmean(seen, axis=0) / cube[~truth].mean(axis=0))
    clean = without_noise(cube)
    noise = cube - clean
    free = ~ndimage.binary_dilation(truth, iterations=3)
    classes = np.array(library.classes)
    placed = []
    for _ in range(objects):
        number = int(rng.choice(np.flatnonzero(classes == rng.choice(np.unique(classes)))))
        spot = _spot(free, rng)
        smooth = ndimage.gaussian_filter1d(rng.normal(size=bands), bands / 10)
        spectrum = seen[number] * (1 + _SMOOTH * smooth / smooth.std()) * rng.normal(1, _GAIN)
        spectrum = spectrum * (1 + error * rng.normal(size=bands)) * rng.normal(1, _BRIGHTNESS, (2, 2, 1))
        clean[spot] = (1 - fill) * clean[spot] + fill * spectrum
        placed.append((spot, number))
    scene = clean + noise
    moments = Moments.of(scene.reshape(-1, bands))
    assert moments is not None  # noqa: S101  a scene has pixels
    namer = Namer.of(library, wavelength, None, moments)
    for (rows, cols), number in placed:
        around = (slice(rows.start - 6, rows.stop + 6), slice(cols.start - 6, cols.stop + 6))
        away = np.ones((14, 14), dtype=np.bool_)
        away[5:9, 5:9] = False
        spectrum, ring = scene[rows, cols].reshape(-1, bands).mean(axis=0), scene[around][away]
        name = namer.name(spectrum, ring, 4)
        kept = np.array(namer.classes) != classes[number]
        others = Namer(
            tuple(np.array(namer.names)[kept]),
            tuple(np.array(namer.classes)[kept]),
            namer.bands,
            namer.whitening,
            namer.white[kept],
            namer.units,
        )
        right = name.nearest[0].class_name == classes[number]
        yield NamedObject(ground, fill, error, bool(right), name.known, others.name(spectrum, ring, 4).known)


def _spot(free: NDArray[np.bool_], rng: np.random.Generator) -> tuple[slice, slice]:
    """Return rows and columns of four free pixels away from the edges, and take the pixels around them."""
    for _ in range(1000):
        row, col = (int(rng.integers(_MARGIN, size - _MARGIN - 2)) for size in free.shape)
        if free[row : row + 2, col : col + 2].all():
            break
    free[row - _MARGIN : row + _MARGIN + 2, col - _MARGIN : col + _MARGIN + 2] = False
    return slice(row, row + 2), slice(col, col + 2)
