"""Products of satellites, made from a scene: files of exactly the layout in which they are delivered."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np

from hsad.synthetic.imaging import NODATA
from hsad.synthetic.scene import make_scene

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["ENMAP_STEM", "enmap_metadata", "make_enmap", "write_enmap", "write_tiff"]

ENMAP_STEM = "ENMAP01-____L2A-DT0000001234_20220627T104548Z_002_V010400_20230101T000000Z-"
"""Start of the names of a product's files: level, number and time of the acquisition, version, time of processing."""

_L2A_NODATA = -32768
_CLOUD, _SHADOW = 7200, 0.45  # 10⁴ · reflectance of a cloud, and the light that is left in its shadow


def write_tiff(path: str | Path, values: NDArray[Any], **profile: Any) -> None:
    """Write ``(rows, cols, bands)`` as a GeoTIFF; `profile` goes to rasterio."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    rows, cols, bands = values.shape
    given = {"driver": "GTiff", "height": rows, "width": cols, "count": bands, "dtype": values.dtype, **profile}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a product without georeferencing is meant
        with rasterio.open(path, "w", **given) as dataset:
            dataset.write(np.moveaxis(values, 2, 0))


def enmap_metadata(bands: Sequence[Mapping[str, float]], *, level: str = "L2A", empty: Collection[int] = ()) -> str:
    """Return the XML of a product, as far as it describes level and bands.

    Parameters
    ----------
    bands : sequence of mapping
        The elements of each band: ``wavelengthCenterOfBand``, ``FWHMOfBand`` and, where the product states them,
        ``GainOfBand`` and ``OffsetOfBand``.
    level : str
    empty : collection of int
        Numbers of the bands, from 1, that the statistics call empty.
    """
    described = "".join(
        f'<bandID number="{number}">' + "".join(f"<{key}>{value}</{key}>" for key, value in band.items()) + "</bandID>"
        for number, band in enumerate(bands, start=1)
    )
    statistics = "".join(
        f'<bandID number="{number}"><mean>{-1000000 if number in empty else 55}</mean>'
        f"<stdDeviation>{0 if number in empty else 7}</stdDeviation></bandID>"
        for number in range(1, len(bands) + 1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><level_X xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<base><level>{escape(level)}</level></base>"
        f"<specific><bandCharacterisation>{described}</bandCharacterisation></specific>"
        f"<product><bandStatistics>{statistics}</bandStatistics></product></level_X>"
    )


def write_enmap(
    folder: str | Path,
    values: NDArray[np.int16],
    metadata: str,
    layers: Mapping[str, NDArray[np.uint8]],
    *,
    stem: str = ENMAP_STEM,
    cog: bool = False,
    **grid: Any,
) -> Path:
    """Write the files of an EnMAP product into a folder and return the path of its image.

    Parameters
    ----------
    folder : path
        It exists.
    values : (rows, cols, bands) ndarray of int16
    metadata : str
        See `enmap_metadata`.
    layers : mapping of str to (rows, cols, layers) ndarray of uint8
        Quality layers by their names, such as ``QL_QUALITY_CLOUD``.
    stem : str
        Start of the names of all files.
    cog : bool
        Whether the image is a Cloud-Optimized GeoTIFF, as in products that are ordered so.
    **grid
        ``crs`` and ``transform`` of all images, and ``nodata`` of the spectral image.
    """
    folder, suffix = Path(folder), "_COG" if cog else ""
    image = folder / f"{stem}SPECTRAL_IMAGE{suffix}.TIF"
    write_tiff(image, values, **({"driver": "COG"} if cog else {"interleave": "band"}), **grid)
    (folder / f"{stem}METADATA.XML").write_text(metadata, encoding="utf-8")
    place = {key: grid[key] for key in ("crs", "transform") if key in grid}
    for name, layer in layers.items():
        write_tiff(folder / f"{stem}{name}{suffix}.TIF", layer, photometric="minisblack", **place)
    return image


def make_enmap(folder: str | Path, rows: int = 96, cols: int = 110, seed: int = 0) -> Path:
    """Write a made EnMAP L2A product: a synthetic scene with a few odd objects, a cloud and the cloud's shadow.

    Parameters
    ----------
    folder : path
        Folder in which the folder of the product is made.
    rows, cols : int
        Size in pixels of 30 m, at least 60.
    seed : int
        Seed of the scene, see `make_scene`.

    Returns
    -------
    Path
        Folder of the product: an int16 GeoTIFF of 224 bands, metadata and quality layers.

    Examples
    --------
    >>> import tempfile, hsad
    >>> from hsad.synthetic import make_enmap
    >>> product = make_enmap(tempfile.mkdtemp(), rows=60, cols=60)
    >>> hsad.describe(hsad.open_cube(product))["product"]
    'EnMAP L2A'
    """
    made = make_scene(
        rows, cols, 224, seed, target_sizes=(1, 2, 4, 9), fills=(1.0,), contrasts=(1.0,), heading=0, pixel_size=30.0
    )
    values, cloud, shadow = _clouded(made.cube)
    bands = [
        {"wavelengthCenterOfBand": centre, "FWHMOfBand": width, "GainOfBand": gain, "OffsetOfBand": 0}
        for centre, width, gain in zip(
            made.cube.wavelength.values.round(2), made.cube.fwhm.values, made.cube.gain.values, strict=True
        )
    ]
    product = Path(folder) / ENMAP_STEM.rstrip("-")
    product.mkdir(parents=True)
    grid = {"crs": made.cube.rio.crs, "transform": made.cube.rio.transform(), "nodata": _L2A_NODATA}
    layers = {
        "QL_QUALITY_CLOUD": cloud[..., None].astype("u1"),
        "QL_QUALITY_CLOUDSHADOW": shadow[..., None].astype("u1"),
    }
    write_enmap(product, values, enmap_metadata(bands), layers, **grid)
    return product


def _clouded(cube: xr.DataArray) -> tuple[NDArray[np.int16], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the numbers of a scene with a cloud in its upper left part, and the pixels of cloud and shadow."""
    values = cube.values.copy()
    cloud = _ellipse(values.shape, 14, 18)
    shadow = _ellipse(values.shape, 22, 30) & ~cloud
    values[shadow] = _SHADOW * values[shadow]
    values[cloud] = _CLOUD + values[cloud] // 20
    values[cube.values == NODATA] = _L2A_NODATA
    return values, cloud, shadow


def _ellipse(shape: tuple[int, ...], row: float, col: float) -> NDArray[np.bool_]:
    """Return the pixels of an ellipse of 18 by 26 pixels around a place."""
    rows, cols = np.indices(shape[:2])
    return np.asarray(((rows - row) / 9) ** 2 + ((cols - col) / 13) ** 2 < 1)
