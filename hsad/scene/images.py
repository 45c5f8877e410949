"""Images of a scene, such as masks, that are read when they are first used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["lazy_image"]


class _ImageArray(xr.backends.BackendArray):
    """Adapter for xarray of an image that is read as a whole when one of its numbers is first used."""

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[Any], read: Callable[[], NDArray[Any]]) -> None:
        self.shape = shape
        self.dtype = dtype
        self._read = read
        self._image: NDArray[Any] | None = None

    def __getitem__(self, key: xr.core.indexing.ExplicitIndexer) -> NDArray[Any]:
        return xr.core.indexing.explicit_indexing_adapter(  # type: ignore[no-any-return]  # xarray says Any
            key, self.shape, xr.core.indexing.IndexingSupport.OUTER_1VECTOR, self._part
        )

    def _part(self, key: tuple[Any, ...]) -> NDArray[Any]:
        if self._image is None:
            self._image = self._read()
        return np.asarray(self._image[key])


def lazy_image(shape: tuple[int, int], dtype: Any, read: Callable[[], NDArray[Any]]) -> Any:
    """Return an image for a coordinate of a cube; the image is read when it is first used, and then stays in memory.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    dtype
        Type of the numbers that `read` returns.
    read : callable
        Returns the image; it takes no arguments and must be picklable.
    """
    return xr.core.indexing.LazilyIndexedArray(_ImageArray(shape, np.dtype(dtype), read))
