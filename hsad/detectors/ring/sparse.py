"""Sparse representation: the residual of a pixel that a few pixels of its surroundings represent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Scan
from hsad.detectors.block import Block
from hsad.detectors.checks import above, at_least
from hsad.detectors.described import for_users
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import Scale, check_varies, factor_of
from hsad.detectors.ring.windows import DualWindow
from hsad.errors import DataError

if TYPE_CHECKING:
    from hsad.kernels.ring.sparse import SparseTask

__all__ = ["SRD"]


@for_users
@dataclass(frozen=True)
class SRD(DualWindow):
    """Norm of the residual of a pixel that the pixels of its ring represent sparsely: ‖y − Xα‖.

    Notes
    -----
    ``omp`` takes up to ``atoms`` pixels of the ring. Each is the one with the largest ``(xᵢᵀr)²/‖xᵢ‖²``, r the
    residual, so that bright pixels have no advantage. The weights are least squares on all that were taken. It stops
    early when that maximum is at most ``1e-24 ‖y‖²``, or no pixel is left. A pixel of which less than ``1e-12 ‖xᵢ‖²``
    lies outside the span of those taken is dropped. ``ista`` and ``fista`` take ``iterations`` steps of length 1/L, L
    the largest eigenvalue of XᵀX, from α = 0 towards the minimum of ½‖y − Xα‖² + λ‖α‖₁. The effect of λ depends on the
    scale of the spectra. So spectra whose largest magnitude lies outside 0.1 … 10 are divided by it first (one pass),
    and the score is multiplied by it. If λ is at least the largest magnitude in ``Xᵀy``, no pixel of the ring is taken.

    Examples
    --------
    >>> import numpy as np
    >>> import hsad
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 12))
    >>> scene[20, 30] += 9
    >>> scores = hsad.detect(scene, hsad.SRD(outer=9, inner=3, atoms=3))
    >>> np.unravel_index(scores.argmax(), scores.shape) == (20, 30)
    True
    """

    title: ClassVar[str] = "sparse representation: residual of a pixel on few pixels of the ring around it"
    cites: ClassVar[tuple[str, ...]] = ("chen2011", "rubinstein2008", "beck2009")

    solver: Literal["omp", "ista", "fista"] = parameter("omp", "matching pursuit, or the lasso by gradient steps")
    atoms: int = parameter(5, "with --solver omp: most pixels of the ring taken", check=at_least(1))
    lam: float = parameter(
        1e-2,
        "with --solver ista and fista: weight of the sparsity, on spectra of order one",
        check=above(0),
    )
    iterations: int = parameter(100, "with --solver ista and fista: number of steps", check=at_least(1))

    def learn(self, scan: Scan) -> Scale:
        """Return the factor that makes the spectra of order one; 1 for matching pursuit."""
        found = check_varies(scan)
        if len(found.low) < 2:
            raise DataError("srd needs at least 2 bands: in 1 every pixel of the ring explains every other")
        if self.solver == "omp" and len(found.low) <= self.atoms:
            raise DataError(
                f"srd with {self.atoms} atoms leaves nothing of spectra of {len(found.low)} bands: "
                f"it needs more bands than atoms, see --atoms"
            )
        return Scale(1.0 if self.solver == "omp" else factor_of(found.largest))

    def score(self, block: Block, background: Scale) -> NDArray[np.float64]:
        """Return the residual norms of the block's core; NaN where the ring has too few valid pixels."""
        from hsad.kernels.ring.sparse import score_sparse

        spectra = block.spectra if background.factor == 1 else block.spectra * background.factor
        return score_sparse(spectra, block.valid, block.core, self.window, self._task) / background.factor

    def account(self, block: Block, background: Scale) -> Reason:
        """Return the squared residual of each band over the norm of the residual."""
        from hsad.kernels.ring.account import account_of_sparse

        score = float(self.score(block, background)[0, 0])
        spectra = block.spectra * background.factor
        found = account_of_sparse(spectra, block.valid, block.place, self.window, self._task)
        most = f"at most {self.atoms} of" if self.solver == "omp" else "few of"
        sentence = f"{most} the {{count}} pixels of its ring leave {{share}} of its length unexplained"
        return self.reason_of(block, score, found, background.factor, sentence)

    @property
    def _task(self) -> SparseTask:
        from hsad.kernels.ring.sparse import SOLVERS, SparseTask

        return SparseTask(SOLVERS.index(self.solver), self.atoms, self.lam, self.iterations)
