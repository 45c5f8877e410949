"""Outlines with columns as files of other programs: GeoPackage, Shapefile, KML, and CSV without the outlines."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import OutputError, without_warnings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SHAPEFILE", "add_styles", "csv_text", "layer_errors", "write_layer"]

SHAPEFILE = (".dbf", ".shx", ".prj", ".cpg", ".shp")
"""The files of a shapefile, in the order in which they get their names."""

_NAME, _TEXT = 10, 254
"""Characters of a name, and bytes of a text, in the table of a shapefile (dBASE)."""
_FORMULA = re.compile("^[\\s\\0]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|^[\\t\\r\\n]")
"""What a spreadsheet takes for a formula."""

_DRIVERS: dict[str, tuple[str, dict[str, str]]] = {
    # GDAL of before 2023 (QGIS 3.22) warns of newer versions.
    ".gpkg": ("GPKG", {"VERSION": "1.3"}),
    ".shp": ("ESRI Shapefile", {}),
    ".kml": ("KML", {"NameField": "id"}),
}


def layer_errors() -> tuple[type[Exception], ...]:
    """Return the errors with which pyogrio reads and writes."""
    from pyogrio import errors

    return (
        errors.DataSourceError, errors.DataLayerError, errors.FeatureError, errors.FieldError, errors.GeometryError,
        errors.CRSError,
    )  # fmt: skip


def write_layer(
    path: Path,
    target: Path,
    layer: str,
    outlines: NDArray[Any],
    columns: Mapping[str, NDArray[Any]],
    crs: str | None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write outlines and their columns as a layer: of a new file, or a further one of a GeoPackage that exists.

    Parameters
    ----------
    path, target : Path
        The file (``.gpkg``, ``.shp`` or ``.kml``), and the name that it will get, for messages. A shapefile has names
        of fields of at most 10 characters, so longer ones are cut, and texts of at most 254 bytes.
    layer : str
        The name of the layer.
    outlines : (n,) ndarray of shapely Polygon or MultiPolygon, or None
    columns : mapping of str to (n,) ndarray
        NaN and None become null.
    crs : str or None
    metadata : mapping of str to str, optional
        Of the layer; only a GeoPackage holds it.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    import shapely
    from pyogrio.raw import write

    suffix = path.suffix.lower()
    driver, options = _DRIVERS[suffix]
    masks = [_unknown(column) for column in columns.values()]
    values = list(columns.values())
    names = list(columns)
    if suffix == ".shp":
        names = [name[:_NAME] for name in names]
        values = [_of_shapefile(column) for column in values]
    several = [shapely.MultiPolygon([o]) if o is not None and o.geom_type == "Polygon" else o for o in outlines]
    try:
        # pyogrio warns of a layer without a CRS. A scene without a CRS has such a layer.
        with without_warnings(UserWarning):
            write(
                str(path),
                np.array(shapely.to_wkb(several), dtype=object),
                values,
                names,
                field_mask=masks,
                layer=layer,
                driver=driver,
                geometry_type="MultiPolygon" if suffix == ".gpkg" else "Unknown" if suffix == ".kml" else "Polygon",
                crs=crs,
                encoding="UTF-8" if suffix == ".shp" else None,
                dataset_options=options,
                layer_metadata=dict(metadata or {}) or None,
            )
    except layer_errors() as error:
        raise OutputError(f"{target}: cannot be written: {' '.join(str(error).split())}") from error


def _unknown(column: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Return which values of a column are not known, None for a type that has no such value."""
    if column.dtype.kind == "O":
        return np.array([value is None for value in column], dtype=np.bool_)
    return np.isnan(column) if column.dtype.kind == "f" else None


def _of_shapefile(column: NDArray[Any]) -> NDArray[Any]:
    """Return a column as the table of a shapefile holds it."""
    if column.dtype.kind == "b":
        return column.astype(np.int32)
    if column.dtype.kind != "O":
        return column
    cut = [None if text is None else str(text).encode()[:_TEXT].decode(errors="ignore") for text in column]
    return np.array(cut, dtype=object)


def add_styles(path: Path, target: Path, layer: str, styles: Mapping[str, str]) -> None:
    """Add styles of QGIS to a GeoPackage, by their names; QGIS draws the layer with the first one.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    try:
        with closing(sqlite3.connect(path)) as database, database:
            database.executescript(_STYLE_TABLE)
            database.executemany(
                "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, "
                "styleName, styleQML, styleSLD, useAsDefault, description, owner, ui) "
                "VALUES ('', '', ?, 'geom', ?, ?, '', ?, ?, '', NULL)",
                [
                    (layer, name, style, place == 0, f"{layer} {name}, written by hsad")
                    for place, (name, style) in enumerate(styles.items())
                ],
            )
            database.execute(
                "INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) "
                "VALUES ('layer_styles', 'attributes', 'layer_styles', 'QGIS styles', 0)"
            )
    except sqlite3.Error as error:
        raise OutputError(f"{target}: cannot be written: {error}") from error


_STYLE_TABLE = """
CREATE TABLE IF NOT EXISTS layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
  f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
  useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
  update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
"""


def csv_text(columns: Mapping[str, NDArray[Any]]) -> str:
    """Return columns as the text of a CSV file with a header.

    What is not known is empty. A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(columns)
    for values in zip(*(column.tolist() for column in columns.values()), strict=True):
        rows.writerow([_cell(value) for value in values])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value
