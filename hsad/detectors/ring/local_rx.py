"""Local RX: one Gaussian for the surroundings of each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.block import Block
from hsad.detectors.checks import above
from hsad.detectors.described import for_users
from hsad.detectors.parameters import parameter
from hsad.detectors.ring.windows import Device, DualWindow
from hsad.kernels.covariance import Covariance
from hsad.kernels.ring.task import COVARIANCES, RX, Task

__all__ = ["LocalRX"]


@for_users
@dataclass(frozen=True)
class LocalRX(DualWindow):
    """Squared Mahalanobis distance of a pixel to the mean and covariance of its ring: ``(x − μ)ᵀ C⁻¹ (x − μ)``.

    With the s valid pixels xᵢ of the ring, ``μ = (1/s) Σ xᵢ`` and ``S = (1/s) Σ (xᵢ − μ)(xᵢ − μ)ᵀ``, divided by s and
    not by s − 1. C is ``S + ridge · tr(S)/d · I`` for d bands, or as `covariance` says. A pixel has the score NaN if
    fewer than a quarter of its ring is valid.

    Notes
    -----
    With fewer ring pixels than bands the covariance is singular, and its treatments are different detectors:
    ``pinv`` ignores the directions outside the span of the ring, and a ridge amplifies them. The ridge is relative to
    the mean variance of the ring, so the score does not change when the spectra are scaled.

    With ``pinv``, a ring with about one pixel for each band gives very large distances, because its smallest variances
    are nearly 0. Near an edge a shifted ring has more pixels than elsewhere, so this may happen at edges only. Then
    detect on fewer components (``pca``), or choose another covariance.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 12))
    >>> scene[20, 30] += 9
    >>> scores = hsad.detect(scene, hsad.LocalRX(outer=11, inner=3))
    >>> np.unravel_index(scores.argmax(), scores.shape) == (20, 30)
    True
    """

    title: ClassVar[str] = "local RX: squared Mahalanobis distance to the ring around each pixel"
    cites: ClassVar[tuple[str, ...]] = ("reed1990", "kwon2003", "ledoit2004", "chen2010")

    covariance: Covariance = parameter("ridge", "how the ring's covariance is made invertible")
    ridge: float = parameter(
        1e-2,
        "with --covariance ridge: added to the diagonal, times trace/bands",
        check=above(0),
    )
    device: Device = parameter("cpu", "where it is computed; cuda needs torch")

    @property
    def task(self) -> Task:
        """The task for the kernels."""
        return Task(RX, self.ridge, center=True, covariance=COVARIANCES.index(self.covariance))

    def score(self, block: Block, background: None) -> NDArray[np.float64]:  # noqa: ARG002  nothing is learned
        """Return the squared distances of the block's core; NaN where the ring has too few valid pixels."""
        from hsad.kernels.ring.score import score_rings

        return score_rings(block.spectra, block.valid, block.core, self.window, self.task, device=self.device)

    def account(self, block: Block, background: None) -> Reason:
        """Return the account ``z · C⁻¹z``, z the pixel less the mean of its ring."""
        from hsad.kernels.ring.account import account_of_ring

        score = float(self.score(block, background)[0, 0])
        found = account_of_ring(block.spectra, block.valid, block.place, self.window, self.task)
        sentence = f"its squared Mahalanobis distance to the {{count}} pixels of its ring is {score:.4g}"
        return self.reason_of(block, score, found, 1.0, sentence)
