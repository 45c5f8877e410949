"""Sparse representation of each pixel by its ring: a few atoms (orthogonal matching pursuit), or the lasso."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.ring.dual.patches import Patch, part_of, patches
from hsad.kernels.ring.lasso import lasso_patch
from hsad.kernels.ring.matching import omp_patch
from hsad.kernels.ring.one_ring import has_enough
from hsad.kernels.ring.task import CRD, Task
from hsad.kernels.ring.window import Window

__all__ = ["SOLVERS", "SparseTask", "score_patch", "score_sparse"]

SOLVERS = ("omp", "ista", "fista")
OMP, ISTA, FISTA = range(3)

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]


class SparseTask(NamedTuple):
    """How a pixel is represented by few atoms.

    Attributes
    ----------
    solver : int
        `OMP`: at most `atoms` atoms, by orthogonal matching pursuit; `ISTA` or `FISTA`: ½‖y − Xα‖² + λ‖α‖₁ by proximal
        gradient steps.
    atoms : int
        Of `OMP`.
    lam : float
        λ of the others; from max |Xᵀy| on it leaves no atom.
    iterations : int
        Steps of the others, from α = 0.
    """

    solver: int
    atoms: int
    lam: float
    iterations: int


def score_sparse(
    spectra: NDArray[np.float64], valid: Mask, core: tuple[slice, slice], window: Window, task: SparseTask
) -> NDArray[np.float64]:
    """Return ‖y − Xα‖ of representing each pixel y sparsely by its ring X.

    Parameters
    ----------
    spectra, valid, core, window
        As in `hsad.kernels.ring.score.score_rings`.
    task : SparseTask
        How α is found.

    Returns
    -------
    (core rows, core cols) ndarray of float64
        NaN where the pixel is invalid or fewer than a quarter of its ring is valid.
    """
    spectra = np.ascontiguousarray(spectra, dtype=np.float64)
    span = (core[0].start, core[0].stop, core[1].start, core[1].stop)
    wanted = has_enough(valid, span, window.outer, window.inner, window.border)
    scores = np.full(wanted.shape, np.nan)
    # Of a task, patches ask for the kind of inner products only: here the plain ones.
    for patch in patches(spectra, valid, wanted, core, window, Task(CRD, task.lam)):
        here = part_of(core, patch)
        score_patch(patch, valid, wanted[here], window, task, scores[here])
    return scores


def score_patch(patch: Patch, valid: Mask, wanted: Mask, window: Window, task: SparseTask, scores: Matrix) -> Vector:
    """Score the wanted pixels of a patch; return the residual of the last one."""
    if task.solver == OMP:
        return omp_patch(patch, valid, wanted, window, task.atoms, scores)
    return lasso_patch(patch, valid, wanted, window, task.lam, task.iterations, task.solver == FISTA, scores)
