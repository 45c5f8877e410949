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
    """The iterations of a decomposition, from which the sparse part of any pixel follows by its spectrum.

    Attributes
    ----------
    steps : tuple of Step
        The start and each iteration.
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
    not depend on the scale of all spectra, but on the scale of the bands relative to each other.

    Notes
    -----
    λ is 1/√max(pixels, bands) unless it is set. At that λ S is not sparse: on airborne scenes nine elements of ten are
    not 0. So the score is the size of S, not the number of its elements.

    Every iteration is one pass over the scene. Between passes hsad caches a matrix of the size of the scene (4 bytes
    for each pixel and band). The cache is in memory if it takes at most half of the run's memory and of the free
    memory, else in temporary files. If three times as much fits into memory, the spectra are cached too, and the scene
    is read only once. On a cluster each worker caches the part of its tiles. Lost parts are computed again from the
    iterations so far.

    A background from one scene, or from a part of it, scores other pixels by the same iterations. The result depends on
    the scene, because materials that the background did not see count as sparse too. In 25 of 32 cases on ten airborne
    benchmark scenes, a background from one half found the objects of the other half as well as one from the whole scene
    did (area under the ROC curve at most .02 less). In a few cases it was much worse: .84 instead of .92, .87 instead
    of .98, .34 instead of .97 where the halves are different kinds of land (``hsad help accuracy``).

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 12))
    >>> scene[20, 30] += 9
    >>> scores = hsad.detect(scene, hsad.RPCA())
    >>> np.unravel_index(scores.argmax(), scores.shape) == (20, 30)
    True
    """

    title: ClassVar[str] = "robust PCA of pixels x bands: size of a pixel's sparse part"
    cites: ClassVar[tuple[str, ...]] = ("candes2011", "lin2010")

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
        """Return the decomposition of the scene, or of several as one matrix, after a pass for each iteration."""
        extent = require_valid(scan(_extent))
        bands = len(extent.low)
        if bands < 2:
            raise DataError("rpca needs at least 2 bands: the scene has 1")
        if np.array_equal(extent.low, extent.high):
            raise DataError("the scene is constant: every valid pixel has the same spectrum")
        size = 4 * extent.count * bands
        room = functools.reduce(operator.add, scan.everywhere(Room.here))
        place = room.place(size, scan.memory, f"rpca of {extent.count} pixels of {bands} bands")
        with_pixels = room.holds(3 * size, scan.memory)
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
            raise ParameterError(f"lam {lam:.3g} is so small that the low-rank part is empty")
        if tally.nonzero == 0:
            raise DataError(f"lam {lam:.3g} leaves no sparse part: choose a smaller lam (the scene has rank {rank})")
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
        sparse = sparse_part(block, background.steps)[0]
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
            unlike="what the pixels of the scene have in common",
        ).summing_to(score)

    def _gaussian(self, scan: Scan, steps: tuple[Step, ...]) -> Gaussian | None:
        if self.measure != "rx":
            return None
        moments = _required(scan(_moments, steps))
        whitening = whitener(moments.covariance)
        return Gaussian(moments.mean, whitening, moments.count, whitening.shape[1])


@dataclass(frozen=True, eq=False)
class _State:
    """The state of a block's pixels after some steps, in its cache, with the number of steps and the last one.

    `pixels` are the spectra of the block, if memory holds them too.
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
        """Tell whether `steps` begin with the steps of this state, which another decomposition may have left."""
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
    """The pixels X of a block, the rows of X - M after the cached steps, and the steps that remain."""

    pixels: NDArray[np.float64]
    state: NDArray[np.float32]
    missing: Sequence[Step]


def _rows(block: Block, steps: Sequence[Step]) -> _Rows | None:
    # The state leaves the cache, so that an error on the way does not leave half a state there.
    cached: _State | None = block.cache.pop("state", None)
    if cached is not None and cached.done < len(steps) and cached.follows(steps):
        return _Rows(
            block.pixels if cached.pixels is None else cached.pixels, cached.array.load(), steps[cached.done :]
        )
    pixels = block.pixels
    return _Rows(pixels, np.zeros(pixels.shape, np.float32), steps) if len(pixels) else None


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
    """Return the sparse parts of the block's pixels, cached or computed."""
    cached: _State | None = block.cache.get("sparse")
    if cached is not None and cached.done == len(steps) and cached.follows(steps):
        return cached.array.load().astype(np.float64)
    pixels = block.pixels
    sparse = np.zeros(pixels.shape, np.float32)
    finish(pixels, sparse, steps)
    return sparse.astype(np.float64)


def _moments(block: Block, steps: tuple[Step, ...]) -> Moments | None:
    return Moments.of(sparse_part(block, steps)) if block.core_valid.any() else None


def _required(value: T | None) -> T:
    assert value is not None  # noqa: S101  the first pass found valid pixels
    return value
