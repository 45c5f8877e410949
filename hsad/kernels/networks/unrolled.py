"""Unrolled robust PCA with the ring as background: the computation of each layer.

M is a pixel, S its sparse part and N = M − S. Its purity is p = 1/(1 + (2‖S‖/median)²). G is the second moment of N
over the ring of the pixel, where each neighbour is weighted by its purity. A layer computes

    R = λ_k (G + λ_k I)⁻¹ N                the part of N outside the subspace of the ring
    Z = S + W·R
    u = ‖Z‖ smoothed over 5 × 5 pixels, over its median, divided by (purified mean of u around the pixel)^β
    S = Z · relu(1 − θ_k / u)

Images are ``(c, rows, cols)`` and maps ``(rows, cols)``, both float32. `valid` is 1 in pixels with data, else 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsad.kernels.networks.weights import Arrays, gaussian_kernel

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CLUTTER",
    "SMOOTHING",
    "Rings",
    "State",
    "box_sum",
    "evidence",
    "first_state",
    "global_norm",
    "layer",
    "purified_moments",
    "rates",
    "residual_part",
    "smoothed",
    "start",
    "whitening_of",
]

SMOOTHING = 5
"""Side in pixels of the window over which squared norms are smoothed."""

CLUTTER = 31
"""Side in pixels of the window of the purified mean of u."""

_TINY = 1e-12
"""Prevents a division by 0 and the root of 0, whose gradient is infinite."""

#: Added to the evidence u, in units of its median, before the logarithm.
FLOOR = 0.1


@dataclass(frozen=True)
class Rings:
    """Odd sides in pixels of the outer window and of the guard window of the ring."""

    outer: int
    inner: int


@dataclass(frozen=True)
class State:
    """The result of a layer for the next layer: sparse part ``(c, rows, cols)`` and purity ``(rows, cols)``."""

    sparse: Tensor
    purity: Tensor


def start(components: int, layers: int, *, sigma: float = 0.7, lam: float = 3e-3, theta: float = 3.0) -> Arrays:
    """Return the weights before training: all thresholds are `theta` medians, W is half the identity, β is 0."""
    weights = {
        "theta": np.full(layers, theta),
        "log_lam": np.full(layers, math.log(lam)),
        "W": 0.5 * np.eye(components),
        "log_kernel": np.log(gaussian_kernel(sigma, SMOOTHING)),
        "beta": np.zeros(()),
        "slope": np.array(2.0),
        "offset": np.array(-5.0),
    }
    return {name: array.astype(np.float32) for name, array in weights.items()}


def rates() -> dict[str, float]:
    """Return the learning rates, the largest for the thresholds and the smallest for W."""
    return {"theta": 0.1, "W": 0.01, "": 0.03}


def _band(size: int, side: int, like: Tensor) -> Tensor:
    import torch

    places = torch.arange(size, device=like.device)
    return ((places[:, None] - places).abs() <= side // 2).to(like.dtype)


def box_sum(images: Tensor, side: int) -> Tensor:
    """Return sums over squares of an odd side, cut at the edges, by two products with banded matrices."""
    rows, cols = images.shape[-2:]
    return (_band(rows, side, images) @ images) @ _band(cols, side, images)


def smoothed(squares: Tensor, valid: Tensor, log_kernel: Tensor) -> Tensor:
    """Return the mean of the valid squares under a kernel that is cut at the edges, ``(rows, cols)``."""
    import torch
    from torch.nn.functional import conv2d

    kernel = torch.exp(log_kernel)[None, None]
    both = torch.stack([squares * valid, valid])[:, None]
    total, weight = conv2d(both, kernel, padding=log_kernel.shape[0] // 2)[:, 0]
    mean: Tensor = total / weight.clamp(min=_TINY)
    return mean


def residual_part(images: Tensor, purity: Tensor, lam: Tensor, rings: Rings) -> Tensor:
    """Return R = λ(G + λI)⁻¹N, ``(c, rows, cols)``, with G the second moment of the ring weighted by purity.

    Parameters
    ----------
    images : (c, rows, cols) Tensor
        N.
    purity : (rows, cols) Tensor
        Weight of each pixel in the rings of other pixels; 0 if invalid.
    lam : scalar Tensor
        λ, in squared units of the images.
    rings : Rings
    """
    import torch

    count, rows, cols = images.shape
    upper = torch.triu_indices(count, count, device=images.device)
    place = torch.zeros(count, count, dtype=torch.long, device=images.device)
    number = torch.arange(upper.shape[1], device=images.device)
    place[upper[0], upper[1]] = number
    place[upper[1], upper[0]] = number
    products = torch.cat([(purity * images)[upper[0]] * images[upper[1]], purity[None]])
    ring = box_sum(products, rings.outer) - box_sum(products, rings.inner)
    moments = ring[:-1] / ring[-1].clamp(min=1e-3)
    matrices = moments.reshape(len(number), -1).T[:, place.reshape(-1)].reshape(-1, count, count)
    system = matrices + lam * torch.eye(count, dtype=images.dtype, device=images.device)
    pixels = images.reshape(count, -1).T[..., None]
    solved = torch.cholesky_solve(pixels, torch.linalg.cholesky(system))[..., 0]
    return (lam * solved).T.reshape(count, rows, cols)


def first_state(images: Tensor, valid: Tensor) -> State:
    """Return the state before the first layer: the sparse part is 0, and the purity of valid pixels is 1."""
    import torch

    return State(torch.zeros_like(images), valid)


def layer(
    weights: Mapping[str, Tensor], number: int, images: Tensor, valid: Tensor, state: State, rings: Rings
) -> tuple[Tensor, Tensor]:
    """Return Z ``(c, rows, cols)`` and its smoothed norm ``(rows, cols)``, both in the units of the images."""
    import torch

    lam = torch.exp(weights["log_lam"][number])
    rest = residual_part(images - state.sparse, state.purity, lam, rings)
    z = state.sparse + (weights["W"] @ rest.reshape(rest.shape[0], -1)).reshape(rest.shape)
    norm = (smoothed(z.square().sum(0), valid, weights["log_kernel"]) + _TINY).sqrt()
    return z, norm


def evidence(
    weights: Mapping[str, Tensor],
    number: int,
    z: Tensor,
    norm: Tensor,
    median: Tensor | float,
    valid: Tensor,
    purity: Tensor,
) -> tuple[State, Tensor]:
    """Return the next state and u, the norm in medians divided by (purified mean around the pixel)^β."""
    import torch

    u = norm / median
    level = box_sum(purity * u, CLUTTER) / box_sum(purity, CLUTTER).clamp(min=_TINY)
    u = u / level.clamp(min=_TINY) ** weights["beta"]
    sparse = z * torch.relu(1 - weights["theta"][number] / u)
    return State(sparse, valid / (1 + sparse.square().sum(0) / (median / 2) ** 2)), u


def purified_moments(images: Tensor, purity: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean ``(c,)`` and the covariance ``(c, c)`` of the pixels, weighted by their purity."""
    share = purity.reshape(-1) / purity.sum()
    pixels = images.reshape(images.shape[0], -1)
    mean = pixels @ share
    centred = pixels - mean[:, None]
    return mean, (centred * share) @ centred.T


def whitening_of(covariance: Tensor) -> Tensor:
    """Return the inverse Cholesky factor of a covariance, 1e-7 of whose mean variance is added to its diagonal."""
    import torch

    unit = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    factor = torch.linalg.cholesky(covariance + 1e-7 * covariance.diagonal().mean() * unit)
    whitening: Tensor = torch.linalg.solve_triangular(factor, unit, upper=False)
    return whitening


def global_norm(
    weights: Mapping[str, Tensor], images: Tensor, valid: Tensor, mean: Tensor, whitening: Tensor
) -> Tensor:
    """Return the smoothed Mahalanobis distance of each pixel to a Gaussian, ``(rows, cols)``."""
    white = whitening @ (images.reshape(images.shape[0], -1) - mean[:, None])
    squares = white.square().sum(0).reshape(images.shape[1:])
    return (smoothed(squares, valid, weights["log_kernel"]) + _TINY).sqrt()
