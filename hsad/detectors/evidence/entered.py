"""What of each kind of evidence entered the score of the default detector, in words and by band."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason

__all__ = ["Entered", "Shares"]

_MEANINGS = {
    "local": "unlike its surroundings",
    "global": "unlike the whole scene",
    "region": "unlike the whole scene and like its surroundings, as the inside of a large object is",
}
"""What it says of a pixel if this number is the largest."""

_SMALL_OBJECT = "small and bright or dark"
"""What it says of a pixel if the local number is the largest and most of it is spatial."""

_ORDINARY = "no more unusual than most of the scene"
"""What it says of a pixel if no number is above 0."""


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
    def decides(self) -> str:
        """Name of the largest number."""
        return max(self.compared, key=lambda name: self.compared[name])

    def reason(self, shares: Shares | None, pixel: NDArray[np.float64]) -> Reason:
        """Return the account; it has contributions by band where the score is positive and its evidence has bands."""
        local, decides = self.compared["local"], self.decides
        clutter = self.spectral + self.spatial - local
        made = f"spectral {self.spectral:+.2f}, spatial {self.spatial:+.2f}, less {clutter:+.2f} of clutter"
        others = "".join(f"; {name} {value:+.2f}" for name, value in self.compared.items() if name != "local")
        spatially = decides == "local" and self.spatial > self.spectral
        most = f", most of it {'spatial' if spatially else 'spectral'}" if decides == "local" else ""
        score = self.compared[decides]
        words = _MEANINGS[decides]
        if spatially:
            words = _SMALL_OBJECT
        if not score > 0:
            words = _ORDINARY
        sentence = (
            f"{words} (evidence in logarithms of the scene's medians: local {local:+.2f} from {made}{others}; "
            f"the {decides} evidence decides{most})"
        )
        reason = Reason(sentence, evidence=self.compared, ring=None if shares is None else shares.ring)
        if shares is None or spatially or not score > 0:
            return reason
        contributions = score * shares.shares
        if shares.residual is None:
            return Reason(sentence, contributions, evidence=self.compared)
        slopes = np.divide(contributions, shares.residual, out=np.zeros_like(pixel), where=shares.residual != 0)
        return Reason(
            sentence,
            contributions,
            pixel - shares.residual,
            shares.residual,
            slopes,
            evidence=self.compared,
            ring=shares.ring,
        )
