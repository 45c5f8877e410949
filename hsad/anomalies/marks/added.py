"""Objects that a search found, added to a list of anomalies."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.vectors import LAYER, open_layer
from hsad.errors import OutputError, SceneError, without_warnings
from hsad.files import check_output, publish, staging
from hsad.products.layers import layer_errors

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

__all__ = ["add_found", "is_search"]

#: Columns that only a search has, and columns whose numbers hold for the list that they come from alone.
_OF_SEARCHES = ("cosine", "fill", "like")
_OF_ONE_LIST = ("expected_false", "p_value", "p_false", "grade", "kind")


def is_search(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is a list that a search for siblings wrote."""
    try:
        _, _, columns = open_layer(path, outlines=False)
    except SceneError:
        return False
    return set(_OF_SEARCHES) <= set(columns)


def add_found(path: str | os.PathLike[str], found: str | os.PathLike[str]) -> tuple[int, int]:
    """Add the objects of a search to a list of the same scene; objects that touch a listed anomaly are passed over.

    Parameters
    ----------
    path : path
        A GeoPackage of anomalies.
    found : path
        The list of the search.

    Returns
    -------
    added, known : int
        Number of objects that were added, and of those that the list has already.

    Raises
    ------
    SceneError
        When a file cannot be read, or the two are of different scenes; nothing is changed then.
    OutputError
        When the list is no GeoPackage or cannot be written; nothing is changed then.
    """
    import shapely
    from pyogrio.raw import write

    target = check_output(path, (".gpkg",), overwrite=True)
    crs, outlines, columns = open_layer(path)
    other, others, new = open_layer(found)
    assert outlines is not None  # noqa: S101  they were asked for
    assert others is not None  # noqa: S101  they were asked for
    _check_same_scene(str(path), str(found), columns, new)
    if crs != other:
        raise SceneError(f"{found}: its CRS is {other}, that of {path} is {crs}")
    touching = shapely.STRtree(others).query(outlines, predicate="intersects")[1] if len(outlines) else []
    fresh = np.setdiff1d(np.arange(len(others)), touching)
    if not len(fresh):
        return 0, len(others)
    values, masks = zip(*(_column(name, column, new, columns, fresh) for name, column in columns.items()), strict=True)
    geometry = [shapely.MultiPolygon([o]) if o.geom_type == "Polygon" else o for o in others[fresh]]
    with staging(target) as folder:
        staged = folder / target.name
        shutil.copyfile(target, staged)
        try:
            with without_warnings(UserWarning):  # of a layer without a CRS, as a scene without one has
                write(
                    str(staged), np.array(shapely.to_wkb(geometry), dtype=object), list(values), list(columns),
                    field_mask=list(masks), layer=LAYER, driver="GPKG", geometry_type="MultiPolygon", crs=crs,
                    append=True,
                )  # fmt: skip
        except layer_errors() as error:
            raise OutputError(f"{target}: cannot be written: {' '.join(str(error).split())}") from error
        publish(staged, target, overwrite=True)
    return len(fresh), len(others) - len(fresh)


def _check_same_scene(path: str, found: str, columns: dict[str, NDArray[Any]], new: dict[str, NDArray[Any]]) -> None:
    sources = [
        {Path(str(source)).name for source in part.get("source", np.empty(0)).tolist() if source}
        for part in (columns, new)
    ]
    if all(sources) and not sources[0] & sources[1]:
        first, second = (", ".join(sorted(names)) for names in sources)
        raise SceneError(f"{found}: is of the scene {second}, and {path} of {first}")


def _column(
    name: str,
    column: NDArray[Any],
    new: dict[str, NDArray[Any]],
    columns: dict[str, NDArray[Any]],
    fresh: NDArray[np.intp],
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the values of a column for the objects that are added, and which of them are unknown."""
    number = len(fresh)
    if name == "id":
        first = int(columns["id"].max(initial=0)) + 1
        return np.arange(first, first + number, dtype=column.dtype), None
    if name == "reason":
        texts = [
            f"like {like}: their whitened cosine is {cosine:.2f}"
            for like, cosine in zip(new["like"][fresh], new["cosine"][fresh], strict=True)
        ]
        return np.array(texts, dtype=object), np.zeros(number, dtype=np.bool_)
    if name not in new or name in _OF_ONE_LIST:
        return np.zeros(number, dtype=column.dtype) if column.dtype.kind != "O" else np.full(number, None, object), (
            np.ones(number, dtype=np.bool_)
        )
    values = new[name][fresh]
    unknown = (
        np.array([value is None for value in values]) if values.dtype.kind == "O" else np.not_equal(values, values)
    )
    if column.dtype.kind == "O":
        return np.array([None if value is None else str(value) for value in values], dtype=object), unknown
    filled = np.where(unknown, 0, values)
    return filled.astype(column.dtype), unknown
