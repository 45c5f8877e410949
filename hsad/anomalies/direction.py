"""What a change is: something appeared, disappeared, or was altered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hsad.anomalies.scoremap import ScoreMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ALTERED", "APPEARED", "DISAPPEARED", "PARTS", "changes_at", "compares_dates"]

PARTS = ("after given before", "before given after")
"""The bands that ``hsad change --parts`` adds: how unlike each date is what the other predicts."""

APPEARED, DISAPPEARED, ALTERED = "appeared", "disappeared", "altered"
"""Values of the column ``change``."""

_CLEARLY = 2.0
"""Ratio of the larger part to the smaller one, each over its median, from which a change has one direction."""

_SAMPLE = 1_000_000
"""Most pixels whose median is taken."""


def compares_dates(scores: ScoreMap) -> bool:
    """Tell whether scores are those of the change between two dates."""
    return bool(scores.before) or _parts(scores) is not None


def changes_at(scores: ScoreMap, row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[Any]:
    """Return what the change of each pixel is, in a word; None where the map has no parts.

    Parameters
    ----------
    scores : ScoreMap
    row, col : (n,) ndarray of int

    Returns
    -------
    (n,) ndarray of str or None
    """
    parts = _parts(scores)
    words: NDArray[Any] = np.full(len(row), None, dtype=object)
    if parts is None or not len(row):
        return words
    places = {"y": xr.DataArray(row, dims="place"), "x": xr.DataArray(col, dims="place")}
    new, gone = (part.isel(places).values / _median(part) for part in parts)
    words[:] = ALTERED
    words[new >= _CLEARLY * gone] = APPEARED
    words[gone >= _CLEARLY * new] = DISAPPEARED
    return words


def _parts(scores: ScoreMap) -> list[xr.DataArray] | None:
    values = scores.values
    if not isinstance(values, xr.DataArray) or not set(PARTS) <= set(values.coords):
        return None
    return [values.coords[name].reset_coords(drop=True).transpose("y", "x") for name in PARTS]


def _median(part: xr.DataArray) -> float:
    """Return the median of an even sample of the pixels."""
    step = max(1, round((part.size / _SAMPLE) ** 0.5))
    return float(np.nanmedian(part[::step, ::step].values))
