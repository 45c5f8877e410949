"""What of each kind of evidence entered the score of the default detector, in words and by band."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason

__all__ = ["Entered", "Shares"]

_MEANINGS = {
    "local": "unlike its surroundings",
    "global": "unlike the whole scene",
    "region": "unlike the whole scene and like its ring",
}
"""What each number measures."""

_UNLIKE = {"local": "the ring around it", "global": "the whole scene", "region": "the whole scene"}
"""What it says of a pixel if this number is the largest."""

_NEIGHBOURS = "its neighbours"
"""What it says of a pixel if the local number is the largest and most of it is spatial."""

_COUNTS = {1: "its score is", 2: "its score is the larger of two numbers:", 3: "its score is the largest of three:"}


class Shares(NamedTuple):
    """How one kind of evidence divides over the bands.

    Attributes
    ----------
    shares : (bands,) ndarray
        They sum to 1.
    ring : (n, bands) ndarray or None
        The pixels of its ring, where they are what it was compared with.
    residual : (bands,) ndarray or None
        What the ring does not explain, where ``shares`` are its products with something.
    """

    shares: NDArray[np.float64]
    ring: NDArray[np.float64] | None = None
    residual: NDArray[np.float64] | None = None


class Entered(NamedTuple):
    """The numbers that were compared for one pixel, and what the first of them is made of.

    Attributes
    ----------
    spectral, spatial : float
        Logarithms of the two local kinds of evidence; the spatial one times its weight.
    compared : dict of str to float
        ``local``, and ``global`` and ``region`` unless they are left out. The largest is the score.
    """

    spectral: float
    spatial: float
    compared: dict[str, float]

    @property
    def largest(self) -> str:
        """Name of the largest number."""
        return max(self.compared, key=lambda name: self.compared[name])

    @property
    def sentence(self) -> str:
        """The numbers, the largest first. The parts of the local one add up to it, as they are printed."""
        numbers = []
        for name in sorted(self.compared, key=lambda name: -self.compared[name]):
            made = f": {self._local_sum()}" if name == "local" else ""
            numbers.append(f"{name} {self.compared[name]:.2f} ({_MEANINGS[name]}{made})")
        ordinary = "" if self.compared[self.largest] > 0 else "no more unusual than most of the scene: "
        return f"{ordinary}{_COUNTS[len(numbers)]} {', '.join(numbers)}"

    def _local_sum(self) -> str:
        spectral, spatial = (round(value, 2) for value in (self.spectral, self.spatial))
        clutter = spectral + spatial - round(self.compared["local"], 2)
        terms = ((spatial, "spatial"), (-clutter, "clutter"))
        rest = "".join(f" {'-' if value < 0 else '+'} {abs(value):.2f} {name}" for value, name in terms)
        return f"{spectral:.2f} spectral{rest}"

    def reason(self, shares: Shares | None, pixel: NDArray[np.float64]) -> Reason:
        """Return the account; it has contributions by band where the score is positive and its evidence has bands."""
        largest, score = self.largest, self.compared[self.largest]
        spatially = largest == "local" and self.spatial > self.spectral
        unlike = _NEIGHBOURS if spatially else _UNLIKE[largest]
        reason = Reason(
            self.sentence,
            evidence=self.compared,
            ring=None if shares is None else shares.ring,
            unlike=unlike if score > 0 else "",
        )
        if shares is None or spatially or not score > 0:
            return reason
        contributions = score * shares.shares
        if shares.residual is None:
            return replace(reason, contributions=contributions)
        return replace(
            reason,
            contributions=contributions,
            reconstruction=pixel - shares.residual,
            residual=shares.residual,
            slopes=np.divide(contributions, shares.residual, out=np.zeros_like(pixel), where=shares.residual != 0),
        )
