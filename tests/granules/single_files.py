"""Hyperion L1T (a GeoTIFF a band) and Wyvern (a GeoTIFF and a STAC item)."""

from __future__ import annotations

import json

import numpy as np
import rasterio

from granules import COLS, ROWS, stored
from granules.dlr import TRANSFORM, write_tiff

HYPERION = "EO1H0440342011123110KF"


def write_hyperion(folder, bands=(1, 8, 57, 70, 77, 224)):
    """Write some bands of a scene: each holds its number times ten and a hundred a row; (0, 0) without data."""
    for band in bands:
        values = (10 * band + 100 * np.indices((ROWS, COLS, 1))[0]).astype("i2")
        values[0, 0] = 0
        write_tiff(folder / f"{HYPERION}_B{band:03d}_L1T.TIF", values, crs="EPSG:32633", transform=TRANSFORM)
    path = folder / f"{HYPERION}_MTL_L1T.TXT"
    path.write_text(
        "GROUP = RADIANCE_SCALING\n  SCALING_FACTOR_VNIR = 40\n  SCALING_FACTOR_SWIR = 80\nEND_GROUP\nEND\n"
    )
    return path


def write_wyvern(folder, level="L2A"):
    """Write an image: reflectance as uint16 without gain or nodata in the file, or float radiance."""
    name = "wyvern_dragonette-003_20241229T165203_abcdef12" + ("_l2a" if level == "L2A" else "")
    values = stored(3, "uint16" if level == "L2A" else "float32")
    values[0, 0] = 0
    path = folder / f"{name}.tiff"
    crs = "EPSG:32633" if level == "L2A" else "EPSG:4326"
    transform = TRANSFORM if level == "L2A" else rasterio.Affine(1e-4, 0, 10, 0, -1e-4, 50)
    write_tiff(path, values, crs=crs, transform=transform)
    with rasterio.open(path, "r+") as dataset:
        for band, centre in enumerate((503, 650, 799), start=1):
            dataset.update_tags(band, Wavelength=str(centre), Wavelength_Units="nm", FWHM="16")
    (folder / f"{name}.json").write_text(json.dumps({"type": "Feature", "stac_version": "1.0.0", "assets": {}}))
    return path
