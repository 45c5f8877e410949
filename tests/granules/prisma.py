"""PRISMA L1, L2C and L2D, as the Italian space agency delivers them (HDF-EOS5)."""

from __future__ import annotations

import h5py
import numpy as np

from granules import COLS, ROWS, stored

#: Descending, an empty slot first; the last of the SWIR lies within the range of the VNIR.
VNIR = [0.0, 970.0, 950.0, 700.0, 400.0]
SWIR = [2490.0, 1400.0, 1000.0, 945.0, 0.0]


def write(folder, level="L2D", *, errors=True):
    """Write a product: row 0 is padding, (2, 1) has an error in VNIR slot 3 (700 nm), (3, 3) a cloud (L1)."""
    path = folder / f"PRS_{level}_STD_20210101101010_20210101101014_0001.he5"
    with h5py.File(path, "w") as file:
        file.attrs["Processing_Level"] = np.bytes_(level[1:])
        fields = file.create_group(f"HDFEOS/SWATHS/PRS_{level}_HCO/Data Fields")
        for arm, centres, first in (("Vnir", VNIR, 0), ("Swir", SWIR, 5000)):
            numbers = stored(len(centres), "uint16") + np.uint16(first)
            numbers[0] = 0
            fields[f"{arm.upper()}_Cube"] = np.ascontiguousarray(numbers.transpose(0, 2, 1))
            file.attrs[f"List_Cw_{arm}"] = np.array(centres, "f4")
            file.attrs[f"List_Fwhm_{arm}"] = np.array([0.0 if c == 0 else 10.0 for c in centres], "f4")
            file.attrs[f"List_Cw_{arm}_Flags"] = np.array([int(c > 0) for c in centres], "i4")
            if level == "L1":
                file.attrs[f"ScaleFactor_{arm}"] = np.float32(100)
                file.attrs[f"Offset_{arm}"] = np.float32(0.5)
            else:
                file.attrs[f"L2Scale{arm}Min"] = np.float32(0.25)
                file.attrs[f"L2Scale{arm}Max"] = np.float32(1.25)
            if errors:
                matrix = np.zeros((ROWS, len(centres), COLS), "u1")
                if arm == "Vnir":
                    matrix[2, 3, 1] = 1
                kind = "SAT_ERR" if level == "L1" else "L2_ERR"
                fields[f"{arm.upper()}_PIXEL_{kind}_MATRIX"] = matrix
        if level == "L2D":
            file.attrs["Epsg_Code"] = np.int64(32632)
            # Centres of the corner pixels: 30 m apart, 3 steps across and 4 down.
            file.attrs["Product_ULcorner_easting"], file.attrs["Product_ULcorner_northing"] = 500000.0, 4600000.0
            file.attrs["Product_LRcorner_easting"], file.attrs["Product_LRcorner_northing"] = 500090.0, 4599880.0
            file.attrs["Product_LLcorner_easting"], file.attrs["Product_LLcorner_northing"] = 500000.0, 4599880.0
        else:
            suffix = "_VNIR" if level == "L1" else ""
            geolocation = file.create_group(f"HDFEOS/SWATHS/PRS_{level}_HCO/Geolocation Fields")
            row, col = np.indices((ROWS, COLS))
            geolocation[f"Latitude{suffix}"] = 41.0 - 0.01 * row
            geolocation[f"Longitude{suffix}"] = 9.0 + 0.01 * col
        if level == "L1":
            cloud = np.zeros((ROWS, COLS), "u1")
            cloud[3, 3], cloud[4, 0] = 1, 10  # 10: not of this kind
            fields["Cloud_Mask"] = cloud
    return path
