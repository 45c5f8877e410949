"""Robust principal component analysis of the whole scene: every band image is a column of one matrix."""

from __future__ import annotations

import functools
import operator
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Background, Detector, Scan
from hsad.detectors.block import Block
from hsad.detectors.checks import above, at_least
from hsad.detectors.described import for_users
from hsad.detectors.global_rx import Gaussian
from hsad.detectors.low_rank.state import Place, Room, Stored, store
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import require_valid
from hsad.errors import ConvergenceWarning, DataError, ParameterError
from hsad.kernels.covariance import whitener
from hsad.kernels.low_rank.pursuit import Extent, Step, Tally, advance, finish, iterate
from hsad.kernels.summaries import Moments

__all__ = ["RPCA", "Decomposition", "sparse_part"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Decomposition(Background):
    """The iterations of a decomposition: with them the sparse part of any pixel follows from its spectrum.

    Attributes
    ----------
    steps : tuple of Step
        The start and the iterations, one by one.
    gaussian : Gaussian or None
        Mean and covariance of S, for ``score="rx"``.
    lam : float
        λ.
    iterations : int
    converged : bool
        Whether `residual` is below the tolerance.
    residual : float
        ‖X − L − S‖/‖X‖ (Frobenius).
    objective : float
        ‖L‖_* + λ‖S‖₁.
    rank : int
        Of L.
    nonzero : float
        Share of the elements of S that are not 0.
    """

    steps: tuple[Step, ...]
    gaussian: Gaussian | None
    lam: float
    iterations: int
    converged: bool
    residual: float
    objective: float
    rank: int
    nonzero: float


@for_users
@dataclass(frozen=True)
class RPCA(Detector):
    """Principal component pursuit over pixels × bands: the size of a pixel's sparse part.

    X = L + S with the least ‖L‖_* + λ‖S‖₁, by the inexact augmented Lagrangian method: Y₀ = X/max(‖X‖₂, max|X|/λ),
    μ₀ = 1.25/‖X‖₂, μ growing by 1.5 up to 10⁷ μ₀, until ‖X − L − S‖ < tolerance · ‖X‖ (Frobenius). The result does
    not depend on the scale of the spectra, but their units in relation to each other count.

    Notes
    -----
    λ is 1/√max(pixels, bands) unless given. S is not sparse at that λ (on airborne scenes nine elements of ten are not
    0): its size decides, not where it is 0.

    Every iteration is one pass over the scene. Between passes a matrix of the size of the scene (8 bytes a pixel and
    band) is kept: in memory while it takes no more than half of what the run's memory leaves beside the program, and of
    what is free, else in temporary files. Where twice as much fits, the spectra are kept, too, and the scene is read
    only once. On a cluster each worker keeps the part of its tiles. Whatever is lost is computed again from the
    iterations so far.

    A background learned on one scene scores another, or the rest of the same one, by taking its pixels through the
    same iterations. How far that carries depends on the scene: materials that it did not see are "sparse", too. Learned
    on one half of ten airborne benchmark scenes, it found the objects of the other half as well as one learned on
    the whole (area under the ROC curve at most .02 less) in 25 of 32 cases, and much worse in a few: .84 instead of
    .92, .87 instead of .98, .34 instead of .97 where one half is another kind of land (``hsad help accuracy``).

    References
    ----------
    E. J. Candès, X. Li, Y. Ma, J. Wright, "Robust principal component analysis?", J. ACM 58(3):11, 2011;
    Z. Lin, M. Chen, Y. Ma, "The augmented Lagrange multiplier method for exact recovery of corrupted low-rank
    matrices", arXiv:1009.5055, 2010.
    """

    title: ClassVar[str] = "robust PCA of pixels x bands: size of a pixel's sparse part"
    reference: ClassVar[str] = "Candès et al., J. ACM 58(3):11, 2011; Lin, Chen & Ma, arXiv:1009.5055, 2010"

    lam: float | Literal["auto"] = parameter(
        "auto",
        "weight of the sparse part; auto: 1/sqrt(max(pixels, bands))",
        check=above(0, below=1),
    )
    measure: Literal["l2", "l1", "rx"] = parameter(
        "l2", "size of a pixel's sparse part: a norm, or its Mahalanobis distance", alias="score"
    )
    tolerance: float = parameter(
        1e-7,
        "relative residual at which the iteration ends",
        check=above(0, below=1),
    )
    max_iterations: int = parameter(200, "most iterations", check=at_least(1))

    def learn(self, scan: Scan) -> Decomposition:
        """Decompose the scene (or several, as one matrix): one pass an iteration, and a few more."""
        extent = require_valid(scan(_extent))
        bands = len(extent.low)
        if bands < 2:
            raise DataError("rpca needs at least 2 bands: the scene has 1")
        if np.array_equal(extent.low, extent.high):
            raise DataError("the scene is constant: every valid pixel has the same spectrum")
        size = 8 * extent.count * bands
        room = functools.reduce(operator.add, scan.everywhere(Room.here))
        place = room.place(size, scan.memory, f"rpca of {extent.count} pixels of {bands} bands")
        with_pixels = room.holds(2 * size, scan.memory)
        lam = float(1 / np.sqrt(max(extent.count, bands)) if self.lam == "auto" else self.lam)
        steps, nuclear = iterate(
            extent,
            lam,
            self.tolerance,
            self.max_iterations,
            lambda steps: _required(scan(_advance, steps, place, with_pixels)),
        )
        tally = _required(scan(_finish, steps, place))
        nonzero = tally.nonzero / (extent.count * bands)
        residual = float(np.sqrt(tally.squares)) / extent.norm
        rank = len(steps[-1].factors)
        if rank == 0:
            raise ParameterError(f"lam {lam:.3g} is so small that nothing is left of the low-rank part")
        if tally.nonzero == 0:
            raise DataError(f"lam {lam:.3g} leaves no sparse part: choose a smaller one (the scene is of rank {rank})")
        if residual >= self.tolerance:
            warnings.warn(
                f"rpca stopped after max_iterations = {self.max_iterations} with a residual of {residual:.1e}, above "
                f"the tolerance of {self.tolerance:.1e}",
                ConvergenceWarning,
                stacklevel=2,
            )
        return Decomposition(
            steps=steps,
            gaussian=self._gaussian(scan, steps),
            lam=lam,
            iterations=len(steps) - 1,
            converged=residual < self.tolerance,
            residual=residual,
            objective=float(nuclear + lam * tally.absolute),
            rank=rank,
            nonzero=nonzero,
        )

    def score(self, block: Block, background: Decomposition) -> NDArray[np.float64]:
        """Return the size of the sparse parts of the block's core."""
        pixels = block.pixels
        if not len(pixels):
            return block.spread(np.empty(0))
        sparse = sparse_part(block, background.steps)
        if background.gaussian is not None:
            return block.spread(background.gaussian.distance(sparse))
        if self.measure == "l1":
            return block.spread(np.abs(sparse).sum(axis=1))
        return block.spread(np.sqrt(np.einsum("ij,ij->i", sparse, sparse)))

    def account(self, block: Block, background: Decomposition) -> Reason:
        """Return what of the sparse part's size comes from each band."""
        score = float(self.score(block, background)[0, 0])
        sparse = np.array(sparse_part(block, background.steps)[0])
        length = float(np.linalg.norm(sparse))
        slopes = np.sign(sparse) if self.measure == "l1" else sparse / (length or 1.0)
        contributions = slopes * sparse
        if background.gaussian is not None:
            distance = background.gaussian.reason(sparse)
            contributions, slopes = distance.contributions, None
        return Reason(
            f"the low-rank part of the scene (rank {background.rank}) leaves a sparse part of length {length:.4g}",
            contributions,
            block.pixel - sparse,
            sparse,
            slopes,
        ).summing_to(score)

    def _gaussian(self, scan: Scan, steps: tuple[Step, ...]) -> Gaussian | None:
        if self.measure != "rx":
            return None
        moments = _required(scan(_moments, steps))
        whitening = whitener(moments.covariance)
        return Gaussian(moments.mean, whitening, moments.count, whitening.shape[1])


@dataclass(frozen=True, eq=False)
class _State:
    """A state in a block's cache, and the steps it has been through: how many, and the last one.

    `pixels` are those of the block, where there is memory for them, too.
    """

    done: int
    last: Step
    array: Stored
    pixels: NDArray[np.float64] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.array.nbytes + (0 if self.pixels is None else self.pixels.nbytes)

    def follows(self, steps: Sequence[Step]) -> bool:
        """Tell whether `steps` begin with the steps of this state; another learning leaves others."""
        if self.done > len(steps):
            return False
        last = steps[self.done - 1]
        return (
            np.array_equal(self.last.vectors, last.vectors)
            and np.array_equal(self.last.factors, last.factors)
            and (self.last.ratio, self.last.threshold) == (last.ratio, last.threshold)
        )


def _extent(block: Block) -> Extent | None:
    return Extent.of(block.pixels)


class _Rows(NamedTuple):
    """The pixels X of a block, the rows of M as far as they are known, and the steps they have not been through."""

    pixels: NDArray[np.float64]
    state: NDArray[np.float64]
    missing: Sequence[Step]


def _rows(block: Block, steps: Sequence[Step]) -> _Rows | None:
    # Taken out of the cache: an error on the way leaves none rather than half a state.
    known: _State | None = block.cache.pop("state", None)
    if known is not None and known.done < len(steps) and known.follows(steps):
        return _Rows(block.pixels if known.pixels is None else known.pixels, known.array.load(), steps[known.done :])
    pixels = block.pixels
    return _Rows(pixels, pixels.copy(), steps) if len(pixels) else None


def _advance(block: Block, steps: tuple[Step, ...], place: Place, with_pixels: bool) -> Tally | None:
    rows = _rows(block, steps)
    if rows is None:
        return None
    tally = advance(*rows)
    block.cache["state"] = _State(len(steps), steps[-1], store(rows.state, place), rows.pixels if with_pixels else None)
    return tally


def _finish(block: Block, steps: tuple[Step, ...], place: Place) -> Tally | None:
    rows = _rows(block, steps)
    if rows is None:
        return None
    tally = finish(*rows)
    block.cache["sparse"] = _State(len(steps), steps[-1], store(rows.state, place))
    return tally


def sparse_part(block: Block, steps: Sequence[Step]) -> NDArray[np.float64]:
    """Return the sparse parts of the block's pixels, not to be written to: kept from learning, or made anew."""
    known: _State | None = block.cache.get("sparse")
    if known is not None and known.done == len(steps) and known.follows(steps):
        return known.array.load()
    pixels = block.pixels
    sparse = pixels.copy()
    finish(pixels, sparse, steps)
    return sparse


def _moments(block: Block, steps: tuple[Step, ...]) -> Moments | None:
    return Moments.of(sparse_part(block, steps)) if block.core_valid.any() else None


def _required(value: T | None) -> T:
    assert value is not None  # noqa: S101  the first pass found valid pixels
    return value
