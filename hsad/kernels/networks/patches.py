"""Unrolled robust PCA of patches: every patch of a component's image is one vector.

With M a patch (P² numbers in [0, 1]) and Q = I − U·Uᵀ the projection on the complement of the background directions U,

    S₀ = 0,   Z = S + W·Q(M − S),   S = sign(Z)·max(|Z| − θ_k, 0),   L = M − S,

where W ``(P², P²)`` and θ_k are shared by all patches. Without Q (U empty) the decomposition would be exact for every
S, and nothing could be learned from it. Patches start at multiples of half their side, counted from the first pixel of
the scene. The image is continued beyond its edges by the edge pixels. Where patches overlap, the result is their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.device import one_torch_thread, torch_device
from hsad.kernels.networks.losses import SPARSITY, implant_loss
from hsad.kernels.networks.pieces import Piece
from hsad.kernels.networks.training import Lessons, taught
from hsad.kernels.networks.unrolled import FLOOR, smoothed
from hsad.kernels.networks.weights import Arrays, Tensors, gaussian_kernel, tensors_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["patch_basis", "patch_norms", "patch_start", "smooth_basis", "taught_patches"]


def patch_start(patch: int, layers: int, *, theta: float = 0.05, sigma: float = 0.7) -> Arrays:
    """Return the weights before training: all thresholds are `theta`, and W is half the identity."""
    weights = {
        "theta": np.full(layers, theta),
        "W": 0.5 * np.eye(patch * patch),
        "log_kernel": np.log(gaussian_kernel(sigma)),
        "slope": np.array(2.0),
        "offset": np.array(-5.0),
    }
    return {name: array.astype(np.float32) for name, array in weights.items()}


def smooth_basis(patch: int) -> NDArray[np.float64]:
    """Return an orthonormal basis ``(P², 6)`` of the polynomials of degree at most 2 on a patch."""
    across = np.linspace(-1, 1, patch)
    right, down = np.meshgrid(across, across)
    terms = [right**i * down**j for i in range(3) for j in range(3 - i)]
    return np.asarray(np.linalg.qr(np.stack([term.ravel() for term in terms], axis=1))[0])


def patch_basis(pieces: Sequence[Piece], patch: int, rank: int) -> NDArray[np.float64]:
    """Return the leading eigenvectors ``(P², rank)`` of the second moment of all patches of all images."""
    total = np.zeros((patch * patch, patch * patch))
    step = max(1, patch // 2)
    for images, _ in pieces:
        windows = np.lib.stride_tricks.sliding_window_view(images, (patch, patch), axis=(1, 2))[:, ::step, ::step]
        vectors = windows.reshape(-1, patch * patch).astype(np.float64)
        total += vectors.T @ vectors
    return np.ascontiguousarray(np.linalg.eigh(total)[1][:, ::-1][:, :rank])


def _decompose(weights: Tensors, basis: Tensor, images: Tensor, first: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return S and the last Z as images ``(c, rows, cols)``; `first` is their first row and column in the scene."""
    import torch
    from torch.nn.functional import fold, pad, unfold

    rows, cols = images.shape[1:]
    patch = int(basis.shape[0] ** 0.5)
    step = max(1, patch // 2)
    # The padding puts every pixel in the same number of patches, which begin at multiples of the step in the scene.
    before = [patch - step + origin % step for origin in first]
    after = [patch - step + -(size + lead) % step for size, lead in zip((rows, cols), before, strict=True)]
    padded = pad(images[None], (before[1], after[1], before[0], after[0]), mode="replicate")[0]
    patches = unfold(padded[:, None], patch, stride=step)
    sparse = torch.zeros_like(patches)
    z = patches
    for theta in weights["theta"]:
        rest = patches - sparse
        rest = rest - basis @ (basis.T @ rest)
        z = sparse + weights["W"] @ rest
        sparse = torch.sign(z) * torch.relu(z.abs() - theta)
    size = (padded.shape[1], padded.shape[2])
    shares = fold(torch.ones_like(patches[:1]), size, patch, stride=step)[0]
    inside = (slice(before[0], before[0] + rows), slice(before[1], before[1] + cols))
    merged = [fold(part, size, patch, stride=step)[:, 0] / shares for part in (sparse, z)]
    return merged[0][:, inside[0], inside[1]], merged[1][:, inside[0], inside[1]]


def _norm(weights: Tensors, z: Tensor, valid: Tensor) -> Tensor:
    return (smoothed(z.square().sum(0), valid, weights["log_kernel"]) + 1e-12).sqrt()


def taught_patches(
    start: Arrays, basis: NDArray[np.float64], lessons: Lessons, training: Literal["cutpaste", "reconstruction"]
) -> Arrays:
    """Return the weights after training; the images of the examples are in [0, 1].

    Raises
    ------
    DataError
        When the loss is not finite.
    """
    import torch

    directions = torch.tensor(basis, device=torch_device(lessons.device, lessons.method)).float()

    def implanted(weights: Tensors, images: Tensor, change: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        sparse, z = _decompose(weights, directions, images, (0, 0))
        norm = _norm(weights, z, torch.ones_like(weight))
        logit = weights["slope"] * torch.log(norm / norm.detach().median() + FLOOR) + weights["offset"]
        return implant_loss(logit, sparse, change, target, weight)

    def clean(weights: Tensors, images: Tensor, change: Tensor, _: Tensor, __: Tensor) -> Tensor:
        sparse, _z = _decompose(weights, directions, images - change, (0, 0))
        low = images - change - sparse
        _s, rest = _decompose({**weights, "theta": weights["theta"][:1]}, directions, low, (0, 0))
        unit = rest.detach().abs().median() + 1e-9
        return (rest / unit).square().mean() + SPARSITY * (sparse / unit).abs().mean()

    return taught(start, lessons, implanted if training == "cutpaste" else clean, not_negative=("theta",))


def patch_norms(
    weights: Arrays, basis: NDArray[np.float64], piece: Piece, first: tuple[int, int], device: str
) -> NDArray[np.float64]:
    """Return the smoothed norm of the last Z over the components, ``(rows, cols)``."""
    import torch

    place = torch_device(device, "unrolled-rpca")
    known = tensors_of(weights, place)
    with one_torch_thread(), torch.no_grad():
        images = torch.tensor(piece.images, device=place)
        _, z = _decompose(known, torch.tensor(basis, device=place).float(), images, first)
        norm = _norm(known, z, torch.tensor(piece.valid, device=place).float())
    return np.asarray(norm.cpu().numpy(), dtype=np.float64)
