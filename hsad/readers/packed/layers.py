"""One cube from several images of one size and type, such as the pages of a TIFF or the files of a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsad.errors import SceneError
from hsad.gdal import open_dataset
from hsad.readers.bands import band_table, described_bands
from hsad.readers.rasters.filled import with_stated_nodata
from hsad.readers.rasters.stacked import stack
from hsad.readers.rasters.through_gdal import GdalRaster, gdal_raster, georeferencing
from hsad.readers.tiff import plain_tiff
from hsad.scene.cube import build_cube

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from hsad.scene.cube import Raster

__all__ = ["Image", "described_wavelengths", "image_of", "stacked_cube"]

_MOST_IMAGES = 4096  # each read of a window opens every image


class Image(NamedTuple):
    """An image of a stack with its metadata.

    Attributes
    ----------
    label : str
        Name of the image in messages, and of its band.
    raster : GdalRaster
    driver : str
        GDAL's name of the image's format.
    place : tuple
        CRS and transform of the image.
    nodata, gain, bias : list
        One value per band.
    description : str
        A text that may state the wavelength.
    """

    label: str
    raster: GdalRaster
    driver: str
    place: tuple[Any, Any]
    nodata: list[float | None]
    gain: list[float]
    bias: list[float]
    description: str


def image_of(name: str, label: str) -> Image:
    """Return the image that GDAL opens as `name`."""
    raster = gdal_raster(name)
    with open_dataset(name) as dataset:
        crs, transform, _ = georeferencing(dataset)
        chosen = [index - 1 for index in raster.indexes]
        texts = [dataset.tags().get("TIFFTAG_IMAGEDESCRIPTION"), *(dataset.descriptions[index] for index in chosen)]
        return Image(
            label,
            raster,
            dataset.driver,
            (crs, transform),
            [dataset.nodatavals[index] for index in chosen],
            [dataset.scales[index] for index in chosen],
            [dataset.offsets[index] for index in chosen],
            next((text for text in texts if text and described_bands([text]) is not None), ""),
        )


def described_wavelengths(texts: Sequence[str]) -> dict[str, Any]:
    """Return the wavelengths in the texts as keywords of `band_table`; an empty dict if a text states none."""
    found = described_bands(texts)
    return {} if found is None else {"wavelength": found[0], "units": found[1]}


def stacked_cube(
    images: Sequence[Image],
    *,
    source: str,
    reader: str,
    wavelength: dict[str, Any] | None = None,
    remarks: Sequence[str] = (),
) -> xr.DataArray:
    """Return the cube of several images, stacked by band.

    Parameters
    ----------
    images : sequence of Image
    source, reader : str
        Parameters of `hsad.scene.cube.build_cube`.
    wavelength : dict, optional
        Wavelengths and their unit, one wavelength per image; by default those in the images' descriptions.
    remarks : sequence of str

    Raises
    ------
    SceneError
        When the images are too many, or differ in size, type or georeferencing.
    """
    if len(images) > _MOST_IMAGES:
        raise SceneError(f"{source}: {len(images)} images are more than the {_MOST_IMAGES} that one cube may have")
    first = images[0]
    for image in images[1:]:
        if (image.raster.shape, image.raster.dtype) != (first.raster.shape, first.raster.dtype):
            raise SceneError(
                f"{source}: {first.label} is {_described(first)}, {image.label} is {_described(image)}: "
                "only images of one size and type are the bands of a cube"
            )
        if image.place != first.place:
            raise SceneError(f"{source}: {image.label} does not lie where {first.label} lies")
    rasters: list[Raster] = [
        plain_tiff(image.raster.path, image.raster) if image.driver == "GTiff" else image.raster for image in images
    ]
    gain, bias = (
        np.concatenate([getattr(image, name) for image in images]).astype(np.float64) for name in ("gain", "bias")
    )
    scaled = bool(np.any(gain != 1) or np.any(bias != 0))
    raster, nodata, nodata_remarks = with_stated_nodata(
        stack(source, rasters),
        [value for image in images for value in image.nodata],
        gain if scaled else None,
        bias if scaled else None,
    )
    bands = raster.shape[2]
    stated = wavelength if wavelength is not None else described_wavelengths([image.description for image in images])
    alone = bands == len(images)
    table = band_table(bands, names=[image.label for image in images] if alone else None, **(stated if alone else {}))
    return build_cube(
        raster,
        source=source,
        reader=reader,
        **table.coordinates,
        gain=gain if scaled else None,
        bias=bias if scaled else None,
        nodata=nodata,
        crs=first.place[0],
        transform=first.place[1],
        attrs={
            "interleave": "bsq",
            "driver": first.driver,
            "warnings": [*remarks, *table.remarks, *nodata_remarks],
        },
    )


def _described(image: Image) -> str:
    rows, cols, bands = image.raster.shape
    return f"{rows}×{cols}{f'×{bands}' if bands > 1 else ''} {image.raster.dtype}"
