"""The stored numbers of lines, and how they become spectra: the same steps as for a scene in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import xarray as xr

from hsad.engine.source import CubeSource, source_of
from hsad.errors import ParameterError
from hsad.scene.cube import check_cube, nodata

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Stored", "spectra_of"]

#: Coordinates of a cube that say how its numbers become spectra.
_OF_BANDS = ("wavelength", "good_wavelength", "gain", "bias")


@dataclass(frozen=True, eq=False)
class Stored:
    """What is known about the stored numbers of lines.

    Attributes
    ----------
    bands, samples : int
        Numbers of bands and of pixels in a line.
    columns : dict of str to (bands,) ndarray
        Coordinates of a cube: ``wavelength``, ``good_wavelength``, ``gain``, ``bias``; those that are known.
    nodata : float or None
        The stored number that marks missing data.
    """

    bands: int
    samples: int
    columns: dict[str, NDArray[Any]]
    nodata: float | None

    @classmethod
    def of(cls, bands: int, samples: int, like: xr.DataArray | None) -> Self:
        """Return what a cube says about its numbers; nothing is known without a cube.

        Raises
        ------
        ParameterError
            When the cube has other bands or columns.
        """
        if like is None:
            return cls(bands, samples, {}, None)
        if (like.sizes["x"], like.sizes["band"]) != (samples, bands):
            raise ParameterError(
                f"like: a cube of {like.sizes['x']} columns and {like.sizes['band']} bands "
                f"for lines of {samples} pixels and {bands} bands"
            )
        columns = {name: like.coords[name].values for name in _OF_BANDS if name in like.coords}
        return cls(bands, samples, columns, nodata(like))

    def checked(self, lines: Any) -> NDArray[Any]:
        """Return lines as ``(n, samples, bands)``.

        Raises
        ------
        ParameterError
            When their size is not that of the scan.
        """
        array = np.asarray(lines)
        shape = array.shape[-2:] if array.ndim in (2, 3) else None
        if shape != (self.samples, self.bands) or array.dtype.kind not in "iuf":
            raise ParameterError(
                f"a line must be numbers of {self.samples} pixels x {self.bands} bands, not {array.dtype} of shape "
                f"{array.shape}; nothing of the scan has changed, and lines of another size need a new LineScan"
            )
        return array[None] if array.ndim == 2 else array

    def cube(self, lines: NDArray[Any]) -> xr.DataArray:
        """Return stored lines as a cube."""
        coords = {name: ("band", values) for name, values in self.columns.items()}
        attrs = {} if self.nodata is None else {"_FillValue": self.nodata}
        return check_cube(xr.DataArray(lines, dims=("y", "x", "band"), coords=coords, attrs=attrs))

    def source(self, bands: NDArray[np.intp]) -> CubeSource:
        """Return the source that makes spectra of these bands from stored lines."""
        cube = self.cube(np.zeros((1, self.samples, self.bands))).drop_vars("good_wavelength", errors="ignore")
        return source_of(cube, chosen=np.isin(np.arange(self.bands), bands))


def spectra_of(source: CubeSource, lines: NDArray[Any], row: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return spectra ``(n, samples, used bands)`` and validity ``(n, samples)`` of stored lines from a row on."""
    chosen = lines if len(source.bands) == lines.shape[2] else lines[..., source.bands]
    return source.spectra(chosen, slice(row, row + len(lines)), slice(0, lines.shape[1]))
