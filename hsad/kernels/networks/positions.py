"""One Gaussian for every position of a stack of images: running moments, and the distance of a value to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.device import one_torch_thread, torch_device

__all__ = ["PositionMoments", "position_distance"]

_CHUNK = 2**16
"""Number of positions whose matrices are factored together, to bound the memory."""


@dataclass(frozen=True, eq=False)
class PositionMoments:
    """Count, mean and scatter at each position; dates are added in place, because the arrays are large.

    Attributes
    ----------
    count : (rows, cols) ndarray of int32
        Number of dates with data.
    mean : (rows, cols, k) ndarray of float32
    scatter : (rows, cols, k(k+1)/2) ndarray of float32
        Upper triangle, by rows, of the sum of the outer products of the deviations from the mean.
    """

    count: NDArray[np.int32]
    mean: NDArray[np.float32]
    scatter: NDArray[np.float32]

    @classmethod
    def empty(cls, rows: int, cols: int, components: int) -> PositionMoments:
        """Return the moments of no date."""
        pairs = components * (components + 1) // 2
        return cls(
            np.zeros((rows, cols), dtype=np.int32),
            np.zeros((rows, cols, components), dtype=np.float32),
            np.zeros((rows, cols, pairs), dtype=np.float32),
        )

    def add(self, row: int, col: int, values: NDArray[np.floating], valid: NDArray[np.bool_]) -> None:
        """Add the valid pixels of ``(h, w, k)`` values of one date, whose first pixel lies at this row and column.

        Notes
        -----
        Welford, "Note on a method for calculating corrected sums of squares and products", 1962.
        """
        here = np.s_[row : row + valid.shape[0], col : col + valid.shape[1]]
        upper, right = np.triu_indices(values.shape[2])
        self.count[here] += valid
        number = np.maximum(self.count[here], 1)[..., None]
        before = np.where(valid[..., None], values - self.mean[here], 0.0)
        self.mean[here] += (before / number).astype(np.float32)
        after = before * (number - 1) / number
        self.scatter[here] += (before[..., upper] * after[..., right]).astype(np.float32)

    def pooled(self, least: int) -> NDArray[np.float64]:
        """Return the mean covariance ``(k, k)`` over the positions with at least `least` dates."""
        enough = self.count >= least
        total = (self.scatter[enough] / (self.count[enough] - 1)[:, None]).mean(axis=0, dtype=np.float64)
        return _square(total, self.mean.shape[2])


def _square(triangles: NDArray[np.floating], components: int) -> NDArray[np.float64]:
    """Return symmetric matrices ``(..., k, k)`` from upper triangles ``(..., k(k+1)/2)``."""
    upper, right = np.triu_indices(components)
    full = np.empty((*triangles.shape[:-1], components, components))
    full[..., upper, right] = full[..., right, upper] = triangles
    return full


def position_distance(
    values: NDArray[np.float64],
    count: NDArray[np.int32],
    mean: NDArray[np.float32],
    scatter: NDArray[np.float32],
    pooled: NDArray[np.float64],
    *,
    share: float,
    epsilon: float,
    device: str,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return √(δᵀ C⁻¹ δ) of each value, ``(n,)``, and its parts by component, ``δ · C⁻¹δ`` ``(n, k)``.

    δ is the deviation of a value from the mean of its position, own = scatter/(count − 1) the covariance there, and
    C = (1 − share)·own + share·pooled + ε·(tr own + tr pooled)/(2k)·I.

    Parameters
    ----------
    values, mean : (n, k) ndarray
    count : (n,) ndarray
        Number of dates of each position, at least 2.
    scatter : (n, k(k+1)/2) ndarray
    pooled : (k, k) ndarray
    share, epsilon : float
    device : str
    """
    import torch

    place = torch_device(device, "padim")
    components = values.shape[1]
    result, parts = np.empty(len(values)), np.empty(values.shape)
    with one_torch_thread(), torch.no_grad():
        for start in range(0, len(values), _CHUNK):
            part = slice(start, start + _CHUNK)
            own = _square(scatter[part] / (count[part] - 1)[:, None].astype(np.float64), components)
            trace = (np.trace(own, axis1=1, axis2=2) + np.trace(pooled)) / (2 * components)
            matrix = (1 - share) * own + share * pooled + (epsilon * trace)[:, None, None] * np.eye(components)
            step = torch.tensor(values[part] - mean[part].astype(np.float64), device=place)[..., None]
            solved = torch.cholesky_solve(step, torch.linalg.cholesky(torch.tensor(matrix, device=place)))
            product = step * solved
            result[part], parts[part] = product.sum((1, 2)).sqrt().cpu().numpy(), product[..., 0].cpu().numpy()
    return result, parts
