"""The spectral angle mapper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Scan
from hsad.detectors.described import for_users
from hsad.detectors.probe import require_valid
from hsad.detectors.targets.base import TargetDetector, Targets
from hsad.errors import ParameterError
from hsad.kernels.summaries import Largest

if TYPE_CHECKING:
    from hsad.detectors.block import Block

__all__ = ["SAM"]


@for_users
@dataclass(frozen=True)
class SAM(TargetDetector):
    """Spectral angle mapper: the cosine of the angle between pixel and target, ``x·t/|x||t|``.

    1 is the same spectrum at any brightness. The angle in degrees is ``degrees(arccos(score))``. Of several targets the
    highest score counts.

    Notes
    -----
    It learns nothing of the scene. The shape that all spectra share, that of the illumination, is part of the angle. So
    it tells materials apart only where a target fills its pixel.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 12))
    >>> scene[20, 30] += 9
    >>> scores = hsad.detect(scene, hsad.SAM(target=[5 * scene[20, 30]]))
    >>> float(round(scores[20, 30], 3))
    1.0
    """

    title: ClassVar[str] = "likeness to a target: cosine of the spectral angle"
    cites: ClassVar[tuple[str, ...]] = ("kruse1993",)

    def learn(self, scan: Scan) -> Targets:
        """Return the targets; one pass looks how many bands the scene has.

        Raises
        ------
        ParameterError
            When a target is zero in all bands.
        """
        targets = self.spectra(int(require_valid(scan(_bands)).value))
        for name, target in zip(self.named, targets, strict=True):
            if not target.any():
                raise ParameterError(f"target: {name} is zero in all bands: it has no angle")
        return Targets(targets)

    def each(self, pixels: NDArray[np.float64], background: Targets) -> NDArray[np.float64]:
        """Return the cosines; 0 for a pixel that is zero in all bands."""
        unit = background.targets / np.linalg.norm(background.targets, axis=1)[:, None]
        length = np.linalg.norm(pixels, axis=1)[:, None]
        along = pixels @ unit.T
        cosine = np.divide(along, length, out=np.zeros_like(along), where=length > 0)
        return np.asarray(np.clip(cosine, -1.0, 1.0))

    def parts_by_band(
        self, pixel: NDArray[np.float64], background: Targets, target: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return zeros and ``t/|x||t|``."""
        length = float(np.linalg.norm(pixel) * np.linalg.norm(background.targets[target]))
        slopes = background.targets[target] / length if length > 0 else np.zeros_like(pixel)
        return np.zeros_like(pixel), slopes

    def _in_words(self, score: float, target: str) -> str:
        return f"its spectral angle to {target} is {np.degrees(np.arccos(score)):.2f}°"


def _bands(block: Block) -> Largest | None:
    return Largest(block.shape[2]) if block.core_valid.any() else None
