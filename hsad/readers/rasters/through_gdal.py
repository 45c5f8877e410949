"""Windows of rasters that GDAL opens, and the georeferencing of such rasters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.gdal import LEAST_CACHE, open_dataset
from hsad.readers.rasters.pixels import in_pixels

if TYPE_CHECKING:
    from affine import Affine
    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

__all__ = ["GdalRaster", "gdal_raster", "georeferencing"]

# Largest bytes of a block and of an image that a TIFF may state, or largest multiples of the size of its file.
_MOST_BLOCK = 256 * 2**20
_MOST_IMAGE = 2**30
_MOST_BLOCK_GROWTH = 2000  # LZW and deflate unpack to at most about 1300 times the bytes
_MOST_GROWTH = 20_000  # larger, because an empty tile takes only 16 bytes in a table


@dataclass(frozen=True)
class GdalRaster:
    """Windows of a file through GDAL, which opens the file for each read in the thread that reads."""

    path: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    block: tuple[int, int]
    indexes: tuple[int, ...]

    @property
    def row_step(self) -> int:
        """Height of a strip or tile."""
        return self.block[0]

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, shape ``(rows, cols, bands)``."""
        from rasterio.windows import Window

        window = Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        # The cache must hold the decoded blocks of all bands; otherwise GDAL decodes a block again for each band.
        decoded = len(self.indexes) * self.dtype.itemsize
        for part, side in ((rows, self.block[0]), (cols, self.block[1])):
            decoded *= (-(-part.stop // side) - part.start // side) * side
        with open_dataset(self.path, decoded + LEAST_CACHE) as dataset:
            stored = dataset.read(list(self.indexes), window=window, out_dtype=self.dtype)
        return in_pixels(np.moveaxis(stored, 0, 2), self.dtype)


def gdal_raster(path: str) -> GdalRaster:
    """Return the raster of a file's bands, without an alpha band, after reading its first and last pixel.

    Raises
    ------
    SceneError
        When GDAL cannot open or read the file, or the file contains no bands or complex numbers.
    """
    from rasterio.enums import ColorInterp
    from rasterio.windows import Window

    with open_dataset(path) as dataset:
        kinds = zip(dataset.indexes, dataset.colorinterp, strict=True)
        indexes = tuple(index for index, kind in kinds if kind != ColorInterp.alpha)
        if not indexes:
            inside = ", ".join(dataset.subdatasets) or "none"
            raise SceneError(f"{path}: the {dataset.driver} file has no bands of its own (subdatasets: {inside})")
        dtypes = {dataset.dtypes[index - 1] for index in indexes}
        if any("complex" in dtype or dtype == "complex_int16" for dtype in dtypes):
            raise SceneError(f"{path}: holds complex numbers ({', '.join(sorted(dtypes))}), a cube holds real ones")
        _check_promise(dataset, path)
        for index, col, row in ((indexes[0], 0, 0), (indexes[-1], dataset.width - 1, dataset.height - 1)):
            dataset.read(index, window=Window(col, row, 1, 1))
        high, wide = (max(sides) for sides in zip(*dataset.block_shapes, strict=True))
        return GdalRaster(
            path,
            (dataset.height, dataset.width, len(indexes)),
            np.result_type(*dtypes),
            (min(high, dataset.height), min(wide, dataset.width)),
            indexes,
        )


def _check_promise(dataset: DatasetReader, path: str) -> None:
    """Raise `SceneError` for a TIFF whose directory states far more bytes than the file can contain.

    GDAL decodes a block as a whole, so a block with a stated size of one gigabyte takes one gigabyte of memory.
    """
    if dataset.driver != "GTiff" or not Path(path).is_file():
        return
    file_bytes = Path(path).stat().st_size
    number = max(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    together = dataset.count if dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "PIXEL" else 1
    block = max(high * wide for high, wide in dataset.block_shapes) * together * number
    whole = dataset.width * dataset.height * dataset.count * number
    for what, size, most in (
        ("a block", block, max(_MOST_BLOCK, _MOST_BLOCK_GROWTH * file_bytes)),
        ("its image", whole, max(_MOST_IMAGE, _MOST_GROWTH * file_bytes)),
    ):
        if size > most:
            raise SceneError(f"{path}: {what} promises {size} bytes, which a file of {file_bytes} bytes cannot hold")


def georeferencing(dataset: DatasetReader) -> tuple[Any, Affine | None, list[str]]:
    """Return the CRS and transform of an open dataset, None where missing, and remarks."""
    from affine import Affine

    crs, transform = dataset.crs, dataset.transform
    if not transform.is_identity:
        # Adding zero turns GDAL's -0.0 into 0.0, because the numbers are printed and compared.
        return crs, Affine(*(value + 0.0 for value in transform[:6])), []
    remarks = []
    if dataset.gcps[0] or dataset.rpcs:
        kind = "ground control points" if dataset.gcps[0] else "rational polynomials (RPC)"
        remarks.append(f"the file is located by {kind} only: results are not georeferenced")
    return crs, None, remarks
