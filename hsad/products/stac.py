"""STAC items (core 1.1) of score rasters: content, position, time and processing."""

from __future__ import annotations

import itertools
import json
import math
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from hsad.files import whole_file
from hsad.products.provenance import Provenance, sha256_of, source_file
from hsad.scene.antimeridian import cut_at_antimeridian, longitude_range
from hsad.scene.ground import in_degrees

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hsad.products.summary import BandSummary
    from hsad.scene.cube import GeoGrid

__all__ = ["EXTENSIONS", "add_asset", "footprint", "stac_item"]

_SCHEMAS = "https://stac-extensions.github.io"
EXTENSIONS = {
    "projection": f"{_SCHEMAS}/projection/v2.0.0/schema.json",
    "processing": f"{_SCHEMAS}/processing/v1.2.0/schema.json",
    "raster": f"{_SCHEMAS}/raster/v2.0.0/schema.json",
    "file": f"{_SCHEMAS}/file/v2.1.0/schema.json",
}
"""The extensions of the items, in the versions of their fields."""

_EDGE_POINTS = 8
"""Number of points on each edge of a footprint. The deviation from a curved edge is 1/64 of that of its chord."""
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_SHA256 = "1220"  # multihash: code of SHA-256, length 32


def stac_item(
    raster: Path,
    final: Path,
    *,
    grid: GeoGrid,
    provenance: Provenance,
    bands: Sequence[BandSummary],
    descriptions: Sequence[str],
) -> dict[str, Any]:
    """Return the STAC item of a score raster.

    Parameters
    ----------
    raster : Path
        The complete raster under its temporary name. The item has its size and checksum.
    final : Path
        The final name of the raster; the item and the style are beside it.
    grid : GeoGrid
        The grid of the raster. If its CRS has no transformation to WGS 84, the geometry is null, as STAC requires.
    provenance : Provenance
    bands : sequence of BandSummary
        The statistics of each band.
    descriptions : sequence of str
        The names of the bands.

    Returns
    -------
    dict
        The item, without NaN, for `json.dumps`.

    Notes
    -----
    ``datetime`` is the time of the acquisition. If the scene does not state it, ``datetime`` is the time of processing,
    because STAC requires a time, and the description says so.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    geometry = footprint(grid)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [EXTENSIONS["processing"], EXTENSIONS["raster"], EXTENSIONS["file"]],
        "id": final.stem,
        "geometry": geometry,
        "properties": {
            "title": f"Anomaly scores of {Path(provenance.source).name}" if provenance.source else "Anomaly scores",
            **_acquired(provenance.acquired, now),
            "created": now,
            **_processing(provenance, now),
        },
        "links": _links(provenance, final),
        "assets": {
            "scores": {
                "href": f"./{quote(final.name)}",
                "type": _COG,
                "title": "Anomaly scores; higher is more anomalous",
                "roles": ["data"],
                "file:size": raster.stat().st_size,
                "file:checksum": _SHA256 + sha256_of(raster),
                "bands": [_band(band, name, grid) for band, name in zip(bands, descriptions, strict=True)],
            },
            "style": {
                "href": f"./{quote(final.with_suffix('.qml').name)}",
                "type": "application/xml",
                "title": "QGIS style",
                "roles": ["metadata"],
            },
        },
    }
    if geometry is not None:
        item["bbox"] = _bbox(geometry)
    projection = _projection(grid)
    if projection:
        item["stac_extensions"].append(EXTENSIONS["projection"])
        item["properties"] |= projection
    return item


def add_asset(
    item: Path, name: str, file: Path, *, title: str, media_type: str, fields: Mapping[str, Any] | None = None
) -> None:
    """Add a file that lies beside an item to its assets, with further fields of the asset.

    Raises
    ------
    OutputError
        When the item cannot be written.
    """
    document = json.loads(item.read_text("utf-8"))
    document["assets"][name] = {
        "href": f"./{quote(file.name)}",
        "type": media_type,
        "title": title,
        "roles": ["data"],
        "file:size": file.stat().st_size,
        "file:checksum": _SHA256 + sha256_of(file),
        **(fields or {}),
    }
    with whole_file(item, overwrite=True) as staged:
        staged.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def footprint(grid: GeoGrid) -> dict[str, Any] | None:
    """Return the outline of a grid as GeoJSON in WGS 84, None if there is no transformation to WGS 84.

    Each edge has 8 points, because a straight edge in the grid's CRS is curved in longitude and latitude. An outline
    across the antimeridian is cut there, as RFC 7946 requires. Coordinates are rounded to 1e-7 degrees (1 cm).
    """
    import shapely

    if grid.crs is None or grid.transform is None:
        return None
    corners = [(0, 0), (0, grid.rows), (grid.cols, grid.rows), (grid.cols, 0), (0, 0)]
    pixels = [
        (x0 + (x1 - x0) * step / _EDGE_POINTS, y0 + (y1 - y0) * step / _EDGE_POINTS)
        for (x0, y0), (x1, y1) in itertools.pairwise(corners)
        for step in range(_EDGE_POINTS)
    ]
    lon, lat = in_degrees(grid.crs, *grid.to_map(pixels).T)
    if not (np.isfinite(lon) & np.isfinite(lat)).all():
        return None  # a local grid, another planet, or coordinates outside of the projection's domain
    outline = np.array([shapely.Polygon(np.column_stack([lon, lat]))], dtype=object)
    (cut,) = cut_at_antimeridian(outline)
    polygons = [
        [_counterclockwise(part.exterior.coords), *(_counterclockwise(ring.coords)[::-1] for ring in part.interiors)]
        for part in getattr(cut, "geoms", [cut])
    ]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _counterclockwise(ring: Sequence[Sequence[float]]) -> list[list[float]]:
    points = [[round(float(x), 7), round(float(y), 7)] for x, y, *_ in ring]
    area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in itertools.pairwise(points))
    return points if area > 0 else points[::-1]


def _bbox(geometry: Mapping[str, Any]) -> list[float]:
    """Return west, south, east, north; west > east if the antimeridian cuts the outline (RFC 7946)."""
    import shapely

    outline = shapely.geometry.shape(geometry)
    west, east = longitude_range(outline)
    _, south, _, north = outline.bounds
    return [west, south, east, north]


def _projection(grid: GeoGrid) -> dict[str, Any]:
    if grid.crs is None and grid.transform is None:
        return {}
    fields: dict[str, Any] = {"proj:code": None, "proj:shape": [grid.rows, grid.cols]}
    if grid.transform is not None:
        fields["proj:transform"] = list(grid.transform)[:6]
    if grid.crs is not None:
        authority = grid.crs.to_authority()
        if authority is not None:
            fields["proj:code"] = ":".join(authority)
        else:
            fields["proj:wkt2"] = grid.crs.to_wkt(version="WKT2_2019")
    return fields


def _acquired(text: str, now: str) -> dict[str, Any]:
    """Return the time fields for an acquisition at a time or in an interval (``START/END``)."""
    try:
        times = [_day_or_time(part) for part in text.split("/")]
    except ValueError:
        times = []
    if not 1 <= len(times) <= 2:
        said = "The scene does not state when it was acquired: datetime is the time of processing."
        return {"datetime": now, "description": said}
    start, end = min(first for first, _ in times), max(last for _, last in times)
    if start == end:
        return {"datetime": _utc(start)}
    return {"datetime": None, "start_datetime": _utc(start), "end_datetime": _utc(end)}


def _day_or_time(text: str) -> tuple[datetime, datetime]:
    """Return the first and the last second of a day, or twice a time, in ISO 8601; without a time zone it is UTC.

    Raises
    ------
    ValueError
        When the text is no time.
    """
    moment = datetime.fromisoformat(text.strip())
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    is_day = ":" not in text and "T" not in text.upper()
    return moment, moment + timedelta(days=1, seconds=-1) if is_day else moment


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def _processing(provenance: Provenance, now: str) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "processing:lineage": " ".join(
            ["Scored by hsad", *([f"with the method {provenance.method}"] if provenance.method else [])]
        ),
        "processing:datetime": now,
    }
    if provenance.version:
        fields["processing:software"] = {"hsad": provenance.version}
    if provenance.method:
        fields["processing:expression"] = {
            "format": "hsad",
            "expression": {"method": provenance.method, "parameters": _parameters(provenance.parameters)},
        }
    return fields


def _parameters(text: str) -> Any:
    """Return the parameters as an object, or the text if it is no JSON."""
    try:
        return json.loads(text) if text else {}
    except json.JSONDecodeError:
        return text


def _links(provenance: Provenance, final: Path) -> list[dict[str, Any]]:
    """Return the link to the source, relative to the item if possible."""
    source = source_file(provenance.source)
    if source is None:
        return []
    try:
        href = quote(Path(os.path.relpath(source.resolve(), final.resolve().parent)).as_posix())
    except ValueError:  # another drive
        href = source.resolve().as_uri()
    link: dict[str, Any] = {"rel": "derived_from", "href": href, "title": source.name}
    if provenance.source_sha256:
        link["file:checksum"] = _SHA256 + provenance.source_sha256
    return [link]


def _band(band: BandSummary, name: str, grid: GeoGrid) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": name,
        "data_type": "float32",
        "nodata": "nan",
        "raster:sampling": "area",
    }
    if grid.transform is not None and grid.crs is not None and grid.crs.is_projected:
        fields["raster:spatial_resolution"] = math.sqrt(abs(grid.transform.determinant))
    if band.count:
        fields["statistics"] = {
            "minimum": band.minimum,
            "maximum": band.maximum,
            "mean": band.mean,
            "stddev": band.stddev,
            "count": band.count,
            "valid_percent": band.valid_percent,
        }
    return fields
