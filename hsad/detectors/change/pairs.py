"""Pairs of the spectra of two dates in a block: their squared distances from the mean of the scene, by shift."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.block import Block
from hsad.detectors.change.dates import DATES, Dates, Held

__all__ = ["Factors", "Measured", "Pairs", "Weights", "joint_gaussian", "shifts_of"]


class Measured(NamedTuple):
    """Squared distances of pairs of spectra x (first date) and y (second date) from the mean of the scene.

    Attributes
    ----------
    joint : ndarray
        Of both spectra together, ``ξ(x, y)``.
    before, after : ndarray
        Of each alone, ``ξ(x)`` and ``ξ(y)``.
    """

    joint: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]


class Factors(NamedTuple):
    """The factors of a score ``joint · ξ(x, y) − before · ξ(x) − after · ξ(y)``: numbers, or arrays of the pairs."""

    joint: Any
    before: Any
    after: Any

    def of(self, measured: Measured) -> NDArray[np.float64]:
        """Return the score."""
        scores: NDArray[np.float64] = (
            self.joint * measured.joint - self.before * measured.before - self.after * measured.after
        )
        return scores


@dataclass(frozen=True, eq=False)
class Weights:
    """The quadratic form of a pair in canonical coordinates u (first date) and v: ``Σ own (u² + v²) − Σ cross u v``.

    Attributes
    ----------
    own, cross : (shared,) ndarray of float64
        Weights of the coordinates that both dates have.
    rest : float
        Weight of the squares of the others, where one date has more coordinates.
    """

    own: NDArray[np.float64]
    cross: NDArray[np.float64]
    rest: float

    def alone(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the part of the form that depends on one date, for coordinates ``(…, k)``."""
        shared = len(self.own)
        squares = coordinates**2
        return np.asarray(squares[..., :shared] @ self.own + self.rest * squares[..., shared:].sum(axis=-1))

    def form(self, before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the form of pairs, ``(n,)``."""
        shared = len(self.own)
        products = np.einsum("ij,j,ij->i", before[:, :shared], self.cross, after[:, :shared])
        return np.asarray(self.alone(before) + self.alone(after) - products)

    def slopes(
        self, before: NDArray[np.float64], after: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return half the gradients of the form: their products with the coordinates sum to it."""
        shared = len(self.own)
        found = []
        for one, other in ((before, after), (after, before)):
            slope = self.rest * one
            slope[:shared] = self.own * one[:shared] - 0.5 * self.cross * other[:shared]
            found.append(slope)
        return found[0], found[1]


def joint_gaussian(dates: Dates) -> Weights:
    """Return the form that is the squared Mahalanobis distance of a pair of spectra."""
    unlike = 1 - dates.correlation**2
    return Weights(1 / unlike, 2 * dates.correlation / unlike, 1.0)


def shifts_of(most: int) -> list[tuple[int, int]]:
    """Return all shifts by up to `most` rows and columns, none first."""
    steps = range(-most, most + 1)
    return sorted(itertools.product(steps, steps), key=lambda step: (max(map(abs, step)), step))


class Pairs:
    """The pairs of spectra of a block.

    Parameters
    ----------
    block : Block
        With the largest shift around its core, except at the edges of the scene.
    dates : Dates
    weights : Weights
        Of the joint form.
    """

    def __init__(self, block: Block, dates: Dates, weights: Weights) -> None:
        self._block, self._dates = block, dates
        before, after = dates.coordinates(block.spectra)
        self._coordinates: dict[str, NDArray[np.float64]] = {"before": before, "after": after}
        shared = len(weights.cross)
        self._shared = {"before": before[..., :shared] * weights.cross, "after": after[..., :shared]}
        self._part = {name: weights.alone(values) for name, values in self._coordinates.items()}
        self._alone = {name: np.einsum("ijk,ijk->ij", values, values) for name, values in self._coordinates.items()}

    def measured(self, held: Held, shift: tuple[int, int]) -> tuple[tuple[slice, slice], Measured]:
        """Return the distances of the pairs of a shift, and the part of the core that has such pairs.

        A pair whose shifted pixel is invalid has an infinite joint distance, and 0 alone.
        """
        here, there, inside = self._places(shift)
        places = {"before": there, "after": here} if held == "after" else {"before": here, "after": there}
        products = np.einsum(
            "ijk,ijk->ij", self._shared["before"][places["before"]], self._shared["after"][places["after"]]
        )
        joint = np.maximum(
            self._part["before"][places["before"]] + self._part["after"][places["after"]] - products, 0.0
        )
        alone = {name: self._alone[name][places[name]] for name in DATES}
        unusable = ~self._block.valid[there]
        if unusable.any():
            joint[unusable] = np.inf
            alone = {name: np.where(unusable, 0.0, values) for name, values in alone.items()}
        return inside, Measured(joint, alone["before"], alone["after"])

    def pixel(self, name: Held, held: Held, shift: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return a date's spectrum and its coordinates in the pair of the first pixel of the core."""
        row, col = (start + (0 if name == held else step) for start, step in zip(self._block.place, shift, strict=True))
        return self._dates.spectra(name, self._block.spectra[row, col]), self._coordinates[name][row, col]

    def _places(self, shift: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice], tuple[slice, slice]]:
        """Return the pixels of the core with a neighbour at a shift, their neighbours, and their place in the core."""
        here, there, inside = [], [], []
        for core, size, step in zip(self._block.core, self._block.shape[:2], shift, strict=True):
            start, stop = max(core.start, -step), min(core.stop, size - step)
            stop = max(start, stop)
            here.append(slice(start, stop))
            there.append(slice(start + step, stop + step))
            inside.append(slice(start - core.start, stop - core.start))
        return (here[0], here[1]), (there[0], there[1]), (inside[0], inside[1])
