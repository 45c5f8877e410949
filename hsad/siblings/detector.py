"""The search for siblings as a detector: the engine scans, resumes and spreads it like any other."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import default_footprint
from hsad.detectors.moments import moments_of
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import require_valid
from hsad.detectors.targets.base import TargetDetector, Targets
from hsad.detectors.targets.given import FORMS, Target, targets_of
from hsad.detectors.targets.whitened import refuse_origin
from hsad.errors import DataError
from hsad.kernels.covariance import raised, whitener
from hsad.kernels.image.peaks import NONE, ONE, REACH
from hsad.siblings.counts import Counts, Sought, count
from hsad.siblings.directions import DECOYS, directions_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hsad.detectors.base import Scan
    from hsad.detectors.block import Block
    from hsad.kernels.summaries import Moments

__all__ = ["Looked", "Siblings"]

#: Eigenvalues of the covariance below this share of their median are raised to it.
_RIDGE = 0.1


@dataclass(frozen=True, eq=False)
class Looked(Targets):
    """What two passes over a scene found of the queries.

    Attributes
    ----------
    sought : Sought
    counts : Counts
    pixels : int
        Number of valid pixels.
    """

    sought: Sought
    counts: Counts
    pixels: int


def _places(value: Any) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return pixels of queries as tuples."""
    return tuple(tuple((int(row), int(col)) for row, col in pixels) for pixels in value)


@dataclass(frozen=True)
class Siblings(TargetDetector):
    """The cosine of pixel and query about the mean, whitened: the signed root of ``ace``; counts as it learns.

    Attributes
    ----------
    own : tuple of tuple of (int, int)
        Pixels that each target was taken from.
    """

    title: ClassVar[str] = "likeness to a target: whitened cosine"
    leaf: ClassVar[int] = 128
    option: ClassVar[str] = "like"
    on_map: ClassVar[bool] = True

    target: tuple[Target, ...] = parameter(
        (), f"what to look for: {FORMS}", metavar="TARGET...", convert=partial(targets_of, option="like"), required=True
    )

    own: tuple[tuple[tuple[int, int], ...], ...] = parameter((), "pixels of each target", metavar="", convert=_places)

    @property
    def halo(self) -> int:
        """A peak is the highest of 5 x 5 pixels."""
        return REACH

    def footprint(self, bands: int, itemsize: int) -> float:
        """Return the bytes of a pixel: its spectrum, and a cosine in each direction twice."""
        return default_footprint(bands, itemsize) + 8.0 * len(self.target) * (1 + DECOYS)

    def with_spectra(self, spectra: Mapping[str, NDArray[np.float64]], pixels: Mapping[str, NDArray[np.int64]]) -> Self:
        """Return the detector with spectra in place of names, and with the pixels that they come from."""
        own = self.own or tuple(pixels[name].tolist() for name in self.named)
        return dataclasses.replace(super().with_spectra(spectra, pixels), own=own)

    def learn(self, scan: Scan) -> Looked:
        """Return the counts: one pass for mean and covariance, one for cosines and their peaks.

        Raises
        ------
        DataError
            When all pixels are equal.
        ParameterError
            When a query equals the mean of the scene.
        """
        moments: Moments = require_valid(scan(moments_of))
        targets = self.spectra(len(moments.mean))
        if moments.count < 2 or not np.trace(moments.covariance) > 0:
            raise DataError("all valid pixels are equal: there is no variation to measure a likeness by")
        whitening = whitener(raised(moments.covariance, _RIDGE))
        lengths = np.linalg.norm((targets - moments.mean) @ whitening, axis=1)
        refuse_origin(self, lengths, moments.mean @ whitening)
        spread = np.sqrt(np.diag(moments.covariance))
        directions = np.vstack([directions_of(target, moments.mean, spread, whitening) for target in targets])
        slopes = np.ascontiguousarray(directions @ whitening.T, dtype=np.float32)
        own = self.own or ((),) * len(targets)
        places = tuple(np.array(pixels, dtype=np.int64).reshape(-1, 2) for pixels in own)
        sought = Sought(moments.mean, whitening, slopes, lengths, places)
        counts: Counts = require_valid(scan(count, sought, halo=REACH))
        return Looked(targets, sought, counts, moments.count)

    def score(self, block: Block, background: Looked) -> NDArray[np.float64]:
        """Return the cosine with the query that a pixel is most like."""
        slopes = background.sought.slopes[:: 1 + DECOYS]
        cosines, _ = background.sought.cosines(block, slopes)
        best = cosines[(slice(None), *block.core)].max(axis=0)
        return np.where(best == NONE, np.nan, best / ONE)

    def each(self, pixels: NDArray[np.float64], background: Looked) -> NDArray[np.float64]:
        """Return the cosines of pixels with the queries."""
        sought = background.sought
        white = (pixels - sought.mean) @ sought.whitening
        queries = (background.targets - sought.mean) @ sought.whitening / sought.lengths[:, None]
        length = np.linalg.norm(white, axis=1)[:, None]
        out = np.zeros((len(pixels), len(queries)))
        return np.asarray(np.divide(white @ queries.T, length, out=out, where=length > 0))

    def parts_by_band(
        self, pixel: NDArray[np.float64], background: Looked, target: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean of the scene, and the slopes of the cosine."""
        sought = background.sought
        length = float(np.linalg.norm((pixel - sought.mean) @ sought.whitening)) * float(sought.lengths[target])
        slopes = sought.whitening @ ((background.targets[target] - sought.mean) @ sought.whitening)
        return sought.mean, slopes / length if length > 0 else np.zeros_like(slopes)

    def _in_words(self, score: float, target: str) -> str:
        return f"its whitened cosine with {target} is {score:.3f}"
