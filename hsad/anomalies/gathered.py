"""The anomalies of many scenes in one list: a GeoPackage in WGS 84, and a CSV file."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hsad.anomalies.grades import GRADES
from hsad.anomalies.marks.states import STATES
from hsad.anomalies.vectors import COLUMNS, LAYER, SPECTRA, open_layer
from hsad.files import publish, staging, whole_file
from hsad.products.layers import add_styles, csv_text, write_layer
from hsad.products.styles import vector_styles
from hsad.scene.antimeridian import cut_at_antimeridian
from hsad.scene.ground import in_degrees

__all__ = ["NAMES", "Gathered"]

NAMES = ("anomalies.gpkg", "anomalies.csv")
"""The files of the list."""


@dataclass(frozen=True, eq=False)
class Gathered:
    """Anomalies of many scenes, the most certain ones first.

    Attributes
    ----------
    outline : (n,) ndarray of shapely geometry
        In longitude and latitude (WGS 84); None for a scene without georeferencing, or without a way to WGS 84.
    columns : dict of str to (n,) ndarray
        ``scene``, the name of the scene among the others, and `hsad.anomalies.vectors.COLUMNS` without spectra.
        ``id`` is the anomaly's rank in its scene, ``source`` the file of the scene. In a list of surveys ``new`` is
        true for anomalies of scenes that were surveyed since the last list was made.
    """

    outline: NDArray[Any]
    columns: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, lists: Iterable[tuple[str, str | os.PathLike[str]]], new: Collection[str] | None = None) -> Self:
        """Read the lists of scenes.

        Parameters
        ----------
        lists : iterable of (str, path)
            Names of scenes with their GeoPackages.
        new : collection of str, optional
            Names of the scenes that are new; without it the list has no column ``new``.

        Raises
        ------
        SceneError
            When a file is no list of anomalies.
        """
        own: dict[str, type] = {"scene": str} if new is None else {"scene": str, "new": bool}
        types = {**own, **{n: type_ for n, type_ in COLUMNS.items() if n not in SPECTRA}}
        outlines: list[NDArray[Any]] = []
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in types}
        for scene, path in lists:
            outline, fields = _read(path)
            outlines.append(outline)
            fields["scene"] = np.full(len(outline), scene, dtype=object)
            fields["new"] = np.full(len(outline), new is not None and scene in new)
            for name, type_ in types.items():
                parts[name].append(_column(fields.get(name), type_, len(outline)))
        if not outlines:
            return cls(np.array([], dtype=object), {name: _column(None, type_, 0) for name, type_ in types.items()})
        columns = {name: np.concatenate(parts[name]) for name in types}
        # NaN comes last. Scores decide among those of the same probability.
        order = np.lexsort((-columns["score_max"], columns["p_false"]))
        return cls(np.concatenate(outlines)[order], {name: column[order] for name, column in columns.items()})

    def __len__(self) -> int:
        return len(self.outline)

    def write(self, folder: Path) -> None:
        """Write both files into a folder, over those of an earlier time.

        Raises
        ------
        OutputError
            When a file cannot be written.
        """
        target = folder / NAMES[0]
        with staging(target) as stage:
            write_layer(stage / target.name, target, LAYER, self.outline, self.columns, "EPSG:4326")
            add_styles(stage / target.name, target, LAYER, vector_styles(STATES, GRADES))
            publish(stage / target.name, target, overwrite=True)
        with whole_file(folder / NAMES[1], (".csv",), overwrite=True) as staged:
            staged.write_text(csv_text(self.columns), encoding="utf-8", newline="")


def _read(path: str | os.PathLike[str]) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """Return the outlines of a list in degrees, None for those without a way there, and its fields."""
    import shapely
    from rasterio.crs import CRS

    crs, outline, fields = open_layer(path)
    number = len(fields["id"])
    placed = np.full(number, None, dtype=object)
    # Outlines without longitude are in columns and rows, or of a CRS without a way to WGS 84.
    if crs is None or outline is None or not np.isfinite(np.asarray(fields["lon"], dtype=np.float64)).any():
        return placed, fields
    points = shapely.get_coordinates(outline)
    degrees = np.column_stack(in_degrees(CRS.from_user_input(crs), points[:, 0], points[:, 1]))
    if np.isfinite(degrees).all():
        placed[:] = cut_at_antimeridian(np.asarray(shapely.set_coordinates(outline.copy(), degrees)))
    return placed, fields


def _column(values: Sequence[Any] | NDArray[Any] | None, type_: type, number: int) -> NDArray[Any]:
    """Return a column in its type; what is not known is NaN or None."""
    if values is None:
        return np.full(number, np.nan if type_ is float else 0 if type_ is int else None, dtype=_DTYPES[type_])
    return np.asarray(values, dtype=_DTYPES[type_])


_DTYPES: dict[type, Any] = {int: np.int64, float: np.float64, bool: np.bool_, str: object}
