"""Cubes: an ``xarray.DataArray`` with the dimensions ``(y, x, band)`` and the following names.

========================  ==========================================================================================
values                    the numbers *stored* in the file, unscaled, in the file's data type; dask-backed when lazy
``wavelength`` (band)     band centres, nm, float64
``fwhm`` (band)           full widths at half maximum, nm, float64
``good_wavelength``       (band) bool; False for bands that their producer marks as bad
``band_name`` (band)      the producer's names of the bands
``valid`` (y, x)          bool, optional; a mask that came with the scene
``gain``, ``bias``        (band) float64, optional; physical value = stored value · gain + bias
``spatial_ref``           CRS and ``GeoTransform`` as rioxarray writes them; ``y`` and ``x`` only on an unrotated grid,
                          ``row`` (y) and ``column`` (x) numbers on a rotated one
``attrs["_FillValue"]``   the nodata value in stored numbers
``attrs``                 ``source`` (path), ``reader``, ``interleave``, ``warnings`` (list of str), ``data_file``
                          (path) if the numbers are in another file than ``source``, ``acquired`` (ISO 8601: a time,
                          or ``START/END``) if the scene states it
========================  ==========================================================================================

All coordinates are optional. Scaling is applied in one place only, where the engine converts a window of stored numbers
to spectra (`hsad.engine.source`). So the values of a cube are never scaled.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hsad.errors import ParameterError, SceneError
from hsad.scene.grid import GeoGrid, geo_grid
from hsad.scene.images import lazy_image
from hsad.scene.masked import with_nan

if TYPE_CHECKING:
    from affine import Affine
    from rasterio.crs import CRS

__all__ = [
    "DIMS",
    "GeoGrid",
    "Raster",
    "build_cube",
    "check_cube",
    "chunk_cube",
    "cube_axes",
    "degenerate",
    "geo_grid",
    "lazy_image",
    "nodata",
    "raster_of",
    "with_raster",
]

DIMS = ("y", "x", "band")

_BAND_NAMES = ("band", "bands", "wavelength", "wavelengths", "channel", "channels")
_ROW_NAMES = ("y", "row", "rows", "line", "lines", "lat", "latitude", "northing", "downtrack")
_COLUMN_NAMES = ("x", "col", "cols", "column", "sample", "samples", "lon", "longitude", "easting", "crosstrack")
_MICROMETERS = ("um", "µm", "μm", "micrometer", "micrometers", "micron", "microns")
_CHUNK_BYTES = 32 * 2**20  # of a dask chunk: large beside the cost of a task, small beside the memory of a worker
_MOST_CHUNKS = 20_000  # dask takes a millisecond for each
_PRECISION = 1e-14  # relative precision of coordinates: if pixels are smaller, neighbours have equal coordinates
_MOST_BANDS = 1_000_000  # no sensor has so many bands; a header with more is damaged


@runtime_checkable
class Raster(Protocol):
    """A small, picklable recipe for reading windows of a file; each read opens the file again.

    Attributes
    ----------
    shape : tuple of int
        Rows, columns, bands.
    dtype : numpy.dtype
        Type of the stored numbers, in native byte order.
    row_step : int
        Number of rows that are fastest to read together (the height of a strip or an internal tile), or 1.
    """

    @property
    def shape(self) -> tuple[int, int, int]: ...  # noqa: D102  described above
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102  described above
    @property
    def row_step(self) -> int: ...  # noqa: D102  described above
    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, shape ``(rows, cols, bands)``, native byte order."""
        ...


class _RasterArray(xr.backends.BackendArray):
    """Adapter of a `Raster` for xarray, which indexes it lazily and reads windows."""

    def __init__(self, raster: Raster) -> None:
        self.raster = raster
        self.shape = raster.shape
        self.dtype = raster.dtype

    def __getitem__(self, key: xr.core.indexing.ExplicitIndexer) -> NDArray[Any]:
        return xr.core.indexing.explicit_indexing_adapter(  # type: ignore[no-any-return]  # xarray says Any
            key, self.shape, xr.core.indexing.IndexingSupport.BASIC, self._read
        )

    def _read(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        """Return the numbers at `key` (integers, or slices with a positive step) from the smallest window around it."""
        window: list[slice] = []
        pick: list[int | slice] = []
        for index, size in zip(key[:2], self.shape[:2], strict=True):
            if isinstance(index, slice):
                start, stop, step = index.indices(size)
                window.append(slice(start, max(start, stop)))
                pick.append(slice(None, None, step))
            else:
                window.append(slice(index, index + 1))
                pick.append(0)
        return np.asarray(self.raster.read(window[0], window[1])[pick[0], pick[1], key[2]])


def build_cube(
    raster: Raster,
    *,
    source: str,
    reader: str,
    wavelength: ArrayLike | None = None,
    fwhm: ArrayLike | None = None,
    good_wavelength: ArrayLike | None = None,
    band_name: Sequence[str] | None = None,
    valid: Any = None,
    gain: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    nodata: float | None = None,
    crs: CRS | None = None,
    transform: Affine | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.DataArray:
    """Return the cube of a raster and its metadata, lazily indexed and not yet chunked.

    Parameters
    ----------
    raster : Raster
        Recipe for the stored numbers.
    source, reader : str
        Path of the file, and name of the reader.
    wavelength, fwhm : (bands,) array_like of float, optional
        In nm.
    good_wavelength : (bands,) array_like of bool, optional
        False for bad bands.
    band_name : sequence of str, optional
        One name for each band.
    valid : (rows, cols) ndarray of bool, or the result of `lazy_image`, optional
        A mask that came with the scene.
    gain, bias : float or (bands,) array_like, optional
        Physical value = stored value · gain + bias.
    nodata : float, optional
        Stored value that means "no data".
    crs, transform : optional
        Georeferencing; the transform may be rotated.
    attrs : mapping, optional
        More attributes: ``interleave``, ``warnings``, and the metadata of the file.

    Raises
    ------
    SceneError
        When the number of values of a list is not the number of bands, the transform gives pixels no area, or there
        are more than a million bands.
    """
    rows, cols, bands = raster.shape
    _check_promises(source, bands, transform)
    coords: dict[str, Any] = {}
    for name, values, dtype, units in (
        ("wavelength", wavelength, np.float64, "nm"),
        ("fwhm", fwhm, np.float64, "nm"),
        ("good_wavelength", good_wavelength, np.bool_, None),
        ("band_name", band_name, np.str_, None),
        ("gain", gain, np.float64, None),
        ("bias", bias, np.float64, None),
    ):
        if values is None:
            continue
        column = np.asarray(values, dtype=dtype)
        if column.ndim == 0:
            column = np.full(bands, column)
        if column.shape != (bands,):
            raise SceneError(f"{source}: {column.size} values of {name} for {bands} bands")
        coords[name] = ("band", column, {"units": units} if units else {})
    if "wavelength" in coords:
        coords["wavelength"][2]["standard_name"] = "radiation_wavelength"
    if valid is not None:
        if valid.shape != (rows, cols):
            raise SceneError(f"{source}: a mask of {valid.shape} pixels for a scene of {(rows, cols)}")
        coords["valid"] = (("y", "x"), valid)
    lazy = xr.core.indexing.LazilyIndexedArray(_RasterArray(raster))
    cube = xr.DataArray(xr.Variable(DIMS, lazy), coords=coords, name="cube")
    cube.attrs = {"source": source, "reader": reader, "warnings": [], **(attrs or {})}
    cube = GeoGrid(rows, cols, crs, transform).attach(cube)
    if nodata is not None:
        cube.attrs["_FillValue"] = nodata
    cube.encoding["hsad_raster"] = raster
    return cube


def with_raster(cube: xr.DataArray, raster: Raster) -> xr.DataArray:
    """Return the lazily indexed cube with the numbers of another raster of its shape."""
    replaced = cube.copy(deep=False, data=xr.core.indexing.LazilyIndexedArray(_RasterArray(raster)))
    replaced.encoding = {**cube.encoding, "hsad_raster": raster}
    return replaced


def _check_promises(source: str, bands: int, transform: Affine | None) -> None:
    if transform is not None and (reason := degenerate(transform)):
        raise SceneError(f"{source}: its transform {tuple(transform)[:6]} {reason}")
    if bands > _MOST_BANDS:
        raise SceneError(f"{source}: promises {bands} bands, more than {_MOST_BANDS}")


def degenerate(transform: Affine) -> str | None:
    """Return the reason, as a verb phrase, why a transform cannot place pixels, None if it can."""
    numbers = tuple(transform)[:6]
    if not np.all(np.isfinite(numbers)):
        return "holds numbers that are not finite"
    area = numbers[0] * numbers[4] - numbers[1] * numbers[3]
    if not np.isfinite(area) or abs(area) < np.finfo(np.float64).tiny:
        return "gives pixels no area"
    a, b, c, d, e, f = numbers
    if b == d == 0 and (abs(c) * _PRECISION > abs(a) or abs(f) * _PRECISION > abs(e)):
        return "gives pixels a size below the precision of their coordinates"
    return None


def chunk_cube(cube: xr.DataArray) -> xr.DataArray:
    """Return the lazily indexed cube of a reader as a dask array in blocks of rows with all columns and bands."""
    raster = cube.encoding.get("hsad_raster")
    if raster is None:  # another package's reader may return any lazy array
        return cube if cube.chunks is not None else cube.chunk()
    row_bytes = raster.shape[1] * raster.shape[2] * raster.dtype.itemsize
    steps = max(1, round(_CHUNK_BYTES / max(1, row_bytes * raster.row_step)))
    steps = max(steps, -(-raster.shape[0] // (_MOST_CHUNKS * raster.row_step)))
    chunked = cube.chunk({"y": steps * raster.row_step, "x": -1, "band": -1})
    # xarray chunks the coordinates, too. They are small, so the original ones are put back.
    chunked = chunked.assign_coords(cube.coords)
    # dask names an array after its content, so a cube with this name has exactly the numbers of the file.
    chunked.encoding["hsad_raster"] = raster
    chunked.encoding["hsad_name"] = chunked.data.name
    return chunked


def raster_of(cube: xr.DataArray) -> Raster | None:
    """Return the raster of a cube whose values are those of its file, None if they were changed."""
    if cube.chunks is None:
        return _lazy_raster(getattr(cube.variable, "_data", None))
    if cube.encoding.get("hsad_name") != cube.data.name:
        return None
    raster = cube.encoding["hsad_raster"]
    return raster if isinstance(raster, Raster) and raster.shape == cube.shape else None


def _lazy_raster(lazy: Any) -> Raster | None:
    """Return the raster that xarray indexes lazily, None if it takes only a part of it, or the numbers are no file's.

    The names `array` and `key` are xarray's. Without them the numbers of a scene are read into memory at once.
    """
    adapter = getattr(lazy, "array", None)
    if not isinstance(adapter, _RasterArray):
        return None
    key = getattr(getattr(lazy, "key", None), "tuple", (None,))
    whole = all(isinstance(part, slice) and part == slice(None) for part in key)
    return adapter.raster if whole else None


def nodata(cube: xr.DataArray) -> float | None:
    """Return the stored number that means "no data", None if the cube has no such number.

    It is an attribute of the array, or a part of its encoding if xarray has decoded a file.
    """
    value = cube.attrs.get("_FillValue", cube.encoding.get("_FillValue"))
    return None if value is None else float(np.ravel(value)[0])


def check_cube(cube: xr.DataArray | xr.Dataset | NDArray[Any]) -> xr.DataArray:
    """Return `cube` with the dimensions ``(y, x, band)``.

    `cube` may be a ``(rows, cols, bands)`` array of numpy (also masked) or dask, a dataset with one cube, or an array
    of other tools, in band-first order or with dimensions called ``wavelength`` or ``bands``, ``lat`` and ``lon``.

    Raises
    ------
    ParameterError
        When `cube` does not have three dimensions, or has an empty dimension or values that are not real numbers.

    Examples
    --------
    >>> import numpy as np, hsad
    >>> hsad.check_cube(np.zeros((4, 5, 6))).dims
    ('y', 'x', 'band')
    >>> hsad.check_cube(np.zeros((4, 5)))
    Traceback (most recent call last):
    ...
    hsad.errors.ParameterError: a cube has 3 dimensions (rows, cols, bands), this array has 2
    """
    if isinstance(cube, xr.Dataset):
        cube = _only_cube(cube)
    if not isinstance(cube, xr.DataArray):
        array = cube if hasattr(cube, "dask") else with_nan(cube)
        if array.ndim != 3:
            raise ParameterError(f"a cube has 3 dimensions (rows, cols, bands), this array has {array.ndim}")
        cube = xr.DataArray(array, dims=DIMS)
    # Catalogues of scenes return stacks with a time dimension.
    dates = [dim for dim in cube.dims if str(dim).lower() == "time" and cube.sizes[dim] == 1]
    if dates:
        cube = cube.squeeze(dates, drop=True)
    if cube.ndim != 3:
        raise ParameterError(f"a cube has 3 dimensions (y, x, band), this array has {cube.dims}")
    if cube.dtype.kind not in "iufb":
        raise ParameterError(f"a cube holds real numbers, this array holds {cube.dtype}")
    if 0 in cube.shape:
        raise ParameterError(f"a cube has at least one pixel and one band, this array is {cube.shape}")
    return cube if cube.dims == DIMS else _renamed(cube).transpose(*DIMS)


def _only_cube(dataset: xr.Dataset) -> xr.DataArray:
    """Return the one variable of a dataset that has three dimensions."""
    found = [str(name) for name, variable in dataset.data_vars.items() if variable.ndim == 3]
    if len(found) != 1:
        named = ", ".join(found or map(str, dataset.data_vars)) or "nothing"
        what = "several cubes" if found else "no cube of three dimensions"
        raise ParameterError(
            f"the dataset holds {what}: {named}; give one of them, as in dataset[{named.split(',')[0]!r}]"
        )
    return dataset[found[0]]


def cube_axes(dims: Sequence[Hashable]) -> tuple[int, int, int]:
    """Return the numbers of the dimensions that are rows, columns and bands, by their names.

    Raises
    ------
    ParameterError
        When the names do not identify them.
    """
    axes = []
    for known in (_ROW_NAMES, _COLUMN_NAMES, _BAND_NAMES):
        found = [axis for axis, dim in enumerate(dims) if str(dim).lower() in known]
        axes += found if len(found) == 1 else []
    if len(axes) != 3:
        raise ParameterError(f"cannot tell rows, columns and bands apart in the dimensions {tuple(dims)}")
    return axes[0], axes[1], axes[2]


def _renamed(cube: xr.DataArray) -> xr.DataArray:
    """Return the cube with its dimensions renamed to y, x and band."""
    names = [cube.dims[axis] for axis in cube_axes(cube.dims)]
    for dim, target in zip(names, DIMS, strict=True):
        if target == "band" and str(dim).lower().startswith("wavelength") and dim in cube.coords:
            # A dimension coordinate becomes a coordinate along the band axis.
            cube = cube.rename({dim: "wavelength"}) if dim != "wavelength" else cube
            cube = cube.swap_dims({"wavelength": "band"})
        elif dim != target:
            cube = cube.rename({dim: target})
    if (
        "wavelength" not in cube.coords
        and "wavelengths" in cube.coords
        and cube.coords["wavelengths"].dims == ("band",)
    ):
        cube = cube.rename(wavelengths="wavelength")
    return _in_nanometers(cube)


def _in_nanometers(cube: xr.DataArray) -> xr.DataArray:
    """Return the cube with wavelengths and widths in nm; values whose units are µm are converted."""
    for name in ("wavelength", "fwhm"):
        if name in cube.coords and str(cube.coords[name].attrs.get("units", "")).lower() in _MICROMETERS:
            column = cube.coords[name]
            cube = cube.assign_coords({name: (column.dims, column.values * 1e3, {**column.attrs, "units": "nm"})})
    return cube
