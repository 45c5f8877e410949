"""Tanager-1 ``ortho`` and ``basic`` products, as Planet delivers them (HDF-EOS5)."""

from __future__ import annotations

import h5py
import numpy as np

from granules import COLS, ROWS, stored

WAVELENGTHS = [380.0, 900.0, 1400.0]
STRUCTURE = """GROUP=GridStructure
\tGROUP=GRID_1
\t\tGridName="HYP"
\t\tXDim={cols}
\t\tYDim={rows}
\t\tUpperLeftPointMtrs=(500000.0,4100000.0)
\t\tLowerRightMtrs=(500120.0,4099850.0)
\t\tProjection=HE5_GCTP_UTM
\t\tPixelRegistration=HE5_HDFE_CORNER
\t\tGridOrigin=HE5_HDFE_GD_UL
\tEND_GROUP=GRID_1
END_GROUP=GridStructure
"""


def write(folder, kind="ortho", quantity="sr"):
    """Write a product: no data at (0, 0), a cloud at (1, 2), cirrus at (2, 2)."""
    path = folder / f"20250503_064345_16_4001_{kind}_{quantity}_hdf5.h5"
    group = "HDFEOS/GRIDS/HYP" if kind == "ortho" else "HDFEOS/SWATHS/HYP"
    numbers = (stored(len(WAVELENGTHS)) / 10000).astype("f4")
    numbers[0, 0] = -9999
    with h5py.File(path, "w") as file:
        fields = file.create_group(f"{group}/Data Fields")
        name = {"sr": "surface_reflectance", "radiance": "toa_radiance"}[quantity]
        cube = fields.create_dataset(name, data=np.moveaxis(numbers, 2, 0), chunks=(3, 2, 2), compression="gzip")
        cube.attrs["wavelengths"], cube.attrs["fwhm"] = np.array(WAVELENGTHS), np.full(3, 5.5)
        cube.attrs["_FillValue"] = np.float32(-9999)
        if quantity == "sr":
            cube.attrs["good_wavelengths"] = np.array([1, 1, 0])
        for key, place in (("nodata_pixels", (0, 0)), ("beta_cloud_mask", (1, 2)), ("beta_cirrus_mask", (2, 2))):
            layer = np.zeros((ROWS, COLS), "u1")
            layer[place] = 1
            layer[4, 3] = 255  # fill: nothing is known
            fields[key] = layer
        if kind == "ortho":
            file[group].attrs["epsg_code"] = np.int64(32610)
            file["HDFEOS INFORMATION/StructMetadata.0"] = STRUCTURE.format(rows=ROWS, cols=COLS)
        else:
            row, col = np.indices((ROWS, COLS))
            file[f"{group}/Geolocation Fields/Latitude"] = 37.0 - 0.001 * row
            file[f"{group}/Geolocation Fields/Longitude"] = -121.0 + 0.001 * col
    return path
