"""A scene with objects implanted at known places, read window by window like the scene itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.detectors.moments import leading

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.engine.source import CubeSource
    from hsad.kernels.summaries import Moments

__all__ = ["Clean", "Implanted"]

_COMPONENTS = 30
"""Leading components that hold the spectra of a scene; the rest is noise, which an implant keeps."""


@dataclass(frozen=True, eq=False)
class Clean:
    """The leading principal components of a scene: a pixel on them is free of most of its noise.

    Attributes
    ----------
    mean : (bands,) ndarray
    directions : (bands, components) ndarray
    """

    mean: NDArray[np.float64]
    directions: NDArray[np.float64]

    @classmethod
    def of(cls, moments: Moments) -> Clean:
        """Return the components of a scene with these moments."""
        return cls(moments.mean, leading(moments.covariance, _COMPONENTS)[1])

    def added(
        self, pixels: NDArray[np.float64], spectrum: NDArray[np.float64], fill: float, bright: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return what an object adds to pixels: ``f (g t - c)``, with c the pixel without its noise.

        Parameters
        ----------
        pixels : (n, bands) ndarray
        spectrum : (bands,) ndarray
            Of the object, t.
        fill : float
            Share f of each pixel that the object covers.
        bright : (n,) ndarray
            Brightness g of the object in each pixel.
        """
        clean = self.mean + (pixels - self.mean) @ self.directions @ self.directions.T
        return np.asarray(fill * (bright[:, None] * spectrum - clean))


@dataclass(frozen=True, eq=False)
class Implanted:
    """A source of spectra to which something is added at some pixels; otherwise as the scene's own.

    Attributes
    ----------
    inner : CubeSource
    row, col : (n,) ndarray of int
    added : (n, bands) ndarray of float64
    """

    inner: CubeSource
    row: NDArray[np.intp]
    col: NDArray[np.intp]
    added: NDArray[np.float64]

    def __getattr__(self, name: str) -> Any:
        """Return what the scene's own source has."""
        if name.startswith("__") or name == "inner":  # asked for while it is unpickled
            raise AttributeError(name)
        return getattr(self.inner, name)

    def spectra(self, stored: NDArray[Any], rows: slice, cols: slice) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return spectra and validity of a window from its stored numbers."""
        spectra, valid = self.inner.spectra(stored, rows, cols)
        here = (self.row >= rows.start) & (self.row < rows.stop) & (self.col >= cols.start) & (self.col < cols.stop)
        row, col = self.row[here] - rows.start, self.col[here] - cols.start
        spectra[row, col] += np.where(valid[row, col, None], self.added[here], 0.0)
        return spectra, valid
