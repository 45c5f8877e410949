"""CF netCDF and Zarr through xarray, xarray's engine and accessor, cubes that other libraries make."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr
from granules import COLS, ROWS, dlr, emit, stored, tanager
from granules.seen import invalid, spectra
from rasterio.crs import CRS

import hsad
import hsad.accessor
from hsad.errors import ParameterError, SceneError
from hsad.scene.cube import geo_grid, raster_of
from hsad.scene.swath import swath_of

UTM = CRS.from_epsg(32633).to_wkt()


def dataset(dims=("y", "x", "wavelength"), **attrs):
    """Return a dataset as CF has it: packed integers, wavelengths in µm, a grid mapping."""
    numbers = stored(3)
    numbers[0, 0] = -999
    order = [("y", "x", "wavelength").index(dim) for dim in dims]
    made = xr.Dataset(
        {"reflectance": (dims, numbers.transpose(order))},
        coords={
            "y": 5809950.0 - 30 * np.arange(ROWS),
            "x": 364110.0 + 30 * np.arange(COLS),
            "wavelength": ("wavelength", [0.45, 0.55, 1.4], {"units": "um"}),
            "fwhm": ("wavelength", [0.01, 0.01, 0.02]),
        },
    )
    made["crs"] = ((), 0, {"crs_wkt": UTM, "grid_mapping_name": "transverse_mercator"})
    stated = {"_FillValue": np.int16(-999), "scale_factor": 1e-4, "add_offset": 0.5, "grid_mapping": "crs"}
    made["reflectance"].attrs = {**stated, **attrs}
    return made


def write(made, path, group=None):
    """Write with xarray, attributes as they are."""
    if path.suffix == ".zarr":
        pytest.importorskip("zarr")
        made.to_zarr(path, group=group, zarr_format=2, consolidated=False)
    else:
        made.to_netcdf(path, engine="h5netcdf", group=group)
    return path


@pytest.mark.parametrize("name", ["scene.nc", "scene.zarr"])
@pytest.mark.parametrize("dims", [("y", "x", "wavelength"), ("wavelength", "y", "x"), ("y", "wavelength", "x")])
def test_cf(tmp_path, name, dims):
    cube = hsad.open_cube(write(dataset(dims), tmp_path / name))
    assert cube.shape == (ROWS, COLS, 3)
    np.testing.assert_allclose(cube.wavelength, [450, 550, 1400])
    np.testing.assert_allclose(cube.fwhm, [10, 10, 20])
    np.testing.assert_allclose(spectra(cube)[0][3, 1], 1e-4 * np.array([1310, 1311, 1312]) + 0.5)
    assert invalid(cube) == {(0, 0)}
    grid = geo_grid(cube)
    assert (grid.crs.to_epsg(), grid.transform.to_gdal()) == (32633, (364095, 30, 0, 5809965, 0, -30))
    raster = pickle.loads(pickle.dumps(raster_of(cube)))  # noqa: S301  our own
    np.testing.assert_array_equal(raster.read(slice(1, 4), slice(2, 4)), cube.values[1:4, 2:4])


def test_latitude_and_longitude_are_a_crs(tmp_path):
    made = dataset().rename(y="lat", x="lon").drop_vars("crs")
    made = made.assign_coords(lat=50 - 0.1 * np.arange(ROWS), lon=10 + 0.1 * np.arange(COLS))
    grid = geo_grid(hsad.open_cube(write(made, tmp_path / "scene.nc")))
    assert grid.crs.to_epsg() == 4326
    np.testing.assert_allclose(grid.transform.to_gdal(), (9.95, 0.1, 0, 50.05, 0, -0.1))


def test_two_dimensional_coordinates_are_a_swath(tmp_path):
    made = dataset().drop_vars(["x", "y", "crs"])
    row, col = np.indices((ROWS, COLS))
    made = made.assign_coords(latitude=(("y", "x"), 50 - 0.01 * row), longitude=(("y", "x"), 15 + 0.01 * col))
    cube = hsad.open_cube(write(made, tmp_path / "scene.nc"))
    assert swath_of(cube).shape == (ROWS, COLS)
    assert cube.rio.crs is None


@pytest.mark.parametrize("name", ["scene.nc", "scene.zarr"])
def test_arrays_in_groups(tmp_path, name):
    path = write(dataset(), tmp_path / name, group="level/deep")
    assert hsad.open_cube(path).attrs["variable"] == "level/deep/reflectance"
    np.testing.assert_array_equal(hsad.open_cube(f"{path}:level/deep/reflectance"), hsad.open_cube(path))


def test_one_of_several(tmp_path):
    made = dataset()
    made["uncertainty"] = made["reflectance"] * 0 + 1
    path = write(made, tmp_path / "scene.nc")
    with pytest.raises(SceneError, match=r"reflectance, uncertainty may each be the cube: .* scene\.nc:NAME"):
        hsad.open_cube(path)
    assert hsad.open_cube(f"{path}:uncertainty").attrs["variable"] == "uncertainty"
    with pytest.raises(SceneError, match=r"no array of three dimensions called 'radiance'.*it holds reflectance"):
        hsad.open_cube(f"{path}:radiance")


@pytest.mark.parametrize("content", [b"", b"CDF\x01broken", b"\x89HDF\r\n\x1a\nbroken"])
def test_damaged_files(tmp_path, content):
    (tmp_path / "scene.nc").write_bytes(content)
    with pytest.raises(SceneError, match=r"scene\.nc: ") as error:
        hsad.open_cube(tmp_path / "scene.nc")
    assert "\n" not in str(error.value)


def test_an_empty_store(tmp_path):
    pytest.importorskip("zarr")
    (tmp_path / "scene.zarr").mkdir()
    with pytest.raises(SceneError, match=r"scene\.zarr: "):
        hsad.open_cube(tmp_path / "scene.zarr")


# --- xarray's engine


@pytest.mark.parametrize("build", [dlr.write_enmap, emit.write_cube, tanager.write])
def test_engine(tmp_path, build):
    path = build(tmp_path)
    opened = xr.open_dataset(path, engine="hsad", chunks={})
    cube = hsad.open_cube(path)
    np.testing.assert_array_equal(opened["cube"], cube)
    assert opened["cube"].wavelength.attrs == {"units": "nm", "standard_name": "radiation_wavelength"}
    assert opened["cube"].chunksizes["band"] == (cube.sizes["band"],)
    assert opened["cube"].rio.crs == cube.rio.crs
    if "quality" in cube.coords:
        assert set(opened["quality"].attrs) == {"flag_masks", "flag_meanings"}
    np.testing.assert_array_equal(
        hsad.detect(opened["cube"], "rx", covariance="ridge"), hsad.detect(path, "rx", covariance="ridge")
    )
    assert opened.drop_vars("quality", errors="ignore")["cube"].dims == ("y", "x", "band")


def test_rioxarray_writes_and_reads_it_back(tmp_path):
    import rioxarray

    cube = hsad.open_cube(dlr.write_enmap(tmp_path, layers=False))
    cube.transpose("band", "y", "x").drop_vars(["band_name", "gain", "bias"]).rio.to_raster(tmp_path / "out.tif")
    again = rioxarray.open_rasterio(tmp_path / "out.tif")
    np.testing.assert_array_equal(np.moveaxis(again.values, 0, 2), cube.values)
    assert (again.rio.crs, again.rio.transform(), again.rio.nodata) == (cube.rio.crs, cube.rio.transform(), -32768)
    # Band first, as rioxarray has it; nodata in the attributes.
    np.testing.assert_array_equal(
        hsad.detect(again, "rx", covariance="ridge").values,
        hsad.detect(again.transpose("y", "x", "band"), "rx", covariance="ridge").values,
    )


# --- the accessor


def test_bands_by_wavelength(tmp_path):
    cube = hsad.open_cube(dlr.write_enmap(tmp_path))
    assert cube.hsad.bands(400, 910).wavelength.values.tolist() == [420, 905]
    with pytest.raises(ParameterError, match="no band from 500 to 600 nm; the scene has 420-2400"):
        cube.hsad.bands(500, 600)
    with pytest.raises(ParameterError, match="has no wavelengths"):
        cube.drop_vars("wavelength").hsad.bands(400, 900)
    plain = xr.DataArray(np.zeros((3, 4, 2)), dims=("wavelength", "y", "x"), coords={"wavelength": [500.0, 600, 700]})
    assert plain.hsad.bands(550, 800).sizes["band"] == 2


def test_a_picture_in_true_colour():
    centres = np.array([450.0, 480, 550, 560, 660, 800])
    values = np.broadcast_to(np.arange(6) * 10.0, (5, 4, 6)).copy()
    values += np.arange(20).reshape(5, 4, 1)
    values[0, 0] = -1
    cube = xr.DataArray(values, dims=("y", "x", "band"), coords={"wavelength": ("band", centres)})
    cube.attrs["_FillValue"] = -1.0
    picture = cube.hsad.rgb()
    assert (picture.dims, picture.shape, picture.dtype) == (("y", "x", "color"), (5, 4, 3), np.float32)
    assert picture.color.values.tolist() == ["red", "green", "blue"]
    assert picture.wavelength.values.tolist() == [660, 550, 480]
    assert np.isnan(picture.values[0, 0]).all()
    # Each colour is stretched between its own percentiles 2 and 98 of the 19 valid pixels.
    red = values[..., 4].ravel()[1:]
    low, high = np.percentile(red, [2, 98])
    np.testing.assert_allclose(picture.values[..., 0].ravel()[1:], np.clip((red - low) / (high - low), 0, 1), atol=1e-6)


def test_the_nearest_bands_and_a_remark_where_colours_are_missing():
    values = np.random.default_rng(0).random((5, 4, 3))
    cube = xr.DataArray(values, dims=("y", "x", "band"), coords={"wavelength": ("band", [900.0, 1500, 2200])})
    with pytest.warns(hsad.HsadWarning, match="no band near 650, 550, 470 nm: 900, 900, 900 nm are shown"):
        assert cube.hsad.rgb().wavelength.values.tolist() == [900, 900, 900]
