"""A pixel and the atoms that represent it: their inner products, from the Gram matrix of a patch, and the residual."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import inner
from hsad.kernels.ring.dual.patches import Patch

__all__ = ["atoms_before", "residual_norm", "write_products"]

Vector = NDArray[np.float64]
Numbers = NDArray[np.int64]


@inner
def write_products(patch: Patch, atoms: Numbers, before: int, count: int, of: int, out: Vector) -> None:
    """Write the inner products of pixel `of` of the patch with the atoms, of which `before` have lower numbers."""
    for i in range(before):
        out[i] = patch.gram[patch.starts[atoms[i]] + of]
    start = patch.starts[of]
    for i in range(before, count):
        out[i] = patch.gram[start + atoms[i]]


@inner
def atoms_before(atoms: Numbers, count: int) -> int:
    """Return the number of atoms that stand before the pixel in the patch; the pixel itself is ``atoms[count]``."""
    before = count // 2
    while before > 0 and atoms[before - 1] > atoms[count]:
        before -= 1
    while before < count and atoms[before] < atoms[count]:
        before += 1
    return before


@inner
def residual_norm(patch: Patch, atoms: Numbers, count: int, alpha: Vector, r: Vector) -> float:
    """Return ‖y - Xα‖; `r` gets the residual."""
    r[:] = patch.x[atoms[count]]
    for i in range(count):
        weight = alpha[i]
        if weight != 0:
            atom = patch.x[atoms[i]]
            for b in range(r.size):
                r[b] -= weight * atom[b]
    total = 0.0
    for b in range(r.size):
        total += r[b] * r[b]
    return float(np.sqrt(total))
