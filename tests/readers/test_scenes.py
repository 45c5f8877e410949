"""The real scenes open with the shapes, types and wavelengths that their own description states."""

from __future__ import annotations

import numpy as np
import pytest

import hsad
from hsad.errors import SceneError

MATLAB = [
    ("abu-airport-2", (100, 100, 205), "uint16"),
    ("abu-airport-4", (100, 100, 191), "uint16"),
    ("abu-beach-3", (100, 100, 188), "int16"),
    ("abu-beach-4", (100, 100, 102), "float64"),
    ("abu-urban-2-198bands", (100, 100, 198), "int16"),
    ("abu-urban-2", (100, 100, 207), "int16"),
    ("abu-urban-4", (100, 100, 205), "int16"),
    ("abu-urban-5", (100, 100, 205), "int16"),
    ("muufl-sub", (51, 88, 72), "float32"),
    ("pavia-lzw", (100, 100, 102), "float64"),
    ("pavia-wu-data", (105, 120, 102), "uint16"),
    ("sandiego-1-v73", (100, 100, 189), "float64"),
    ("sandiego-1-vabs", (100, 100, 189), "uint16"),
    ("sandiego-1", (100, 100, 189), "uint16"),
]


@pytest.mark.parametrize("name, shape, dtype", MATLAB)
def test_benchmark_scene(data, name, shape, dtype):
    cube = hsad.open_cube(data / "scenes" / f"{name}.mat")
    assert (cube.shape, str(cube.dtype), cube.dims) == (shape, dtype, ("y", "x", "band"))


def test_the_three_copies_of_san_diego_are_one_cube(data):
    first, *others = (
        hsad.open_cube(data / "scenes" / f"{name}.mat").values
        for name in ("sandiego-1", "sandiego-1-vabs", "sandiego-1-v73")
    )
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_airport_and_urban_share_the_columns_they_are_known_to_share(data):
    airport = hsad.open_cube(data / "scenes/abu-airport-2.mat").values
    urban = hsad.open_cube(data / "scenes/abu-urban-5.mat").values
    np.testing.assert_array_equal(airport[:, :20], urban[:, 80:])


def test_muufl_has_its_mask_and_wavelengths(data):
    cube = hsad.open_cube(data / "scenes/muufl-sub.mat")
    assert int((~cube.valid).sum()) == 604
    np.testing.assert_allclose(cube.wavelength[[0, -1]], [367.700012, 1043.400024])


def test_truths_are_no_scenes(data):
    with pytest.raises(SceneError, match=r"no array of three dimensions.*mask \(105×120\)"):
        hsad.open_cube(data / "scenes/pavia-wu-mask.mat")


def test_enmap_mosaic(data):
    cube = hsad.open_cube(data / "geotiff/enmap-potsdam/mosaic_64x96x224.tif")
    assert (cube.shape, cube.dtype, cube.rio.crs.to_epsg()) == ((64, 96, 224), np.float32, 32633)
    assert cube.attrs["_FillValue"] == -32768
    np.testing.assert_allclose(cube.wavelength[[0, -1]], [418.24, 2445.53])
    np.testing.assert_allclose(cube.fwhm[0], 6.99561)
    np.testing.assert_array_equal(np.flatnonzero(~cube.good_wavelength), np.arange(129, 135))
    assert np.flatnonzero((cube == -32768).all(("y", "x"))).tolist() == [*range(129, 135)]
    assert any("not in order" in remark for remark in cube.attrs["warnings"])


def test_jasper_ridge_equals_spectral_python(data):
    import spectral

    cube = hsad.open_cube(data / "envi/jasper-ridge/jasperRidge2_R198.hdr")
    image = spectral.open_image(str(data / "envi/jasper-ridge/jasperRidge2_R198.hdr"))
    np.testing.assert_array_equal(cube.values, image.open_memmap())
    np.testing.assert_allclose(cube.wavelength, image.bands.centers)
    # spectral divides by the reflectance scale factor when it loads; here the factor stays apart.
    loaded = image.load().view(np.ndarray)
    np.testing.assert_allclose(cube.values * cube.gain.values, loaded, rtol=1e-6)
    assert np.flatnonzero(np.diff(cube.wavelength) <= 0).tolist() == [28, 92]
    assert cube.attrs["warnings"] == ["the wavelengths are not in order: they step back at band 30, 94"]


def test_other_envi_scenes(data):
    nadir = hsad.open_cube(data / "envi/wiser/caltech_225_4_3_nm_continuum_removed.hdr")
    assert (nadir.shape, int((~nadir.good_wavelength).sum())) == ((4, 3, 225), 52)
    assert nadir.attrs["_FillValue"] == -9999
    assert hsad.open_cube(data / "envi/wiser/caltech_4_100_150_nm").shape == (150, 150, 4)
    first, second = (hsad.open_cube(data / "envi/plantcv" / name) for name in ("darkReference.hdr", "darkReference3"))
    assert first.shape == (1, 1600, 978)
    np.testing.assert_array_equal(first.values, second.values)
    assert hsad.open_cube(data / "envi/hylite/Radiometric_8x2_1x1.hdr").shape == (1, 384, 363)


@pytest.mark.parametrize("name, bands", [("loc", 3), ("obs", 11)])
def test_wavelengths_for_more_bands_than_there_are_are_dropped_with_a_remark(data, name, bands):
    cube = hsad.open_cube(data / f"envi/isofit/prm20231110t071521_{name}_two_px.hdr")
    assert cube.shape == (2, 1, bands)
    assert "wavelength" not in cube.coords
    assert f"the file gives 246 wavelengths for {bands} bands: they are ignored" in cube.attrs["warnings"]


def test_emit_layout(data):
    cube = hsad.open_cube(data / "netcdf/gdal-fake_EMIT_L2A_with_good_wavelengths.nc")
    import h5py

    with h5py.File(data / "netcdf/gdal-fake_EMIT_L2A_with_good_wavelengths.nc") as file:
        np.testing.assert_array_equal(cube.values, file["reflectance"][...])
        good = file["sensor_band_parameters/good_wavelengths"][...] == 1
    np.testing.assert_array_equal(cube.good_wavelength, good)
    assert cube.attrs["_FillValue"] == -9999
    assert cube.rio.crs is None
