"""Local detectors for many pixels at once, by systems of the order of the ring, as in `hsad.kernels.ring.dual`.

One matrix product gives the inner products of all pixels in and around a patch; the system of a pixel is a part of it.
Residuals and correlations are linear in the atoms, so they are matrix products of the whole patch, too. In these the
coefficients of pixels outside the ring are zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hsad.kernels.ring.limits import (
    DISTANCE_FLOOR,
    KEPT_TRACE,
    RANK_CERTAIN,
    RANK_CUTOFF,
    REFINED_BELOW,
    REFINEMENTS,
    VARIANCE_FLOOR,
)
from hsad.kernels.ring.task import LEDOIT_WOLF, LINEAR, PINV, RBF, RIDGE, RX, Task
from hsad.kernels.ring.torch.factor import Factor, back_substitute, factor, forward_substitute
from hsad.kernels.ring.torch.rings import Ring
from hsad.kernels.shrinkage import ledoit_wolf_ratio, oas_ratio

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Patches", "patches", "score_dual", "shrinkage_weight"]

_PAIRS = 2**18
"""Number of pairs of spectra whose distances are computed together."""


class Patches(NamedTuple):
    """Patches with their surroundings, and the rings of the pixels to score.

    Attributes
    ----------
    x : (patches, near, bands) Tensor
        Spectra of the patch and its surroundings; zero if invalid.
    gram : (patches, near, near) Tensor
        Inner products or kernel values of all pairs of these spectra.
    patch : (pixels,) Tensor of int64
        Number of the patch of each pixel to score.
    slot : (pixels,) Tensor of int64
        Number of each pixel to score among the pixels of all patches.
    slots : int
        Number of pixels of a patch.
    atoms : (pixels, most + 1) Tensor of int64
        Numbers, in the surroundings of the patch, of the ring pixels and then of the pixel itself.
    ring : Ring
        The present atoms.
    """

    x: Tensor
    gram: Tensor
    patch: Tensor
    slot: Tensor
    slots: int
    atoms: Tensor
    ring: Ring

    def spread(self, weights: Tensor) -> Tensor:
        """Return weights of the atoms, (pixels, most + 1), as weights of all surroundings, (patches, slots, near)."""
        near = self.x.shape[1]
        whole = weights.new_zeros(len(self.x), self.slots, near)
        places = (self.slot[:, None] * near + self.atoms).flatten()
        whole.view(-1).scatter_add_(0, places, weights.flatten())
        return whole

    def combine(self, weights: Tensor) -> Tensor:
        """Return the sums of the atoms times their weights, (pixels, bands)."""
        return (self.spread(weights) @ self.x).flatten(0, 1)[self.slot]

    def correlate(self, vectors: Tensor) -> Tensor:
        """Return the inner products of (pixels, bands) vectors with the ring pixels, (pixels, most)."""
        whole = vectors.new_zeros(len(self.x) * self.slots, vectors.shape[1])
        whole[self.slot] = vectors
        products = (whole.view(len(self.x), self.slots, -1) @ self.x.mT).flatten(0, 1)
        return products[self.slot[:, None], self.atoms[:, :-1]] * self.ring.present


def patches(
    x: Tensor, valid: Tensor, task: Task, patch: Tensor, slot: Tensor, slots: int, atoms: Tensor, ring: Ring
) -> Patches:
    """Return the patches with their inner products.

    The parameters are the attributes of `Patches`, and `valid` (patches, near).
    """
    import torch

    if task.center:
        # The spectra are centred on their ring later, so any vector can be subtracted; the mean preserves most digits.
        # One pixel is subtracted before the mean is computed, so equal spectra become exact zeros.
        first = x[torch.arange(len(x), device=x.device), valid.int().argmax(1)][:, None]
        members = valid[:, :, None]
        mean = ((x - first) * members).sum(1, keepdim=True) / members.sum(1, keepdim=True).clamp(min=1)
        x = (x - (first + mean)) * members
    gram = x @ x.mT
    if task.kernel == RBF:
        squares = gram.diagonal(dim1=1, dim2=2).clone()
        gram.mul_(-2.0).add_(squares[:, :, None]).add_(squares[:, None])
        gram.diagonal(dim1=1, dim2=2).zero_()
        gram.clamp_(min=0.0).mul_(-task.gamma).exp_()
    elif task.kernel != LINEAR:
        gram.mul_(task.gamma).add_(1.0).pow_(3)
    return Patches(x, gram, patch, slot, slots, atoms, ring)


class Systems(NamedTuple):
    """The inner products of the atoms of each pixel, after centring and scaling.

    Attributes
    ----------
    a : (pixels, most + 1, most) Tensor
        Inner products of the ring pixels with each other and, in the last row, with the pixel; zero for absent atoms.
    own : (pixels,) Tensor
        Inner product of the pixel with itself.
    scale : (pixels, most + 1) Tensor
        Factors by which the atoms and the pixel were multiplied.
    center : bool
        Whether the mean of the ring was subtracted.
    """

    a: Tensor
    own: Tensor
    scale: Tensor
    center: bool


def prepare(near: Patches, task: Task) -> Systems:
    """Return the centred and normalised systems of all pixels."""
    import torch

    ring, atoms, patch = near.ring, near.atoms, near.patch
    a = near.gram[patch[:, None, None], atoms[:, :, None], atoms[:, None, :-1]]
    own = near.gram[patch, atoms[:, -1], atoms[:, -1]]
    rows = torch.cat([ring.present, torch.ones_like(own[:, None])], 1)
    if not ring.full:
        a.mul_(rows[:, :, None]).mul_(ring.present[:, None])
    if task.center:
        means = a.sum(2) / ring.counts[:, None]
        grand = means[:, :-1].sum(1) / ring.counts
        shift = (grand[:, None] - means[:, :-1]) * ring.present
        a.baddbmm_(torch.stack([-means * rows, rows], 2), torch.stack([ring.present, shift], 1))
        own = own - 2.0 * means[:, -1] + grand
    scale = rows
    if task.normalize:
        squares = torch.cat([a.diagonal(dim1=1, dim2=2), own[:, None]], 1)
        scale = torch.where(squares > 0, squares.clamp(min=0.0).rsqrt(), 1.0)
        a.mul_(scale[:, :, None]).mul_(scale[:, None, :-1])
        own = own * scale[:, -1] ** 2
    return Systems(a, own, scale, task.center)


def distances(near: Patches, systems: Systems, task: Task) -> Tensor:
    """Return Γᵢ² = ‖y - xᵢ‖², from the inner products or, if these cancel, from the spectra."""
    squares = systems.a.diagonal(dim1=1, dim2=2) + systems.own[:, None]
    found = squares - 2.0 * systems.a[:, -1]
    if task.kernel == LINEAR and not (task.center and task.normalize):
        close = ((found < 1e-5 * squares) & (near.ring.present > 0)).nonzero()
        for first in range(0, len(close), _PAIRS):
            pixel, atom = close[first : first + _PAIRS].unbind(1)
            patch, scale = near.patch[pixel], systems.scale
            y = near.x[patch, near.atoms[pixel, -1]] * scale[pixel, -1, None]
            x = near.x[patch, near.atoms[pixel, atom]] * scale[pixel, atom, None]
            found[pixel, atom] = (y - x).square_().sum(1)
    return (found + task.softening).maximum(DISTANCE_FLOOR * systems.own[:, None])


def residual(near: Patches, systems: Systems, alpha: Tensor) -> Tensor:
    """Return ``y - Xα`` for the centred and scaled vectors."""
    import torch

    weights = -torch.nn.functional.pad(alpha, (0, 1), value=-1.0) * systems.scale
    if systems.center:
        weights[:, :-1] -= near.ring.present * (weights.sum(1) / near.ring.counts)[:, None]
    return near.combine(weights)


def solve(near: Patches, systems: Systems, ridge: Tensor) -> tuple[Factor, Tensor]:
    """Return the factors and α of the systems with `ridge` on their diagonals; the systems are overwritten."""
    import torch

    most = ridge.shape[1]
    systems.a.diagonal(dim1=1, dim2=2).add_(torch.where(near.ring.present > 0, ridge, 1.0))
    factored = factor(systems.a)
    return factored, back_substitute(factored, factored.lower[:, most])


def refine(
    near: Patches,
    systems: Systems,
    factored: Factor,
    ridge: Tensor,
    alpha: Tensor,
    needed: Tensor,
    *,
    ones: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return α and ``y - Xα``, after iterative refinement of the pixels in `needed`.

    The residuals of the normal equations are computed from the spectra.
    """
    import torch

    r = residual(near, systems, alpha)
    previous = torch.full_like(systems.own, torch.inf)
    for _ in range(REFINEMENTS):
        if not needed.any():
            break
        products = near.correlate(r)
        if systems.center:
            products = (products - products.sum(1, keepdim=True) / near.ring.counts[:, None]) * near.ring.present
        wrong = products * systems.scale[:, :-1] - ridge * alpha
        if ones:
            wrong += (1.0 - alpha.sum(1, keepdim=True)) * near.ring.present
        change = back_substitute(factored, forward_substitute(factored, wrong))
        size = change.square().sum(1)
        needed = needed & (size < previous)
        alpha = torch.where(needed[:, None], alpha + change, alpha)
        r = torch.where(needed[:, None], residual(near, systems, alpha), r)
        previous = size
        needed = needed & (size > 1e-24 * alpha.square().sum(1))
    return alpha, r


def score_dual(near: Patches, task: Task, ring_weights: Tensor | None) -> Tensor:
    """Return the scores of the pixels; `ring_weights` are the weights of the atoms, (pixels, most)."""
    systems = prepare(near, task)
    if task.detector == RX:
        return pinv_rx(near, systems) if task.covariance == PINV else rx(near, systems, task)
    penalty = distances(near, systems, task) if task.distance else near.ring.present
    if ring_weights is not None:
        penalty = penalty / ring_weights
    penalty = penalty * near.ring.present
    if task.kernel != LINEAR:
        return kernel_crd(near, systems, task.lam * penalty)
    return crd(near, systems, penalty, task)


def crd(near: Patches, systems: Systems, penalty: Tensor, task: Task) -> Tensor:
    """Return the norms of the residuals or, with `task.objective`, the square roots of the whole objective."""
    import torch

    present = near.ring.present
    if task.sum_to_one:
        systems.a[:, :-1].baddbmm_(present[:, :, None], present[:, None])
        systems.a[:, -1] += present
    if task.truncated:
        systems.a.diagonal(dim1=1, dim2=2).add_(task.lam * penalty)
        values, vectors = torch.linalg.eigh(systems.a[:, :-1])
        values, vectors = values.flip(1), vectors.flip(2)
        before = values.cumsum(1) - values
        kept = (before < KEPT_TRACE * values.sum(1, keepdim=True)) & (values > 0)
        part = (systems.a[:, -1:] @ vectors)[:, 0] * kept / torch.where(kept, values, 1.0)
        alpha = (vectors @ part[:, :, None])[:, :, 0]
        r = residual(near, systems, alpha)
    else:
        ridge = task.lam * penalty
        factored, alpha = solve(near, systems, ridge)
        alpha, r = refine(near, systems, factored, ridge, alpha, factored.share < REFINED_BELOW, ones=task.sum_to_one)
    error = r.square().sum(1)
    if task.objective:
        error += task.lam * (penalty * alpha.square()).sum(1)
        if task.sum_to_one:
            error += (1.0 - alpha.sum(1)).square()
    return error.sqrt()


def kernel_crd(near: Patches, systems: Systems, ridge: Tensor) -> Tensor:
    """Return √(k(y, y) - 2 αᵀk + αᵀKα)."""
    import torch

    _, alpha = solve(near, systems, ridge)
    weights = near.spread(torch.nn.functional.pad(alpha, (0, 1), value=-1.0))
    error = (weights * (weights @ near.gram)).sum(2).flatten()[near.slot]
    return error.clamp(min=0.0).sqrt()


def rx(near: Patches, systems: Systems, task: Task) -> Tensor:
    """Return ``zᵀC⁻¹z = (‖r‖² + λ‖α‖²)/ε`` with C = ZZᵀ/s + εI and λ = sε."""
    import torch

    counts, own, bands = near.ring.counts, systems.own, near.x.shape[2]
    squares = systems.a.diagonal(dim1=1, dim2=2).clone()
    trace = squares.sum(1) / counts
    level = trace.maximum(VARIANCE_FLOOR * own) / bands
    weight = torch.zeros_like(level)
    if task.covariance != RIDGE:
        square = (torch.linalg.vector_norm(systems.a[:, :-1], dim=(1, 2)) / counts) ** 2
        weight = shrinkage_weight(trace, square, squares.square().sum(1) / counts, counts, bands, task.covariance)
    epsilon = (task.lam if task.covariance == RIDGE else weight) * level
    spread = weight < 1
    lam = counts * epsilon / torch.where(spread, 1.0 - weight, 1.0)
    ridge = torch.where(own > 0, lam, 1.0)[:, None] * near.ring.present
    factored, alpha = solve(near, systems, ridge)
    alpha, r = refine(near, systems, factored, ridge, alpha, factored.share < REFINED_BELOW)
    error = torch.where(spread, r.square().sum(1) + lam * alpha.square().sum(1), own)
    return torch.where(own > 0, error / epsilon, 0.0)


def shrinkage_weight(trace: Tensor, square: Tensor, fourth: Tensor, counts: Tensor, bands: int, rule: int) -> Tensor:
    """Return the weight of the mean variance of each ring, 0 … 1, by the rule `LEDOIT_WOLF` or `OAS`."""
    import torch

    level = trace / bands
    if rule == LEDOIT_WOLF:
        ratio = ledoit_wolf_ratio(trace, square, fourth, counts, bands)
    else:
        ratio = oas_ratio(trace, square, counts, bands)
    return torch.where(square - bands * level * level > 0, ratio.clamp(0.0, 1.0), 1.0)


def pinv_rx(near: Patches, systems: Systems) -> Tensor:
    """Return ``zᵀC⁺z = s ‖G⁺b‖²``, from the centred inner products G and b.

    If the ring has no more pixels than bands, G usually lacks only the rank of the mean. Then G + c·11ᵀ has an inverse,
    and G⁺b is the product of this inverse and b. Otherwise G⁺ is computed from the eigenvectors of G.
    """
    import torch

    present, counts = near.ring.present, near.ring.counts
    inner = systems.a.clone()
    trace = inner.diagonal(dim1=1, dim2=2).sum(1)
    member = present / counts[:, None]
    systems.a[:, :-1] += trace[:, None, None] * member[:, :, None] * member[:, None]
    none = torch.zeros_like(present)
    factored, alpha = solve(near, systems, none)
    certain = (factored.share > RANK_CERTAIN) & (counts <= near.x.shape[2])
    alpha, _ = refine(near, systems, factored, none, alpha, certain)
    scores = counts * alpha.square().sum(1)
    rest = (~certain).nonzero()[:, 0]
    if len(rest):
        values, vectors = torch.linalg.eigh(inner[rest, :-1])
        kept = (values > RANK_CUTOFF * values[:, -1:]) & (values > 0)
        part = (inner[rest, -1:] @ vectors)[:, 0] * kept / torch.where(kept, values, 1.0)
        scores[rest] = counts[rest] * part.square().sum(1)
    return torch.where(trace > 0, scores, 0.0)
