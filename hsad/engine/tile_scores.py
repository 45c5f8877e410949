"""The scores of a tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TileScores"]


@dataclass(frozen=True)
class TileScores:
    """The scores of a tile, and each kind of evidence where the caller asked for it.

    Attributes
    ----------
    rows, cols : slice
        The place of the tile in the scene.
    layers : (rows, cols, 1 + kinds) ndarray of float32
        The scores, then each kind of evidence.
    earlier : bool
        Whether an earlier, unfinished run computed them.
    """

    rows: slice
    cols: slice
    layers: NDArray[np.float32]
    earlier: bool = False

    @property
    def scores(self) -> NDArray[np.float32]:
        """The scores, ``(rows, cols)``."""
        return self.layers[..., 0]
