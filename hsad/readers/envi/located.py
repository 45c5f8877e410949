"""Georeferencing of an ENVI image, from the map info of its header or from a file of coordinates beside the header."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import SceneError
from hsad.readers.envi.files import find_data
from hsad.readers.envi.header import Header, is_header, read_header
from hsad.readers.envi.layout import header_layout
from hsad.readers.rasters.raw import RawRaster
from hsad.scene.cube import degenerate
from hsad.scene.swath import PointSwath

if TYPE_CHECKING:
    from affine import Affine
    from numpy.typing import NDArray

    from hsad.scene.cube import Raster

__all__ = ["coordinates_beside", "georeferencing_of"]

_KEYS = ("map info", "projection info", "coordinate system string")
_ASSIGNED = re.compile(r"^(units|rotation)\s*[=:\s]\s*(.+)$", re.IGNORECASE)
# Northings in km of the latitude band S, 32 to 40 degrees north. With another northing, S after the zone means South.
_BAND_S = (3500.0, 4500.0)
# Names of files of coordinates, such as input geometry (IGM) of ENVI and location (LOC) of AVIRIS.
_COORDINATES = re.compile(r"[_.-](igm|loc|location|lonlat|geo)(?=[_.-]|$)", re.IGNORECASE)
_ROWS_LOOKED_AT = 17  # enough to tell degrees from metres, whichever rows are fill
_LATITUDE = re.compile(r"lat|north|^y\b", re.IGNORECASE)


def georeferencing_of(header: Header, remarks: list[str]) -> tuple[Any, Affine | None]:
    """Return the CRS and transform that a header states, None where missing.

    GDAL interprets the header's georeferencing for an image of one pixel in memory. So the signs of rotations, the
    projections and the datums agree with GDAL, and an ``.aux.xml`` beside the data file cannot override the header.

    Raises
    ------
    SceneError
        When GDAL cannot interpret the georeferencing, or the pixels have no area.
    """
    from rasterio.io import MemoryFile

    from hsad.gdal import open_dataset
    from hsad.readers.rasters.through_gdal import georeferencing

    texts = {key: header.text(key) for key in _KEYS if header.text(key)}
    if not texts:
        remarks += [
            f"the file is located by '{key}' only: results are not georeferenced"
            for key in ("geo points", "rpc info")
            if header.text(key)
        ]
        return None, None
    if "map info" in texts:
        texts["map info"] = ", ".join(_map_info(header.items("map info"), remarks))
    stated = [f"{key} = {{{text}}}" for key, text in texts.items()]
    lines = ["ENVI", "samples = 1", "lines = 1", "bands = 1", "data type = 1", "interleave = bsq", *stated, ""]
    content = "\n".join(lines).encode("utf-8", "replace")
    folder = uuid.uuid4().hex
    with (
        MemoryFile(content, dirname=folder, filename="pixel.hdr"),
        MemoryFile(b"\0\0", dirname=folder, filename="pixel.img") as pixel,
    ):
        try:
            with open_dataset(pixel.name) as dataset:
                crs, transform, located = georeferencing(dataset)
        except SceneError as error:
            raise SceneError(f"{header.path}: GDAL cannot interpret its georeferencing: {error}") from error
    if transform is not None and (reason := degenerate(transform)):
        raise SceneError(f"{header.path}: 'map info = {{{header.text('map info')}}}' {reason}")
    remarks += located
    if crs is not None and crs.wkt.startswith("LOCAL_CS"):
        projection = header.items("map info")[0]
        remarks.append(f"the map projection '{projection}' is not known: its coordinates are local")
    return crs, transform


def _map_info(items: list[str], remarks: list[str]) -> list[str]:
    """Return the items of map info in the spelling of ENVI.

    Some programs write ``rotation  12.5`` without ``=``, or the letter of a latitude band (MGRS) instead of ``North``
    or ``South``. The bands C to M are south of the equator, N to X north of the equator.
    """
    spelled = []
    for item in items:
        match = _ASSIGNED.match(item)
        spelled.append(f"{match.group(1).lower()}={match.group(2).strip()}" if match else item)
    if len(spelled) < 9 or spelled[0].lower() != "utm":
        return spelled
    zone = re.fullmatch(r"(\d+)\s*([A-Za-z])", spelled[7])
    hemisphere = spelled[8]
    if zone is not None:
        spelled[7] = zone.group(1)
        if not re.match(r"[ns]", hemisphere, re.IGNORECASE):
            spelled.insert(8, "")
            hemisphere = zone.group(2)
    if re.fullmatch(r"[A-Za-z]", hemisphere):
        letter = hemisphere.upper()
        south = letter in "CDEFGHJKLM"
        if letter == "S":
            south = not _in_band_s(spelled[4])
            taken = "South" if south else "the latitude band S (32 to 40 degrees north)"
            remarks.append(f"the S after the UTM zone is taken for {taken}, because of the northing {spelled[4]}")
        spelled[8] = "South" if south else "North"
    elif re.match(r"[ns]", hemisphere, re.IGNORECASE):
        spelled[8] = "South" if hemisphere[:1].lower() == "s" else "North"
    else:
        remarks.append(f"the map info has {hemisphere!r} in place of North or South: taken as North")
    return spelled


def _in_band_s(northing: str) -> bool:
    try:
        return _BAND_S[0] <= float(northing) / 1000 <= _BAND_S[1]
    except ValueError:
        return True


@dataclass(frozen=True)
class _Coordinate:
    """A layer of latitudes or longitudes from two bands of a file.

    Attributes
    ----------
    raster : Raster
        The file of coordinates, with two or more bands.
    bands : tuple of int
        The bands of x (longitude or easting) and y (latitude or northing).
    crs : str or None
        The CRS of the coordinates as WKT, or None if they are degrees.
    component : int
        0 for the longitudes, 1 for the latitudes.
    fill : float or None
        The number that marks missing coordinates.
    """

    raster: Raster
    bands: tuple[int, int]
    crs: str | None
    component: int
    fill: float | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.raster.shape[0], self.raster.shape[1]

    def read(self, rows: slice) -> NDArray[Any]:
        """Return some rows in degrees, with NaN for missing coordinates."""
        stored = self.raster.read(rows, slice(0, self.shape[1]))
        x, y = (stored[..., band].astype(np.float64) for band in self.bands)
        known = np.isfinite(x) & np.isfinite(y)
        if self.fill is not None:
            known &= (x != self.fill) & (y != self.fill)
        if self.crs is None:
            return np.where(known, (x, y)[self.component], np.nan)
        from rasterio.warp import transform

        degrees = np.full(x.shape, np.nan)
        degrees[known] = transform(self.crs, "EPSG:4326", x[known], y[known])[self.component]
        return degrees


def coordinates_beside(header: Header, shape: tuple[int, int], remarks: list[str]) -> PointSwath | None:
    """Return the swath of an image from a file of coordinates beside the header, or None if no such file fits.

    A file of coordinates is an ENVI image of two or three bands (longitude or easting, latitude or northing, height)
    with one pixel for each pixel of the image. Its name is that of the image, with ``_igm`` or ``_loc`` instead of the
    kind of the image, as in ``f130612_rdn`` and ``f130612_igm``.

    Parameters
    ----------
    header : Header
        Header of the image.
    shape : tuple of int
        Rows and columns of the image.
    remarks : list of str
        A remark is added for each file of coordinates that is used, or that does not fit.
    """
    stem = header.path.name.partition(".")[0].lower()
    for path in _candidates(header.path):
        line = path.name[: _COORDINATES.search(path.name).start()].lower()  # type: ignore[union-attr]  # `_candidates` matched the pattern
        if not re.match(rf"{re.escape(line)}([_.-]|$)", stem):
            continue
        try:
            located = read_header(path)
            layout = header_layout(located, [])
            raster = RawRaster(str(find_data(located, layout.size)), layout)
        except SceneError as error:
            remarks.append(f"the coordinates beside the image cannot be read: {error}")
            continue
        if raster.shape[:2] != shape or raster.shape[2] < 2:
            remarks.append(f"{path.name} is of {raster.shape[0]}×{raster.shape[1]} pixels, not the image's: not used")
            continue
        swath = _swath(located, raster, remarks)
        if swath is not None:
            remarks.append(f"the pixels are located by {path.name}")
            return swath
    return None


def _candidates(image: Path) -> list[Path]:
    """Return the headers of the files of coordinates in an image's folder."""
    try:
        beside = sorted(image.parent.iterdir())
    except OSError:  # the folder does not permit listing
        return []
    return [
        path
        for path in beside
        if path != image
        and path.suffix.lower() == ".hdr"
        and _COORDINATES.search(path.name)
        and path.is_file()
        and is_header(path)
    ]


def _largest(coordinate: _Coordinate, rows: int) -> float:
    """Return the largest size of a coordinate in some rows: a row may hold nothing but fill."""
    chosen = np.unique(np.linspace(0, rows - 1, _ROWS_LOOKED_AT).astype(int))
    sizes = [np.nanmax(np.abs(coordinate.read(slice(row, row + 1))), initial=0.0) for row in map(int, chosen)]
    return float(max(sizes))


def _swath(header: Header, raster: RawRaster, remarks: list[str]) -> PointSwath | None:
    """Return the swath of a file of coordinates, or None with a remark if the CRS of the coordinates is not known."""
    names = header.items("band names")
    bands = (1, 0) if len(names) > 1 and _LATITUDE.search(names[0]) and not _LATITUDE.search(names[1]) else (0, 1)
    text = header.text("data ignore value")
    fill = float(text) if re.fullmatch(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", text, re.IGNORECASE) else None
    x, y = (_largest(_Coordinate(raster, bands, None, component, fill), raster.shape[0]) for component in (0, 1))
    crs: str | None = None
    if not (x <= 360 and y <= 90):
        found, _ = georeferencing_of(header, [])
        if found is None:
            remarks.append(f"{header.path.name} states no CRS for its coordinates, which are not degrees: not used")
            return None
        crs = found.to_wkt()
    longitude, latitude = (_Coordinate(raster, bands, crs, component, fill) for component in (0, 1))
    return PointSwath(latitude, longitude, str(header.path))
