"""A small spectral-spatial autoencoder whose inner layers are the features of a pixel.

Layers: 1 × 1 to `width` channels, tanh (f1); 3 × 3, tanh (f2); 1 × 1 to `code` channels; 1 × 1, tanh; 1 × 1 back to
the images. The activation is tanh because one Gaussian is fitted to the features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.device import one_torch_thread, torch_device
from hsad.kernels.networks.training import Schedule, Show, minimise
from hsad.kernels.networks.weights import Arrays, arrays_of, convolution, tensors_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["encoder_start", "features_of", "taught_encoder"]

_NOISE = 0.1
"""Standard deviation of the noise that the network learns to remove, in units of the images."""

_REWEIGHTED_EVERY = 100
"""Number of steps after which the weights of the pixels are computed again."""

_RATE = 5e-3
"""Largest learning rate."""


def encoder_start(random: np.random.Generator, images: int, *, width: int = 32, code: int = 12) -> Arrays:
    """Return the random weights before training."""
    return {
        **convolution(random, "first", width, images, 1),
        **convolution(random, "second", width, width, 3),
        **convolution(random, "code", code, width, 1),
        **convolution(random, "widen", width, code, 1),
        **convolution(random, "last", images, width, 1),
    }


def _layer(weights: Mapping[str, Tensor], name: str, images: Tensor) -> Tensor:
    from torch.nn.functional import conv2d, pad

    kernel = weights[f"{name}.weight"]
    around = kernel.shape[-1] // 2
    if around:
        images = pad(images, (around,) * 4, mode="replicate")
    return conv2d(images, kernel, weights[f"{name}.bias"])


def _features(weights: Mapping[str, Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    first = _layer(weights, "first", images).tanh()
    return first, _layer(weights, "second", first).tanh()


def features_of(weights: Arrays, images: NDArray[np.float32], device: str) -> NDArray[np.float32]:
    """Return the features of images ``(k, rows, cols)``: f1 and f2, ``(2 · width, rows, cols)``."""
    import torch

    place = torch_device(device, "deep-rx")
    with one_torch_thread(), torch.no_grad():
        both = _features(tensors_of(weights, place), torch.tensor(images, device=place)[None])
        return np.asarray(torch.cat(both, dim=1)[0].cpu().numpy())


def taught_encoder(
    start: Arrays,
    pieces: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]],
    random: np.random.Generator,
    steps: int,
    show: Show,
    device: str,
) -> Arrays:
    """Return the weights after training to remove noise.

    Parameters
    ----------
    start : dict
    pieces : sequence of (images, ordinary)
        Images ``(k, rows, cols)``, and the pixels that count. Every 100 steps the pixels with a large error get a
        smaller weight.
    random : Generator
        Draws the pieces and the noise.
    steps : int
    show : callable
    device : str

    Raises
    ------
    DataError
        When the loss is not finite.
    """
    import torch

    place = torch_device(device, "deep-rx")
    weights = tensors_of(start, place, grow=True)
    images = [torch.tensor(piece, device=place)[None] for piece, _ in pieces]
    counted = [torch.tensor(ordinary, device=place).float() for _, ordinary in pieces]
    shares = list(counted)
    drawn = [0]

    def decoded(noisy: Tensor) -> Tensor:
        code = _layer(weights, "code", _features(weights, noisy)[1])
        return _layer(weights, "last", _layer(weights, "widen", code).tanh())

    def loss(_: int) -> Tensor:
        drawn[0] = int(random.integers(len(images)))
        image = images[drawn[0]]
        noise = torch.tensor(random.standard_normal(image.shape, dtype=np.float32), device=place)
        error = (decoded(image + _NOISE * noise) - image).square()
        return (error * shares[drawn[0]]).mean()

    def reweight(step: int) -> None:
        if step % _REWEIGHTED_EVERY == _REWEIGHTED_EVERY - 1:
            for number, image in enumerate(images):
                error = (decoded(image) - image).square().mean(1)[0]
                median = error[counted[number] > 0].median().clamp(min=1e-12)
                shares[number] = counted[number] / (1 + error / median)

    schedule = Schedule(steps, {"": _RATE}, warm=True)
    return arrays_of(minimise(weights, loss, schedule, method="deep-rx", show=show, after=reweight))
