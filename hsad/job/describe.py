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
from hsad.scene.description import SceneDescription, column, described

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["count_valid", "describe"]


def describe(cube: xr.DataArray, *, progress: Any = None) -> SceneDescription:
    """Describe a cube as `hsad info` shows it.

    Parameters
    ----------
    cube : (y, x, band) DataArray
        As `hsad.open_cube` returns it; its values are read once, for the share of valid pixels.
    progress : callable, optional
        Shows how far the reading has come, as `hsad.engine.run.Progress`.

    Returns
    -------
    SceneDescription
    """
    good = column(cube, "good_wavelength")
    rows, cols, bands = (cube.sizes[name] for name in ("y", "x", "band"))
    usable = np.ones(bands, dtype=np.bool_) if good is None else good
    warnings: list[str] = []
    valid_fraction = 0.0
    try:
        source = drop_dead_bands(source_of(cube))
        dead = np.setdiff1d(np.flatnonzero(usable), source.bands) + 1
        if len(dead):
            warnings.append(f"bands without any data: {_ranges(dead)}")
        engine = Engine(runner=Threads(), progress=progress or Engine.progress)
        valid_fraction = count_valid(engine, source) / (rows * cols)
    except (DataError, ParameterError) as error:  # nothing valid, or no good band: it is what there is to say
        warnings.append(str(error))
    return described(cube, valid_fraction, warnings)


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
