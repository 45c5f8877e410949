"""Local detectors for many pixels at once, by systems of the order of the bands, for rings with more pixels than bands.

The ring of each pixel is copied, so that distances and centring lose no digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsad.kernels.ring.limits import DISTANCE_FLOOR, RANK_CERTAIN, TRUSTED_SHARE, VARIANCE_FLOOR
from hsad.kernels.ring.task import PINV, RIDGE, RX, Task
from hsad.kernels.ring.torch.dual import shrinkage_weight
from hsad.kernels.ring.torch.factor import back_substitute, factor
from hsad.kernels.ring.torch.rings import Ring

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["score_primal"]


def score_primal(spectra: Tensor, ring: Ring, task: Task, ring_weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the scores of a batch of pixels, and whether each score is accurate enough.

    Parameters
    ----------
    spectra : (pixels of the block, bands) Tensor
        Zero if invalid.
    ring : Ring
        The rings of the pixels to score.
    task : Task
        `RX`, or `CRD` with the linear kernel and the exact solver.
    ring_weights : (pixels, most) Tensor, optional
        Weights of the atoms.
    """
    y = spectra[ring.atoms[:, -1]]
    x = spectra[ring.atoms[:, :-1]]
    if task.detector == RX or task.center:
        # The pixel is subtracted before the mean is computed, so equal spectra become exact zeros.
        x -= y[:, None]
        mean = (x * ring.present[:, :, None]).sum(1) / ring.counts[:, None]
        x -= mean[:, None]
        y = -mean
    if task.detector == RX:
        return rx(x, y, ring, task)
    return crd(x, y, ring, task, ring_weights)


def systems(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Return ``Σ wᵢ xᵢxᵢᵀ`` with yᵀ as last row, (pixels, bands + 1, bands), for x (pixels, most, bands)."""
    found = x.new_empty(len(x), x.shape[2] + 1, x.shape[2])
    found[:, :-1] = (x * weights[:, :, None]).mT @ x
    found[:, -1] = y
    return found


def crd(x: Tensor, y: Tensor, ring: Ring, task: Task, ring_weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the norm of ``r = λ(XΓ⁻²Xᵀ + λI)⁻¹y`` or the objective √(yᵀr), and whether it is accurate enough."""
    import torch

    bands = x.shape[2]
    if task.normalize:
        x, y = (_unit(vectors) for vectors in (x, y))
    weights = ring.present
    if task.distance:
        penalty = (x - y[:, None]).square_().sum(2) + task.softening
        weights = weights / penalty.maximum(DISTANCE_FLOOR * y.square().sum(1, keepdim=True))
    if ring_weights is not None:
        weights = weights * ring_weights
    if task.sum_to_one:
        x, y = (torch.nn.functional.pad(vectors, (0, 1), value=1.0) for vectors in (x, y))
    system = systems(x, y, weights)
    system.diagonal(dim1=1, dim2=2).add_(task.lam)
    factored = factor(system)
    half = factored.lower[:, -1]
    if task.objective:
        error = task.lam * half.square().sum(1)
    else:
        error = (task.lam * back_substitute(factored, half)[:, :bands]).square().sum(1)
    return error.sqrt(), factored.share > TRUSTED_SHARE


def _unit(vectors: Tensor) -> Tensor:
    import torch

    lengths = vectors.norm(dim=-1, keepdim=True)
    return vectors / torch.where(lengths > 0, lengths, 1.0)


def rx(z: Tensor, own: Tensor, ring: Ring, task: Task) -> tuple[Tensor, Tensor]:
    """Return ``zᵀC⁻¹z`` of centred vectors, and whether it is accurate enough; a pseudo-inverse needs full rank."""
    import torch

    bands, counts = z.shape[2], ring.counts
    system = systems(z, own, ring.present / counts[:, None])
    diagonal = system.diagonal(dim1=1, dim2=2)
    length, trace = own.square().sum(1), diagonal.sum(1)
    least = RANK_CERTAIN if task.covariance == PINV else TRUSTED_SHARE
    if task.covariance != PINV:
        level = trace.maximum(VARIANCE_FLOOR * length) / bands
        shrunk = task.lam * level
        if task.covariance != RIDGE:
            square = system[:, :-1].square().sum((1, 2))
            fourth = (z.square().sum(2).square() * ring.present).sum(1) / counts
            weight = shrinkage_weight(trace, square, fourth, counts, bands, task.covariance)
            system[:, :-1] *= (1.0 - weight)[:, None, None]
            shrunk = weight * level
        diagonal += shrunk[:, None]
    factored = factor(system)
    scores = factored.lower[:, -1].square().sum(1)
    zero = length == 0
    return torch.where(zero, 0.0, scores), zero | (factored.share > least)
