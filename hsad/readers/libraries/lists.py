"""The pixels of anomalies in a list: of one by its id, of all of a kind, or of all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine

from hsad.errors import ParameterError, SceneError
from hsad.readers.existing import existing_file
from hsad.readers.masks import burnt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.scene.cube import GeoGrid

__all__ = ["LIST_SUFFIXES", "listed_pixels"]

LIST_SUFFIXES = (".gpkg", ".geojson", ".json", ".shp")
"""Endings of the names of lists with outlines."""


def listed_pixels(path: str | Path, named: str, grid: GeoGrid) -> NDArray[np.bool_]:
    """Return the pixels of an anomaly, of all anomalies of a kind, or of all, ``(rows, cols)``.

    Parameters
    ----------
    path : path
        A list that hsad wrote, with outlines.
    named : str
        An id (``"3"``), the letter of a kind (``"B"``), or ``"*"`` for all anomalies.
    grid : GeoGrid
        The grid of the scene, or of its map.

    Raises
    ------
    SceneError
        When the file is no such list, or the anomaly does not lie on the grid.
    ParameterError
        When the list has no such id or kind.
    """
    from pyogrio import errors
    from pyogrio.raw import read

    file = str(existing_file(Path(path)))
    try:
        meta, _, outlines, fields = read(file, layer=0, force_2d=True)
    except (errors.DataSourceError, errors.DataLayerError, errors.GeometryError, ValueError) as error:
        raise SceneError(f"{path}: not a readable list of anomalies: {' '.join(str(error).split())}") from error
    columns = dict(zip(meta["fields"], fields, strict=True))
    if "id" not in columns or outlines is None:
        raise SceneError(f"{path}: holds no anomalies of hsad: its fields are {', '.join(columns) or 'none'}")
    chosen = _chosen(str(path), named, columns)
    # Without a place on the ground the outlines are in columns and rows.
    transform = Affine.identity() if grid.transform is None else grid.transform
    return burnt(f"{path}:{named}", outlines[chosen], meta.get("crs"), grid, transform)


def _chosen(path: str, named: str, columns: dict[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Return which anomalies are meant."""
    if named == "*" and len(columns["id"]):
        return np.ones(len(columns["id"]), dtype=np.bool_)
    if named.isdecimal():
        ids = columns["id"]
        found = np.asarray(ids == int(named))
        if not found.any():
            there = f"its ids run from {ids.min()} to {ids.max()}" if len(ids) else "it is empty"
            raise ParameterError(f"{path}: has no anomaly {named}; {there}")
        return found
    letters = [None if kind is None else str(kind) for kind in columns.get("kind", np.empty(0, dtype=object)).tolist()]
    found = np.array([kind == named for kind in letters], dtype=np.bool_)
    if not found.any():
        kinds = sorted({kind for kind in letters if kind})
        there = f"its kinds are {', '.join(kinds)}" if kinds else "it has no kinds; name an id"
        raise ParameterError(f"{path}: has no kind {named!r}; {there}")
    return found
