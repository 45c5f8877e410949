"""EMIT L1B and L2A granules and their mask product, as LP DAAC delivers them (netCDF-4)."""

from __future__ import annotations

import h5py
import numpy as np

from granules import COLS, ROWS, stored

SCENE = "20230101T101112_2300107_003"
WAVELENGTHS = [400.0, 850.0, 1390.0, 1700.0, 2200.0]
GEOTRANSFORM = [10.0, 0.5, 0.0, 50.0, 0.0, -0.25]
WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]'
)
MASKS_V001 = [
    "Cloud flag", "Cirrus flag", "Water flag", "Spacecraft Flag", "Dilated Cloud Flag", "AOD550", "H2O (g cm-2)",
    "Aggregate Flag",
]  # fmt: skip
MASKS_V002 = [
    "SpecTf-Cloud probability", "Cloud flag", "SpecTf-Cloud Flag", "Cirrus flag", "Water flag", "Spacecraft Flag",
    "Dilated Cloud Flag", "AOD550", "H2O (g cm-2)", "Aggregate Flag", "SpecTf-Buffer Distance",
]  # fmt: skip


def lookup(rows=ROWS, cols=COLS):
    """Return glt_x and glt_y of a map with a margin of one void around the grid, mirrored left to right."""
    x, y = np.zeros((rows + 2, cols + 2), "i4"), np.zeros((rows + 2, cols + 2), "i4")
    x[1:-1, 1:-1] = np.arange(cols, 0, -1)
    y[1:-1, 1:-1] = np.arange(1, rows + 1)[:, None]
    return x, y


def values():
    """Return reflectance; in the bad band the −0.01 that EMIT puts there, and one pixel without data."""
    numbers = (stored(len(WAVELENGTHS)) / 10000).astype("f4")
    numbers[..., 2] = -0.01
    numbers[4, 0] = -9999.0
    return numbers


def dimensions(file, **sizes):
    for name, size in sizes.items():
        file[name] = np.arange(size, dtype="f4")
        file[name].make_scale(name)


def write_cube(folder, kind="RFL", *, glt=None, version="001", build="010611"):
    """Write a granule: ``RFL`` has good_wavelengths, ``RAD`` does not."""
    name = {"RFL": f"EMIT_L2A_RFL_{version}_{SCENE}.nc", "RAD": f"EMIT_L1B_RAD_{version}_{SCENE}.nc"}[kind]
    variable = {"RFL": "reflectance", "RAD": "radiance"}[kind]
    x, y = lookup() if glt is None else glt
    with h5py.File(folder / name, "w") as file:
        file.attrs["instrument"] = np.bytes_("EMIT")
        file.attrs["software_build_version"] = np.bytes_(build)
        file.attrs["crosstrack_orientation"] = np.bytes_("as seen on ground")
        file.attrs["spatial_ref"] = np.bytes_(WGS84)
        file.attrs["geotransform"] = np.array(GEOTRANSFORM)
        dimensions(
            file, downtrack=ROWS, crosstrack=COLS, bands=len(WAVELENGTHS), ortho_y=x.shape[0], ortho_x=x.shape[1]
        )
        file[variable] = values()
        file[variable].attrs["_FillValue"] = np.array([-9999.0], "f4")
        for axis, scale in enumerate(("downtrack", "crosstrack", "bands")):
            file[variable].dims[axis].attach_scale(file[scale])
        bands = file.create_group("sensor_band_parameters")
        bands["wavelengths"] = np.array(WAVELENGTHS, "f4")
        bands["fwhm"] = np.full(len(WAVELENGTHS), 8.5, "f4")
        if kind == "RFL":
            bands["good_wavelengths"] = np.array([1, 1, 0, 1, 1], "u1")
        location = file.create_group("location")
        location["glt_x"], location["glt_y"] = x, y
        location["elev"] = np.full((ROWS, COLS), 250.0, "f4")
        location["lat"] = 50 - 0.25 * np.indices((ROWS, COLS))[0].astype("f8")
        location["lon"] = 10 + 0.5 * np.indices((ROWS, COLS))[1].astype("f8")
    return folder / name


def write_mask(folder, names=MASKS_V001, version="001"):
    """Write the mask product: a cloud at (0, 1), cirrus at (1, 1), water at (2, 2), AOD everywhere; the first band of
    (3, 1) and the fifth of (3, 2) are interpolated."""
    path = folder / f"EMIT_L2A_MASK_{version}_{SCENE}.nc"
    mask = np.zeros((ROWS, COLS, len(names)), "f4")
    mask[0, 1, names.index("Cloud flag")] = 1
    mask[1, 1, names.index("Cirrus flag")] = 1
    mask[2, 2, names.index("Water flag")] = 1
    mask[..., names.index("AOD550")] = 0.2
    with h5py.File(path, "w") as file:
        dimensions(file, downtrack=ROWS, crosstrack=COLS, bands=len(names))
        file["mask"] = mask
        packed = np.zeros((ROWS, COLS, 1), "u1")
        packed[3, 1], packed[3, 2] = 0b1000_0000, 0b0000_1000
        file["band_mask"] = packed
        file.create_dataset("sensor_band_parameters/mask_bands", data=names, dtype=h5py.string_dtype())
        file.create_group("location")
    return path
