"""Sources of spectra: small picklable objects that turn windows of a cube into spectra and validity.

Stored numbers are selected by band, compared with the nodata value and scaled in this file only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad.detectors.probe import require_valid
from hsad.engine.decoded import CodedRaster, PixelRaster, WholeRaster, shared_blocks, unit_of
from hsad.errors import DataError, ParameterError, SceneError
from hsad.scene.cube import Raster, nodata, raster_of
from hsad.scene.masked import with_nan
from hsad.scene.quality import masked_raster, valid_pixels

__all__ = ["SPECTRA", "CubeSource", "Source", "drop_dead_bands", "source_of"]

#: The type of spectra. The memory of a block in work (`Detector.footprint`) follows from it.
SPECTRA = np.dtype(np.float64)

#: A strip has about this number of stored bytes, where a scene is read in strips.
_STRIP_BYTES = 64 * 2**20

#: Larger spectra are refused. Fourth powers of smaller numbers, and sums of many of them, do not overflow.
_LARGEST = 1e70

#: Floats of at least this size mean "no data" whatever the file states: below it lie the netCDF library's fill value
#: (9.97e36) and the largest float32 (3.4e38), which is ESRI's. Of the data that we know none comes near.
_FILL = 9.9e36

#: The fill value of Ferret and of FEWS, of either sign. Smaller numbers of its order may be data.
_SMALL_FILL = 1e34

#: Unscaled spectra below this hold no fill value. The sum of squares of a pixel finds the spectra above it.
_SUSPECT = 0.99 * _SMALL_FILL


class Source(Protocol):
    """Spectra and validity by windows. A source opens its file for each read; its pickle is small, apart from masks."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and (used) bands."""
        ...

    @property
    def row_step(self) -> int:
        """Number of rows that are read together at about the cost of one."""
        ...

    @property
    def pixel_bytes(self) -> int:
        """Bytes of memory of a pixel while it is read."""
        ...

    @property
    def unit(self) -> tuple[int, int] | None:
        """Rows and columns that are decoded together and cached; None where windows are read directly."""
        ...

    @property
    def pixelwise(self) -> bool:
        """Whether a pixel of a small window takes no longer to read than one of a large window."""
        ...

    @property
    def whole(self) -> tuple[str, int] | None:
        """A file that can only be read whole, and its bytes in the memory of each process; None for all others."""
        ...

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, ``(rows, cols, bands)``."""
        ...

    def spectra(self, stored: NDArray[Any], rows: slice, cols: slice) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return spectra and validity of a window from its stored numbers.

        Spectra are a new C-contiguous array ``(rows, cols, bands)``, 0 where invalid. Validity is ``(rows, cols)``.
        """
        ...


@dataclass(frozen=True, eq=False)
class _ArrayRaster:
    """A `Raster` over values in memory, or over a dask graph that is not simply a file."""

    values: Any
    row_step: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        rows, cols, bands = self.values.shape
        return rows, cols, bands

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self.values.dtype
        return dtype

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        window = self.values[rows, cols]
        if hasattr(window, "compute"):
            # The tasks of the engine run in parallel already.
            window = window.compute(scheduler="synchronous")
        return with_nan(window)


@dataclass(frozen=True, eq=False)
class CubeSource:
    """Spectra of a window of a cube.

    Attributes
    ----------
    raster : Raster
        The stored numbers.
    bands : (used bands,) ndarray of int
        Numbers of the bands to use, from 0.
    nodata : float or None
        Stored value that marks a pixel as invalid in every used band it occurs in.
    gain, bias : (used bands,) ndarray or None
        Spectra = stored · gain + bias.
    mask : (rows, cols) ndarray of bool or None
        False for pixels of the window to leave out.
    origin, size : tuple of two int
        The window of the raster: first row and column, rows and columns.
    """

    raster: Raster
    bands: NDArray[np.intp]
    nodata: float | None
    gain: NDArray[np.float64] | None
    bias: NDArray[np.float64] | None
    mask: NDArray[np.bool_] | None
    origin: tuple[int, int]
    size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and used bands."""
        return (*self.size, len(self.bands))

    @property
    def row_step(self) -> int:
        """Number of rows that are read together at about the cost of one."""
        return self.raster.row_step

    @property
    def pixel_bytes(self) -> int:
        """Bytes of memory of a pixel while it is read: all bands, and a copy of the used ones."""
        stored = self.raster.shape[2] * self.raster.dtype.itemsize
        chosen = len(self.bands) * self.raster.dtype.itemsize
        return stored if chosen == stored else stored + chosen

    @property
    def unit(self) -> tuple[int, int] | None:
        """Rows and columns that are decoded together and cached; None where windows are read directly."""
        return unit_of(self.raster) if isinstance(self.raster, CodedRaster) else None

    @property
    def pixelwise(self) -> bool:
        """Whether a pixel of a small window takes no longer to read than one of a large window."""
        return isinstance(self.raster, PixelRaster) and self.raster.pixelwise

    @property
    def whole(self) -> tuple[str, int] | None:
        """A file that can only be read whole, and its bytes in the memory of each process; None for all others."""
        raster: Any = self.raster
        while not isinstance(raster, WholeRaster) and hasattr(raster, "raster"):  # one that changes numbers of another
            raster = raster.raster
        return (raster.path, raster.held) if isinstance(raster, WholeRaster) else None

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, ``(rows, cols, bands)``."""
        row, col = self.origin
        rows, cols = slice(row + rows.start, row + rows.stop), slice(col + cols.start, col + cols.stop)
        raster = self.raster
        stored = shared_blocks.read(raster, rows, cols) if isinstance(raster, CodedRaster) else raster.read(rows, cols)
        return stored if len(self.bands) == self.raster.shape[2] else stored[..., self.bands]

    def spectra(self, stored: NDArray[Any], rows: slice, cols: slice) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return spectra ``(rows, cols, bands)`` and validity ``(rows, cols)`` of a window that was read."""
        spectra: NDArray[np.float64] = np.array(stored, dtype=SPECTRA, order="C")
        with np.errstate(invalid="ignore", over="ignore"):
            if self.gain is not None:
                spectra *= self.gain
            if self.bias is not None:
                spectra += self.bias
            # The sum of squares finds NaN, infinity, fill values and too large numbers among a pixel's bands. It is
            # many times faster than a look at each number.
            squares = None if self._never_odd(stored.dtype) else np.vecdot(spectra, spectra)
            odd = None if squares is None else ~(squares < self._suspect**2)
            too_large = None if squares is None else ~(squares < _LARGEST**2)
        valid = np.ones(stored.shape[:2], np.bool_)
        if odd is not None and odd.any():
            valid[odd] = _has_data(stored[odd]).all(axis=1)
        if self._nodata_occurs(stored.dtype):
            valid &= ~self._is_nodata(stored).any(axis=2)
        if self.mask is not None:
            valid &= self.mask[rows, cols]
        if too_large is not None and (too_large & valid).any():
            row, col = np.argwhere(too_large & valid)[0]
            raise DataError(
                f"a spectrum of the order of {np.abs(spectra[row, col]).max():.0e} at row "
                f"{self.origin[0] + rows.start + row}, column {self.origin[1] + cols.start + col}: squares of such "
                "numbers overflow; is there a nodata value or a gain?"
            )
        if not valid.all():
            spectra[~valid] = 0.0
        return spectra, valid

    def present(self, rows: slice, cols: slice) -> NDArray[np.bool_]:
        """Return which used bands have data in some pixel of a window, shape ``(bands,)``."""
        stored = self.read(rows, cols)
        present = _has_data(stored)
        if self._nodata_occurs(stored.dtype):
            present &= ~self._is_nodata(stored)
        if self.mask is not None:
            present &= self.mask[rows, cols, None]
        return np.asarray(present.any(axis=(0, 1)))

    def select(self, keep: NDArray[np.bool_]) -> CubeSource:
        """Return this source with some of its used bands, `keep` of shape ``(bands,)``."""

        def kept(values: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
            return None if values is None else values[keep]

        return replace(self, bands=self.bands[keep], gain=kept(self.gain), bias=kept(self.bias))

    @property
    def _suspect(self) -> float:
        """Size of spectra below which none of the stored numbers is a fill value."""
        return _SUSPECT if self.gain is None else _SUSPECT * min(1.0, float(np.abs(self.gain).min()))

    def _never_odd(self, dtype: np.dtype[Any]) -> bool:
        """Tell whether no number of this type can be NaN, infinite or too large: whole numbers, if gains are sane."""
        if dtype.kind not in "iu":
            return False
        limits = np.iinfo(dtype)
        largest = float(max(-int(limits.min), int(limits.max)))
        if self.gain is not None:
            largest *= float(np.abs(self.gain).max())
        if self.bias is not None:
            largest += float(np.abs(self.bias).max())
        return largest * len(self.bands) < _LARGEST

    def _nodata_occurs(self, dtype: np.dtype[Any]) -> bool:
        """Tell whether there is a nodata value, and it can occur in this type at all (−9999 cannot among uint16)."""
        if self.nodata is None or np.isnan(self.nodata):
            return False
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            return self.nodata.is_integer() and limits.min <= self.nodata <= limits.max
        return True

    def _is_nodata(self, stored: NDArray[Any]) -> NDArray[np.bool_]:
        # Compared in the stored type: a header's -3.4028235e+38 is a float32, not a float64.
        return np.asarray(stored == np.asarray(self.nodata).astype(stored.dtype))


def _has_data(stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which stored numbers are finite, and no fill value that floats have without a word."""
    if stored.dtype.kind != "f" or stored.dtype.itemsize < 4:
        return np.asarray(np.isfinite(stored))
    size = np.abs(stored)  # NaN is not below the limit
    return np.asarray((size < _FILL) & (size != stored.dtype.type(_SMALL_FILL)))


def source_of(
    cube: xr.DataArray,
    *,
    chosen: NDArray[np.bool_] | None = None,
    mask: NDArray[np.bool_] | None = None,
    window: tuple[slice, slice] | None = None,
) -> CubeSource:
    """Return the source of a cube's spectra: its good bands, its valid pixels.

    Parameters
    ----------
    cube : (y, x, band) DataArray
        As `hsad.scene.cube.check_cube` returns it.
    chosen : (bands,) ndarray of bool, optional
        Bands to use; bands marked bad are left out all the same.
    mask : (y, x) ndarray of bool, optional
        Pixels to use, in addition to the cube's own ``valid`` and its quality flags.
    window : tuple of two slices, optional
        Rows and columns to use.

    Raises
    ------
    ParameterError
        When no band of those that were chosen is left.
    DataError
        When no band is left without any choice.
    """
    rows, cols, bands = cube.shape
    use = np.ones(bands, dtype=np.bool_) if chosen is None else chosen.copy()
    if "good_wavelength" in cube.coords:
        use &= cube.coords["good_wavelength"].values.astype(np.bool_)
    for name in ("gain", "bias"):
        if name in cube.coords and not np.all(np.abs(cube.coords[name].values[use]) < _LARGEST):
            raise DataError(f"its {name} is beyond {_LARGEST:.0e} or not a number: squares of such spectra overflow")
    if not use.any():
        if chosen is None:
            raise DataError(f"no band is left: all of its {bands} bands are marked as bad")
        raise ParameterError(f"no band is left: of {bands} bands those chosen are all marked as bad")
    own = valid_pixels(cube)
    if own is not None:
        mask = own if mask is None else mask & own
    row_window, col_window = window or (slice(0, rows), slice(0, cols))
    fill = nodata(cube)
    raster = raster_of(cube) or _ArrayRaster(cube.data if cube.chunks is not None else cube.values)
    gain, bias = (cube.coords[name].values[use] if name in cube.coords else None for name in ("gain", "bias"))
    return CubeSource(
        masked_raster(cube, raster, fill),
        np.flatnonzero(use),
        fill,
        gain,
        bias,
        None if mask is None else np.ascontiguousarray(mask[row_window, col_window]),
        (row_window.start, col_window.start),
        (row_window.stop - row_window.start, col_window.stop - col_window.start),
    )


def drop_dead_bands(source: CubeSource) -> CubeSource:
    """Return the source without the bands that hold no data anywhere, which would make every pixel invalid.

    Reads strips, small ones first, until every band has shown data: for most scenes, one.

    Raises
    ------
    DataError
        When no band has data.
    SceneError
        When the bands that show data elsewhere are not all, and a part of the scene cannot be read.
    """
    found = np.zeros(len(source.bands), dtype=np.bool_)
    damage: SceneError | None = None
    for rows in _strips(source):
        try:
            found |= source.present(rows, slice(0, source.size[1]))
        except SceneError as error:  # scoring will name the tiles, and score the others
            damage = damage or error
        if found.all():
            return source
    if damage is not None:
        raise damage
    return source.select(require_valid(found if found.any() else None))


def _strips(source: CubeSource) -> Iterator[slice]:
    """Yield the rows of a source in strips, the first as small as suits the file, each twice the one before."""
    rows, cols = source.size
    step_bytes = cols * source.raster.shape[2] * source.raster.dtype.itemsize * source.row_step
    start, size = 0, step_bytes
    while start < rows:
        step = max(1, size // step_bytes) * source.row_step
        # A strip of the file starts at a multiple of row_step of the raster, not of the window.
        stop = min(rows, (source.origin[0] + start) // source.row_step * source.row_step + step - source.origin[0])
        yield slice(start, stop)
        start = stop
        size = min(_STRIP_BYTES, 2 * size)
