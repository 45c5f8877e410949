"""Cases for the search for siblings: a ground, one found object of a material, and 0 to 30 siblings of it.

The found object has 1, 4 or 9 pixels and a fill of 1, .6 or .3, in rotation. Its siblings have 1 to 4 pixels and fills
of .05-.15, .15-.3 and .3-.6. Materials and grounds are those of `hsad.bench.suite`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hsad.bench.known import KnownScene
from hsad.bench.suite import GROUNDS, Materials
from hsad.errors import ParameterError
from hsad.synthetic.implants import implant

__all__ = ["FILLS", "NUMBERS", "SiblingCase", "sibling_cases"]

#: Fills of the siblings.
FILLS = ((0.05, 0.15), (0.15, 0.3), (0.3, 0.6))

#: Numbers of siblings, with how many of each fill.
NUMBERS = {0: (0, 0, 0), 3: (1, 1, 1), 10: (3, 4, 3), 30: (10, 10, 10)}

#: Pixels and fill of the found object.
_QUERIES = [(pixels, fill) for fill in (1.0, 0.6, 0.3) for pixels in (1, 4, 9)]

_SOURCES = ("other", "library")

#: A material this many times brighter than the ground is drawn again: its ratio comes from a dead band of a scene.
_BRIGHTEST = 30.0

_SQUARE = np.ones((3, 3))


@dataclass(frozen=True, eq=False)
class SiblingCase:
    """A ground with a found object and its siblings.

    Attributes
    ----------
    ground, source : str
    number : int
        Number of siblings that were asked for.
    cube : (rows, cols, bands) ndarray of float64
    query : (rows, cols) ndarray of bool
        Pixels of the found object.
    label : (rows, cols) ndarray of int
        0, or 100 times the number of the fill (from 1) plus the number of the sibling.
    ignored : (rows, cols) ndarray of bool
        Objects of the ground and the pixels around them, which count neither as true nor as false.
    """

    ground: str
    source: str
    number: int
    cube: NDArray[np.float64]
    query: NDArray[np.bool_]
    label: NDArray[np.int64]
    ignored: NDArray[np.bool_]

    @property
    def true(self) -> NDArray[np.bool_]:
        """Siblings and the two pixels around them."""
        return near(self.label > 0)

    def siblings(self, fill: int) -> list[NDArray[np.bool_]]:
        """Return the pixels of each sibling of a fill, numbered from 0."""
        own = self.label[self.label // 100 == fill + 1]
        return [self.label == number for number in np.unique(own)]


def near(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask grown by two pixels."""
    return np.asarray(ndimage.binary_dilation(mask, _SQUARE, iterations=2))


def sibling_cases(scenes: Sequence[KnownScene], seeds: Sequence[int]) -> Iterator[SiblingCase]:
    """Yield the 64 cases of each seed; they are the same in each call.

    Raises
    ------
    ParameterError
        When one of the grounds is missing.
    """
    by_name = {scene.name: (scene.cube.values, scene.truth > 0) for scene in scenes}
    missing = [name for name in GROUNDS if name not in by_name]
    if missing:
        raise ParameterError(f"--siblings needs the benchmark scenes of --data; there is no {missing[0]}")
    materials = Materials({name: by_name[name] for name in GROUNDS})
    for seed in seeds:
        for k, ground in enumerate(GROUNDS):
            for si, source in enumerate(_SOURCES):
                for ni, number in enumerate(NUMBERS):
                    query = (seed * 2 + k + 3 * si + 2 * ni) % len(_QUERIES)
                    yield _case(materials, ground, source, seed, number, query)


def _case(materials: Materials, ground: str, source: str, seed: int, number: int, query: int) -> SiblingCase:
    rng = np.random.default_rng([91, seed, GROUNDS.index(ground), _SOURCES.index(source), number, query, 0])
    cube, truth = materials.grounds[ground]
    brightest = _BRIGHTEST * cube[~truth].mean(axis=0).max()
    material = materials.material(ground, source, rng)
    while np.abs(material).max() >= brightest:
        material = materials.material(ground, source, rng)
    pixels, fill = _QUERIES[query]
    spectra, marks = implant(cube, truth, [pixels], (fill, fill), [material], rng)
    found = np.nan_to_num(marks) > 0
    taken, label = truth | found, np.zeros(truth.shape, dtype=np.int64)
    for at, (fills, count) in enumerate(zip(FILLS, NUMBERS[number], strict=True), start=1):
        if count:
            sizes = [int(size) for size in rng.integers(1, 5, count)]
            spectra, marks = implant(spectra, taken, sizes, fills, [material], rng)
            marks = np.nan_to_num(marks)
            label[marks > 0] = 100 * at + marks[marks > 0].astype(np.int64)
            taken = taken | (marks > 0)
    return SiblingCase(ground, source, number, spectra.astype(np.float64), found, label, near(truth))
