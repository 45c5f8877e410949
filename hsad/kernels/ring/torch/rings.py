"""The rings of many pixels at once: tables of each axis, chunks of pixels, and rings as rows of pixel numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.ring.window import SHIFT, TRUNCATE, Window, ring_size

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Axis", "Chunk", "Ring", "axis", "chunks", "rings"]


class Axis(NamedTuple):
    """The positions in the outer window of each position of the core, along one axis; arrays of (core, outer).

    Attributes
    ----------
    places : ndarray of int64
        Position in the block that is read.
    there : ndarray of bool
        Whether the position belongs to the window.
    guarded : ndarray of bool
        Whether the position lies in the guard window.
    """

    places: NDArray[np.int64]
    there: NDArray[np.bool_]
    guarded: NDArray[np.bool_]


def axis(span: slice, size: int, window: Window) -> Axis:
    """Return the windows around the positions of `span` on an axis of length `size`."""
    positions = np.arange(span.start, span.stop)[:, None]
    first = positions - window.outer // 2
    if window.border == SHIFT:
        first = np.clip(first, 0, max(0, size - window.outer))
    places = first + np.arange(window.outer)
    outside = (places < 0) | (places >= size)
    guarded = np.abs(places - positions) <= window.inner // 2
    places %= 2 * size
    mirrored = np.minimum(places, 2 * size - 1 - places)
    return Axis(mirrored, ~outside if window.border in {SHIFT, TRUNCATE} else np.ones_like(outside), guarded)


class Chunk(NamedTuple):
    """Patches (squares of the core) whose pixels are scored together.

    Attributes
    ----------
    rows, cols : (pixels,) ndarray of int64
        Positions of the pixels to score in the core.
    patch : (pixels,) ndarray of int64
        Number of the patch of each pixel.
    slot : (pixels,) ndarray of int64
        Number of each pixel among all pixels of the patches, scored or not.
    tops, lefts : (patches,) ndarray of int64
        First row and column of the surroundings of each patch in the block.
    side : int
        Side of a patch in pixels.
    near : tuple of two int
        Height and width of the surroundings, the same for all patches.
    """

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    patch: NDArray[np.int64]
    slot: NDArray[np.int64]
    tops: NDArray[np.int64]
    lefts: NDArray[np.int64]
    side: int
    near: tuple[int, int]


def chunks(
    wanted: NDArray[np.bool_],
    core: tuple[slice, slice],
    axes: tuple[Axis, Axis],
    shape: tuple[int, int],
    window: Window,
    side: int,
    most: int,
) -> Iterator[Chunk]:
    """Yield the patches with at least one wanted pixel, at most `most` in a chunk.

    All rings of a chunk take the memory of its largest ring. At the edges a shifted window has more ring pixels, so
    patches at the edges form separate chunks.
    """
    across = -(-wanted.shape[1] // side)
    inside = _by_patch(wanted, side)
    members = np.outer(*(part.there.sum(axis=1) for part in axes))
    members -= np.outer(*((part.there & part.guarded).sum(axis=1) for part in axes))
    crowded = _by_patch(wanted & (members > ring_size(window.outer, window.inner)), side).any(axis=1)
    near = min(side + window.outer - 1, shape[0]), min(side + window.outer - 1, shape[1])
    for group in (~crowded, crowded):
        patches = np.flatnonzero(inside.any(axis=1) & group)
        for first in range(0, len(patches), most):
            chosen = patches[first : first + most]
            row, col = chosen // across * side, chosen % across * side
            slot = np.flatnonzero(inside[chosen])
            patch, place = slot // side**2, slot % side**2
            yield Chunk(
                row[patch] + place // side,
                col[patch] + place % side,
                patch,
                slot,
                np.clip(row + core[0].start - window.outer // 2, 0, shape[0] - near[0]),
                np.clip(col + core[1].start - window.outer // 2, 0, shape[1] - near[1]),
                side,
                near,
            )


def _by_patch(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Return a mask of the core as (patches, side²); positions beyond its edges are False."""
    padded = np.pad(mask, [(0, -size % side) for size in mask.shape])
    down, across = (size // side for size in padded.shape)
    return padded.reshape(down, side, across, side).transpose(0, 2, 1, 3).reshape(-1, side * side)


class Ring(NamedTuple):
    """The rings of a batch of pixels.

    Attributes
    ----------
    atoms : (pixels, most + 1) Tensor of int64
        Numbers (row · columns + column) of the ring pixels, then of the pixel itself. The number of the pixel also
        fills the places of absent ring pixels.
    present : (pixels, most) Tensor of float64
        1 for a ring pixel, 0 for an absent one, because the ring has fewer pixels than the largest ring.
    counts : (pixels,) Tensor of float64
        Number of ring pixels of each pixel.
    full : bool
        Whether no ring pixel is absent.
    """

    atoms: Tensor
    present: Tensor
    counts: Tensor
    full: bool


def rings(axes: tuple[list[Tensor], list[Tensor]], valid: Tensor, rows: Tensor, cols: Tensor, own: Tensor) -> Ring:
    """Return the rings of pixels of the core, without invalid pixels, in the order of rows.

    Parameters
    ----------
    axes : tuple of two lists of Tensor
        The fields of each `Axis`.
    valid : (rows, cols) Tensor of bool
        Valid pixels of the block.
    rows, cols : (pixels,) Tensor of int64
        Positions of the pixels in the core.
    own : (pixels,) Tensor of int64
        Numbers of the pixels in the block.
    """
    import torch

    places, there, guarded = (
        (down[rows][:, :, None], across[cols][:, None]) for down, across in zip(*axes, strict=True)
    )
    numbers = (places[0] * valid.shape[1] + places[1]).flatten(1)
    members = (there[0] & there[1] & ~(guarded[0] & guarded[1])).flatten(1) & valid.flatten()[numbers]
    order = members.cumsum(1)
    counts = order[:, -1]
    least, most = int(counts.min()), int(counts.max())
    atoms = own[:, None].repeat(1, most + 1)
    atoms.scatter_(1, torch.where(members, order - 1, most), numbers)
    atoms[:, most] = own  # overwrites the positions that are no ring pixels, which were written to this column
    present = torch.arange(most, device=own.device) < counts[:, None]
    return Ring(atoms, present.double(), counts.double(), least == most)
