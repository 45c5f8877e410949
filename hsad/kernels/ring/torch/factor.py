"""A Cholesky factorization of many systems at once, by blocks of columns.

Libraries factor batches of matrices of order 50 to 400 slowly. This factorization consists mostly of batched matrix
products. Only diagonal blocks are factored column by column, with the batch as the last, contiguous axis.

The factor is float64. On a processor a factor in float32 with refinement in float64 takes a third of the time. But at
the default parameters the systems of airborne scenes are too near to singular. After four steps of refinement the error
of α was .001 to .7 of ‖α‖ for CRD and 1e-5 to 1e-9 for kernel CRD. LRX needed all four steps, which took the time that
the factor saved. If the part along the pixel is split off (`ring.dual.mixed_crd`), one or two steps would be
enough for CRD; this was not timed on a GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hsad.kernels.ring.limits import PIVOT_FLOOR

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BLOCK", "Factor", "back_substitute", "factor", "forward_substitute"]

BLOCK = 16
"""Number of columns of a block, the smallest number for which matrix products read memory at full speed."""


class Factor(NamedTuple):
    """Lower triangles L with A = LLᵀ.

    Attributes
    ----------
    lower : (batch, rows, order) Tensor
        L below its diagonal blocks; other elements have no meaning. Rows past `order` are (L⁻¹b)ᵀ for the right-hand
        sides b.
    inverses : list of (batch, block, block) Tensor
        The inverses of the diagonal blocks.
    share : (batch,) Tensor
        Smallest quotient of a pivot and its diagonal element: 1 for orthogonal columns, about 1e-16 for dependent
        columns, 0 if a column was dropped.
    """

    lower: Tensor
    inverses: list[Tensor]
    share: Tensor


def factor(systems: Tensor) -> Factor:
    """Factor symmetric positive semi-definite systems in place.

    A column whose pivot is below `PIVOT_FLOOR` of the diagonal depends on the columns before it, up to rounding, and
    is dropped.

    Parameters
    ----------
    systems : (batch, rows, order) Tensor
        Symmetric matrices, whose lower triangle is read; rows past `order` are right-hand sides.
    """
    import torch

    rows, order = systems.shape[1:]
    diagonal = systems.diagonal(dim1=1, dim2=2).mT.contiguous()
    share = torch.ones_like(systems[:, 0, 0])
    inverses = []
    for first in range(0, order, BLOCK):
        stop = min(first + BLOCK, order)
        if first:
            known, own = systems[:, first:, :first], systems[:, first:stop, :first]
            systems[:, first:, first:stop].baddbmm_(known, own.mT, alpha=-1.0)
        block = systems[:, first:stop, first:stop].permute(1, 2, 0).contiguous()
        inverse, share = _invert(block, diagonal[first:stop], share)
        inverses.append(inverse)
        if stop < rows:
            systems[:, stop:, first:stop] = torch.bmm(systems[:, stop:, first:stop], inverse.mT)
    return Factor(systems, inverses, share)


def _invert(block: Tensor, diagonal: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Return the inverse Cholesky factors of (order, order, batch) blocks, which are overwritten, and `share`."""
    import torch

    inverse = torch.zeros_like(block)
    for j in range(len(block)):
        pivot = block[j, j]
        kept = pivot > PIVOT_FLOOR * diagonal[j]
        scale = torch.where(kept, pivot, 1.0).rsqrt() * kept
        share = torch.minimum(share, torch.where(kept, pivot / diagonal[j], 0.0))
        inverse[j, j] = 1.0
        inverse[j, : j + 1] *= scale
        if j + 1 < len(block):
            below = block[j + 1 :, j] * scale
            block[j + 1 :, j + 1 :].addcmul_(below[:, None], below[None], value=-1.0)
            inverse[j + 1 :, : j + 1].addcmul_(below[:, None], inverse[None, j, : j + 1], value=-1.0)
    return inverse.permute(2, 0, 1).contiguous(), share


def forward_substitute(factored: Factor, right: Tensor) -> Tensor:
    """Return L⁻¹b for the (batch, order) right-hand sides `right`."""
    import torch

    solved = torch.empty_like(right)
    for number, inverse in enumerate(factored.inverses):
        first = BLOCK * number
        stop = first + inverse.shape[1]
        part = right[:, first:stop, None]
        if first:
            part = part - torch.bmm(factored.lower[:, first:stop, :first], solved[:, :first, None])
        solved[:, first:stop] = torch.bmm(inverse, part)[:, :, 0]
    return solved


def back_substitute(factored: Factor, right: Tensor) -> Tensor:
    """Return L⁻ᵀb for the (batch, order) right-hand sides `right`."""
    import torch

    solved = torch.empty_like(right)
    order = right.shape[1]
    for number, inverse in reversed(list(enumerate(factored.inverses))):
        first = BLOCK * number
        stop = first + inverse.shape[1]
        part = right[:, first:stop, None]
        if stop < order:
            part = part - torch.bmm(factored.lower[:, stop:order, first:stop].mT, solved[:, stop:, None])
        solved[:, first:stop] = torch.bmm(inverse.mT, part)[:, :, 0]
    return solved
