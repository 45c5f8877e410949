"""Target detectors that know how the bands of the background vary together: ACE, MF, CEM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Scan
from hsad.detectors.block import Block
from hsad.detectors.checks import above
from hsad.detectors.columns import ByColumns, ColumnDetector, columns_parameter, learned_by_columns
from hsad.detectors.described import for_users
from hsad.detectors.moments import moments_of
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import require_valid
from hsad.detectors.targets.base import TargetDetector, Targets
from hsad.errors import DataError, ParameterError
from hsad.kernels.covariance import mahalanobis, raised, whitener

if TYPE_CHECKING:
    from hsad.kernels.summaries import Moments

__all__ = ["ACE", "CEM", "MF", "WhitenedTargets", "refuse_origin"]


@dataclass(frozen=True, eq=False)
class WhitenedTargets(Targets):
    """Spectra to look for, and the background in which to find them.

    Attributes
    ----------
    origin : (d,) ndarray of float64
        The spectrum from which pixels and targets are measured: the mean of the scene, zeros for CEM.
    whitening : (d, d) ndarray of float64
        W with W·Wᵀ the inverse of the covariance about `origin`, its small eigenvalues raised.
    count : int
        Number of pixels that it was learned from.
    """

    shapes: ClassVar[dict[str, Any]] = {
        "targets": ("targets", "bands"),
        "origin": ("bands",),
        "whitening": ("bands", "bands"),
    }

    origin: NDArray[np.float64]
    whitening: NDArray[np.float64]
    count: int

    @property
    def white(self) -> NDArray[np.float64]:
        """The whitened targets, ``(targets, d)``."""
        return np.asarray((self.targets - self.origin) @ self.whitening)


def refuse_origin(detector: TargetDetector, lengths: NDArray[np.float64], origin: NDArray[np.float64]) -> None:
    """Refuse a target that equals the spectrum from which all are measured: it has no direction.

    Parameters
    ----------
    detector : TargetDetector
    lengths : (targets,) ndarray
        Whitened lengths of the targets from the origin.
    origin : (d,) ndarray
        The whitened origin: zeros, or the mean of the scene.

    Raises
    ------
    ParameterError
    """
    what = "equals the mean of the scene" if origin.any() else "is zero in all bands"
    for name, length in zip(detector.named, lengths, strict=True):
        if not length > 1e-9 * np.linalg.norm(origin):
            raise ParameterError(f"{detector.option}: {name} {what}: it has no direction")


@dataclass(frozen=True)
class _Whitened(ColumnDetector, TargetDetector):
    """Base of the detectors with a covariance.

    Attributes
    ----------
    centred : bool
        Whether the covariance is about the mean of the scene, or about zero.
    """

    centred: ClassVar[bool] = True

    ridge: float = parameter(0.1, "eigenvalues below this share of their median are raised to it", check=above(0))
    columns: int = columns_parameter()

    def learn(self, scan: Scan) -> WhitenedTargets | ByColumns:
        """Return the targets, and mean and covariance after one pass, or after two for groups of columns.

        Raises
        ------
        DataError
            When all pixels are equal.
        ParameterError
            When a target equals the mean of the scene.
        """
        if self.columns:
            return learned_by_columns(replace(self, columns=0), scan, self.columns)
        moments: Moments = require_valid(scan(moments_of))
        targets = self.spectra(len(moments.mean))
        covariance, origin = moments.covariance, moments.mean
        if not self.centred:
            covariance, origin = covariance + np.outer(origin, origin), np.zeros_like(origin)
        if moments.count < 2 or not np.trace(covariance) > 0:
            raise DataError("all valid pixels are equal: there is no variation to measure a target by")
        learned = WhitenedTargets(targets, origin, whitener(raised(covariance, self.ridge)), moments.count)
        refuse_origin(self, np.linalg.norm(learned.white, axis=1), origin @ learned.whitening)
        return learned

    def score(self, block: Block, background: Any) -> NDArray[np.float64]:
        """Return the scores of the block's core, each for the target that the pixel is most like."""
        if isinstance(background, ByColumns):
            return super().score(background.even(block), background.inner)
        return super().score(block, background)

    def account(self, block: Block, background: Any) -> Reason:
        """Return what of the score comes from each band; with groups of columns, of the spectrum that they even."""
        if isinstance(background, ByColumns):
            return super().account(background.even(block), background.inner)
        return super().account(block, background)

    def _slopes(self, background: WhitenedTargets) -> NDArray[np.float64]:
        """Return ``C⁻¹(t - origin)``, one target a row."""
        return np.asarray(background.white @ background.whitening.T)


@for_users
@dataclass(frozen=True)
class ACE(_Whitened):
    """Adaptive cosine estimator with a sign: ``c·|c|``, c the cosine of pixel and target about the mean, whitened.

    ``c = z·q/|z||q|`` with ``z = Wᵀ(x - μ)`` and ``q = Wᵀ(t - μ)``. 1 is the target at any fill and gain of its
    contrast, 0 is no likeness, -1 is the opposite contrast. Of several targets the highest score counts.

    Notes
    -----
    The background is the mean and the covariance of all valid pixels, targets included. An illumination of the contrast
    cancels, so this score is the one to begin with. What the scene is made of cannot be found as a target.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 12))
    >>> scene[20, 30] += 9
    >>> scores = hsad.detect(scene, hsad.ACE(target="20,30"))
    >>> float(round(scores[20, 30], 3))
    1.0
    """

    title: ClassVar[str] = "likeness to a target: signed cosine estimator, free of fill and brightness"
    cites: ClassVar[tuple[str, ...]] = ("kraut2005",)

    def each(self, pixels: NDArray[np.float64], background: WhitenedTargets) -> NDArray[np.float64]:
        """Return the signed squares of the cosines."""
        cosine = self._cosines(pixels, background)
        return cosine * np.abs(cosine)

    def _cosines(self, pixels: NDArray[np.float64], background: WhitenedTargets) -> NDArray[np.float64]:
        slopes = self._slopes(background) / np.linalg.norm(background.white, axis=1)[:, None]
        length = np.sqrt(mahalanobis(pixels, background.origin, background.whitening))
        along = (pixels - background.origin) @ slopes.T
        cosine = np.divide(along, length[:, None], out=np.zeros_like(along), where=length[:, None] > 0)
        return np.asarray(np.clip(cosine, -1.0, 1.0))

    def parts_by_band(
        self, pixel: NDArray[np.float64], background: WhitenedTargets, target: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean of the scene and ``|c| C⁻¹(t - μ)/|q||z|``."""
        size = abs(float(self._cosines(pixel[None], background)[0, target]))
        length = float(np.sqrt(mahalanobis(pixel[None], background.origin, background.whitening)[0]))
        norm = float(np.linalg.norm(background.white[target])) * length
        slopes = self._slopes(background)[target] * (size / norm if norm > 0 else 0.0)
        return background.origin, slopes

    def _in_words(self, score: float, target: str) -> str:
        return f"its likeness to {target} is {score:.3f} (signed ACE: 1 is the same contrast, 0 is none)"


@for_users
@dataclass(frozen=True)
class MF(_Whitened):
    """Matched filter: ``(z·q)/(q·q)`` with ``z = Wᵀ(x - μ)`` and ``q = Wᵀ(t - μ)``; 0 at the mean, 1 at the target.

    The score estimates the fill of the target in a pixel whose rest is the mean of the scene. Of several targets the
    highest score counts.

    Notes
    -----
    The background is the mean and the covariance of all valid pixels. A bright pixel that only in part looks like the
    target can score as high as the target: see ``ace``.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 12))
    >>> scene[20, 30] += 9
    >>> scores = hsad.detect(scene, hsad.MF(target=[2 * scene[20, 30] - scene.mean(axis=(0, 1))]))
    >>> float(round(scores[20, 30], 3))
    0.5
    """

    title: ClassVar[str] = "likeness to a target: matched filter, an estimate of the fill"
    cites: ClassVar[tuple[str, ...]] = ("manolakis2002",)

    def each(self, pixels: NDArray[np.float64], background: WhitenedTargets) -> NDArray[np.float64]:
        """Return the estimates of the fills."""
        return np.asarray((pixels - background.origin) @ self._filters(background).T)

    def _filters(self, background: WhitenedTargets) -> NDArray[np.float64]:
        """Return ``C⁻¹(t - origin)/(q·q)``, one target a row."""
        return np.asarray(self._slopes(background) / np.square(background.white).sum(axis=1)[:, None])

    def parts_by_band(
        self,
        pixel: NDArray[np.float64],  # noqa: ARG002  a linear score has the same slopes at all pixels
        background: WhitenedTargets,
        target: int,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the origin and the filter."""
        return background.origin, self._filters(background)[target]

    def _in_words(self, score: float, target: str) -> str:
        return f"the matched filter estimates that {target} fills {score:.3f} of it"


@for_users
@dataclass(frozen=True)
class CEM(MF):
    """Constrained energy minimization: ``xᵀR⁻¹t / tᵀR⁻¹t``; 1 at the target, least energy over all pixels.

    R is the mean of ``x xᵀ`` over the valid pixels: spectra are measured from zero, not from the mean of the scene. Of
    several targets the highest score counts.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 12))
    >>> scene[20, 30] += 9
    >>> scores = hsad.detect(scene, hsad.CEM(target=[2 * scene[20, 30]]))
    >>> float(round(scores[20, 30], 3))
    0.5
    """

    title: ClassVar[str] = "likeness to a target: constrained energy minimization"
    cites: ClassVar[tuple[str, ...]] = ("farrand1997",)
    centred: ClassVar[bool] = False

    def _in_words(self, score: float, target: str) -> str:
        return f"the filter for {target} gives {score:.3f} (CEM: 1 is the target)"
