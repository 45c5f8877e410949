"""A score map for thresholds: strips from the top to the bottom, and the provenance that the scores carry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad.errors import DataError, ParameterError
from hsad.scene.cube import GeoGrid, geo_grid

__all__ = ["PARTS", "ScoreMap"]

PARTS = ("after given before", "before given after")
"""The bands that ``hsad change --parts`` adds: how unlike each date is what the other predicts."""

_STRIP_PIXELS = 4_000_000


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """Scores of a scene, in memory or in a file.

    Attributes
    ----------
    values : (rows, cols) array or lazy DataArray
    grid : GeoGrid
    method : str
        Name of the detector; empty where it is not known.
    parameters : mapping
        The parameters of the detector.
    background : mapping
        Numbers that describe the learned background.
    source : str
        Path of the scene; empty where it is not known.
    before : str
        Name of the first date, where the scores compare two dates; empty otherwise.
    """

    values: Any
    grid: GeoGrid
    method: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    background: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    before: str = ""

    @classmethod
    def of(cls, scores: Any) -> Self:
        """Return the map of a ``(y, x)`` DataArray that `hsad.detect` returned, or of a ``(rows, cols)`` array.

        Raises
        ------
        ParameterError
            When it is not a map of numbers.
        """
        if isinstance(scores, cls):
            return scores
        shape, kind = np.shape(scores), getattr(scores, "dtype", np.asarray(scores).dtype).kind
        if len(shape) != 2 or 0 in shape or kind not in "iufb":
            raise ParameterError(f"scores must be a map of numbers (rows, cols), not an array of shape {shape}")
        if not isinstance(scores, xr.DataArray):
            return cls(np.asarray(scores), GeoGrid(shape[0], shape[1], None, None))
        if set(scores.dims) != {"y", "x"}:
            raise ParameterError(f"scores must have the dimensions y and x, not {scores.dims}")
        scores = scores.transpose("y", "x")
        attrs = scores.attrs
        return cls(
            scores,
            geo_grid(scores),
            str(attrs.get("method") or ""),
            _object(attrs.get("parameters")),
            _object(attrs.get("background")),
            str(attrs.get("source") or ""),
            str(attrs.get("before") or ""),
        )

    @property
    def parts(self) -> list[xr.DataArray] | None:
        """The two `PARTS` of scores of a change; None where the map has none."""
        values = self.values
        if not isinstance(values, xr.DataArray) or not set(PARTS) <= set(values.coords):
            return None
        return [values.coords[name].reset_coords(drop=True).transpose("y", "x") for name in PARTS]

    @property
    def compares_dates(self) -> bool:
        """Whether the scores are those of the change between two dates."""
        return bool(self.before) or self.parts is not None

    def rows(self, first: int, stop: int) -> NDArray[np.float64]:
        """Return rows of scores, NaN for pixels without a score."""
        part = self.values[first:stop]
        if not isinstance(part, xr.DataArray):
            return np.asarray(part, dtype=np.float64)
        scores = part.values.astype(np.float64)
        nodata = self.values.attrs.get("_FillValue")
        if nodata is not None:
            scores[scores == nodata] = np.nan
        if "valid" in part.coords:
            scores[~part.coords["valid"].values] = np.nan
        return scores

    def strips(self, halo: int = 0) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Yield the first row and the scores of each strip, with `halo` more rows above and below it.

        Outside of the map the rows of the halo are NaN: the strip itself always begins after `halo` rows.
        """
        rows, cols = self.grid.rows, self.grid.cols
        height = max(1, _STRIP_PIXELS // cols)
        for first in range(0, rows, height):
            stop = min(rows, first + height)
            low, high = max(0, first - halo), min(rows, stop + halo)
            scores = self.rows(low, high)
            if halo:
                missing = (halo - (first - low), halo - (high - stop))
                scores = np.pad(scores, (missing, (0, 0)), constant_values=np.nan)
            yield first, scores

    def require_scores(self, count: int) -> None:
        """Refuse a map without a single score."""
        if count == 0:
            raise DataError("scores: no pixel has a score, all are NaN or nodata")


def _object(text: Any) -> dict[str, Any]:
    """Return the JSON object in an attribute, or an empty one."""
    if isinstance(text, dict):
        return text
    try:
        value = json.loads(str(text or "{}"))
    except (ValueError, RecursionError):  # the latter of very deep nesting
        return {}
    return value if isinstance(value, dict) else {}
