"""Unrolled robust PCA on arrays: training of its weights, scales of a scene, and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.device import one_torch_thread, torch_device
from hsad.kernels.networks.losses import SPARSITY, implant_loss
from hsad.kernels.networks.pieces import Piece
from hsad.kernels.networks.training import Lessons, taught
from hsad.kernels.networks.unrolled import (
    FLOOR,
    Rings,
    State,
    evidence,
    first_state,
    global_norm,
    layer,
    purified_moments,
    residual_part,
    whitening_of,
)
from hsad.kernels.networks.weights import Arrays, Tensors, tensors_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Network", "Scales", "layer_maps", "settle", "taught_rings", "unrolled_score"]

_GLOBAL_PURITY = 3.0
"""Evidence, in medians, at which the weight of a pixel in the global background is one half."""


@dataclass(frozen=True)
class Network:
    """The fixed parameters: windows, number of layers, number of components of the ring, and device."""

    rings: Rings
    layers: int
    components: int
    device: str


@dataclass(frozen=True, eq=False)
class Scales:
    """The numbers of a scene that the scores need besides the weights.

    Attributes
    ----------
    medians : (layers,) ndarray of float64
        Median of the smoothed norm after each layer.
    mean : (k,) ndarray of float64
    whitening : (k, k) ndarray of float64
        Of the purified global Gaussian; both are empty if it is not used.
    global_median : float
        Median of the smoothed distances to this Gaussian.
    """

    medians: NDArray[np.float64]
    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]
    global_median: float


def _median(values: Tensor, valid: Tensor) -> Tensor:
    return values.detach()[valid > 0].median()


def _forward(weights: Tensors, network: Network, images: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sparse part and the logit of one piece, in units of the medians of this piece."""
    import torch

    near = images[: network.components]
    state = first_state(near, valid)
    u = valid
    for number in range(network.layers):
        z, norm = layer(weights, number, near, valid, state, network.rings)
        state, u = evidence(weights, number, z, norm, _median(norm, valid), valid, state.purity)
    return state.sparse, weights["slope"] * torch.log(u + FLOOR) + weights["offset"]


def _global_purity(u: Tensor, valid: Tensor, median: Tensor) -> Tensor:
    return (valid / (1 + (u / median / _GLOBAL_PURITY) ** 2)).detach()


def taught_rings(
    start: Arrays, network: Network, lessons: Lessons, training: Literal["cutpaste", "reconstruction"]
) -> Arrays:
    """Return the weights after training with examples.

    Raises
    ------
    DataError
        When the loss is not finite.
    """
    import torch

    def implanted(weights: Tensors, images: Tensor, change: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        sparse, logit = _forward(weights, network, images, torch.ones_like(weight))
        return implant_loss(logit, sparse, change[: network.components], target, weight)

    def clean(weights: Tensors, images: Tensor, change: Tensor, _: Tensor, weight: Tensor) -> Tensor:
        return _reconstruction_loss(weights, network, images - change, torch.ones_like(weight))

    return taught(start, lessons, implanted if training == "cutpaste" else clean, not_negative=("theta",))


def _reconstruction_loss(weights: Tensors, network: Network, images: Tensor, valid: Tensor) -> Tensor:
    import torch

    sparse, _ = _forward(weights, network, images, valid)
    near = images[: network.components]
    lam = torch.exp(weights["log_lam"][-1].detach())
    rest = residual_part(near - sparse, valid, lam, network.rings)
    unit = _median(rest.square().sum(0).sqrt(), valid)
    unexplained = ((rest / unit).square().sum(0) + 1e-6).sqrt().mean()
    return unexplained + SPARSITY * ((sparse / unit).square().sum(0) + 1e-6).sqrt().mean()


def settle(weights: Arrays, network: Network, pieces: Sequence[Piece], *, globally: bool) -> Scales:
    """Return the median of each layer over all pieces and, if `globally`, the purified Gaussian of all pieces."""
    import torch

    device = torch_device(network.device, "unrolled-rpca")
    known = tensors_of(weights, device)
    with one_torch_thread(), torch.no_grad():
        images = [torch.tensor(piece.images, device=device) for piece in pieces]
        valid = [torch.tensor(piece.valid, device=device).float() for piece in pieces]
        states = [first_state(image[: network.components], v) for image, v in zip(images, valid, strict=True)]
        medians = []
        last: list[Tensor] = []
        for number in range(network.layers):
            found = [
                layer(known, number, image[: network.components], v, state, network.rings)
                for image, v, state in zip(images, valid, states, strict=True)
            ]
            median = _median(torch.cat([norm.reshape(-1) for _, norm in found]), _flat(valid))
            medians.append(float(median))
            after = [
                evidence(known, number, z, norm, median, v, state.purity)
                for (z, norm), v, state in zip(found, valid, states, strict=True)
            ]
            states, last = [state for state, _ in after], [u for _, u in after]
        if not globally:
            return Scales(np.array(medians), np.zeros(0), np.zeros((0, 0)), 1.0)
        middle = _median(_flat(last), _flat(valid))
        purity = torch.cat([_global_purity(u, v, middle).reshape(-1) for u, v in zip(last, valid, strict=True)])
        every = torch.cat([image.reshape(image.shape[0], -1) for image in images], dim=1)
        mean, covariance = purified_moments(every.double(), purity.double())
        whitening = whitening_of(covariance)
        norms = [
            global_norm(known, image, v, mean.float(), whitening.float())
            for image, v in zip(images, valid, strict=True)
        ]
        return Scales(
            np.array(medians),
            mean.cpu().numpy(),
            whitening.cpu().numpy(),
            float(_median(_flat(norms), _flat(valid))),
        )


def _flat(maps: Sequence[Tensor]) -> Tensor:
    import torch

    return torch.cat([one.reshape(-1) for one in maps])


def layer_maps(
    weights: Arrays, network: Network, scales: Scales, piece: Piece
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return, for each layer, the evidence u of a piece and the norm of the sparse part, ``(rows, cols)`` each."""
    import torch

    device = torch_device(network.device, "unrolled-rpca")
    known = tensors_of(weights, device)
    made = []
    with one_torch_thread(), torch.no_grad():
        images = torch.tensor(piece.images[: network.components], device=device)
        valid = torch.tensor(piece.valid, device=device).float()
        state: State = first_state(images, valid)
        for number in range(network.layers):
            z, norm = layer(known, number, images, valid, state, network.rings)
            median = float(scales.medians[number])
            state, u = evidence(known, number, z, norm, median, valid, state.purity)
            made.append((u.cpu().numpy(), state.sparse.square().sum(0).sqrt().cpu().numpy()))
    return made


def unrolled_score(weights: Arrays, network: Network, scales: Scales, piece: Piece) -> NDArray[np.float64]:
    """Return the logarithm of the evidence at every pixel of a piece, ``(rows, cols)``.

    If the scales have a global Gaussian, the result is the mean of this logarithm and of that of the global norm.
    """
    import torch

    u = layer_maps(weights, network, scales, piece)[-1][0].astype(np.float64)
    score = np.log(u + FLOOR)
    if not len(scales.mean):
        return score
    device = torch_device(network.device, "unrolled-rpca")
    known = tensors_of(weights, device)
    with one_torch_thread(), torch.no_grad():
        norm = global_norm(
            known,
            torch.tensor(piece.images, device=device),
            torch.tensor(piece.valid, device=device).float(),
            torch.tensor(scales.mean, device=device).float(),
            torch.tensor(scales.whitening, device=device).float(),
        )
    around = np.log(norm.cpu().numpy().astype(np.float64) / scales.global_median + FLOOR)
    return (score + around) / 2
