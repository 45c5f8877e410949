"""The network of Auto-AD: three levels down and up with narrow skip connections, fitted to the scene itself.

A level on the way down is a 3 × 3 convolution with stride 2 and a 3 × 3 convolution with stride 1. A level on the way
up is bilinear interpolation, joined with the skip (a 1 × 1 convolution), then a 3 × 3 convolution (1 × 1 at the top
level) and a 1 × 1 convolution. Batch normalisation and leaky ReLU follow each convolution but the last. During training
the statistics of the normalisation are those of the current piece. The result is several states of the weights from the
second half of the training, each with its statistics; their squared residuals are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.device import one_torch_thread, torch_device
from hsad.kernels.networks.training import Schedule, Show, minimise
from hsad.kernels.networks.weights import Arrays, arrays_of, convolution, tensors_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LEVELS", "SkipPiece", "skip_residual", "skip_squares", "skip_start", "taught_skip"]

LEVELS = 3
"""Number of times that the resolution is halved, as in Auto-AD."""

CELL = 2**LEVELS
"""Side in pixels of an element of the lowest level; the input must begin at a multiple of it in the scene."""

_SKIP = 4
"""Number of channels of a skip connection."""

_RATE = 1e-2
"""Learning rate."""

_REWEIGHTED_EVERY = 50
"""Number of steps after which the weights of the pixels are computed again."""

_KEPT_EVERY = 5
"""In the second half of the training, the state after every fifth step is part of the result."""

_LEAK = 0.2
"""Slope of the leaky ReLU below 0."""


class SkipPiece(NamedTuple):
    """Input `given` and target `wanted` of the network, ``(k, rows, cols)`` each, and the mask of valid pixels."""

    given: NDArray[np.float32]
    wanted: NDArray[np.float32]
    valid: NDArray[np.bool_]


def skip_start(random: np.random.Generator, inputs: int, outputs: int, channels: int) -> Arrays:
    """Return the weights before training."""
    weights: Arrays = {}

    def add(name: str, wide: int, narrow: int, side: int) -> None:
        weights.update(convolution(random, name, wide, narrow, side))
        weights[f"{name}.gain"] = np.ones(wide, dtype=np.float32)
        weights[f"{name}.bend"] = np.zeros(wide, dtype=np.float32)

    for level in range(LEVELS):
        given = inputs if level == 0 else channels
        add(f"down.{level}.0", channels, given, 3)
        add(f"down.{level}.1", channels, channels, 3)
        add(f"skip.{level}", _SKIP, given, 1)
        add(f"up.{level}.0", channels, channels + _SKIP, 3 if level else 1)
        add(f"up.{level}.1", channels, channels, 1)
    weights |= convolution(random, "last", outputs, channels, 1)
    return weights


@dataclass
class _Normalisation:
    """Normalisation of every layer by the mean and variance `given` or, without them, by those of its input."""

    given: Mapping[str, Tensor] | None = None
    seen: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, name: str, images: Tensor) -> Tensor:
        if self.given is not None:
            mean, variance = self.given[f"{name}.mean"], self.given[f"{name}.variance"]
        else:
            mean, variance = images.mean((0, 2, 3)), images.var((0, 2, 3), correction=0)
            self.seen[f"{name}.mean"], self.seen[f"{name}.variance"] = mean.detach(), variance.detach()
        return (images - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()


def _forward(weights: Mapping[str, Tensor], given: Tensor, normalised: _Normalisation) -> Tensor:
    """Return the output of the network for ``(1, k, rows, cols)``, whose sides are multiples of `CELL`."""
    from torch.nn.functional import conv2d, interpolate, leaky_relu, pad

    def layer(name: str, images: Tensor, stride: int = 1) -> Tensor:
        kernel = weights[f"{name}.weight"]
        if kernel.shape[-1] == 3:
            images = pad(images, (1, 1, 1, 1), mode="replicate")
        images = normalised(name, conv2d(images, kernel, weights[f"{name}.bias"], stride=stride))
        scaled = images * weights[f"{name}.gain"][:, None, None] + weights[f"{name}.bend"][:, None, None]
        return leaky_relu(scaled, _LEAK)

    skips = []
    images = given
    for level in range(LEVELS):
        skips.append(layer(f"skip.{level}", images))
        images = layer(f"down.{level}.1", layer(f"down.{level}.0", images, 2))
    for level in reversed(range(LEVELS)):
        grown = interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)
        joined = _joined(grown, skips[level])
        images = layer(f"up.{level}.1", layer(f"up.{level}.0", joined))
    return conv2d(images, weights["last.weight"], weights["last.bias"])


def _joined(one: Tensor, other: Tensor) -> Tensor:
    import torch

    return torch.cat([one, other], dim=1)


def _aligned(images: NDArray[np.float32], lead: tuple[int, int]) -> NDArray[np.float32]:
    """Return images padded with their edge pixels: `lead` pixels before, and up to a multiple of `CELL` after."""
    rows, cols = (size + before for size, before in zip(images.shape[1:], lead, strict=True))
    return np.pad(images, ((0, 0), (lead[0], -rows % CELL), (lead[1], -cols % CELL)), mode="edge")


def taught_skip(
    start: Arrays,
    pieces: Sequence[SkipPiece],
    random: np.random.Generator,
    steps: int,
    noise: float,
    show: Show,
    device: str,
) -> tuple[Arrays, ...]:
    """Return states of the weights during training, each with the statistics of its normalisation.

    Parameters
    ----------
    start : dict
    pieces : sequence of SkipPiece
        One of them is drawn at each step.
    random : Generator
    steps : int
    noise : float
        Standard deviation of the noise that is added to the input and drawn again at each step; 0 for no noise.
    show : callable
    device : str

    Notes
    -----
    Every 50 steps the weight of a pixel becomes 4/(1 + r/median)², r its residual. Pixels that are not reproduced early
    then hardly count. Without these weights the network learns to reproduce anomalies, too.

    Raises
    ------
    DataError
        When the loss is not finite.
    """
    import torch

    place = torch_device(device, "autoencoder")
    weights = tensors_of(start, place, grow=True)
    given = [torch.tensor(_aligned(piece.given, (0, 0)), device=place)[None] for piece in pieces]
    wanted = [torch.tensor(piece.wanted, device=place) for piece in pieces]
    valid = [torch.tensor(piece.valid, device=place).float() for piece in pieces]
    shares = list(valid)
    kept: list[Arrays] = []

    def squares(number: int, normalised: _Normalisation, added: Tensor | float) -> Tensor:
        rows, cols = valid[number].shape
        made = _forward(weights, given[number] + added, normalised)[0, :, :rows, :cols]
        return (made - wanted[number]).square().mean(0) * valid[number]

    def loss(_: int) -> Tensor:
        number = int(random.integers(len(pieces)))
        added: Tensor | float = 0.0
        if noise:
            drawn = random.standard_normal(given[number].shape, dtype=np.float32)
            added = noise * torch.tensor(drawn, device=place)
        return (squares(number, _Normalisation(), added) * shares[number]).mean()

    def after(step: int) -> None:
        reweighted = step % _REWEIGHTED_EVERY == _REWEIGHTED_EVERY - 1
        keeping = step == steps - 1 or (step >= steps // 2 and step % _KEPT_EVERY == 0)
        if not (reweighted or keeping):
            return
        statistics: dict[str, list[Tensor]] = {}
        for number in range(len(pieces)):
            normalised = _Normalisation()
            residual = squares(number, normalised, 0.0).sqrt()
            for name, value in normalised.seen.items():
                statistics.setdefault(name, []).append(value)
            if reweighted:
                median = residual[valid[number] > 0].median().clamp(min=1e-12)
                shares[number] = valid[number] * 4 / (1 + residual / median) ** 2
        if keeping:
            means = {name: torch.stack(values).mean(0) for name, values in statistics.items()}
            kept.append(arrays_of({**weights, **means}))

    minimise(
        weights, loss, Schedule(steps, {"": _RATE}, clip=0.0, steady=True), method="autoencoder", show=show, after=after
    )
    return tuple(kept)


def skip_residual(
    states: Sequence[Arrays],
    given: NDArray[np.float32],
    wanted: NDArray[np.float32],
    first: tuple[int, int],
    device: str,
) -> NDArray[np.float64]:
    """Return the root of the sum of `skip_squares` over the components, ``(rows, cols)``."""
    return np.sqrt(skip_squares(states, given, wanted, first, device, lambda squares: squares.sum(0)))


def skip_squares(
    states: Sequence[Arrays],
    given: NDArray[np.float32],
    wanted: NDArray[np.float32],
    first: tuple[int, int],
    device: str,
    of: Callable[[Tensor], Tensor] = lambda squares: squares,
) -> NDArray[np.float64]:
    """Return the squared residual of each component, averaged over the states, ``(k, rows, cols)``.

    `first` is the row and column of the first pixel in the scene. `of` is applied to the squares of a state before they
    are averaged.
    """
    import torch

    place = torch_device(device, "autoencoder")
    lead = (first[0] % CELL, first[1] % CELL)
    rows, cols = wanted.shape[1:]
    total: Any = 0.0
    with one_torch_thread(), torch.no_grad():
        images = torch.tensor(_aligned(given, lead), device=place)[None]
        target = torch.tensor(wanted, device=place)
        for state in states:
            known = tensors_of(state, place)
            made = _forward(known, images, _Normalisation(known))[0]
            made = made[:, lead[0] : lead[0] + rows, lead[1] : lead[1] + cols]
            total = total + of((made - target).square()).cpu().numpy().astype(np.float64)
    return np.asarray(total / len(states))
