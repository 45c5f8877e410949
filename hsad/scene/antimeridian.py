"""Outlines in longitude and latitude that cross the antimeridian: cut there, as RFC 7946 (GeoJSON) and STAC ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cut_at_antimeridian", "longitude_range"]


def cut_at_antimeridian(outlines: NDArray[Any]) -> NDArray[Any]:
    """Return polygons with longitudes from -180 to 180 degrees: what crosses the antimeridian has a part on each side.

    Parameters
    ----------
    outlines : (n,) ndarray of shapely Polygon or MultiPolygon
        In degrees. Longitudes may run beyond 180, or jump by 360 where a line crosses the antimeridian. Points that
        follow each other are less than 180 degrees of longitude apart. A ring around a pole includes the pole.
    """
    import shapely

    if not len(outlines):
        return outlines
    west, _, east, _ = shapely.bounds(outlines).T
    crossing = np.flatnonzero((west < -180) | (east > 180) | (east - west > 180))
    cut = outlines.copy()
    for number in crossing:
        parts = [piece for part in getattr(outlines[number], "geoms", [outlines[number]]) for piece in _pieces(part)]
        cut[number] = shapely.union_all(parts)
    return cut


def _pieces(polygon: Any) -> list[Any]:
    """Return the parts of a polygon that lie within -180 to 180 degrees, once its longitudes are continuous."""
    import shapely
    from shapely.affinity import translate

    shell = _continuous(polygon.exterior)
    low, high = shell[:, 0].min(), shell[:, 0].max()
    holes = []
    for interior in polygon.interiors:
        hole = _continuous(interior)
        hole[:, 0] += 360 * np.round(((low + high) / 2 - hole[:, 0].mean()) / 360)
        holes.append(hole)
    whole = shapely.Polygon(shell, holes)
    pieces = []
    for turn in range(int((low + 180) // 360), int(np.ceil((high + 180) / 360))):
        part = shapely.intersection(whole, shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90))
        moved = translate(part, -360 * turn)
        pieces += [piece for piece in getattr(moved, "geoms", [moved]) if piece.geom_type == "Polygon" and piece.area]
    return pieces or [whole]


def _continuous(ring: Any) -> NDArray[np.float64]:
    """Return the points of a ring with continuous longitudes; a ring around a pole goes by way of the pole."""
    points = np.array(ring.coords)[:, :2]
    points[:, 0] = np.unwrap(points[:, 0], period=360)
    if abs(points[-1, 0] - points[0, 0]) < 180:
        return points
    pole = np.copysign(90.0, points[:, 1].mean())
    return np.concatenate([points, [(points[-1, 0], pole), (points[0, 0], pole), points[0]]])


def longitude_range(outline: Any) -> tuple[float, float]:
    """Return the west and the east end of an outline in longitude; west > east where it crosses the antimeridian.

    They enclose the parts of the outline and leave out the widest stretch of longitudes without a part.
    """
    spans = sorted((float(part.bounds[0]), float(part.bounds[2])) for part in getattr(outline, "geoms", [outline]))
    stops = np.maximum.accumulate([stop for _, stop in spans])
    starts = [start for start, _ in spans]
    gaps = [(starts[number + 1] - stops[number], number + 1) for number in range(len(spans) - 1)]
    width, after = max(gaps, default=(0.0, 0))
    if width <= starts[0] + 360 - stops[-1]:
        return starts[0], float(stops[-1])
    return starts[after], float(stops[after - 1])
