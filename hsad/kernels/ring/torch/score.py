"""The ring detectors of `hsad.kernels.ring.score` in torch, for many pixels at once, on a GPU.

The scores agree up to rounding. They are computed in float64, in chunks that fit the memory of the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hsad.errors import ParameterError
from hsad.kernels.device import alone_on
from hsad.kernels.ring.task import LINEAR, PINV, Task
from hsad.kernels.ring.torch.dual import patches, score_dual
from hsad.kernels.ring.torch.primal import score_primal
from hsad.kernels.ring.torch.rings import Chunk, axis, chunks, rings
from hsad.kernels.ring.window import Window, largest_ring, ring_size

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["score_batched"]

Spectra = NDArray[np.float64]
Core = tuple[slice, slice]

_MOST_MEMORY = 2**33
"""Largest size of a chunk in bytes; larger chunks are not faster."""

_CPU_MEMORY = 2**30
"""Size of a chunk in bytes on the processor."""

_MOST_PIXELS = 65_000
"""Largest number of pixels of a chunk; a GPU multiplies at most 65,535 matrices in one batch."""

_PRIMAL_SHARE = 0.6
"""Systems of the order of the bands are used if there are fewer bands than this share of the ring pixels. These systems
are formed for each pixel, while the inner products of ring pixels are shared by many pixels."""


def _memory(device: torch.device) -> int:
    """Return the number of bytes that a chunk may take."""
    import torch

    if device.type == "cpu":
        return _CPU_MEMORY
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min((free + unused) // 2, _MOST_MEMORY)


def _primal(task: Task, bands: int, window: Window) -> bool:
    """Return whether systems of the order of the bands can do the task and are faster."""
    allowed = task.kernel == LINEAR and not task.truncated
    return allowed and bands < _PRIMAL_SHARE * ring_size(window.outer, window.inner)


def _patch_bytes(side: int, bands: int, window: Window, task: Task, *, primal: bool) -> int:
    """Return an estimate of the largest number of bytes that a patch takes."""
    most = largest_ring(window.outer, window.inner)
    around = (side + window.outer - 1) ** 2
    numbers = 4 * window.outer**2 + 6 * bands
    if primal:
        return 8 * side**2 * (numbers + 4 * most * bands + 3 * bands**2)
    copies = 5 if task.truncated or task.covariance == PINV else 1.5
    return int(8 * (side**2 * (numbers + copies * (most + 1) ** 2 + 3 * around) + 3 * around * (around + bands)))


class _Block:
    """A block on a device, with the tensors that all chunks of its core share."""

    def __init__(
        self,
        spectra: Spectra,
        valid: NDArray[np.bool_],
        core: Core,
        window: Window,
        task: Task,
        weights: NDArray[np.float64] | None,
        device: torch.device,
    ) -> None:
        self.device, self.core, self.window, self.task = device, core, window, task
        self.shape = (valid.shape[0], valid.shape[1])
        self.axes = axis(core[0], self.shape[0], window), axis(core[1], self.shape[1], window)
        self.tables = [self.tensor(part) for part in self.axes[0]], [self.tensor(part) for part in self.axes[1]]
        self.valid = self.tensor(valid)
        # Invalid pixels may be NaN. They become zeros, because 0 · NaN is NaN.
        self.spectra = self.tensor(spectra).double().masked_fill(~self.valid[:, :, None], 0.0).flatten(0, 1)
        self.weights = None if weights is None else self.tensor(weights).double().flatten()

    def tensor(self, array: NDArray[np.generic]) -> Tensor:
        import torch

        return torch.from_numpy(np.require(array, requirements=["C", "W"])).to(self.device)

    def score(self, wanted: NDArray[np.bool_], scores: Tensor, *, primal: bool) -> None:
        """Write the scores of the `wanted` pixels of the core; a score that is not accurate enough stays NaN.

        If the memory is not sufficient, because another process has taken some, the chunks become smaller.
        """
        import torch

        budget = _memory(self.device)
        least = _patch_bytes(1, self.spectra.shape[1], self.window, self.task, primal=primal)
        while True:
            try:
                self._score_within(budget, wanted, scores, primal=primal)
            except torch.OutOfMemoryError as error:
                if budget <= least:
                    raise ParameterError(f"device: {self.device} has no memory left for a single ring") from error
                budget = max(budget // 2, least)
            else:
                return
            torch.cuda.empty_cache()  # not in the handler, where the error still refers to the tensors of the chunk

    def _score_within(self, budget: int, wanted: NDArray[np.bool_], scores: Tensor, *, primal: bool) -> None:
        bands = self.spectra.shape[1]
        side = max(8, self.window.outer - 1)
        while side > 1 and _patch_bytes(side, bands, self.window, self.task, primal=primal) > budget:
            side -= 1
        room = budget // _patch_bytes(side, bands, self.window, self.task, primal=primal)
        most = max(1, min(room, _MOST_PIXELS // side**2))
        for chunk in chunks(wanted, self.core, self.axes, self.shape, self.window, side, most):
            self._score_chunk(chunk, scores, primal=primal)

    def _score_chunk(self, chunk: Chunk, scores: Tensor, *, primal: bool) -> None:
        rows, cols, patch, slot, tops, lefts = (self.tensor(part) for part in chunk[:6])
        width = self.shape[1]
        own = (rows + self.core[0].start) * width + cols + self.core[1].start
        ring = rings(self.tables, self.valid, rows, cols, own)
        weights = None if self.weights is None else self.weights[ring.atoms[:, :-1]]
        if primal:
            found, trusted = score_primal(self.spectra, ring, self.task, weights)
            scores[rows[trusted], cols[trusted]] = found[trusted]
            return
        down, across = (np.arange(size) for size in chunk.near)
        offsets = self.tensor((down[:, None] * width + across).ravel())
        near = (tops * width + lefts)[:, None] + offsets
        top, left = tops[patch, None], lefts[patch, None]
        atoms = (ring.atoms // width - top) * chunk.near[1] + ring.atoms % width - left
        x, valid = self.spectra[near], self.valid.flatten()[near]
        scores[rows, cols] = score_dual(
            patches(x, valid, self.task, patch, slot, chunk.side**2, atoms, ring), self.task, weights
        )


def score_batched(
    spectra: Spectra,
    valid: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    core: Core,
    window: Window,
    task: Task,
    weights: NDArray[np.float64] | None,
    device: torch.device,
) -> NDArray[np.float64]:
    """Return the scores of `hsad.kernels.ring.score.score_rings` for the `wanted` pixels of the core, else NaN."""
    import torch

    with alone_on(device):
        block = _Block(spectra, valid, core, window, task, weights, device)
        scores = torch.full(wanted.shape, torch.nan, dtype=torch.float64, device=device)
        if _primal(task, spectra.shape[2], window):
            block.score(wanted, scores, primal=True)
            wanted = wanted & torch.isnan(scores).cpu().numpy()
        block.score(wanted, scores, primal=False)
        result: NDArray[np.float64] = scores.cpu().numpy()
        return result
