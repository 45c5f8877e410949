"""The base of the target detectors: the parameter `target`, and what is learned of it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Background, Detector
from hsad.detectors.block import Block
from hsad.detectors.parameters import parameter
from hsad.detectors.targets.given import FORMS, Target, targets_of
from hsad.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TargetDetector", "Targets"]


@dataclass(frozen=True, eq=False)
class Targets(Background):
    """Spectra to look for.

    Attributes
    ----------
    targets : (targets, d) ndarray of float64
    """

    shapes: ClassVar[dict[str, Any]] = {"targets": ("targets", "bands")}

    targets: NDArray[np.float64]


@dataclass(frozen=True)
class TargetDetector(Detector):
    """Base of the detectors that look for given spectra; the score of a pixel is that of the target it is most like.

    Attributes
    ----------
    option : str
        The name of the option that names the targets, for messages.
    on_map : bool
        Whether rows and columns of a target are those of the map, where a scene has one and no grid is asked for.
    """

    option: ClassVar[str] = "target"
    on_map: ClassVar[bool] = False

    target: tuple[Target, ...] = parameter(
        (), f"what to look for: {FORMS}; several may follow", metavar="TARGET...", convert=targets_of, required=True
    )

    @property
    def named(self) -> tuple[str, ...]:
        """The names of the targets."""
        return tuple(target if isinstance(target, str) else target[0] for target in self.target)

    def with_spectra(
        self,
        spectra: Mapping[str, NDArray[np.float64]],
        pixels: Mapping[str, NDArray[np.int64]],  # noqa: ARG002  for detectors that leave these pixels out
    ) -> Self:
        """Return the detector with spectra in place of the targets that are only named.

        Parameters
        ----------
        spectra : mapping of str to (bands,) ndarray
        pixels : mapping of str to (n, 2) ndarray of int
            Rows and columns, in the scored window, of the pixels that each target was taken from.
        """
        found = (
            (target, tuple(spectra[target].tolist())) if isinstance(target, str) else target for target in self.target
        )
        return replace(self, target=tuple(found))

    def on_components(self, mean: NDArray[np.float64], vectors: NDArray[np.float64]) -> Self:
        """Return the detector with its targets as components."""
        rows = (self.spectra(len(mean)) - mean) @ vectors
        return replace(
            self, target=tuple((name, tuple(row.tolist())) for name, row in zip(self.named, rows, strict=True))
        )

    def spectra(self, bands: int) -> NDArray[np.float64]:
        """Return the spectra of the targets, ``(targets, bands)``.

        Raises
        ------
        ParameterError
            When a target is only named, or has another number of bands.
        """
        found = []
        for target in self.target:
            if isinstance(target, str):
                raise ParameterError(f"{self.option}: {target!r} names a spectrum, and there is no scene to find it in")
            name, spectrum = target
            if len(spectrum) != bands:
                raise ParameterError(
                    f"{self.option}: {name} has {len(spectrum)} numbers, and {bands} bands of the scene are used"
                )
            found.append(spectrum)
        return np.array(found, dtype=np.float64)

    @abstractmethod
    def each(self, pixels: NDArray[np.float64], background: Any) -> NDArray[np.float64]:
        """Return the score of each of ``(n, d)`` pixels for each target, ``(n, targets)``."""

    @abstractmethod
    def parts_by_band(
        self, pixel: NDArray[np.float64], background: Any, target: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the pixel from which the score is measured, ``(d,)``, and the slopes: their product is the score."""

    def score(self, block: Block, background: Any) -> NDArray[np.float64]:
        """Return the scores of the block's core, each for the target that the pixel is most like."""
        found = [np.empty(0), *(self.each(piece, background).max(axis=1) for piece in block.pieces())]
        return block.spread(np.concatenate(found))

    def account(self, block: Block, background: Any) -> Reason:
        """Return what of the score comes from each band; the contributions sum to the score."""
        each = self.each(block.pixel[None], background)[0]
        best = int(each.argmax())
        origin, slopes = self.parts_by_band(block.pixel, background, best)
        residual = block.pixel - origin
        reason = Reason("", slopes * residual, origin, residual, slopes).summing_to(float(each[best]))
        more = f", the most like it of {len(each)} targets" if len(each) > 1 else ""
        return replace(reason, sentence=self._in_words(float(each[best]), f"the target {self.named[best]}") + more)

    @abstractmethod
    def _in_words(self, score: float, target: str) -> str:
        """Return the score in words."""
