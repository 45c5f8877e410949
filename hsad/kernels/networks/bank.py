"""A memory bank: distances to the nearest of many vectors, and the choice of a few vectors that represent all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.device import one_torch_thread, torch_device

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Places", "greedy_coreset", "nearest", "neighbours"]

_CHUNK = 2**22
"""Number of distances that are computed together."""

_PROJECTED = 16
"""Number of dimensions in which the coreset is chosen."""


class Places(NamedTuple):
    """Positions of the scored vectors and of the bank's vectors.

    Attributes
    ----------
    here : (n, 2) ndarray of int64
        Rows and columns of the scored vectors.
    bank : (m, 2) ndarray of int64
        Rows and columns of the bank's vectors.
    own : (m,) ndarray of bool
        Whether a vector of the bank comes from the scene that is scored.
    apart : int
        A bank vector of the same scene is no neighbour if it lies within this number of pixels.
    """

    here: NDArray[np.int64]
    bank: NDArray[np.int64]
    own: NDArray[np.bool_]
    apart: int


def greedy_coreset(features: NDArray[np.float64], size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return the numbers of `size` rows by greedy k-centre: each row is the one farthest from the rows before it.

    Parameters
    ----------
    features : (n, k) ndarray
        If k is above 16, a random projection reduces the features to 16 dimensions first.
    size : int
    random : Generator
        Draws the projection and the first row.

    References
    ----------
    K. Roth et al., "Towards total recall in industrial anomaly detection", CVPR 2022 (PatchCore).
    """
    if features.shape[1] > _PROJECTED:
        features = features @ (random.standard_normal((features.shape[1], _PROJECTED)) / np.sqrt(_PROJECTED))
    chosen = np.empty(min(size, len(features)), dtype=np.int64)
    number = int(random.integers(len(features)))
    distance = np.full(len(features), np.inf)
    for place in range(len(chosen)):
        chosen[place] = number
        step = features - features[number]
        np.minimum(distance, np.einsum("ij,ij->i", step, step), out=distance)
        number = int(distance.argmax())
    return chosen


def neighbours(bank: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the numbers of the `count` rows nearest to each row of a bank, itself included, ``(m, count)``."""
    found = []
    squares = np.einsum("ij,ij->i", bank, bank)
    step = max(1, _CHUNK // len(bank))
    for start in range(0, len(bank), step):
        part = slice(start, start + step)
        distance = squares[part, None] + squares - 2 * bank[part] @ bank.T
        found.append(np.argsort(distance, axis=1, kind="stable")[:, :count])
    return np.concatenate(found)


def nearest(
    features: NDArray[np.float64],
    bank: NDArray[np.float64],
    places: Places,
    device: str,
    near: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the distance of each vector to the nearest vector of the bank, and its number in the bank, ``(n,)`` each.

    Parameters
    ----------
    features : (n, k) ndarray of float64
    bank : (m, k) ndarray of float64
    places : Places
    device : str
    near : (m, b) ndarray of int64, optional
        `neighbours` of the bank. If present, a distance d to the bank's vector j is multiplied by
        1 − exp(d)/Σ exp(distances to the neighbours of j). The factor is smaller if the neighbours of j are as near
        as j.

    Raises
    ------
    MissingExtraError
    """
    import torch

    place = torch_device(device, "patchcore")
    result, numbers = np.empty(len(features)), np.empty(len(features), dtype=np.int64)
    with one_torch_thread(), torch.no_grad():
        held = torch.tensor(bank, device=place)
        squares = held.square().sum(1)
        rows, cols = (torch.tensor(np.ascontiguousarray(axis), device=place) for axis in places.bank.T)
        own = torch.tensor(places.own, device=place)
        step = max(1, _CHUNK // len(bank))
        for start in range(0, len(features), step):
            part = slice(start, start + step)
            asked = torch.tensor(features[part], device=place)
            distance = (asked.square().sum(1)[:, None] + squares - 2 * asked @ held.T).clamp(min=0).sqrt()
            if places.apart >= 0 and bool(own.any()):
                here = torch.tensor(places.here[part], device=place)
                too_near = ((here[:, :1] - rows).abs() <= places.apart) & ((here[:, 1:] - cols).abs() <= places.apart)
                distance[too_near & own] = torch.inf
            least, which = distance.min(dim=1)
            if near is not None:
                around = torch.gather(distance, 1, torch.tensor(near, device=place)[which])
                least = least * _surprise(least, around)
            result[part], numbers[part] = least.cpu().numpy(), which.cpu().numpy()
    return result, numbers


def _surprise(least: Tensor, around: Tensor) -> Tensor:
    """Return 1 − exp(d)/Σ exp(d_j) over the allowed neighbours; the largest d_j is subtracted so that exp is finite."""
    import torch

    allowed = torch.isfinite(around)
    largest = torch.where(allowed, around, -torch.inf).amax(1)
    shifted = torch.where(allowed, torch.exp(around - largest[:, None]), 0.0)
    return 1 - torch.exp(least - largest) / shifted.sum(1)
