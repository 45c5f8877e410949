"""A background of patches of low rank: what a few typical patches cannot show stands out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Background, Detector, Scan
from hsad.detectors.block import Block
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import check_varies
from hsad.errors import DataError, ParameterError
from hsad.kernels.low_rank.patch_grid import cut_patches, fill_invalid, patch_starts
from hsad.kernels.summaries import Totals

__all__ = ["LowRank", "PatchBasis"]


@dataclass(frozen=True, eq=False)
class PatchBasis(Background):
    """The leading left singular vectors of the patch matrix of every band.

    Attributes
    ----------
    vectors : (bands, patch², rank) ndarray of float64
    explained : float
        Share of the squared norm of the patches (of all bands) that they hold.
    patches : int
        Number of patches.
    """

    shapes: ClassVar[dict[str, Any]] = {"vectors": ("bands", "elements", "rank")}

    vectors: NDArray[np.float64]
    explained: float
    patches: int


@dataclass(frozen=True)
class LowRank(Detector):
    """Norm over the bands of what is left of a pixel after a rank-k background of patches was taken away.

    The patches of a band's image, as vectors, are the columns of a matrix; its truncated singular value decomposition
    is the background. A pixel lies in several patches: the median of their backgrounds counts. Patches lie `stride`
    apart, counted from both ends of the scene towards the middle, so that the last row and column are covered.

    Notes
    -----
    The decomposition is that of the whole scene, exact, from one pass: the left singular vectors are the eigenvectors
    of a matrix of the size of a patch. Rank 1 is close to a local mean that follows the shading of the scene. A large
    bright object is itself a large part of the first singular vector and hides there: use patches well larger
    than the objects. An invalid pixel takes the mean of the valid ones of its patch.

    References
    ----------
    C. Gao et al., "Infrared patch-image model for small target detection in a single image", IEEE TIP
    22(12):4996-5009, 2013, for patches as columns; C. Eckart, G. Young, Psychometrika 1:211-218, 1936, for the
    approximation of rank k.
    """

    title: ClassVar[str] = "rank-k background of patches: residual of a pixel over the bands"
    reference: ClassVar[str] = "Gao et al., IEEE TIP 22(12):4996, 2013; Eckart & Young, Psychometrika 1:211, 1936"

    rank: int = parameter(1, "rank of the background", check=lambda value: None if value >= 1 else "at least 1")
    patch: int = parameter(8, "side of a patch in pixels", check=lambda value: None if value >= 2 else "at least 2")
    stride: int = parameter(
        4, "distance of patches in pixels, at most a patch", check=lambda value: None if value >= 1 else "at least 1"
    )
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
    def reach(self) -> int:
        """The patches that cover a pixel end at most ``patch − 1`` away."""
        return self.patch - 1

    @property
    def smallest_side(self) -> int:
        """A patch must lie in the scene."""
        return self.patch

    def footprint(self, bands: int, itemsize: int) -> float:
        """Spectra, and the overlapping patches of all bands in a few arrays (measured)."""
        return 10.0 * itemsize * bands

    def _sizes(self, bands: int) -> dict[str, int]:
        return {"bands": bands, "elements": self.patch**2, "rank": self.rank}

    def learn(self, scan: Scan) -> PatchBasis:
        """Learn the singular vectors of all bands in one pass, after one that looks whether they vary."""
        check_varies(scan)
        totals = scan(_products, self, reach=self.reach)
        if totals is None or totals.count <= self.rank:
            found = 0 if totals is None else totals.count
            raise DataError(
                f"{found} patches have no background of rank {self.rank}: choose a lower rank or smaller patches"
            )
        energy = float(np.trace(totals.total, axis1=1, axis2=2).sum())
        if not energy > 0:
            raise DataError("the numbers of the scene are so small that their squares vanish: scale them")
        values, vectors = np.linalg.eigh(totals.total)
        vectors = np.ascontiguousarray(vectors[:, :, ::-1][:, :, : self.rank])
        return PatchBasis(vectors, float(values[:, -self.rank :].sum() / energy), totals.count)

    def score(self, block: Block, background: PatchBasis) -> NDArray[np.float64]:
        """Return the norms of the residuals of the block's core."""
        from hsad.kernels.low_rank.median_merge import merge_by_median

        cut = _cut(block, self, block.core)
        if cut is None:
            return np.full(block.core_valid.shape, np.nan)
        low = (cut.patches @ background.vectors) @ background.vectors.transpose(0, 2, 1) + cut.means
        merged = merge_by_median(
            low,
            cut.numbers,
            cut.rows - block.core[0].start,
            cut.cols - block.core[1].start,
            self.patch,
            block.core_valid.shape,
        )
        residual = block.spectra[block.core] - merged
        return np.where(block.core_valid, np.sqrt(np.einsum("ijk,ijk->ij", residual, residual)), np.nan)


class _Cut(NamedTuple):
    """Patches taken out of a block.

    Attributes
    ----------
    patches : (bands, patches, patch²) ndarray
        Without their means where those are taken out.
    means : (bands, patches, 1) ndarray
        What was taken out.
    numbers : (rows, cols) ndarray of int64
        Which of them lies at each place of the grid, -1 where none is usable.
    rows, cols : ndarray of int64
        First rows and columns in the block.
    """

    patches: NDArray[np.float64]
    means: NDArray[np.float64]
    numbers: NDArray[np.int64]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]


def _cut(block: Block, detector: LowRank, span: tuple[slice, slice], *, whole: bool = True) -> _Cut | None:
    """Take the patches out of a block that meet its core, or (not `whole`) that start there; None if there are none."""
    patch = detector.patch
    starts = []
    for axis, size in enumerate((block.scene.rows, block.scene.cols)):
        first = patch_starts(size, patch, detector.stride) - block.origin[axis]
        low = span[axis].start - (patch - 1 if whole else 0)
        starts.append(first[(first >= low) & (first < span[axis].stop)])
    rows, cols = starts
    if not (rows.size and cols.size):
        return None
    valid = cut_patches(block.valid[..., None], rows, cols, patch)[0]
    patches, usable = fill_invalid(cut_patches(block.spectra, rows, cols, patch), valid)
    if not usable.any():
        return None
    means = patches.mean(axis=2, keepdims=True) if detector.center else np.zeros((len(patches), 1, 1))
    numbers = np.where(usable, np.cumsum(usable) - 1, -1).reshape(len(rows), len(cols))
    return _Cut(patches - means, means, numbers, rows, cols)


def _products(block: Block, detector: LowRank) -> Totals | None:
    """Return the number of patches that start in a block's core, and the sum of their outer products, by band."""
    cut = _cut(block, detector, block.core, whole=False)
    if cut is None:
        return None
    return Totals(cut.patches.shape[1], cut.patches.transpose(0, 2, 1) @ cut.patches)
