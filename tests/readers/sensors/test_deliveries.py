"""Products as they are delivered: nested folders, quantities beside the usual one, tables beside an image."""

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr
from granules import COLS, ROWS, dlr, neon, pace, stored
from granules.dlr import TRANSFORM, write_tiff

import hsad
from hsad.errors import SceneError


@pytest.mark.parametrize("write", [dlr.write_enmap, dlr.write_desis])
@pytest.mark.parametrize("nested", ["outer", "outer/deep.er/still deeper"])
def test_the_outer_folder_of_a_delivery_is_the_product(write, nested, tmp_path):
    inner = tmp_path / nested
    inner.mkdir(parents=True)
    (tmp_path / "readme.txt").write_text("of the delivery")
    expected = hsad.open_cube(write(inner))
    cube = hsad.open_cube(tmp_path)
    np.testing.assert_array_equal(cube.values, expected.values)
    assert cube.attrs["source"] == expected.attrs["source"]


def test_several_products_below_a_folder_are_named(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        dlr.write_enmap(tmp_path / name)
    with pytest.raises(SceneError, match="2 folders of EnMAP products below it, name one: one, two"):
        hsad.open_cube(tmp_path)


@pytest.mark.parametrize("number", ["x", "1.5", "1e999", "nan", "-1"])
def test_band_numbers_that_make_no_sense_are_passed_over(number, tmp_path):
    path = dlr.write_enmap(tmp_path)
    empty = np.count_nonzero(~hsad.open_cube(path).good_wavelength.values)
    metadata = next(tmp_path.glob("*METADATA.XML"))
    metadata.write_text(metadata.read_text().replace('<bandID number="2"><mean>', f'<bandID number="{number}"><mean>'))
    assert np.count_nonzero(~hsad.open_cube(path).good_wavelength.values) == empty - 1


def write_aop(folder):
    """Write an L2 AOP granule: packed Rrs, its uncertainty, land at (1, 1)."""
    path = folder / "PACE_OCI.20240423T184658.L2.OC_AOP.V2_0.NRT.nc"
    with h5py.File(path, "w") as file:
        file.attrs["instrument"] = np.bytes_("OCI")
        for key, step in (("Rrs", 0), ("Rrs_unc", 7)):
            numbers = stored(3) + np.int16(step)
            numbers[0, 0] = -32767
            file[f"geophysical_data/{key}"] = numbers
            file[f"geophysical_data/{key}"].attrs["_FillValue"] = np.int16(-32767)
            file[f"geophysical_data/{key}"].attrs["scale_factor"] = 2e-6
            file[f"geophysical_data/{key}"].attrs["add_offset"] = 0.05
        file["sensor_band_parameters/wavelength_3d"] = np.array([350.0, 500.0, 719.0], "f4")
        pace._places(file, "navigation_data")
    return path


@pytest.mark.parametrize("variable", ["", ":Rrs_unc", ":geophysical_data/Rrs_unc"])
def test_remote_sensing_reflectance_of_pace(variable, tmp_path):
    path = write_aop(tmp_path)
    cube = hsad.open_cube(f"{path}{variable}")
    with xr.open_dataset(path, group="geophysical_data", engine="h5netcdf", phony_dims="sort") as decoded:
        expected = decoded["Rrs_unc" if variable else "Rrs"].values
    physical = cube.values * cube.gain.values + cube.bias.values
    np.testing.assert_allclose(physical[1:], expected[1:], rtol=1e-6)
    assert np.isnan(hsad.detect(cube, "rx", covariance="ridge").values[0, 0])
    assert cube.attrs["units"] == ("1/sr" if not variable else "1")
    with pytest.raises(SceneError, match=r"no array 'chl' over wavelengths; it holds Rrs, Rrs_unc"):
        hsad.open_cube(f"{path}:chl")


def test_radiance_of_neon_is_the_sum_of_its_parts(tmp_path):
    radiance = np.random.default_rng(0).uniform(0, 80, (ROWS, COLS, 4))
    whole = np.floor(radiance).astype("i2")
    fraction = np.round((radiance - whole) * 50000).astype("u2")
    whole[0, 0], fraction[0, 0] = -9999, 0
    with h5py.File(neon.write(tmp_path), "r+") as file:
        file.move("HARV/Reflectance", "HARV/Radiance")
        group = file["HARV/Radiance"]
        del group["Reflectance_Data"]
        group["RadianceIntegerPart"], group["RadianceDecimalPart"] = whole, fraction
        group["RadianceIntegerPart"].attrs["Data_Ignore_Value"] = -9999
        group["RadianceDecimalPart"].attrs["Scale_Factor"] = 50000.0
    cube = hsad.open_cube(tmp_path)
    expected = radiance.copy()
    expected[0, 0] = np.nan
    np.testing.assert_allclose(cube.values, expected, atol=1.1e-5)
    assert (cube.attrs["product"], cube.attrs["units"]) == ("NEON AOP radiance", "µW/cm²/sr/nm")
    np.testing.assert_array_equal(cube.wavelength, neon.WAVELENGTHS)
    with h5py.File(next(tmp_path.glob("*.h5")), "r+") as file:
        del file["HARV/Radiance/RadianceDecimalPart"]
    with pytest.raises(SceneError, match="no RadianceIntegerPart and RadianceDecimalPart of one size"):
        hsad.open_cube(tmp_path)


def write_hisui(folder, *, tables=True):
    stem = "HSHL1G_N320W1032_20221030160051_20231127193053"
    values = stored(185, "uint16")
    values[0, 0] = 0
    write_tiff(folder / f"{stem}.tif", values, crs="EPSG:32614", transform=TRANSFORM)
    if tables:
        centres = np.concatenate([np.linspace(400, 980, 58), np.linspace(895, 2480, 127)])
        rows = [f"{number + 1},{centre},{5 + number / 100},1,0,0" for number, centre in enumerate(centres)]
        (folder / f"{stem}_B.csv").write_text("band,wavelength,fwhm,a,b,c\n" + "\n".join(rows))
        factors = {"RadianceMultiVNIR": 0.02, "RadianceAddVNIR": 1, "RadianceMultiSWIR": 0.01, "RadianceAddSWIR": -2}
        (folder / f"{stem}.txt").write_text("\n".join(f"{key} = {value}" for key, value in factors.items()))
    return folder / f"{stem}.tif"


def test_hisui(tmp_path):
    path = write_hisui(tmp_path)
    cube = hsad.open_cube(tmp_path)
    with rasterio.open(path) as dataset:
        stacked = np.moveaxis(dataset.read(), 0, 2).astype(float)
    centres = np.concatenate([np.linspace(400, 980, 58), np.linspace(895, 2480, 127)])
    stacked[..., :58] = stacked[..., :58] * 0.02 + 1
    stacked[..., 58:] = stacked[..., 58:] * 0.01 - 2
    order = np.argsort(centres, kind="stable")
    np.testing.assert_allclose(cube.wavelength, centres[order])
    np.testing.assert_allclose(cube.values * cube.gain.values + cube.bias.values, stacked[..., order])
    assert cube.rio.crs.to_epsg() == 32614
    assert cube.attrs["acquired"] == "2022-10-30T16:00:51Z"
    assert np.isnan(hsad.detect(cube, "rx", covariance="ridge").values[0, 0])


def test_hisui_without_its_tables_says_so(tmp_path):
    cube = hsad.open_cube(write_hisui(tmp_path, tables=False))
    assert "wavelength" not in cube.coords
    assert "gain" not in cube.coords
    assert sum("is not beside it" in remark for remark in cube.attrs["warnings"]) == 2


def test_a_granule_of_emit_that_was_saved_again_on_the_sensors_grid(tmp_path):
    values = np.random.default_rng(0).random((ROWS, COLS, 3)).astype("f4")
    row, col = np.indices((ROWS, COLS))
    made = xr.Dataset(
        {"reflectance": (("downtrack", "crosstrack", "wavelengths"), values)},
        {
            "wavelengths": [400.0, 500.0, 600.0],
            "fwhm": ("wavelengths", [8.5, 8.5, 8.5]),
            "good_wavelengths": ("wavelengths", np.array([1.0, 0.0, 1.0])),
            "lat": (("downtrack", "crosstrack"), 36.5 - 0.001 * row),
            "lon": (("downtrack", "crosstrack"), -121.4 + 0.001 * col),
            "glt_x": (("ortho_y", "ortho_x"), np.ones((7, 6))),
            "glt_y": (("ortho_y", "ortho_x"), np.ones((7, 6))),
        },
    )
    made.to_netcdf(tmp_path / "EMIT_L2A_RFL_001_20220903T163129_2224611_012.nc", engine="h5netcdf")
    cube = hsad.open_cube(tmp_path / "EMIT_L2A_RFL_001_20220903T163129_2224611_012.nc")
    np.testing.assert_array_equal(cube.values, values)
    assert cube.good_wavelength.values.tolist() == [True, False, True]
    assert cube.encoding["hsad_swath"].shape == (ROWS, COLS)
