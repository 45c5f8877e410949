"""The local detectors on a GPU: the functions of `hsad.kernels.ring.score`, for many pixels at once, in torch.

They give the same scores to rounding, in float64, in chunks that fit the memory of the device.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hsad.errors import MissingExtraError, ParameterError
from hsad.kernels.ring.task import LINEAR, PINV, Task, crd_task, kernel_crd_task, rx_task
from hsad.kernels.ring.torch.dual import score_dual, tiles
from hsad.kernels.ring.torch.primal import score_primal
from hsad.kernels.ring.torch.rings import Chunk, axis, chunks, rings
from hsad.kernels.ring.window import Window, border_code, has_enough, largest_ring, ring_size

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["crd", "kernel_crd", "local_rx"]

Spectra = NDArray[np.float64]
Core = tuple[slice, slice]

_MOST_MEMORY = 2**33
"""Larger chunks are not faster: bytes."""

_CPU_MEMORY = 2**30

_MOST_PIXELS = 65_000
"""Batched matrix products take 65,535 matrices at once on every GPU."""

_PRIMAL_SHARE = 0.6
"""Systems of the bands are faster where the bands are fewer than this share of the ring: they must be formed for
each pixel, while the inner products of ring pixels are shared."""


def local_rx(
    spectra: Spectra,
    valid: NDArray[np.bool_],
    core: Core,
    *,
    outer: int,
    inner: int,
    covariance: str = "ridge",
    ridge: float = 1e-2,
    border: str = "shift",
    device: str = "cuda",
) -> NDArray[np.float64]:
    """Return what `hsad.kernels.ring.score.local_rx` returns, computed on `device`.

    Parameters
    ----------
    spectra, valid, core, outer, inner, covariance, ridge, border
        As there.
    device : str
        A device of torch: ``"cuda"``, ``"cuda:1"``, ``"cpu"``.

    Returns
    -------
    (core rows, core cols) ndarray of float64
        NaN where the pixel is invalid or fewer than a quarter of its ring is valid.

    Raises
    ------
    MissingExtraError
        When torch is not installed.
    ParameterError
        When `device` is not there, or `covariance` or `border` is not one of its choices.
    """
    task = rx_task(covariance=covariance, ridge=ridge)
    return _score(spectra, valid, core, Window(outer, inner, border_code(border)), task, None, device)


def crd(
    spectra: Spectra,
    valid: NDArray[np.bool_],
    core: Core,
    *,
    outer: int,
    inner: int,
    lam: float = 1e-3,
    weights: str = "distance",
    sum_to_one: bool = False,
    center: bool = False,
    normalize: bool = False,
    solver: str = "exact",
    score: str = "residual",
    border: str = "shift",
    ring_weights: NDArray[np.float64] | None = None,
    softening: float = 0.0,
    device: str = "cuda",
) -> NDArray[np.float64]:
    """Return what `hsad.kernels.ring.score.crd` returns, computed on `device`.

    Parameters
    ----------
    spectra, valid, core, outer, inner, lam, weights, sum_to_one, center, normalize, solver, score, border
        As there.
    ring_weights, softening
        As there.
    device : str
        As in `local_rx`.

    Returns
    -------
    (core rows, core cols) ndarray of float64
        NaN where the pixel is invalid or fewer than a quarter of its ring is valid.

    Raises
    ------
    MissingExtraError
        When torch is not installed.
    ParameterError
        When `device` is not there, or `weights`, `solver`, `score` or `border` is not one of its choices.
    """
    task = crd_task(
        lam=lam,
        weights=weights,
        sum_to_one=sum_to_one,
        center=center,
        normalize=normalize,
        solver=solver,
        score=score,
        softening=softening,
    )
    return _score(spectra, valid, core, Window(outer, inner, border_code(border)), task, ring_weights, device)


def kernel_crd(
    spectra: Spectra,
    valid: NDArray[np.bool_],
    core: Core,
    *,
    outer: int,
    inner: int,
    lam: float = 1e-3,
    weights: str = "distance",
    kernel: str = "rbf",
    gamma: float = 1.0,
    border: str = "shift",
    device: str = "cuda",
) -> NDArray[np.float64]:
    """Return what `hsad.kernels.ring.score.kernel_crd` returns, computed on `device`.

    Parameters
    ----------
    spectra, valid, core, outer, inner, lam, weights, kernel, gamma, border
        As there.
    device : str
        As in `local_rx`.

    Returns
    -------
    (core rows, core cols) ndarray of float64
        NaN where the pixel is invalid or fewer than a quarter of its ring is valid.

    Raises
    ------
    MissingExtraError
        When torch is not installed.
    ParameterError
        When `device` is not there, or `weights`, `kernel` or `border` is not one of its choices.
    """
    task = kernel_crd_task(lam=lam, weights=weights, kernel=kernel, gamma=gamma)
    return _score(spectra, valid, core, Window(outer, inner, border_code(border)), task, None, device)


def _device(name: str) -> torch.device:
    """Return a device of torch that is there and computes in float64."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            f"device: {name!r} needs torch, which is not installed: pip install 'hsad[deep]'"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about drivers that are too old or missing
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{number}" for number in range(gpus))]
    if name not in there:
        raise ParameterError(f"device: {name!r} is not one of those that torch finds here: {', '.join(there)}")
    return torch.device(name)


def _memory(device: torch.device) -> int:
    """Return how many bytes a chunk may take."""
    import torch

    if device.type == "cpu":
        return _CPU_MEMORY
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min((free + unused) // 2, _MOST_MEMORY)


def _primal(task: Task, bands: int, window: Window) -> bool:
    """Return whether systems of the bands can do the task, and faster."""
    allowed = task.kernel == LINEAR and not task.truncated
    return allowed and bands < _PRIMAL_SHARE * ring_size(window.outer, window.inner)


def _tile_bytes(side: int, bands: int, window: Window, task: Task, *, primal: bool) -> int:
    """Return about how many bytes a tile takes at most."""
    most = largest_ring(window.outer, window.inner)
    around = (side + window.outer - 1) ** 2
    numbers = 4 * window.outer**2 + 6 * bands
    if primal:
        return 8 * side**2 * (numbers + 4 * most * bands + 3 * bands**2)
    copies = 5 if task.truncated or task.covariance == PINV else 1.5
    return int(8 * (side**2 * (numbers + copies * (most + 1) ** 2 + 3 * around) + 3 * around * (around + bands)))


class _Block:
    """A block on a device, with what is the same for all chunks of its core."""

    def __init__(
        self,
        spectra: Spectra,
        valid: NDArray[np.bool_],
        core: Core,
        window: Window,
        task: Task,
        ring_weights: NDArray[np.float64] | None,
        device: torch.device,
    ) -> None:
        self.device, self.core, self.window, self.task = device, core, window, task
        self.shape = (valid.shape[0], valid.shape[1])
        self.axes = axis(core[0], self.shape[0], window), axis(core[1], self.shape[1], window)
        self.tables = [self.tensor(part) for part in self.axes[0]], [self.tensor(part) for part in self.axes[1]]
        self.valid = self.tensor(valid)
        # Zeros times anything stay zeros, which what an invalid pixel may hold (NaN) does not.
        self.spectra = self.tensor(spectra).double().masked_fill(~self.valid[:, :, None], 0.0).flatten(0, 1)
        self.weights = None if ring_weights is None else self.tensor(ring_weights).double().flatten()

    def tensor(self, array: NDArray[np.generic]) -> Tensor:
        import torch

        return torch.from_numpy(np.require(array, requirements=["C", "W"])).to(self.device)

    def score(self, wanted: NDArray[np.bool_], scores: Tensor, *, primal: bool) -> None:
        """Score the `wanted` pixels of the core into `scores`; those that cannot be trusted stay NaN."""
        bands = self.spectra.shape[1]
        budget = _memory(self.device)
        side = max(8, self.window.outer - 1)
        while side > 1 and _tile_bytes(side, bands, self.window, self.task, primal=primal) > budget:
            side -= 1
        room = budget // _tile_bytes(side, bands, self.window, self.task, primal=primal)
        most = max(1, min(room, _MOST_PIXELS // side**2))
        for chunk in chunks(wanted, self.core, self.axes, self.shape, self.window, side, most):
            self._score_chunk(chunk, scores, primal=primal)

    def _score_chunk(self, chunk: Chunk, scores: Tensor, *, primal: bool) -> None:
        rows, cols, tile, slot, tops, lefts = (self.tensor(part) for part in chunk[:6])
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
        top, left = tops[tile, None], lefts[tile, None]
        atoms = (ring.atoms // width - top) * chunk.near[1] + ring.atoms % width - left
        x, valid = self.spectra[near], self.valid.flatten()[near]
        scores[rows, cols] = score_dual(
            tiles(x, valid, self.task, tile, slot, chunk.side**2, atoms, ring), self.task, weights
        )


def _score(
    spectra: Spectra,
    valid: NDArray[np.bool_],
    core: Core,
    window: Window,
    task: Task,
    ring_weights: NDArray[np.float64] | None,
    device: str,
) -> NDArray[np.float64]:
    there = _device(device)
    import torch

    span = (core[0].start, core[0].stop, core[1].start, core[1].stop)
    wanted = has_enough(valid, span, window.outer, window.inner, window.border)
    block = _Block(spectra, valid, core, window, task, ring_weights, there)
    scores = torch.full(wanted.shape, torch.nan, dtype=torch.float64, device=there)
    if _primal(task, spectra.shape[2], window):
        block.score(wanted, scores, primal=True)
        wanted = wanted & torch.isnan(scores).cpu().numpy()
    block.score(wanted, scores, primal=False)
    result: NDArray[np.float64] = scores.cpu().numpy()
    return result
