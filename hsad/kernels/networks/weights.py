"""Weights: start of a convolution, and conversion between arrays and tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Arrays", "Tensors", "arrays_of", "convolution", "gaussian_kernel", "tensors_of"]

Arrays = dict[str, NDArray[np.float32]]
Tensors = Mapping[str, "Tensor"]


def convolution(random: np.random.Generator, name: str, outputs: int, inputs: int, side: int) -> Arrays:
    """Return the first weights of a convolution with bias, uniform within ±1/√(fan-in) as in torch.

    Returns
    -------
    dict
        ``name.weight`` of ``(outputs, inputs, side, side)`` and ``name.bias`` of ``(outputs,)``, float32.
    """
    bound = 1 / np.sqrt(inputs * side * side)
    weight = random.uniform(-bound, bound, (outputs, inputs, side, side))
    bias = random.uniform(-bound, bound, outputs)
    return {f"{name}.weight": weight.astype(np.float32), f"{name}.bias": bias.astype(np.float32)}


def gaussian_kernel(sigma: float, side: int = 5) -> NDArray[np.float64]:
    """Return a Gaussian over a square of an odd side, ``(side, side)``, whose sum is 1."""
    across = np.exp(-((np.arange(side) - side // 2) ** 2) / (2 * sigma**2))
    kernel = np.outer(across, across)
    return np.asarray(kernel / kernel.sum())


def tensors_of(weights: Mapping[str, NDArray[Any]], device: torch.device, *, grow: bool = False) -> dict[str, Tensor]:
    """Return arrays as float32 tensors on a device; with `grow` they require a gradient."""
    import torch

    return {
        name: torch.tensor(np.asarray(array, dtype=np.float32), device=device).requires_grad_(grow)
        for name, array in weights.items()
    }


def arrays_of(weights: Mapping[str, Tensor]) -> Arrays:
    """Return tensors as float32 arrays that share no memory with them."""
    return {name: np.array(tensor.detach().cpu().numpy()) for name, tensor in weights.items()}
