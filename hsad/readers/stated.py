"""Nodata values that the user states for a scene, besides those that its file declares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import ParameterError
from hsad.readers.nodata import stored_nodata
from hsad.readers.rasters.filled import with_one_fill
from hsad.scene.cube import nodata as declared_nodata
from hsad.scene.cube import with_raster

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["with_nodata"]


def with_nodata(cube: xr.DataArray, nodata: float | str | Sequence[float]) -> xr.DataArray:
    """Return the cube in which the stated values mark missing numbers, too.

    Parameters
    ----------
    cube : (y, x, band) DataArray
        Lazily indexed, as readers return it.
    nodata : float, sequence of float or str
        Stored numbers; in a text they are separated by commas. All numbers that are marked as missing read as the first
        of these values, or as the one that the file declares.

    Raises
    ------
    ParameterError
        When something in the list is no number.
    """
    declared = declared_nodata(cube)
    values = [] if declared is None else [declared]
    remarks: list[str] = []
    columns = {name: np.unique(cube.coords[name].values) for name in ("gain", "bias") if name in cube.coords}
    scaling = {name: float(column[0]) for name, column in columns.items() if len(column) == 1}
    parts: Any = nodata.split(",") if isinstance(nodata, str) else nodata
    listed: list[Any] = list(parts) if isinstance(parts, Sequence | np.ndarray) else [parts]
    for item in listed:
        try:
            value = float(item)
        except (TypeError, ValueError):
            raise ParameterError(f"nodata: {item!r} is not a number") from None
        stored, said = stored_nodata(value, cube.dtype, **scaling)
        remarks += said
        if stored is not None and stored not in values and not np.isnan(stored):
            values.append(stored)
    raster = cube.encoding.get("hsad_raster")
    if len(values) < 2:
        filled = cube.copy(deep=False)
    elif raster is None:  # another package's reader may return any lazy array
        filled = cube.chunk().where(~cube.isin(values[1:]), values[0])
    else:
        filled = with_raster(cube, with_one_fill(raster, [values])[0])
    filled.attrs = {**cube.attrs, "warnings": [*cube.attrs.get("warnings", ()), *remarks]}
    if values:
        filled.attrs["_FillValue"] = values[0]
    return filled
