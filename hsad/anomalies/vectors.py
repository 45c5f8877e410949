"""Anomalies as vectors: a GeoPackage with a style for QGIS, or GeoJSON in WGS 84."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.grades import GRADES
from hsad.anomalies.marks.states import STATES, state_of
from hsad.errors import OutputError, SceneError
from hsad.files import check_output, publish, staging
from hsad.products.layers import SHAPEFILE, add_styles, csv_text, layer_errors, write_layer
from hsad.products.styles import vector_styles
from hsad.readers.existing import existing_file
from hsad.scene.antimeridian import cut_at_antimeridian
from hsad.scene.cube import GeoGrid
from hsad.scene.ground import in_degrees

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

__all__ = [
    "CANDIDATES", "COLUMNS", "LAYER", "SPECTRA", "VECTOR_SUFFIXES", "Anomalies", "layer_metadata", "open_layer",
    "read_anomalies", "read_candidates", "read_threshold", "write_anomalies",
]  # fmt: skip

VECTOR_SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".kml", ".csv")
LAYER = "anomalies"
"""The layer in a GeoPackage of anomalies."""
CANDIDATES = "candidates"
"""The layer of what lies below the list."""
SPECTRA = ("mean_spectrum", "background_spectrum")
"""Fields of texts of some kilobytes, which tables and maps of other programs go without."""
_NAMING = ("id", "row", "col")
"""Fields that say which anomaly a record is."""

COLUMNS: dict[str, type] = {
    "id": int,
    "n_pixels": int,
    "area_m2": float,
    "score_max": float,
    "score_mean": float,
    "p_value": float,
    "p_false": float,
    "grade": str,
    "trusted": bool,
    "expected_false": float,
    "state": str,
    "note": str,
    "class": str,
    "reason": str,
    "extent": str,
    "kind": str,
    "most_like": str,
    "row": int,
    "col": int,
    "lon": float,
    "lat": float,
    "peak_wavelengths": str,
    "mean_spectrum": str,
    "background_spectrum": str,
    "detector": str,
    "source": str,
}
"""The fields of an anomaly and their types. Unknown numbers are NaN (null in a file), unknown texts are None."""


@dataclass(frozen=True, eq=False)
class Anomalies:
    """Anomalies of a scene, the highest score first.

    Attributes
    ----------
    outline : (n,) ndarray of shapely geometry
        In the CRS of the grid; in columns and rows without a transform.
    grid : GeoGrid
        The grid of the score map.
    columns : mapping of str to (n,) ndarray
        See `COLUMNS`. ``id`` is the rank from 1. ``area_m2`` is the area on the ellipsoid of the CRS. ``score_max`` and
        ``score_mean`` are of the object's pixels. ``p_value`` is the share of background that reaches the highest
        score. ``p_false`` is the probability that the anomaly is background (NaN: not known), and ``grade`` its word
        (`hsad.anomalies.grades`; None above .5). ``trusted`` is False where something speaks against these
        probabilities. ``expected_false`` is the expected number of false ones in the list
        down to this rank: the sum of ``p_false``, where that is known. ``row`` and ``col`` name the pixel with the
        highest score, ``lon`` and ``lat`` its centre (WGS 84; NaN without a way there).
        ``change`` is a column of lists of `hsad.change` alone: "appeared", "disappeared" or "altered", None where the
        scores have no parts.
        ``extent`` is "object", or "region" above 100 pixels. ``kind`` is the letter of the group of anomalies with
        alike spectra, "A" for that of the strongest one (`hsad.anomalies.kinds`); None without the scene. ``most_like``
        is a name from a spectral library with its evidence (None without one). ``state`` is one of `STATES`. ``note``
        and ``class`` are what a person typed. ``reason`` says in words why the anomaly stands out.
    threshold : mapping
        What `Threshold.to_dict` returns, with the options of the list.
    candidates : Anomalies or None
        The highest objects below the default list, no better than background; their ids follow those of the list. None
        for lists by other rules, and where there is nothing below.
    waiting : sequence of mapping
        Marks from a replaced list whose anomalies are not in this one (`hsad.anomalies.marks.carried`).
    seen : (ScoreMap, Scene or None) or None
        What the anomalies were found in, for pictures.
    """

    outline: NDArray[Any]
    grid: GeoGrid
    columns: Mapping[str, NDArray[Any]]
    threshold: Mapping[str, Any]
    candidates: Anomalies | None = None
    waiting: Sequence[Mapping[str, Any]] = ()
    seen: Any = None

    def __repr__(self) -> str:
        import hsad  # the package's public function: the sentence is made from this class

        return f"<{hsad.headline(self)}>"

    def _repr_html_(self) -> str:
        """Return the headline, a picture and the first ten as HTML for notebooks."""
        import hsad  # the package's public function: figures are a room above this one

        return str(hsad.plot.anomalies_html(self))

    def __len__(self) -> int:
        return len(self.outline)

    def records(self) -> list[dict[str, Any]]:
        """Return one dict per anomaly, ready for JSON: NaN is None."""
        names = list(self.columns)
        return [
            dict(zip(names, map(_plain, values), strict=True))
            for values in zip(*(self.columns[name].tolist() for name in names), strict=True)
        ]

    def to_dataframe(self) -> Any:
        """Return a table with a row for each anomaly, its columns, and its outline as ``geometry``.

        Returns
        -------
        geopandas.GeoDataFrame or pandas.DataFrame
            A GeoDataFrame in the CRS of the grid where geopandas is installed; pandas comes with xarray.

        Examples
        --------
        >>> import hsad, numpy as np
        >>> hsad.polygons(np.eye(40), threshold=0.5).to_dataframe()[["id", "n_pixels", "state"]].values.tolist()
        [[1, 40, 'pending']]
        """
        import pandas as pd

        table = pd.DataFrame({name: list(self.columns[name]) for name in self.columns})
        try:
            import geopandas
        except ImportError:
            return table.assign(geometry=list(self.outline))
        return geopandas.GeoDataFrame(table, geometry=list(self.outline), crs=self.grid.crs)

    def with_columns(self, **columns: NDArray[Any]) -> Anomalies:
        """Return the anomalies with some columns replaced."""
        return replace(self, columns={**self.columns, **columns})

    def in_degrees(self) -> NDArray[Any] | None:
        """Return the outlines in longitude and latitude (WGS 84), cut at the antimeridian; None without a way there."""
        import shapely

        if self.grid.crs is None or self.grid.transform is None:
            return None
        points = shapely.get_coordinates(self.outline)
        degrees = np.column_stack(in_degrees(self.grid.crs, points[:, 0], points[:, 1]))
        if not np.isfinite(degrees).all():
            return None
        return cut_at_antimeridian(np.asarray(shapely.set_coordinates(self.outline.copy(), degrees)))

    def to_geojson(self) -> dict[str, Any]:
        """Return a FeatureCollection in WGS 84 (RFC 7946).

        Without a way from the scene's CRS to WGS 84 the coordinates are those of the scene, and without a transform
        they are columns and rows. The member ``remark`` says so then, and ``crs`` names the CRS as GDAL reads it. The
        member ``candidates`` is a list of features for what lies below the list.
        """
        import shapely

        degrees = self.in_degrees()
        placed = self.outline if degrees is None else degrees
        if degrees is not None and len(degrees):
            points = np.round(shapely.get_coordinates(degrees), 8)  # 1e-8 degrees: 1 mm
            placed = shapely.set_coordinates(degrees.copy(), points)
        # A normal form has its outer rings clockwise, RFC 7946 wants them the other way.
        oriented = shapely.to_geojson(shapely.reverse(shapely.normalize(placed))) if len(placed) else []
        features = [
            {"type": "Feature", "id": record["id"], "geometry": json.loads(text), "properties": record}
            for text, record in zip(oriented, self.records(), strict=True)
        ]
        below = {} if self.candidates is None else {CANDIDATES: self.candidates.to_geojson()["features"]}
        return {
            "type": "FeatureCollection",
            "name": LAYER,
            **({} if degrees is not None else self._own_coordinates()),
            "threshold": dict(self.threshold),
            "features": features,
            **below,
        }

    def _own_coordinates(self) -> dict[str, Any]:
        """Return the members that say in what the coordinates of a collection are, where that is not WGS 84."""
        crs = self.grid.crs
        if self.grid.transform is None:
            return {"remark": "coordinates are columns and rows: the scene has no georeferencing"}
        if crs is None:
            return {"remark": "coordinates are those of the scene, which names no CRS"}
        authority = crs.to_authority()
        name = ":".join(authority) if authority else crs.to_wkt()
        return {
            "crs": {"type": "name", "properties": {"name": name}},
            "remark": "coordinates are those of the scene, for there is no way from its CRS to WGS 84",
        }


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_anomalies(anomalies: Anomalies, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write anomalies in the format that the name of the file ends with.

    Parameters
    ----------
    anomalies : Anomalies
    path : path
        ``.gpkg`` (with the candidates as a second layer, and styles for QGIS), ``.geojson``, ``.shp`` (names of fields
        are cut to 10 characters, texts to 254 bytes), ``.kml``, or ``.csv`` (without outlines). Only the first two hold
        candidates and spectra.
    overwrite : bool
        Whether existing files may be replaced.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        When the file cannot be written, or a KML file is asked for without a way to longitude and latitude; nothing is
        left behind then.

    Examples
    --------
    >>> import hsad, numpy as np, pathlib, tempfile
    >>> found = hsad.polygons(np.eye(40), threshold=0.5)
    >>> hsad.write_anomalies(found, pathlib.Path(tempfile.mkdtemp()) / "a.csv").name
    'a.csv'
    """
    target = check_output(path, VECTOR_SUFFIXES, overwrite=overwrite)
    suffix = target.suffix.lower()
    names = SHAPEFILE if suffix == ".shp" else (suffix,)
    for name in names[:-1]:
        check_output(target.with_suffix(name), (), overwrite=overwrite)
    with staging(target) as folder:
        staged = folder / f"anomalies{suffix}"
        _write(anomalies, staged, target)
        for name in names:
            if staged.with_suffix(name).exists():  # a layer without a CRS has no .prj
                publish(
                    staged.with_suffix(name),
                    target.with_suffix(name if name != suffix else target.suffix),
                    overwrite=overwrite,
                )
    return target


def _write(anomalies: Anomalies, staged: Path, target: Path) -> None:
    """Write anomalies into a file that `target` will be the name of."""
    suffix = staged.suffix
    crs = None if anomalies.grid.crs is None else anomalies.grid.crs.to_wkt()
    names = dict.fromkeys((*COLUMNS, *anomalies.columns))  # a search has columns of its own
    columns = {name: np.asarray(anomalies.columns[name]) for name in names}
    plain = {name: column for name, column in columns.items() if name not in SPECTRA}
    if suffix == ".gpkg":
        metadata = {"threshold": json.dumps(dict(anomalies.threshold))}
        if anomalies.waiting:
            metadata["waiting_marks"] = json.dumps([dict(mark) for mark in anomalies.waiting])
        styles = vector_styles(STATES, GRADES)
        write_layer(staged, target, LAYER, anomalies.outline, columns, crs, metadata)
        if anomalies.candidates is not None:
            below = {name: np.asarray(anomalies.candidates.columns[name]) for name in names}
            write_layer(staged, target, CANDIDATES, anomalies.candidates.outline, below, crs)
            add_styles(staged, target, CANDIDATES, {"by state": styles["by state"]})
        add_styles(staged, target, LAYER, styles)
    elif suffix == ".shp":
        write_layer(staged, target, target.stem, anomalies.outline, plain, crs)
    elif suffix == ".kml":
        degrees = anomalies.in_degrees()
        if degrees is None:
            raise OutputError(
                f"{target}: KML holds longitude and latitude, to which this scene has no way: choose .gpkg"
            )
        write_layer(staged, target, LAYER, degrees, plain, "EPSG:4326")
    elif suffix == ".csv":
        staged.write_text(csv_text(plain), encoding="utf-8", newline="")
    else:
        text = json.dumps(anomalies.to_geojson(), allow_nan=False)
        staged.write_text(text + "\n", encoding="utf-8")


def read_anomalies(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the fields of every anomaly in a file that `write_anomalies` made.

    Raises
    ------
    SceneError
        When it is no such file.
    ParameterError
        When a state is unknown.
    """
    return _records(open_layer(path, outlines=False)[2])


def read_candidates(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the fields of what lies below the list in a GeoPackage of `write_anomalies`; nothing from other files.

    Raises
    ------
    SceneError
        When it is no such file.
    """
    from pyogrio import list_layers

    try:
        layers = {str(name) for name, _ in list_layers(existing_file(Path(path)))}
    except layer_errors() as error:
        raise SceneError(f"{path}: not a readable vector file: {' '.join(str(error).split())}") from error
    return _records(open_layer(path, outlines=False, layer=CANDIDATES)[2]) if CANDIDATES in layers else []


def _records(fields: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    columns = [column.tolist() for column in fields.values()]
    return [dict(zip(fields, map(_plain, values), strict=True)) for values in zip(*columns, strict=True)]


def open_layer(
    path: str | os.PathLike[str], *, outlines: bool = True, layer: str = LAYER
) -> tuple[str | None, NDArray[Any] | None, dict[str, NDArray[Any]]]:
    """Return the CRS of a list of anomalies, the outlines as shapely geometry (None without them), and its columns.

    Raises
    ------
    SceneError
        When it is no file that `write_anomalies` made.
    ParameterError
        When a state is unknown.
    """
    import shapely
    from pyogrio.raw import read

    try:
        meta, _, wkb, fields = read(str(existing_file(Path(path))), layer=layer, read_geometry=outlines)
    except layer_errors() as error:
        raise SceneError(f"{path}: not a readable vector file: {' '.join(str(error).split())}") from error
    names = list(meta["fields"])
    if not set(_NAMING) <= set(names):
        raise SceneError(f"{path}: holds no anomalies of hsad: its fields are {', '.join(names) or 'none'}")
    for name, column in zip(names, fields, strict=True):
        if name in _NAMING and column.dtype.kind not in "iu":  # numbers with a null among them are floats
            raise SceneError(f"{path}: holds no anomalies of hsad: its field {name} is not of whole numbers")
    columns = dict(zip(names, fields, strict=True))
    if "state" in columns:  # files of earlier versions have other words
        places = zip(columns["id"].tolist(), columns["state"].tolist(), strict=True)
        states = [state_of(str(state or ""), f"{path}: anomaly {number}: state") for number, state in places]
        columns["state"] = np.array(states, dtype=object)
    return meta["crs"], shapely.from_wkb(wkb) if outlines else None, columns


def layer_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the texts that a GeoPackage of anomalies has beside its columns; none where it cannot be read."""
    from pyogrio import read_info

    try:
        return dict(read_info(str(existing_file(Path(path))), layer=LAYER)["layer_metadata"] or {})
    except layer_errors():
        return {}


def read_threshold(path: str | os.PathLike[str]) -> float | None:
    """Return the score from which on a GeoPackage lists anomalies; None where it does not say so."""
    try:
        return float(json.loads(layer_metadata(path)["threshold"])["threshold"])
    except (KeyError, TypeError, ValueError):  # a layer without the text, or another text
        return None
