"""The real scenes open with the shapes, types and wavelengths that their own description states."""

from __future__ import annotations

import numpy as np
import pytest
from granules.envi import write

import hsad
from hsad.errors import ParameterError, SceneError

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


@pytest.mark.parametrize("dtype", ["i2", "f4"])
@pytest.mark.parametrize("declared", [None, -1])
@pytest.mark.parametrize("stated", [7, [7, 9], (7.0, 9.0), "7,9", [9, 7, -1], np.array([7, 9])])
def test_stated_nodata_makes_a_pixel_invalid_beside_what_the_file_declares(tmp_path, dtype, declared, stated):
    values = np.random.default_rng(4).integers(10, 50, (6, 5, 4)).astype(dtype)
    values[0, 0, 1], values[1, 2, 3], values[4, 4, 0] = 7, 9, -1
    path = write(tmp_path, values, **({} if declared is None else {"data_ignore_value": declared}))
    fills = {declared, *map(float, str(stated).strip("[]()").replace(",", " ").split())} - {None}
    invalid = np.isin(values, list(fills)).any(axis=2)
    scores = hsad.detect(hsad.open_cube(path, nodata=stated), "rx", workers=1)
    np.testing.assert_array_equal(np.isnan(scores), invalid)
    known = np.where(invalid[..., None], np.nan, values.astype("f8"))
    np.testing.assert_array_equal(scores, hsad.detect(known, "rx", workers=1))


def test_stated_nodata_that_cannot_occur_is_remarked_on_and_a_word_is_refused(tmp_path):
    path = write(tmp_path, np.ones((3, 3, 2), "u2"))
    cube = hsad.open_cube(path, nodata=[-9999, 1.5])
    assert len(cube.attrs["warnings"]) == 2
    assert "_FillValue" not in cube.attrs
    with pytest.raises(ParameterError, match="nodata: 'none' is not a number"):
        hsad.open_cube(path, nodata="none")


@pytest.mark.parametrize("interleave", ["bil", "bip"])
def test_the_whole_lines_of_a_file_that_was_cut_off_are_read_on_request(tmp_path, interleave):
    values = np.arange(6 * 5 * 4, dtype="i2").reshape(6, 5, 4)
    path = write(tmp_path, values, interleave=interleave, header_offset=3)
    whole = (tmp_path / "scene.img").read_bytes()
    for left, lines in ((3 + 2 * 40 + 39, 2), (3 + 40, 1), (3 + 5 * 40, 5)):
        (tmp_path / "scene.img").write_bytes(whole[:left])
        with pytest.raises(SceneError, match=rf"promises 243 bytes, the file has {left}; --partial .* whole lines"):
            hsad.open_cube(path)
        cube = hsad.open_cube(path, partial=True)
        np.testing.assert_array_equal(cube, values[:lines])
        assert cube.attrs["warnings"] == [
            f"the data file is cut off: its first {lines} of 6 lines are read, the others are missing"
        ]
    (tmp_path / "scene.img").write_bytes(whole[:42])
    with pytest.raises(SceneError, match="less than one line"):
        hsad.open_cube(path, partial=True)


def test_a_band_sequential_file_that_was_cut_off_has_no_whole_lines(tmp_path):
    path = write(tmp_path, np.ones((6, 5, 4), "i2"))
    (tmp_path / "scene.img").write_bytes(b"\0" * 200)
    with pytest.raises(SceneError, match=r"scene\.img: its header promises 240 bytes, the file has 200; .* BSQ"):
        hsad.open_cube(path, partial=True)


@pytest.mark.parametrize("address", ["s3://bucket/scene.tif", "https://host/scene.hdr", "/vsis3/bucket/scene.tif"])
def test_an_address_is_no_file_and_the_error_says_what_to_do(address):
    with pytest.raises(SceneError, match="reads files, not addresses"):
        hsad.open_cube(address)
    with pytest.raises(SceneError) as told:
        hsad.open_cube("folder/scene.tif")
    assert "address" not in str(told.value)
