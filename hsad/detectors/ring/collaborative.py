"""Collaborative representation of a pixel by its ring, in the space of spectra and in that of a kernel."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Scan
from hsad.detectors.block import Block
from hsad.detectors.checks import above
from hsad.detectors.described import for_users
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import Scale, order_one_factor
from hsad.detectors.ring.windows import Device, DualWindow
from hsad.errors import DataError, HsadWarning
from hsad.kernels.ring import task as tasks
from hsad.kernels.summaries import Sample

__all__ = ["CRD", "KernelCRD", "KernelScale"]

Weights = Literal["distance", "none"]

#: Number of pixels whose mutual distances give the width of a kernel.
_SAMPLE = 1000


@dataclass(frozen=True)
class KernelScale(Scale):
    """One factor for all spectra, and the kernel's γ in units of the scaled spectra.

    Attributes
    ----------
    gamma : float
        γ.
    """

    gamma: float


@for_users
@dataclass(frozen=True)
class CRD(DualWindow):
    """Norm of what is left of a pixel when the pixels of its ring represent it together.

    ``min ‖y − Xα‖² + λ Σ Γᵢ² αᵢ²`` with Γᵢ = ‖y − xᵢ‖ (``weights="distance"``) or 1; the score is ‖y − Xα‖, not
    squared, in the units of the spectra.

    Notes
    -----
    With distance weights the score is proportional to the scale of the spectra. Without them, and with
    ``sum_to_one``, the effect of λ and of the appended 1 depends on that scale. So spectra whose largest magnitude lies
    outside 0.1 … 10 are divided by it first (one pass), and the score is multiplied by it.

    ``center`` and ``normalize`` together destroy detection, because after centring the length of a pixel is the signal.

    ``score="objective"`` gives the square root of the minimum itself, which depends less on the window and on λ.

    With distance weights and more than some hundred bands, the systems are factored in single precision. The solution
    is refined in double precision from the spectra, until the error is below 3e-8 of the score, half a digit of a
    float32. Pixels that do not reach this (with a tiny λ) are solved in double precision.

    ``solver="truncated"`` (a pseudo-inverse that keeps 99.99 % of the trace) and ``border="reflect"`` reproduce
    published tables; they are other detectors.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 12))
    >>> scene[20, 30] += 9
    >>> scores = hsad.detect(scene, hsad.CRD(outer=9, inner=3, lam=1e-2))
    >>> np.unravel_index(scores.argmax(), scores.shape) == (20, 30)
    True
    """

    title: ClassVar[str] = "collaborative representation: residual of a pixel represented by its ring"
    cites: ClassVar[tuple[str, ...]] = ("li2015",)

    lam: float = parameter(1e-3, "regularisation λ", check=above(0))
    weights: Weights = parameter("distance", "cost of ring pixels: the distance from the pixel, or the same for all")
    sum_to_one: bool = parameter(False, "ask for coefficients that sum to one")
    center: bool = parameter(False, "subtract the mean of the ring first")
    normalize: bool = parameter(False, "scale pixel and atoms to unit length first")
    solver: Literal["exact", "truncated"] = parameter(
        "exact", "exact, or the truncated pseudo-inverse of published code"
    )
    measure: Literal["residual", "objective"] = parameter(
        "residual", "norm of the residual, or square root of the whole minimum", alias="score"
    )
    device: Device = parameter("cpu", "where it is computed; cuda needs torch")

    def learn(self, scan: Scan) -> Scale:
        """Return the factor that makes the spectra of order one; 1 if the score does not depend on it."""
        if self.center and self.normalize:
            warnings.warn("center and normalize together destroy detection: use one of them", HsadWarning, stacklevel=2)
        scale_free = self.normalize or (self.weights == "distance" and not self.sum_to_one)
        return Scale(1.0 if scale_free else order_one_factor(scan))

    @property
    def task(self) -> tasks.Task:
        """The task for the kernels."""
        return tasks.Task(
            tasks.CRD,
            self.lam,
            distance=self.weights == "distance",
            center=self.center,
            normalize=self.normalize,
            sum_to_one=self.sum_to_one,
            truncated=self.solver == "truncated",
            objective=self.measure == "objective",
        )

    def score(self, block: Block, background: Scale) -> NDArray[np.float64]:
        """Return the residuals of the block's core; NaN where the ring has too few valid pixels."""
        from hsad.kernels.ring.score import score_rings

        spectra = block.spectra * background.factor
        scores = score_rings(spectra, block.valid, block.core, self.window, self.task, device=self.device)
        return scores if self.normalize else scores / background.factor

    def account(self, block: Block, background: Scale) -> Reason:
        """Return what of the residual's norm, or of the root of the objective, comes from each band."""
        return _linear_account(self, block, background, self.task)


@for_users
@dataclass(frozen=True)
class KernelCRD(DualWindow):
    """Collaborative representation in the feature space of a kernel.

    The score is √(k(y,y) + αᵀKα − 2αᵀk_y) with α = (K + λΓ²)⁻¹k_y and Γᵢ² = k(y,y) + k(xᵢ,xᵢ) − 2k(y,xᵢ).

    Notes
    -----
    Spectra whose largest magnitude lies outside 0.1 … 10 are divided by it first. ``gamma="auto"`` takes the median of
    the squared distances between 1000 pixels of the scene, γ = 1/(2·median), for ``rbf``; for ``polynomial``
    ((γ aᵀb + 1)³) it takes one over their mean squared length. ``linear`` has no γ and gives `CRD`. With distance
    weights systems are factored in single precision and refined, as those of `CRD`.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 12))
    >>> scene[20, 30] += 9
    >>> scores = hsad.detect(scene, hsad.KernelCRD(outer=9, inner=3, kernel="polynomial"))
    >>> np.unravel_index(scores.argmax(), scores.shape) == (20, 30)
    True
    """

    title: ClassVar[str] = "kernel CRD: collaborative representation in a kernel's feature space"
    cites: ClassVar[tuple[str, ...]] = ("li2015",)

    lam: float = parameter(1e-3, "regularisation λ", check=above(0))
    weights: Weights = parameter("distance", "cost of ring pixels: the distance from the pixel, or the same for all")
    kernel: Literal["rbf", "polynomial", "linear"] = parameter("rbf", "the kernel")
    gamma: float | Literal["auto"] = parameter("auto", "the kernel's γ on spectra of order one", check=above(0))
    device: Device = parameter("cpu", "where it is computed; cuda needs torch")

    def learn(self, scan: Scan) -> KernelScale:
        """Return the factor that makes the spectra of order one, and the kernel's γ, learned unless it is set."""
        factor = order_one_factor(scan)
        if self.gamma != "auto":
            return KernelScale(factor, self.gamma)
        if self.kernel == "linear":
            return KernelScale(factor, 1.0)
        sample = scan(_sample)
        assert sample is not None  # noqa: S101  the factor comes from the same pixels
        return KernelScale(factor, _gamma(sample.spectra * factor, self.kernel))

    def task(self, gamma: float) -> tasks.Task:
        """Return the task for the kernels, with the γ that was learned or set."""
        return tasks.Task(
            tasks.CRD,
            self.lam,
            distance=self.weights == "distance",
            kernel=tasks.KERNELS.index(self.kernel),
            gamma=gamma,
        )

    def score(self, block: Block, background: KernelScale) -> NDArray[np.float64]:
        """Return the residuals of the block's core; NaN where the ring has too few valid pixels."""
        from hsad.kernels.ring.score import score_rings

        spectra, task = block.spectra * background.factor, self.task(background.gamma)
        return score_rings(spectra, block.valid, block.core, self.window, task, device=self.device)

    def account(self, block: Block, background: KernelScale) -> Reason:
        """Return the account of CRD for the linear kernel; the residual of another one has no bands."""
        if self.kernel == "linear":
            return _linear_account(self, block, background, self.task(background.gamma))
        return Reason(
            f"this method gives no account by band: what the ring does not explain lies in the space of the "
            f"{self.kernel} kernel, which has no bands; compare the spectrum with its ring",
            unlike="the ring around it",
        )


def _linear_account(detector: DualWindow, block: Block, background: Scale, task: tasks.Task) -> Reason:
    """Return the account of a representation in the space of spectra."""
    from hsad.kernels.ring.account import account_of_ring

    score = float(detector.score(block, background)[0, 0])
    found = account_of_ring(block.spectra * background.factor, block.valid, block.place, detector.window, task)
    sentence = "the {count} pixels of its ring together leave {share} of its length unexplained"
    return detector.reason_of(block, score, found, background.factor, sentence)


def _sample(block: Block) -> Sample | None:
    return Sample.of(block.pixels, block.pixel_numbers, _SAMPLE, scene=block.scene.index)


def _gamma(spectra: NDArray[np.float64], kernel: str) -> float:
    squares = np.einsum("ij,ij->i", spectra, spectra)
    typical = float(squares.mean())
    if kernel == "rbf":
        first, second = np.triu_indices(len(spectra), 1)
        distances = np.maximum(squares[:, None] + squares - 2 * spectra @ spectra.T, 0.0)[first, second]
        typical = 2 * float(np.median(distances)) if distances.size else 0.0
    if typical <= 0:
        raise DataError("the pixels are too similar to choose the kernel's gamma from them: set gamma")
    return 1.0 / typical
