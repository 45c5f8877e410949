"""PACE OCI L1B and L2 SFREFL granules, as OB.DAAC delivers them (netCDF-4)."""

from __future__ import annotations

import h5py
import numpy as np

from granules import COLS, ROWS, stored

BLUE, RED, SWIR = [315.0, 605.0], [600.0, 895.0], [1378.2, 2258.4]
MEANINGS = "ATMFAIL LAND PRODWARN HIGLINT HILT HISATZEN COASTZ SPARE STRAYLIGHT CLDICE COCCOLITH TURBIDW HISOLZEN SPARE"


def _places(file, group):
    row, col = np.indices((ROWS, COLS))
    file[f"{group}/latitude"] = (30.0 - 0.01 * row).astype("f4")
    file[f"{group}/longitude"] = (-90.0 + 0.01 * col).astype("f4")


def write_l1b(folder):
    """Write an L1B granule: three detectors, bands first; (0, 0) without data."""
    path = folder / "PACE_OCI.20240501T170000.L1B.V3.nc"
    with h5py.File(path, "w") as file:
        file.attrs["instrument"] = np.bytes_("OCI")
        for arm, centres, first in (("blue", BLUE, 0), ("red", RED, 100), ("SWIR", SWIR, 200)):
            numbers = (stored(len(centres)) + first).astype("f4")
            numbers[0, 0] = -32767
            key = f"observation_data/rhot_{arm}"
            file[key] = np.moveaxis(numbers, 2, 0)
            file[key].attrs["_FillValue"] = np.float32(-32767)
            file[f"sensor_band_parameters/{arm}_wavelength"] = np.array(centres, "f4")
        file["sensor_band_parameters/SWIR_bandpass"] = np.array([15.0, 75.0], "f4")
        _places(file, "geolocation_data")
    return path


def write_l2(folder):
    """Write an L2 granule with packed integers: a cloud at (1, 1), saturation at (2, 2)."""
    path = folder / "PACE_OCI.20240501T170000.L2.SFREFL.V3_0.nc"
    with h5py.File(path, "w") as file:
        file.attrs["instrument"] = np.bytes_("OCI")
        numbers = stored(3)
        numbers[0, 0] = -32767
        file["geophysical_data/rhos"] = numbers
        attrs = file["geophysical_data/rhos"].attrs
        attrs["_FillValue"], attrs["scale_factor"], attrs["add_offset"] = np.int16(-32767), 2e-5, 0.5
        flags = np.zeros((ROWS, COLS), "i4")
        flags[1, 1], flags[2, 2] = 1 << 9, 1 << 4
        file["geophysical_data/l2_flags"] = flags
        file["geophysical_data/l2_flags"].attrs["flag_meanings"] = np.bytes_(MEANINGS)
        file["sensor_band_parameters/wavelength_3d"] = np.array([350.0, 500.0, 2258.0], "f4")
        _places(file, "navigation_data")
    return path
