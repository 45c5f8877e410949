"""The targets of the synthetic scene: number, shape and place."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hsad.errors import ParameterError
from hsad.synthetic.spectra import TARGET_MATERIALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Target", "footprint", "place_targets"]

#: Pixels of background between two targets, or between a target and nodata.
_GAP = 3
_SHAPES: tuple[Literal["rectangle", "ellipse"], ...] = ("rectangle", "ellipse")


@dataclass(frozen=True)
class Target:
    """One implanted target.

    Attributes
    ----------
    number : int
        Value in the truth, from 1.
    row, col : int
        Pixel at the centre; it belongs to the target.
    size : int
        Pixels that the target covers, wholly or in part.
    fill : float
        Share of each of these pixels that the target covers; the rest shows the background.
    contrast : float
        1 is pure `material`; towards 0 the spectrum approaches that of the ground at the centre.
    material : str
        A key of `hsad.synthetic.spectra.TARGET_MATERIALS`.
    shape : {"rectangle", "ellipse", "pixel"}
        Rectangles and ellipses have any angle and aspect.
    """

    number: int
    row: int
    col: int
    size: int
    fill: float
    contrast: float
    material: str
    shape: Literal["rectangle", "ellipse", "pixel"]


def _check(sizes: Sequence[int], fills: Sequence[float], contrasts: Sequence[float]) -> None:
    """Refuse sizes, fills and contrasts out of range."""
    for size in sizes:
        if size < 1 or size != int(size):
            raise ParameterError(f"target_sizes must be whole numbers of at least 1, not {size}")
    for name, shares in (("fills", fills), ("contrasts", contrasts)):
        for share in shares:
            if not 0 < share <= 1:
                raise ParameterError(f"{name} must lie above 0 and at most at 1, not {share}")


def footprint(
    size: int, shape: Literal["rectangle", "ellipse"], angle: float, aspect: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row and column offsets of the `size` innermost pixels of a shape, turned by `angle` (radians)."""
    # A bar narrower than the diagonal of a pixel would not be connected on the grid.
    aspect = min(aspect, max(1.0, size / 6))
    half = int(np.ceil(np.sqrt(size * aspect))) + 1
    row, col = np.mgrid[-half : half + 1, -half : half + 1]
    along = (col * np.cos(angle) + row * np.sin(angle)) / np.sqrt(aspect)
    across = (row * np.cos(angle) - col * np.sin(angle)) * np.sqrt(aspect)
    distance = np.maximum(abs(along), abs(across)) if shape == "rectangle" else np.hypot(along, across)
    inside = np.argsort(distance, axis=None, kind="stable")[:size]
    return row.ravel()[inside], col.ravel()[inside]


def place_targets(
    valid: NDArray[np.bool_],
    sizes: Sequence[int],
    fills: Sequence[float],
    contrasts: Sequence[float],
    rng: np.random.Generator,
) -> tuple[tuple[Target, ...], NDArray[np.int32]]:
    """Return one target for each combination of size, fill and contrast, and the map of their numbers.

    Parameters
    ----------
    valid : (rows, cols) ndarray of bool
        Pixels that targets may cover.
    sizes, fills, contrasts : sequence
        See `Target`.
    rng : numpy.random.Generator
        Source of shapes, materials and places.

    Returns
    -------
    targets : tuple of Target
        By number; size varies slowest, contrast fastest.
    truth : (rows, cols) ndarray of int32
        0 background, else the number of the target.

    Raises
    ------
    ParameterError
        If a value is out of its range, or the scene has no room for all targets.
    """
    from scipy import ndimage

    _check(sizes, fills, contrasts)
    truth = np.zeros(valid.shape, dtype=np.int32)
    free = np.pad(valid, 1)
    combinations = list(enumerate(itertools.product(sizes, fills, contrasts), start=1))
    # All materials are about equally frequent, whatever the size, fill and contrast.
    materials = rng.permutation(np.resize(list(TARGET_MATERIALS), len(combinations)))
    targets = []
    # Large targets are placed first, while there is room.
    for number, (size, fill, contrast) in sorted(combinations, key=lambda c: -c[1][0]):
        shape = _SHAPES[int(rng.integers(2))]
        rows, cols = footprint(size, shape, rng.uniform(0, np.pi), rng.uniform(1, 2.5))
        extent = int(max(abs(rows).max(), abs(cols).max()))
        room = ndimage.distance_transform_cdt(free, "chessboard")[1:-1, 1:-1] > extent + _GAP
        places = np.flatnonzero(room)
        if not len(places):
            raise ParameterError(
                f"target_sizes: no room for {len(combinations)} targets of {', '.join(map(str, sizes))} "
                f"pixels in a scene of {valid.shape[0]} by {valid.shape[1]}; give fewer or smaller ones"
            )
        row, col = (int(i) for i in np.unravel_index(rng.choice(places), valid.shape))
        truth[row + rows, col + cols] = number
        free[1 + row + rows, 1 + col + cols] = False
        material = str(materials[number - 1])
        targets.append(Target(number, row, col, size, fill, contrast, material, "pixel" if size == 1 else shape))
    return tuple(sorted(targets, key=lambda target: target.number)), truth
