"""The detectors as a user of torch writes them: pixels of a line together, systems solved in batches.

The tests compare them with `hsad.bench.formulas`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING

from hsad.bench.peers.peer import Cube, Measured, Peer
from hsad.bench.timing import best_of
from hsad.kernels.device import one_torch_thread

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["crd", "kernel_crd", "local_rx", "rings_of", "torch_batch"]


def torch_batch(name: str, score: Callable[[Tensor, Tensor], Tensor], pixels: int = 60) -> Peer:
    """Return torch on the CPU as a peer, which times ``score(y, atoms)`` of the pixels of a line on one thread."""

    def measure(cube: Cube, outer: int, inner: int) -> Measured:
        import torch

        def line() -> None:
            score(*rings_of(torch.from_numpy(cube[:outer, : pixels + outer - 1]), outer, inner))

        with one_torch_thread():
            return Measured(best_of(line) / pixels)

    return Peer(name, measure, importlib.util.find_spec("torch") is not None)


def rings_of(lines: Tensor, outer: int, inner: int) -> tuple[Tensor, Tensor]:
    """Return the pixels in the middle of `outer` lines, ``(pixels, d)``, and their rings, ``(pixels, d, s)``."""
    import torch

    half, guard = outer // 2, inner // 2
    outside = torch.ones(outer, outer, dtype=torch.bool)
    outside[half - guard : half + guard + 1, half - guard : half + guard + 1] = False
    windows = lines.unfold(1, outer, 1).permute(1, 2, 0, 3)
    return windows[:, :, half, half], windows[:, :, outside]


def crd(y: Tensor, atoms: Tensor, lam: float) -> Tensor:
    """Return `hsad.bench.formulas.crd` with distance weights."""
    import torch

    penalty = (atoms - y[:, :, None]).square().sum(1)
    system = atoms.mT @ atoms + lam * torch.diag_embed(penalty)
    alpha = torch.linalg.solve(system, atoms.mT @ y[:, :, None])
    scores: Tensor = torch.linalg.vector_norm(y - (atoms @ alpha)[:, :, 0], dim=1)
    return scores


def kernel_crd(y: Tensor, atoms: Tensor, lam: float, gamma: float) -> Tensor:
    """Return `hsad.bench.formulas.kernel_crd`."""
    import torch

    squares = atoms.square().sum(1)
    gram = torch.exp(-gamma * (squares[:, :, None] + squares[:, None] - 2 * atoms.mT @ atoms))
    to_y = torch.exp(-gamma * (atoms - y[:, :, None]).square().sum(1))
    alpha = torch.linalg.solve(gram + lam * torch.diag_embed(2 - 2 * to_y), to_y)
    rest = 1 + (alpha * (gram @ alpha[:, :, None])[:, :, 0]).sum(1) - 2 * (alpha * to_y).sum(1)
    scores: Tensor = rest.clamp(min=0).sqrt()
    return scores


def local_rx(y: Tensor, atoms: Tensor, ridge: float) -> Tensor:
    """Return `hsad.bench.formulas.local_rx`."""
    import torch

    mean = atoms.mean(2)
    centred = atoms - mean[:, :, None]
    covariance = centred @ centred.mT / atoms.shape[2]
    level = ridge * covariance.diagonal(dim1=1, dim2=2).mean(1)
    centre = y - mean
    covariance = covariance + level[:, None, None] * torch.eye(y.shape[1], dtype=y.dtype)
    scores: Tensor = (centre * torch.linalg.solve(covariance, centre)).sum(1)
    return scores
