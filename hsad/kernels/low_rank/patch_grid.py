"""The positions and the values of overlapping patches of an image.

The positions depend on the scene, not on the block. Patches start at every `stride` pixels, counted from both ends
towards the middle. So a mirrored scene has mirrored patches, and the last row and column are covered.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["cut_patches", "patch_starts"]

Numbers = NDArray[np.int64]


def patch_starts(size: int, patch: int, stride: int) -> Numbers:
    """Return the first pixels of the patches along an axis of `size` ≥ `patch` pixels, increasing.

    The distance of neighbours is at most `stride`.
    """
    room = size - patch
    near = np.arange(0, (room + stride) // 2 + 1, stride)
    near = near[near <= room]
    return np.unique(np.concatenate([near, room - near])).astype(np.int64)


def cut_patches(image: NDArray[Any], rows: Numbers, cols: Numbers, patch: int) -> NDArray[Any]:
    """Return the patches of ``(rows, cols, bands)`` that start at `rows` × `cols`, ``(bands, patches, patch²)``."""
    views = np.lib.stride_tricks.sliding_window_view(image, (patch, patch), axis=(0, 1))
    cut = views[np.ix_(rows, cols)]
    return np.ascontiguousarray(np.moveaxis(cut.reshape(len(rows) * len(cols), image.shape[2], patch * patch), 1, 0))
