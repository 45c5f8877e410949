"""The options of a run that every method has: their defaults, help texts and how they are written."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsad.errors import DataError, ParameterError

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray

    from hsad.cube import GeoGrid
    from hsad.detectors.learned import Learned

__all__ = ["RunOptions", "band_choice", "memory_bytes", "pixel_window"]


def option(default: Any, help: str, *, metavar: str | None = None) -> Any:  # noqa: A002  the command line's word
    """Declare an option; without a `metavar` it exists in Python only."""
    return dataclasses.field(default=default, metadata={"help": help, "metavar": metavar})


@dataclass(frozen=True)
class RunOptions:
    """Options of `hsad.detect`, `hsad.learn` and `hsad.score` for every method."""

    bands: str | Sequence[int] | NDArray[Any] | None = option(
        None, "bands to use: 420-1340,1450-1790 (nm) or @1-50,60-100 (numbers, from 1)", metavar="RANGES"
    )
    pca: int | None = option(None, "detect on the first K principal components", metavar="K")
    mask: str | Path | NDArray[np.bool_] | None = option(
        None, "pixels to use, non-zero = valid: raster, .npy, .mat:NAME or vector file", metavar="FILE"
    )
    region: str | tuple[slice, slice] | None = option(
        None, "rows and columns to use, from 0, ends excluded", metavar="ROW0:ROW1,COL0:COL1"
    )
    bbox: str | Sequence[float] | None = option(None, "window to use, in map units", metavar="W,S,E,N")
    tile: int | None = option(None, "side of a tile in pixels; changes memory, not the result", metavar="N")
    workers: int | None = option(None, "threads; as many as processors by default", metavar="N")
    memory: str | int = option("2GB", "memory that the run may take, Python included", metavar="SIZE")
    scheduler: Any = option(None, "address of a running dask scheduler", metavar="ADDRESS")
    background: str | Path | Learned | None = option(None, "score with what an earlier run learned", metavar="FILE")
    references: Sequence[Any] | None = option(
        None, "learn from this scene instead of the scored one; may be repeated", metavar="SCENE"
    )
    parts: bool = option(False, "also give the kinds of evidence that the score is made of")
    compute: bool = option(True, "False: return a lazy dask-backed result")
    progress: Any = option(
        None, "True: a bar; 'log': lines of the logger hsad; or a function that wraps the tiles as tqdm does"
    )

    @classmethod
    def split(cls, keywords: dict[str, Any]) -> tuple[RunOptions, dict[str, Any]]:
        """Return the options among `keywords`, and the rest: the detector's parameters."""
        names = {f.name for f in dataclasses.fields(cls)}
        own = {name: value for name, value in keywords.items() if name in names}
        return cls(**own), {name: value for name, value in keywords.items() if name not in names}

    def __post_init__(self) -> None:
        if self.workers is not None and (not isinstance(self.workers, int) or self.workers < 1):
            raise ParameterError(f"workers must be a whole number of at least 1, not {self.workers!r}")
        if self.region is not None and self.bbox is not None:
            raise ParameterError("region and bbox both choose a window: give one of them")


def memory_bytes(text: str | int) -> int:
    """Return the bytes meant by ``4GB``, ``500MiB`` or a number.

    Raises
    ------
    ParameterError
    """
    from dask.utils import parse_bytes

    try:
        size = int(parse_bytes(text))
    except (ValueError, AttributeError) as error:
        raise ParameterError(f"memory: {text!r} is not a size such as 4GB or 500MB") from error
    if size <= 0:
        raise ParameterError(f"memory must be above 0, not {text!r}")
    return size


def band_choice(bands: Any, cube: xr.DataArray) -> NDArray[np.bool_]:
    """Return which bands of a cube are meant, shape ``(bands,)``.

    Parameters
    ----------
    bands : str or sequence of int or of bool
        Ranges of wavelengths in nm, ends included; numbers from 1 after ``@``; or, in Python, indices from 0.
    cube : (y, x, band) DataArray

    Raises
    ------
    ParameterError
        When the text has another form, there are no wavelengths to choose by, or no band is meant.
    """
    import numpy as np

    total = cube.sizes["band"]
    if not isinstance(bands, str):
        chosen = np.zeros(total, dtype=np.bool_)
        try:
            chosen[np.asarray(bands)] = True
        except IndexError as error:
            raise ParameterError(f"bands: {error}") from error
        return chosen
    numbers = bands.startswith("@")
    if not numbers and "wavelength" not in cube.coords:
        raise ParameterError(f"bands: the scene has no wavelengths to choose {bands!r} by: use @1-{total}")
    positions = np.arange(1, total + 1) if numbers else cube.coords["wavelength"].values
    chosen = np.zeros(total, dtype=np.bool_)
    for part in bands.removeprefix("@").split(","):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)(?:\s*-\s*(\d+(?:\.\d+)?))?\s*", part)
        if not found:
            raise ParameterError(f"bands: {part!r} is not a range such as 420-1340 (nm) or @1-50 (numbers)")
        low = float(found[1])
        high = float(found[2] or low)
        within = (positions >= low) & (positions <= high)
        if not within.any():
            span = f"{positions.min():g}-{positions.max():g}"
            raise ParameterError(f"bands: no band in {part.strip()!r}; the scene has {span}")
        chosen |= within
    return chosen


def pixel_window(options: RunOptions, grid: GeoGrid) -> tuple[slice, slice]:
    """Return the rows and columns that ``region`` or ``bbox`` choose, the whole grid without them.

    Raises
    ------
    ParameterError
        When the text has another form.
    DataError
        When the window lies outside the scene, or there is no georeferencing for a `bbox`.
    """
    if options.region is not None:
        rows, cols = _region(options.region, grid)
    elif options.bbox is not None:
        rows, cols = _bbox(options.bbox, grid)
    else:
        return slice(0, grid.rows), slice(0, grid.cols)
    if rows.start >= rows.stop or cols.start >= cols.stop:
        given = f"region {options.region}" if options.region is not None else f"bbox {options.bbox}"
        raise DataError(f"{given} holds no pixel of the scene of {grid.rows} x {grid.cols} pixels")
    return rows, cols


def _region(region: str | tuple[slice, slice], grid: GeoGrid) -> tuple[slice, slice]:
    if isinstance(region, str):
        found = re.fullmatch(r"(\d*):(\d*),(\d*):(\d*)", region.replace(" ", ""))
        if not found:
            raise ParameterError(f"region: {region!r} is not ROW0:ROW1,COL0:COL1")
        numbers = [int(text) if text else None for text in found.groups()]
        region = (slice(numbers[0], numbers[1]), slice(numbers[2], numbers[3]))
    rows, cols = (slice(*part.indices(size)[:2]) for part, size in zip(region, (grid.rows, grid.cols), strict=True))
    return rows, cols


def _bbox(bbox: str | Sequence[float], grid: GeoGrid) -> tuple[slice, slice]:
    import numpy as np

    try:
        west, south, east, north = (float(v) for v in (bbox.split(",") if isinstance(bbox, str) else bbox))
    except ValueError:
        raise ParameterError(f"bbox: {bbox!r} is not W,S,E,N") from None
    if grid.transform is None:
        raise DataError("bbox: the scene has no georeferencing; use region")
    corners = [~grid.transform * (x, y) for x in (west, east) for y in (south, north)]
    # Pixels whose area the box touches; the tolerance forgives a box that ends on a pixel's edge.
    cols, rows = zip(*corners, strict=True)
    spans = []
    for values, size in ((rows, grid.rows), (cols, grid.cols)):
        low, high = np.floor(min(values) + 1e-6), np.ceil(max(values) - 1e-6)
        spans.append(slice(int(np.clip(low, 0, size)), int(np.clip(high, 0, size))))
    return spans[0], spans[1]
