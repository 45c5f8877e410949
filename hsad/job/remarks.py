"""Remarks on a scene that a user should read before trusting its scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad.engine.source import CubeSource, source_of
from hsad.errors import DataError, ParameterError, SceneError
from hsad.scene.cube import nodata

__all__ = ["remarks_on", "sample_rows"]

#: Bytes of a scene that a look at a sample of its rows may read: a disk gives them in less than a second.
_SAMPLE_BYTES = 64 * 2**20

#: With fewer bands a valid pixel has the same number in all of them too often.
_LEAST_BANDS = 4

#: Share of the sampled pixels from which a region is called fill; a shadow or a saturated roof is smaller.
_LEAST_SHARE = 0.005

#: Neighbouring pixels of one number that begin at the border of a row, from which they are a part of a region.
_LEAST_RUN = 3


def remarks_on(cube: xr.DataArray) -> list[str]:
    """Return the remarks of the reader of a scene, and one about fill that the file does not declare."""
    found = [str(remark) for remark in cube.attrs.get("warnings", ())]
    fill = _undeclared_fill(cube)
    if fill is not None:
        value, share = fill
        found.append(
            f"{share:.0%} of the pixels that were looked at hold {value:g} in every band and lie at the border: "
            f"probably fill that the file does not declare; --nodata {value:g} leaves such pixels out"
        )
    return found


def sample_rows(source: CubeSource) -> list[slice]:
    """Return strips of rows, evenly spread from the first row to the last, that together are a small part of a scene.

    A strip is what is decoded together. Of a scene that is small, the strips are all rows.
    """
    rows, step = source.size[0], source.row_step
    strips = -(-rows // step)
    row_bytes = source.size[1] * source.raster.shape[2] * source.raster.dtype.itemsize
    number = int(np.clip(_SAMPLE_BYTES // (row_bytes * step), 2, strips)) if strips > 1 else 1
    chosen = np.unique(np.linspace(0, strips - 1, number).round().astype(int))
    return [slice(first * step, min(rows, (first + 1) * step)) for first in chosen.tolist()]


def _undeclared_fill(cube: xr.DataArray) -> tuple[float, float] | None:
    """Return a number that fills a region at the border in all bands, and the share of the pixels in such regions."""
    if nodata(cube) is not None or "valid" in cube.coords or cube.sizes["band"] < _LEAST_BANDS:
        return None
    try:
        source = source_of(cube)
        if len(source.bands) < _LEAST_BANDS:
            return None
        strips = [source.read(rows, slice(0, source.size[1])) for rows in sample_rows(source)]
    except (DataError, ParameterError, SceneError):
        return None  # the run itself says what is wrong
    rows = np.concatenate([_constants(strip) for strip in strips])
    values, counts = np.unique(np.concatenate([*_at_border(rows), np.empty(0)]), return_counts=True)
    if not len(values):
        return None
    value = float(values[counts.argmax()])
    share = float(sum(_run_lengths(rows == value)) / rows.size)
    return (value, share) if _LEAST_SHARE <= share < 1 else None


def _constants(spectra: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the number that all bands of a pixel hold, ``(rows, cols)``; NaN for any other pixel."""
    first = spectra[..., :1]
    constant = (spectra == first).all(axis=-1)
    return np.where(constant, first[..., 0].astype(np.float64), np.nan)


def _at_border(rows: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    for edge in (rows[0], rows[-1], rows[:, 0], rows[:, -1]):
        yield edge[np.isfinite(edge)]


def _run_lengths(filled: NDArray[np.bool_]) -> Iterator[int]:
    """Yield the number of pixels of each row that are joined to an end of the row, or to the first or last row."""
    cols = filled.shape[1]
    for number, row in enumerate(filled):
        if number in (0, len(filled) - 1):
            yield int(row.sum())
            continue
        gaps = np.flatnonzero(~row)
        left, right = (cols, 0) if not len(gaps) else (int(gaps[0]), int(cols - 1 - gaps[-1]))
        yield sum(length for length in (left, right) if length >= _LEAST_RUN)
