"""The score raster, which is written in windows while a detector runs and becomes a Cloud-Optimized GeoTIFF."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import xarray as xr

from hsad.errors import OutputError, ParameterError
from hsad.files import check_output, publish, refuse_inputs, staging
from hsad.gdal import drop_statistics, gdal_errors, open_raster, statistics
from hsad.products.cog import BLOCK, same_values, state_statistics, to_cog
from hsad.products.ortho import Spool
from hsad.products.provenance import Provenance, source_file
from hsad.products.score_classes import classes_by_share
from hsad.products.space import reserve_space
from hsad.products.stac import stac_item
from hsad.products.styles import raster_style
from hsad.products.summary import summarize
from hsad.scene.cube import GeoGrid, geo_grid
from hsad.scene.masked import with_nan

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from hsad.scene.swath import Swath

__all__ = ["RASTER_SUFFIXES", "ScoreWriter", "companions", "read_provenance", "write_scores"]

RASTER_SUFFIXES = (".tif", ".tiff")


class ScoreWriter:
    """A context manager that writes scores in windows; the output appears complete or not at all.

    In the ``with`` block windows are written to a tiled GeoTIFF in a hidden folder beside the output. At the end of the
    block this file becomes a Cloud-Optimized GeoTIFF (float32, NaN nodata, DEFLATE with the floating-point predictor,
    overviews of maxima). Its companions, the STAC item ``SCORES.json`` and the QGIS style ``SCORES.qml``, get their
    final names before it. If the block ends with an error or an interruption, no file with a final name changes.

    Parameters
    ----------
    path : path
        The final name, ``.tif`` or ``.tiff``.
    grid : GeoGrid
        Size, CRS and transform, which are written exactly. CRS and transform may be None.
    attrs : mapping
        The attributes of the scores (see `Provenance.from_attrs`). ``method``, ``parameters`` (a JSON string),
        ``version``, ``run``, ``source``, ``acquired`` and so on become the tags ``HSAD_METHOD`` and so on, with the
        checksum of the source. Other attributes are ignored.
    bands : int
        Number of bands.
    descriptions : sequence of str, optional
        The names of the bands; by default all are "score".
    overwrite : bool
        Whether files with the final names may be replaced.
    swath : Swath, optional
        If present, windows refer to the sensor's grid of the swath, and the raster is its map, which is also `grid`.
    folder : Path, optional
        The folder of temporary files, on the file system of `path`; by default a folder beside `path`.

    Raises
    ------
    OutputError
        At once, when the output cannot be written (`check_output`), is the scene, or has a companion whose name belongs
        to a file of another program or to another raster. At the start of the block, when the disk has too little
        space. Later, when writing fails.

    Notes
    -----
    Only one thread at a time may write.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        grid: GeoGrid,
        attrs: Mapping[str, Any],
        *,
        bands: int = 1,
        descriptions: Sequence[str] | None = None,
        overwrite: bool = False,
        folder: Path | None = None,
        swath: Swath | None = None,
    ) -> None:
        self._stage_in = folder
        self._overwrite = overwrite
        self._swath = swath
        self._spool: Spool | None = None
        self.path = check_output(path, RASTER_SUFFIXES, overwrite=overwrite)
        self.grid = grid
        self.bands = bands
        self.descriptions = tuple(descriptions or ["score"] * bands)
        if len(self.descriptions) != bands:
            raise ParameterError(f"{len(self.descriptions)} descriptions for {bands} bands of {self.path}")
        _check_companions(self.path, overwrite=overwrite)
        named = (source_file(str(attrs.get(name) or "")) for name in ("source", "data_file"))
        inputs = [path for path in named if path is not None]
        for path_of_ours in self.files:
            refuse_inputs(path_of_ours, inputs)
        self.provenance = Provenance.from_attrs(attrs)

    @property
    def files(self) -> tuple[Path, ...]:
        """The raster and its companions."""
        return (self.path, *companions(self.path))

    def tell_background(self, background: Mapping[str, Any]) -> None:
        """Add the learned background to the tags. The writer is made before the learning, to check the output first."""
        self.provenance = replace(self.provenance, background=json.dumps(background) if background else "")

    def __enter__(self) -> Self:
        """Make the hidden folder, and write the whole raster as NaN."""
        with ExitStack() as stack:
            self._folder = stack.enter_context(staging(self.path, self._stage_in))
            self._work = self._folder / f"{self.path.name}.work.tif"  # a name that no result has
            self._dataset = self._lay_out()
            if self._swath is not None:
                self._spool = Spool(self._folder / "sensor", self._swath, self.bands)
            # The exit of the dataset as a context manager would end the environment of `gdal_errors`.
            stack.callback(self._dataset.close)
            self._stack = stack.pop_all()
        return self

    def write(self, rows: slice, cols: slice, scores: NDArray[Any]) -> None:
        """Write a window.

        Parameters
        ----------
        rows, cols : slice
            The window in pixels of the grid.
        scores : (rows, cols) or (rows, cols, bands) ndarray
            The values, NaN at invalid pixels. They are stored as float32.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        shape = (rows.stop - rows.start, cols.stop - cols.start, self.bands)
        if scores.shape not in (shape, shape[:2] if self.bands == 1 else shape):
            raise ParameterError(f"scores of shape {scores.shape} for a window of shape {shape}")
        with np.errstate(over="ignore"):  # a score beyond float32 becomes infinite, which is still the largest
            stored = scores.reshape(shape).astype(np.float32)
        if self._spool is not None:
            self._spool.write(rows, cols, stored)
        else:
            self._write_map(rows, cols, stored)

    def _write_map(self, rows: slice, cols: slice, stored: NDArray[np.float32]) -> None:
        from rasterio.windows import Window

        window = Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        with gdal_errors(self.path):
            self._dataset.write(np.moveaxis(stored, -1, 0), window=window)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Publish the raster and its companions if the block ended without error; remove temporary files always."""
        # The stack passes an error of this method to the staging, which raises an error of hsad instead.
        with self._stack:
            if kind is None:
                self._publish()

    def _lay_out(self) -> Any:
        """Return the open work raster, all of whose tiles are on the disk.

        GDAL writes tiles when its cache is full or the file is closed, and rasterio does not report an error on
        closing. This method writes every tile first, so that a full disk raises an error.
        """
        tiles = -(-self.grid.rows // BLOCK) * -(-self.grid.cols // BLOCK)
        size = tiles * BLOCK * BLOCK * 4 * self.bands
        # Space is needed for the work raster, for the final raster (at worst incompressible) with overviews of a third
        # of its size, and for the files of the overviews.
        reserve_space(self.path, self._folder, size * 3)
        profile: dict[str, Any] = {} if self.grid.transform is None else {"transform": self.grid.transform}
        with gdal_errors(self.path):
            with open_raster(
                self._work,
                "w",
                driver="GTiff",
                height=self.grid.rows,
                width=self.grid.cols,
                count=self.bands,
                dtype="float32",
                nodata=np.nan,
                crs=self.grid.crs,
                tiled=True,
                blockxsize=BLOCK,
                blockysize=BLOCK,
                BIGTIFF="IF_SAFER",
                **profile,
            ) as dataset:
                dataset.update_tags(**self.provenance.tags())
                for band, description in enumerate(self.descriptions, start=1):
                    dataset.set_band_description(band, description)
            if self._work.stat().st_size < size:
                raise OutputError(f"{self.path}: no space for the raster ({size / 1e6:.1f} MB)")
            return open_raster(self._work, "r+")

    def _publish(self) -> None:
        staged = {name: self._folder / name.name for name in self.files}
        if self._spool is not None:
            self._spool.on_the_map(self._write_map)
        with gdal_errors(self.path):
            self._dataset.close()
            bands = summarize(self._work)
            state_statistics(self._work, bands)
            to_cog(self._work, staged[self.path])
            if not same_values(self._work, staged[self.path]):
                raise OutputError(f"{self.path}: the raster could not be written completely (disk full?)")
        item, style = companions(self.path)
        document = stac_item(
            staged[self.path],
            self.path,
            grid=self.grid,
            provenance=self.provenance,
            bands=bands,
            descriptions=self.descriptions,
        )
        staged[item].write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        staged[style].write_text(raster_style(classes_by_share(bands[0])), encoding="utf-8")
        # The names are checked again, because the run may have taken hours.
        check_output(self.path, RASTER_SUFFIXES, overwrite=self._overwrite)
        _check_companions(self.path, overwrite=self._overwrite)
        publish(staged[item], item, overwrite=True)
        publish(staged[style], style, overwrite=True)
        drop_statistics(self.path)
        publish(staged[self.path], self.path, overwrite=self._overwrite)  # last, so that its existence implies the rest


def write_scores(scores: xr.DataArray | NDArray[Any], path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a score map as a Cloud-Optimized GeoTIFF, with a STAC item and a QGIS style beside it.

    Parameters
    ----------
    scores : (y, x) DataArray or (rows, cols) ndarray
        The map. Its CRS and transform are written exactly. Its attributes ``method``, ``parameters`` (a JSON string),
        ``version`` and ``source`` become tags. A dask-backed map is computed once, tile by tile, and is never in memory
        as a whole.
    path : path
        The raster, ``.tif`` or ``.tiff``; ``SCORES.json`` and ``SCORES.qml`` are written beside it.
    overwrite : bool
        Whether files with these names may be replaced.

    Returns
    -------
    Path
        The raster.

    Raises
    ------
    ParameterError
        When `scores` is not a two-dimensional map of numbers.
    OutputError
        When the files cannot be written; then no part of them remains.

    Examples
    --------
    >>> import hsad, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> scene = hsad.make_scene(rows=60, cols=70, bands=20, seed=1)
    >>> hsad.write_scores(hsad.detect(scene.cube, "rx"), folder / "scores.tif").name
    'scores.tif'
    >>> sorted(path.name for path in folder.iterdir())
    ['scores.json', 'scores.qml', 'scores.tif']
    """
    if scores.ndim != 2 or scores.dtype.kind not in "iufb" or 0 in scores.shape:
        raise ParameterError(
            f"scores must be a map of numbers (rows, cols), not {scores.dtype} of shape {scores.shape}"
        )
    if isinstance(scores, xr.DataArray):
        if set(scores.dims) != {"y", "x"}:
            raise ParameterError(f"scores must have the dimensions y and x, not {scores.dims}")
        scores = scores.transpose("y", "x")
        grid, attrs, values = geo_grid(scores), scores.attrs, scores.data
    else:
        rows, cols = scores.shape
        grid, attrs, values = (
            GeoGrid(rows, cols, None, None),
            {},
            scores if hasattr(scores, "dask") else with_nan(scores),
        )
    with ScoreWriter(path, grid, attrs, overwrite=overwrite) as writer:
        if isinstance(values, np.ndarray):
            writer.write(slice(0, grid.rows), slice(0, grid.cols), values)
        else:
            _compute_blocks(values, writer.write)
    return writer.path


def read_provenance(path: Path) -> Provenance:
    """Return the provenance in the tags of a score raster, without any field if the file is no raster."""
    from rasterio.errors import RasterioError

    try:
        with open_raster(path) as dataset:
            return Provenance.from_tags(dataset.tags())
    except RasterioError:
        return Provenance()


class _Target:
    """A target for `dask.array.store`, which calls `write` with each block that is assigned to it."""

    def __init__(self, write: Callable[[slice, slice, NDArray[Any]], None]) -> None:
        self.write = write

    def __setitem__(self, window: tuple[slice, slice], values: NDArray[Any]) -> None:
        self.write(*window, values)


def _compute_blocks(values: Any, write: Callable[[slice, slice, NDArray[Any]], None]) -> None:
    """Compute all blocks of a dask array together, so that shared tasks run once, and `write` each block."""
    import dask.array
    import distributed

    try:
        client: Any = distributed.get_client()
    except ValueError:
        target: Any = _Target(write)  # `store` needs only the assignment of an array
        dask.array.store(values, target, lock=True)
        return
    # An open file cannot be sent to a worker. The blocks are sent to this process in the order of their completion.
    windows = [(rows, cols) for rows in _extents(values.chunks[0]) for cols in _extents(values.chunks[1])]
    futures = client.compute(list(values.to_delayed().ravel()))
    places = dict(zip(futures, windows, strict=True))
    as_completed: Any = distributed.as_completed  # which has no type information
    for future, block in as_completed(futures, with_results=True):
        rows, cols = places.pop(future)
        write(rows, cols, block)
        future.release()


def _extents(sizes: Sequence[int]) -> list[slice]:
    stops = np.cumsum(sizes)
    return [slice(int(stop - size), int(stop)) for stop, size in zip(stops, sizes, strict=True)]


def companions(path: Path) -> tuple[Path, Path]:
    """Return the names of the STAC item and the QGIS style of a raster."""
    return path.with_suffix(".json"), path.with_suffix(".qml")


def _same(other: Path, path: Path) -> bool:
    """Return whether two names refer to one file; some file systems do not distinguish upper and lower case."""
    return other.name == path.name or (path.exists() and other.samefile(path))


def _check_companions(path: Path, *, overwrite: bool) -> None:
    """Raise `OutputError` if the name of a companion belongs to another raster or to a file of another program."""
    for other in path.parent.iterdir() if path.parent.is_dir() else ():
        if other.stem == path.stem and other.suffix.lower() in RASTER_SUFFIXES and not _same(other, path):
            raise OutputError(
                f"{path}: {other.name} beside it would share {path.stem}.json and {path.stem}.qml; choose another name"
            )
    check_output(statistics(path), (), overwrite=True)
    for companion, marks in zip(companions(path), (('"stac_version"', "hsad"), ("<!DOCTYPE qgis",)), strict=True):
        check_output(companion, (), overwrite=True)  # it must be a regular file
        if companion.exists() and not overwrite:
            text = companion.read_text(encoding="utf-8", errors="replace")
            if not all(mark in text for mark in marks):
                raise OutputError(f"{companion} would be replaced; allow overwriting or choose another name")
