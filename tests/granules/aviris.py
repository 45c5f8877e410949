"""AVIRIS flight lines: ENVI images (classic, NG, 3) and netCDF (3 and 5)."""

from __future__ import annotations

import h5py
import numpy as np
import rasterio

from granules import COLS, ROWS, stored

UTM11 = rasterio.crs.CRS.from_epsg(32611).to_wkt()
#: The four spectrometers of classic overlap: out of order, and without units.
CLASSIC = [0.40, 0.70, 0.65, 1.40]


def _header(path, bands, data_type, byte_order, **more):
    lines = [
        "ENVI", "description = {flight line}", f"samples = {COLS}", f"lines = {ROWS}", f"bands = {bands}",
        "header offset = 0", "file type = ENVI Standard", f"data type = {data_type}", "interleave = bil",
        f"byte order = {byte_order}",
        "map info = {UTM , 1 , 1 , 500000 , 4000000 , 5 , 5 , 11 , North , WGS-84 , units=Meters , rotation=30}",
        *(f"{key.replace('_', ' ')} = {value}" for key, value in more.items()),
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")


def write_classic(folder, *, spectrum=False):
    """Write radiance of AVIRIS classic: big-endian int16, −50 outside, gains in a file, wavelengths there or here."""
    stem = "f970619t01p02r02"
    path = folder / f"{stem}_sc01_ort_img"
    numbers = stored(4, ">i2")
    numbers[0] = -50
    path.write_bytes(numbers.transpose(0, 2, 1).tobytes())
    listed = {} if spectrum else {"wavelength": "{" + ", ".join(map(str, CLASSIC)) + "}"}
    _header(folder / f"{path.name}.hdr", 4, 2, 1, **listed)
    (folder / f"{stem}.gain").write_text("300.0 0.1\n300.0 0.1\n600.0 0.1\n1200.0 0.1\n")
    if spectrum:
        (folder / f"{stem}_sc01.spc").write_text(
            "\n".join(f"{1000 * c:.1f} 9.5 0.1 0.1 {n}" for n, c in enumerate(CLASSIC))
        )
    return path


def write_ng(folder, bands=432):
    """Write reflectance of AVIRIS-NG, as many bands as those of 2014 and 2015 have."""
    path = folder / "ang20140912t192359_rfl_v1c_img"
    numbers = (stored(bands) / 10000).astype("<f4")
    numbers[0] = -9999
    path.write_bytes(numbers.transpose(0, 2, 1).tobytes())
    centres = ", ".join(f"{346.3 + 5.009 * band:.4f}" for band in range(bands))
    _header(
        folder / f"{path.name}.hdr", bands, 4, 0,
        wavelength="{" + centres + "}", wavelength_units="Nanometers", data_ignore_value=-9999,
    )  # fmt: skip
    return path


def write_netcdf(folder, *, sensor_grid=False):
    """Write AVIRIS-3 reflectance on a map, or AVIRIS-5 radiance on the sensor's grid with its lookup table."""
    quantity = "radiance" if sensor_grid else "reflectance"
    name = "AV520250508t173511_000_L1B_RDN_1_RDN.nc" if sensor_grid else "AV320231005t181518_000_L2A_RFL_ORT.nc"
    rows, cols = (ROWS + 1, COLS + 1) if sensor_grid else (ROWS, COLS)
    numbers = (stored(3) / 10000).astype("f4")
    numbers[0, 0] = -9999
    with h5py.File(folder / name, "w") as file:
        file["easting"] = 500002.5 + 5.0 * np.arange(cols)
        file["northing"] = 3999997.5 - 5.0 * np.arange(rows)
        file["transverse_mercator"] = np.bytes_(b" ")
        file["transverse_mercator"].attrs["crs_wkt"] = np.bytes_(UTM11)
        file["transverse_mercator"].attrs["GeoTransform"] = np.bytes_("500000 5 0 4000000 0 -5")
        file[f"{quantity}/{quantity}"] = np.moveaxis(numbers, 2, 0)
        file[f"{quantity}/{quantity}"].attrs["_FillValue"] = np.float32(-9999)
        file[f"{quantity}/wavelength"] = np.array([390.0, 1400.0, 2490.0])
        file[f"{quantity}/wavelength"].attrs["units"] = "nanometers"
        file[f"{quantity}/fwhm"] = np.full(3, 7.5)
        if sensor_grid:
            sample, line = np.zeros((rows, cols), "i4"), np.zeros((rows, cols), "i4")
            sample[:-1, 1:], line[:-1, 1:] = np.arange(1, COLS + 1), np.arange(1, ROWS + 1)[:, None]
            file["geolocation_lookup_table/sample"], file["geolocation_lookup_table/line"] = sample, line
    return folder / name
