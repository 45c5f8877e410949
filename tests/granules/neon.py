"""NEON AOP reflectance, flight lines and mosaic tiles (HDF5)."""

from __future__ import annotations

import h5py
import numpy as np

from granules import COLS, ROWS, stored

WAVELENGTHS = [384.0, 1000.0, 1400.0, 2000.0]
MAP_INFO = "UTM, 1.000, 1.000, 732000.00, 4714000.0, 1.0000000, 1.0000000, 18, North, WGS-84, units=Meters, rotation=0"


def write(folder, *, dtype="int16", fwhm=True, map_info=MAP_INFO, windows=True):
    """Write a tile: no data in the last row; a value of 1.2 and one of −0.05, which are data; a cloud at (0, 0)."""
    path = folder / "NEON_D01_HARV_DP3_732000_4714000_reflectance.h5"
    numbers = stored(len(WAVELENGTHS), dtype)
    numbers[0, 1, 0], numbers[0, 2, 0] = 12000, -500
    numbers[4] = -9999
    with h5py.File(path, "w") as file:
        group = file.create_group("HARV/Reflectance")
        group["Reflectance_Data"] = numbers
        group["Reflectance_Data"].attrs["Scale_Factor"] = 10000.0
        group["Reflectance_Data"].attrs["Data_Ignore_Value"] = -9999.0
        if windows:
            group.attrs["Band_Window_1_Nanometers"] = np.array([1340, 1445])
            group.attrs["Band_Window_2_Nanometers"] = np.array([1790, 1955])
        spectral = group.create_group("Metadata/Spectral_Data")
        spectral["Wavelength"] = np.array(WAVELENGTHS)
        spectral["Wavelength"].attrs["Units"] = "nanometers"
        if fwhm:
            spectral["FWHM"] = np.full(len(WAVELENGTHS), 5.5)
        system = group.create_group("Metadata/Coordinate_System")
        system["EPSG Code"] = np.bytes_("32618")
        system["Map_Info"] = np.bytes_(map_info) if isinstance(map_info, str) else map_info
        classes = np.full((ROWS, COLS), 17, "u1")  # clear water
        classes[0, 0], classes[0, 3] = 15, 1
        group["Metadata/Ancillary_Imagery/Haze_Cloud_Water_Map"] = classes
    return path
