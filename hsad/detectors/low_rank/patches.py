"""A background of patches of low rank: what a few typical patches do not reproduce is anomalous."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Background, Detector, Scan
from hsad.detectors.block import Block
from hsad.detectors.checks import at_least
from hsad.detectors.described import for_users
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import check_varies
from hsad.errors import DataError, ParameterError
from hsad.kernels.low_rank.patch_grid import patch_starts
from hsad.kernels.summaries import Totals

if TYPE_CHECKING:
    from hsad.kernels.low_rank.patch_background import Places

__all__ = ["LowRank", "PatchBasis"]


_BANDS = 32
"""Number of bands whose products are summed together. Those of patches of 8 x 8 pixels take 1 MB, which fits into the
cache of a processor; with all bands two threads wait for the memory."""


@dataclass(frozen=True, eq=False)
class PatchBasis(Background):
    """The leading left singular vectors of the patch matrix of every band.

    Attributes
    ----------
    vectors : (bands, patch², rank) ndarray of float64
    explained : float
        Share of the squared norm of the patches (of all bands) that the vectors reproduce.
    patches : int
        Number of patches.
    """

    shapes: ClassVar[dict[str, Any]] = {"vectors": ("bands", "elements", "rank")}

    vectors: NDArray[np.float64]
    explained: float
    patches: int


@for_users
@dataclass(frozen=True)
class LowRank(Detector):
    """Norm over the bands of the difference between a pixel and a rank-k background of patches.

    The patches of a band's image, as vectors, are the columns of a matrix D. With U the ``rank`` eigenvectors of ``D
    Dᵀ`` with the largest eigenvalues, a patch v has the background ``m + U Uᵀ(v − m)``, m = 0 or with `center` its
    mean. A pixel lies in several patches; its background is the median of theirs. The score is ``√Σ (x − background)²``
    over the bands, not divided by their number. Patches lie `stride` apart, counted from both ends of the scene towards
    the middle, so that they cover the last row and column.

    Notes
    -----
    The decomposition is that of the whole scene, exact, from one pass: the left singular vectors are the eigenvectors
    of a matrix of the size of a patch. Rank 1 is close to a local mean that follows the shading of the scene. A large
    bright object is a large part of the first singular vector and hides there, so use patches much larger than the
    objects. An invalid pixel takes the mean of the valid ones of its patch.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 12))
    >>> scene[20, 30] += 9
    >>> scores = hsad.detect(scene, hsad.LowRank(patch=6, stride=3))
    >>> np.unravel_index(scores.argmax(), scores.shape) == (20, 30)
    True
    """

    title: ClassVar[str] = "rank-k background of patches: residual of a pixel over the bands"
    cites: ClassVar[tuple[str, ...]] = ("gao2013", "eckart1936")

    rank: int = parameter(1, "rank of the background", check=at_least(1))
    patch: int = parameter(8, "side of a patch in pixels", check=at_least(2))
    stride: int = parameter(4, "distance of patches in pixels, at most a patch", check=at_least(1))
    center: bool = parameter(False, "take the mean of each patch out before, and add it to its background")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stride > self.patch:
            raise ParameterError(f"stride must be at most patch ({self.patch}), not {self.stride}")
        # Centred patches lie in a space of one dimension less.
        dimension = self.patch**2 - self.center
        if self.rank >= dimension:
            raise ParameterError(f"rank must be below the dimension of a patch ({dimension}), not {self.rank}")

    @property
    def halo(self) -> int:
        """The patches that cover a pixel end at most ``patch − 1`` away."""
        return self.patch - 1

    @property
    def smallest_side(self) -> int:
        """A patch must lie in the scene."""
        return self.patch

    def footprint(self, bands: int, itemsize: int) -> float:
        """Return the bytes of spectra, weights of patches, and overlapping patches of some rows (measured)."""
        return 10.0 * itemsize * bands

    def _sizes(self, bands: int) -> dict[str, int]:
        return {"bands": bands, "elements": self.patch**2, "rank": self.rank}

    def learn(self, scan: Scan) -> PatchBasis:
        """Return the singular vectors of all bands after one pass, and one before that checks that pixels vary."""
        from hsad.kernels.low_rank.spectrum import largest_vectors

        check_varies(scan)
        totals = scan(_products, self, halo=self.halo)
        if totals is None or totals.count <= self.rank:
            number = 0 if totals is None else totals.count
            raise DataError(
                f"{number} patches have no background of rank {self.rank}: choose a lower rank or smaller patches"
            )
        energy = float(np.trace(totals.total, axis1=1, axis2=2).sum())
        if not energy > 0:
            raise DataError("the numbers of the scene are so small that their squares vanish: scale them")
        found = [largest_vectors(products, self.rank) for products in totals.total]
        explained = float(sum(values.sum() for values, _ in found)) / energy
        return PatchBasis(np.stack([vectors for _, vectors in found]), explained, totals.count)

    def score(self, block: Block, background: PatchBasis) -> NDArray[np.float64]:
        """Return the norms of the residuals of the block's core."""
        return np.where(block.core_valid, self._residuals(block, background)[0], np.nan)

    def account(self, block: Block, background: PatchBasis) -> Reason:
        """Return the squared residual of each band over the norm of the residual."""
        scores, found = self._residuals(block, background)
        residual = block.pixel - found
        slopes = residual / (float(scores[0, 0]) or 1.0)
        return Reason(
            f"the background of rank {self.rank} of its patches, which holds {background.explained:.2%} of the scene, "
            f"leaves a residual of length {float(scores[0, 0]):.4g}",
            slopes * residual,
            found,
            residual,
            slopes,
            unlike="what the patches of the scene have in common",
        )

    def _residuals(self, block: Block, background: PatchBasis) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the norms of the residuals of the block's core, and the background of its last pixel."""
        from hsad.kernels.low_rank.patch_background import background_residuals

        places = _places(block, self, self.patch - 1)
        core = (block.core[0].start, block.core[0].stop, block.core[1].start, block.core[1].stop)
        # The kernel reads all bands side by side.
        vectors = np.ascontiguousarray(background.vectors.transpose(1, 2, 0))
        return background_residuals(block.spectra, block.valid, core, places, self.center, vectors)


def _places(block: Block, detector: LowRank, before: int) -> Places:
    """Return the patches that start in a block's core, or up to `before` pixels before it."""
    from hsad.kernels.low_rank.patch_background import Places

    starts = []
    for core, size, origin in zip(block.core, (block.scene.rows, block.scene.cols), block.origin, strict=True):
        first = patch_starts(size, detector.patch, detector.stride) - origin
        starts.append(first[(first >= core.start - before) & (first < core.stop)])
    rows, cols = starts
    return Places(rows, cols, detector.patch)


def _products(block: Block, detector: LowRank) -> Totals | None:
    """Return the number of patches that start in a block's core, and the sum of their outer products, by band."""
    from hsad.kernels.low_rank.patch_background import patch_products

    bands, places = block.shape[2], _places(block, detector, 0)
    total = np.empty((bands, detector.patch**2, detector.patch**2))
    count = 0
    for first in range(0, bands, _BANDS):
        some = slice(first, first + _BANDS)
        spectra = np.ascontiguousarray(block.spectra[..., some])
        count, total[some] = patch_products(spectra, block.valid, places, detector.center)
    return Totals(count, total) if count else None
