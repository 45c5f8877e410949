"""RPCANet: robust PCA unrolled into stages of small networks, the same for every component's image.

D is a component's image and T its sparse part, 0 at first. L, S and M are networks of three 3 × 3 convolutions each. A
stage computes

    X = D − T,   B = X + L(X);      Y = T + D − B,   T = Y − ε·S(Y);      D = M(B + T).

The logit is computed from the smoothed root mean square of the last T over the components.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.device import one_torch_thread, torch_device
from hsad.kernels.networks.losses import detection_loss
from hsad.kernels.networks.training import Lessons, taught
from hsad.kernels.networks.unrolled import FLOOR, smoothed
from hsad.kernels.networks.weights import Arrays, Tensors, convolution, gaussian_kernel, tensors_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["rpcanet_norm", "rpcanet_start", "stage", "taught_rpcanet"]

_RECONSTRUCTION = 0.01
"""Weight of the squared difference between the last D and the images."""

_EPSILON = 0.01
"""ε before training."""


def rpcanet_start(
    random: np.random.Generator, stages: int, channels: int, *, at_control: bool, sigma: float = 0.7
) -> Arrays:
    """Return the weights before training.

    Parameters
    ----------
    random : Generator
    stages, channels : int
    at_control : bool
        If true, L(x) = −x, S = 0 and M(x) = x exactly. A pair of channels carries x through the ReLUs; the other
        channels are random and take part once they are trained. Then T is D, and the logit is a function of the
        smoothed length of a whitened pixel, which is global RX. If false, all weights are random, as published.
    """
    weights: Arrays = {}
    for number in range(stages):
        for part, gain in (("L", -1.0), ("S", 0.0), ("M", 1.0)):
            name = f"{number}.{part}"
            weights |= convolution(random, f"{name}.0", channels, 1, 3)
            weights |= convolution(random, f"{name}.1", channels, channels, 3)
            weights |= convolution(random, f"{name}.2", 1, channels, 3)
            if at_control:
                _carry(weights, name, gain)
        weights[f"{number}.epsilon"] = np.array(_EPSILON, dtype=np.float32)
    weights["log_kernel"] = np.log(gaussian_kernel(sigma)).astype(np.float32)
    weights["slope"] = np.array(3.0, dtype=np.float32)
    weights["offset"] = np.array(-5.0, dtype=np.float32)
    return weights


def _carry(weights: Arrays, name: str, gain: float) -> None:
    """Set the weights of three convolutions so that the network multiplies its input by `gain` exactly."""
    first, second, last = (weights[f"{name}.{layer}.weight"] for layer in range(3))
    for layer in range(2):
        weights[f"{name}.{layer}.bias"][:2] = 0
    weights[f"{name}.2.bias"][:] = 0
    first[:2] = 0
    first[0, 0, 1, 1], first[1, 0, 1, 1] = 1, -1
    second[:2] = 0
    second[0, 0, 1, 1] = second[1, 1, 1, 1] = 1
    last[:] = 0
    last[0, 0, 1, 1], last[0, 1, 1, 1] = gain, -gain


def _network(weights: Tensors, name: str, images: Tensor) -> Tensor:
    from torch.nn.functional import conv2d, pad, relu

    for layer in range(3):
        around = pad(images, (1, 1, 1, 1), mode="replicate")
        images = conv2d(around, weights[f"{name}.{layer}.weight"], weights[f"{name}.{layer}.bias"])
        if layer < 2:
            images = relu(images)
    return images


def stage(weights: Tensors, number: int, images: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor]:
    """Return D and T after a stage, both ``(c, 1, rows, cols)``."""
    rest = images - sparse
    background = rest + _network(weights, f"{number}.L", rest)
    given = sparse + images - background
    sparse = given - weights[f"{number}.epsilon"] * _network(weights, f"{number}.S", given)
    return _network(weights, f"{number}.M", background + sparse), sparse


def _decomposed(weights: Tensors, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return D and T after all stages, ``(c, 1, rows, cols)`` each."""
    import torch

    restored = images[:, None]
    sparse = torch.zeros_like(restored)
    for number in range(sum(name.endswith(".epsilon") for name in weights)):
        restored, sparse = stage(weights, number, restored, sparse)
    return restored, sparse


def _forward(weights: Tensors, images: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smoothed norm of T ``(rows, cols)`` and D ``(c, rows, cols)``."""
    restored, sparse = _decomposed(weights, images)
    squares = sparse[:, 0].square().mean(0)
    return (smoothed(squares, valid, weights["log_kernel"]) + 1e-4).sqrt(), restored[:, 0]


def rpcanet_norm(
    weights: Arrays, images: NDArray[np.float32], valid: NDArray[np.bool_], device: str
) -> NDArray[np.float64]:
    """Return the smoothed root mean square of T over the components, ``(rows, cols)``."""
    import torch

    place = torch_device(device, "rpcanet")
    with one_torch_thread(), torch.no_grad():
        given = torch.tensor(images, device=place), torch.tensor(valid, device=place).float()
        norm, _ = _forward(tensors_of(weights, place), *given)
    return np.asarray(norm.cpu().numpy(), dtype=np.float64)


def rpcanet_squares(
    weights: Arrays, images: NDArray[np.float32], valid: NDArray[np.bool_], device: str
) -> NDArray[np.float64]:
    """Return the smoothed square of T of each component, ``(c, rows, cols)``."""
    import torch

    place = torch_device(device, "rpcanet")
    with one_torch_thread(), torch.no_grad():
        known = tensors_of(weights, place)
        _, sparse = _decomposed(known, torch.tensor(images, device=place))
        around = torch.tensor(valid, device=place).float()
        squares = [smoothed(part[0].square(), around, known["log_kernel"]).cpu().numpy() for part in sparse]
    return np.asarray(squares, dtype=np.float64)


def taught_rpcanet(start: Arrays, lessons: Lessons) -> Arrays:
    """Return the weights after training with examples.

    Raises
    ------
    DataError
        When the loss is not finite.
    """
    import torch

    def implanted(weights: Tensors, images: Tensor, _: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        norm, restored = _forward(weights, images, torch.ones_like(weight))
        logit = weights["slope"] * torch.log(norm + FLOOR) + weights["offset"]
        return detection_loss(logit, target, weight) + _RECONSTRUCTION * (restored - images).square().mean()

    return taught(start, lessons, implanted)
