"""Rasters stacked by band, such as files of one band each, or the images of two spectrometers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.scene.cube import Raster

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["StackedRaster", "stack"]


@dataclass(frozen=True)
class StackedRaster:
    """Windows of some bands of several rasters of one size, in any order.

    Attributes
    ----------
    parts : tuple of Raster
        The rasters; their bands are numbered through all parts from 0.
    order : tuple of int
        Numbers of the bands of the stack, in the order of the stack.
    shape, dtype
        Shape ``(rows, cols, bands)`` and type of the raster; the type represents the numbers of all parts.
    block : tuple of int
        Rows and columns that are decoded together.
    path : str
        The file of the first part.
    """

    parts: tuple[Raster, ...]
    order: tuple[int, ...]
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    block: tuple[int, int]
    path: str

    @property
    def row_step(self) -> int:
        """Rows that are best read together."""
        return self.block[0]

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, shape ``(rows, cols, bands)``."""
        window = np.empty((rows.stop - rows.start, cols.stop - cols.start, len(self.order)), self.dtype)
        order = np.asarray(self.order)
        first = 0
        for part in self.parts:
            last = first + part.shape[2]
            chosen = np.flatnonzero((order >= first) & (order < last))
            if len(chosen):
                # Numpy copies to a slice faster than to a list of indices.
                together = len(chosen) == chosen[-1] - chosen[0] + 1
                target = slice(chosen[0], chosen[-1] + 1) if together else chosen
                window[..., target] = part.read(rows, cols)[..., order[chosen] - first]
            first = last
        return window


def stack(source: str, parts: Sequence[Raster], order: Sequence[int] | None = None) -> Raster:
    """Return one raster of the bands of several; a single raster with all its bands in order is returned unchanged.

    Parameters
    ----------
    source : str
        Name of the product, for messages.
    parts : sequence of Raster
        Rasters of the same rows and columns.
    order : sequence of int, optional
        Numbers of the bands of the stack, counted through all parts from 0; by default all bands.

    Raises
    ------
    SceneError
        When the parts differ in size.
    """
    sizes = {part.shape[:2] for part in parts}
    if len(sizes) != 1:
        listed = ", ".join("×".join(map(str, size)) for size in sorted(sizes)) or "none"
        raise SceneError(f"{source}: its parts are images of different sizes ({listed})")
    total = sum(part.shape[2] for part in parts)
    chosen = tuple(range(total)) if order is None else tuple(int(number) for number in order)
    if len(parts) == 1 and chosen == tuple(range(total)):
        return parts[0]
    rows, cols = parts[0].shape[:2]
    blocks = [getattr(part, "block", (part.row_step, cols)) for part in parts]
    return StackedRaster(
        tuple(parts),
        chosen,
        (rows, cols, len(chosen)),
        np.result_type(*(part.dtype for part in parts)),
        (max(block[0] for block in blocks), max(block[1] for block in blocks)),
        str(getattr(parts[0], "path", source)),
    )
