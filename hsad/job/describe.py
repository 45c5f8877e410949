"""A description of a scene: its metadata, and how many of its pixels are valid."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.detectors.block import Block
from hsad.engine.run import Engine
from hsad.engine.runners.local import Threads
from hsad.engine.source import CubeSource, drop_dead_bands, source_of
from hsad.errors import DataError, ParameterError
from hsad.job.remarks import remarks_on, sample_rows
from hsad.scene.cube import nodata
from hsad.scene.description import SceneDescription, column, described
from hsad.scene.quality import flag_names

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["count_valid", "describe"]

#: Bytes of a scene of which all valid pixels are counted without being asked for.
_SMALL = 256 * 2**20


def describe(cube: xr.DataArray, *, statistics: bool = True, progress: Any = None) -> SceneDescription:
    """Describe a cube as `hsad info` shows it.

    Parameters
    ----------
    cube : (y, x, band) DataArray
        As `hsad.open_cube` returns it.
    statistics : bool
        Whether the valid pixels of a large scene are counted in all of its numbers; without it, in a sample of rows.
    progress : callable, optional
        Shows the progress of the counting, as `hsad.progress.Progress`.

    Returns
    -------
    SceneDescription

    Examples
    --------
    >>> import hsad
    >>> cube = hsad.make_scene(rows=60, cols=70, bands=30, seed=1, target_sizes=[1, 4], heading=0).cube
    >>> found = hsad.describe(cube)
    >>> found.rows, found.cols, found.bands, found.valid_fraction
    (60, 70, 30, 1.0)
    """
    good = column(cube, "good_wavelength")
    rows, cols, bands = (cube.sizes[name] for name in ("y", "x", "band"))
    usable = np.ones(bands, dtype=np.bool_) if good is None else good
    warnings: list[str] = []
    valid_fraction, counted = 0.0, "all pixels"
    try:
        source = source_of(cube)
        if _always_valid(cube):
            valid_fraction, counted = 1.0, "no pixel: every number is valid"
        elif statistics or cube.nbytes <= _SMALL:
            source = drop_dead_bands(source)
            dead = np.setdiff1d(np.flatnonzero(usable), source.bands) + 1
            if len(dead):
                warnings.append(f"bands without any data: {_ranges(dead)}")
            engine = Engine(runner=Threads(), progress=progress or Engine.progress)
            valid_fraction = count_valid(engine, source) / (rows * cols)
        else:
            valid_fraction, looked_at = _sampled(source)
            counted = f"a sample of {looked_at} pixels: --statistics counts all"
    except (DataError, ParameterError) as error:  # no pixel is valid, or no band is good
        warnings.append(str(error))
    own = cube.attrs.get("warnings", ())
    warnings += [remark for remark in remarks_on(cube) if remark not in own]
    return described(cube, valid_fraction, warnings, counted=counted)


def _always_valid(cube: xr.DataArray) -> bool:
    """Tell whether nothing in a scene can be invalid: whole numbers, without nodata and without a mask."""
    return cube.dtype.kind in "iub" and nodata(cube) is None and "valid" not in cube.coords and not flag_names(cube)


def _sampled(source: CubeSource) -> tuple[float, int]:
    """Return the share of valid pixels in a sample of rows, and the number of pixels in the sample."""
    valid = pixels = 0
    for rows in sample_rows(source):
        cols = slice(0, source.size[1])
        _, usable = source.spectra(source.read(rows, cols), rows, cols)
        valid += int(usable.sum())
        pixels += usable.size
    return valid / pixels, pixels


def count_valid(engine: Engine, source: CubeSource) -> int:
    """Return the number of valid pixels of a scene, from one pass over its numbers."""
    return engine.scan(source, _count_valid) or 0


def _count_valid(block: Block) -> int:
    return int(np.count_nonzero(block.core_valid))


def _ranges(numbers: Iterable[int]) -> str:
    """Write 1, 2, 3, 7 as ``1-3, 7``."""
    parts: list[list[int]] = []
    for number in map(int, numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)
