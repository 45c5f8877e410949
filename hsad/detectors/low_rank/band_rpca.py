"""Robust principal component analysis of images: the image of each band is a matrix of its own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Detector, Scan
from hsad.detectors.block import Block
from hsad.detectors.checks import above, at_least, zero_or_at_least
from hsad.detectors.described import for_users
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import check_varies
from hsad.errors import ConvergenceWarning, ParameterError
from hsad.kernels.low_rank.patch_grid import cut_patches, patch_starts

__all__ = ["BandRPCA"]

_MOST_ITERATIONS = 200
_OVERLAP = 4
"""Neighbouring windows overlap by about one part in this number of their sides."""


@for_users
@dataclass(frozen=True)
class BandRPCA(Detector):
    """Principal component pursuit of every band image, in overlapping windows: the size of a pixel's sparse parts.

    Each window D of the image of a band is split into ``D = L + S`` with the least ``‖L‖_* + λ‖S‖₁``. The score of a
    pixel is the norm of its S over the bands, not divided by their number.

    Rows and columns of the image are those of the matrix; or, with `patch`, its overlapping patches are the columns
    (the patch-image model). What the rows (or patches) of a window have in common is the background of the band.

    Notes
    -----
    Windows of about `window` pixels cover the scene, evenly spaced between its edges. A quarter of each overlaps the
    next one. The windows belong to the scene and not to its tiles, so results do not depend on tiles. Where windows
    overlap, their sparse parts are averaged, with weights that fall to 0 at the edge of a window as a squared sine.
    With the defaults the weight of a window changes by at most a tenth from one pixel to the next, so a seam is at most
    that share of the difference of two decompositions. A scene that is no larger than a window is decomposed whole.

    λ is 1/√(longer side of the window) unless it is set. An invalid pixel takes the mean of the valid ones in its
    window.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 12))
    >>> scene[20, 30] += 9
    >>> scores = hsad.detect(scene, hsad.BandRPCA(window=40))
    >>> np.unravel_index(scores.argmax(), scores.shape) == (20, 30)
    True
    """

    leaf: ClassVar[int] = 128  # neighbouring leaves decompose the windows between them twice
    title: ClassVar[str] = "robust PCA of each band's image: size of a pixel's sparse parts over the bands"
    cites: ClassVar[tuple[str, ...]] = ("candes2011", "gao2013", "lin2010")

    lam: float | Literal["auto"] = parameter(
        "auto",
        "weight of the sparse part; auto: 1/sqrt(side of the window)",
        check=above(0, below=1),
    )
    measure: Literal["l2", "l1"] = parameter("l2", "norm of the sparse parts over the bands", alias="score")
    patch: int = parameter(
        0,
        "side of the patches that are the columns of the matrix; 0: the band image itself is the matrix",
        check=zero_or_at_least(2),
    )
    window: int = parameter(64, "side of the windows that are decomposed", check=at_least(8))
    tolerance: float = parameter(
        1e-7,
        "relative residual at which the iteration ends",
        check=above(0, below=1),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if 2 * self.patch > self.window:
            raise ParameterError(f"patch must be at most half of window ({self.window}), not {self.patch}")

    @property
    def halo(self) -> int:
        """The windows that a pixel lies in end at most ``window`` away."""
        return self.window

    @property
    def smallest_side(self) -> int:
        """Two rows and columns make a matrix; a patch must lie in the scene."""
        return max(2, self.patch)

    def learn(self, scan: Scan) -> None:
        """Refuse a scene whose pixels are all equal; nothing is learned."""
        check_varies(scan)

    def score(self, block: Block, background: None) -> NDArray[np.float64]:  # noqa: ARG002  nothing is learned
        """Return the norms of the blended sparse parts of the block's core."""
        order = 1 if self.measure == "l1" else 2
        return np.where(block.core_valid, np.linalg.norm(self._sparse(block), ord=order, axis=2), np.nan)

    def account(self, block: Block, background: None) -> Reason:
        """Return what of the norm over the bands comes from each of them."""
        sparse = self._sparse(block)[0, 0]
        length = float(np.linalg.norm(sparse))
        slopes = np.sign(sparse) if self.measure == "l1" else sparse / (length or 1.0)
        reason = Reason(
            f"the low-rank background of each band's image leaves a sparse part of length {length:.4g}",
            slopes * sparse,
            block.pixel - sparse,
            sparse,
            slopes,
            unlike="the low-rank background of the image of each band",
        )
        return reason.summing_to(float(self.score(block, background)[0, 0]))

    def _sparse(self, block: Block) -> NDArray[np.float64]:
        """Return the blended sparse parts of the block's core, ``(core rows, core cols, bands)``."""
        core = block.core
        sparse = np.zeros((*block.core_valid.shape, block.spectra.shape[2]))
        weights = np.zeros(block.core_valid.shape)
        for rows, row_weights in self._windows(block, 0):
            for cols, col_weights in self._windows(block, 1):
                valid = block.valid[rows, cols]
                if not valid[_common(rows, core[0], rows), _common(cols, core[1], cols)].any():
                    continue
                part = self._sparse_part(block.spectra[rows, cols], valid)
                weight = np.outer(row_weights, col_weights)
                here = _common(rows, core[0], core[0]), _common(cols, core[1], core[1])
                there = _common(rows, core[0], rows), _common(cols, core[1], cols)
                sparse[here] += weight[there][..., None] * part[there]
                weights[here] += weight[there]
        with np.errstate(invalid="ignore"):
            sparse /= weights[..., None]
        return sparse

    def _windows(self, block: Block, axis: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield the windows along an axis that meet the core: their slices of the block, and the weights in them."""
        size = (block.scene.rows, block.scene.cols)[axis]
        overlap = max(1, self.window // _OVERLAP)
        steps = -(-max(0, size - self.window) // (self.window - overlap))
        room = max(0, size - self.window)
        for step in range(steps + 1):
            # Rounded outwards, so that a mirrored scene has mirrored windows.
            start = step * room // steps if steps else 0
            stop = size - (steps - step) * room // steps if steps else size
            span = slice(start - block.origin[axis], stop - block.origin[axis])
            if span.start < block.core[axis].stop and span.stop > block.core[axis].start:
                inside = np.arange(stop - start) + 0.5
                ramp = np.minimum(1.0, np.minimum(inside, stop - start - inside) / overlap)
                yield span, np.sin(0.5 * np.pi * ramp) ** 2

    def _sparse_part(self, image: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the sparse parts of a window's ``(rows, cols, bands)``."""
        if not valid.all():
            image = np.where(valid[..., None], image, image[valid].mean(axis=0))
        lam = 1 / np.sqrt(max(image.shape[:2])) if self.lam == "auto" else self.lam
        if self.patch == 0:
            parts = [self._decompose(band, lam) for band in np.moveaxis(image, 2, 0)]
            return np.stack(parts, axis=2)
        stride = self.patch // 2
        from hsad.kernels.low_rank.median_merge import merge_by_median

        rows, cols = (patch_starts(size, self.patch, stride) for size in image.shape[:2])
        patches = cut_patches(image, rows, cols, self.patch)
        parts = [self._decompose(band, lam) for band in patches]
        numbers = np.arange(len(rows) * len(cols)).reshape(len(rows), len(cols))
        return merge_by_median(np.stack(parts, axis=2), numbers, rows, cols, self.patch, image.shape[:2])

    def _decompose(self, matrix: NDArray[np.float64], lam: float) -> NDArray[np.float64]:
        from hsad.kernels.low_rank.matrix_pursuit import sparse_part

        sparse, residual = sparse_part(matrix, lam, self.tolerance, _MOST_ITERATIONS)
        if residual >= self.tolerance:
            warnings.warn(
                f"rpca-bands stopped after {_MOST_ITERATIONS} iterations with a residual of {residual:.1e}, above the "
                f"tolerance of {self.tolerance:.1e}",
                ConvergenceWarning,
                stacklevel=2,
            )
        return sparse


def _common(one: slice, other: slice, within: slice) -> slice:
    """Return the intersection of two slices, counted from the start of `within`."""
    return slice(max(one.start, other.start) - within.start, min(one.stop, other.stop) - within.start)
