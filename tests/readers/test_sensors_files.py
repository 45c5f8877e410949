"""Sensor products of several files: GeoTIFF with metadata, ENVI images; values against numbers worked out by hand."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
import rasterio
from granules import COLS, ROWS, aviris, dlr, single_files
from granules.seen import invalid, row, spectra

import hsad
from hsad.errors import ParameterError, SceneError
from hsad.readers.sensors.hyperion import wavelengths
from hsad.scene.cube import geo_grid, raster_of
from hsad.scene.quality import choose_flags, flag_names

# --- EnMAP


@pytest.mark.parametrize("cog", [False, True])
def test_enmap(tmp_path, cog):
    cube = hsad.open_cube(dlr.write_enmap(tmp_path, cog=cog))
    assert (cube.attrs["product"], cube.attrs["units"]) == ("EnMAP L2A", "1")
    # 420 and 1000 nm of the VNIR, 905 and 2400 of the SWIR, in the order of their wavelengths.
    assert cube.wavelength.values.tolist() == [420, 905, 1000, 2400]
    assert cube.band_name.values.tolist() == ["band 1", "band 3", "band 2", "band 4"]
    assert cube.fwhm.values.tolist() == [7, 9, 8, 10]
    assert cube.good_wavelength.values.tolist() == [True, True, False, True]  # the metadata call band 2 empty
    np.testing.assert_array_equal(cube.values[1, 3], [1130, 1132, 1131, 1133])
    np.testing.assert_allclose(cube.gain, [1e-4, 3e-4, 2e-4, 4e-4])
    np.testing.assert_allclose(cube.bias, [0.1, 0.3, 0.2, 0.4])
    np.testing.assert_allclose(spectra(cube)[0][1, 3], [1130e-4 + 0.1, 1132 * 3e-4 + 0.3, 1133 * 4e-4 + 0.4])
    grid = geo_grid(cube)
    assert (grid.crs.to_epsg(), tuple(grid.transform)) == (32633, tuple(dlr.TRANSFORM))


def test_enmap_flags(tmp_path):
    cube = hsad.open_cube(dlr.write_enmap(tmp_path))
    bits = ["interpolated", "saturated", "artefact"]
    assert flag_names(cube) == ["cloud", "shadow", "cirrus", "haze", "snow", "water", "background", *bits, "pixel"]
    assert invalid(cube) == row(4) | {(0, 0), (0, 1), (0, 2), (3, 0)}
    assert [invalid(choose_flags(cube, flag)) - row(4) for flag in bits] == [{(3, 1)}, {(3, 0)}, {(3, 2)}]
    assert invalid(choose_flags(cube, "none")) == row(4)  # nodata
    assert invalid(choose_flags(cube, "haze,snow,water")) == row(4) | {(0, 3), (1, 0), (3, 3)}
    assert invalid(choose_flags(cube, ["pixel"])) == row(4) | {(2, 2)}
    with pytest.raises(ParameterError, match=r"mask_flags: 'smoke': choose from cloud, shadow, .*pixel or none"):
        choose_flags(cube, "smoke")


def test_the_pixel_mask_follows_the_order_of_the_bands(tmp_path):
    cube = choose_flags(hsad.open_cube(dlr.write_enmap(tmp_path)), "pixel")
    only = hsad.detect(cube, "rx", bands="400-500", covariance="ridge")
    assert np.isfinite(only.values[2, 2])
    third = hsad.detect(cube, "rx", bands="900-910", covariance="ridge")
    assert np.isnan(third.values[2, 2])


def test_enmap_l1c(tmp_path):
    cube = hsad.open_cube(dlr.write_enmap(tmp_path, level="L1C"))
    assert (cube.attrs["product"], cube.attrs["units"], cube.attrs["_FillValue"]) == ("EnMAP L1C", "W/m²/sr/nm", 0)


def test_enmap_without_quality_layers(tmp_path):
    cube = hsad.open_cube(dlr.write_enmap(tmp_path, layers=False))
    assert flag_names(cube) == []
    assert invalid(cube) == row(4)
    with pytest.raises(ParameterError, match="the scene has no quality layers"):
        choose_flags(cube, "cloud")
    assert choose_flags(cube, "none").attrs["mask_flags"] == []


def test_enmap_from_anywhere_in_it(tmp_path):
    image = dlr.write_enmap(tmp_path)
    cube = hsad.open_cube(image)
    for path in (tmp_path, tmp_path / f"{dlr.ENMAP}METADATA.XML", tmp_path / f"{dlr.ENMAP}QL_QUALITY_CLOUD.TIF"):
        again = hsad.open_cube(path)
        np.testing.assert_array_equal(again.values, cube.values)
        assert again.attrs["source"] == str(image)


def test_enmap_under_another_name(tmp_path):
    assert hsad.open_cube(dlr.write_enmap(tmp_path, stem="berlin_L2A_")).attrs["reader"] == "EnMAP"


@pytest.mark.parametrize(
    "broken, said",
    [
        (lambda text: None, r"not a whole EnMAP product: .*METADATA\.XML is missing"),
        (lambda text: "<level_X/>", "describes 0 bands in bandCharacterisation, the image has 4"),
        (lambda text: text.replace("FWHMOfBand", "Width"), "no FWHMOfBand in bandID 1"),
        (lambda text: text.replace("2400.0", "wide"), "wavelengthCenterOfBand = 'wide'"),
        (lambda text: text[:200], "not readable XML"),
        (lambda text: "", "not readable XML"),
    ],
)
def test_enmap_says_what_is_missing(tmp_path, broken, said):
    image = dlr.write_enmap(tmp_path)
    metadata = tmp_path / f"{dlr.ENMAP}METADATA.XML"
    text = broken(metadata.read_text())
    metadata.unlink() if text is None else metadata.write_text(text)
    with pytest.raises(SceneError, match=said) as error:
        hsad.open_cube(image)
    assert "\n" not in str(error.value)


def test_enmap_l1b_is_two_grids(tmp_path):
    with pytest.raises(SceneError, match="EnMAP L1B is two images on two grids"):
        hsad.open_cube(dlr.write_enmap(tmp_path, level="L1B"))


def test_a_folder_of_enmap_l1b_ends_in_one_line(tmp_path):
    image = dlr.write_enmap(tmp_path, level="L1B", layers=False)
    for detector in ("VNIR", "SWIR"):
        (tmp_path / image.name.replace("IMAGE", f"IMAGE_{detector}")).write_bytes(image.read_bytes())
    image.unlink()
    with pytest.raises(SceneError, match="EnMAP L1B is two images on two grids, not one cube: use L1C or L2A"):
        hsad.open_cube(tmp_path)


def test_metadata_may_not_define_entities(tmp_path):
    image = dlr.write_enmap(tmp_path)
    (tmp_path / "secret").write_text("420.0")
    for declared in ('<!ENTITY a "420.0">', f'<!ENTITY a SYSTEM "file://{tmp_path}/secret">'):
        text = dlr.enmap_metadata().replace("<level_X", f"<!DOCTYPE level_X [{declared}]><level_X", 1)
        (tmp_path / f"{dlr.ENMAP}METADATA.XML").write_text(text.replace("420.0", "&a;", 1))
        with pytest.raises(SceneError, match="declares a document type"):
            hsad.open_cube(image)


def test_a_layer_of_another_size_is_left_out_and_said(tmp_path):
    image = dlr.write_enmap(tmp_path)
    dlr.write_tiff(tmp_path / f"{dlr.ENMAP}QL_QUALITY_CLOUD.TIF", np.ones((2, 2, 1), "u1"))
    cube = hsad.open_cube(image)
    assert "cloud" not in flag_names(cube)
    assert any("QL_QUALITY_CLOUD.TIF is (2, 2), the scene (5, 4)" in remark for remark in cube.attrs["warnings"])


# --- DESIS


def test_desis(tmp_path):
    cube = hsad.open_cube(dlr.write_desis(tmp_path))
    assert (cube.attrs["product"], cube.attrs["units"]) == ("DESIS L2A", "1")
    assert cube.wavelength.values.tolist() == dlr.DESIS_WAVELENGTHS
    np.testing.assert_allclose(spectra(cube)[0][3, 1], [1310 * 0.01 + 1, 1311 * 0.02 + 2, 1312 * 0.03 + 3])
    assert invalid(cube) == {(4, 3), (0, 0), (0, 1), (0, 2)}
    assert invalid(choose_flags(cube, "water")) == {(4, 3), (1, 1)}
    assert geo_grid(cube).crs.to_epsg() == 32633
    np.testing.assert_array_equal(hsad.open_cube(tmp_path).values, cube.values)


def test_desis_l1b_is_on_the_sensors_grid(tmp_path):
    cube = hsad.open_cube(dlr.write_desis(tmp_path, "L1B"))
    assert cube.rio.crs is None
    assert flag_names(cube) == ["pixel"]
    assert cube.attrs["mask_flags"] == []
    assert invalid(choose_flags(cube, "pixel")) - invalid(cube) == {(3, 2)}


# --- AVIRIS


@pytest.mark.parametrize("spectrum", [False, True])
def test_aviris_classic(tmp_path, spectrum):
    cube = hsad.open_cube(aviris.write_classic(tmp_path, spectrum=spectrum))
    assert cube.attrs["product"] == "AVIRIS classic L1"
    # In µm without a unit, or in nm beside the image; 0.70 and 0.65 are out of order.
    np.testing.assert_allclose(cube.wavelength, [400, 650, 700, 1400])
    assert cube.good_wavelength.values.tolist() == [True, True, True, False]
    assert cube.attrs["_FillValue"] == -50
    np.testing.assert_allclose(spectra(cube)[0][1, 2], [1120 / 300, 1122 / 600, 1121 / 300])
    assert invalid(cube) == row(0)
    a, b, *_ = geo_grid(cube).transform
    np.testing.assert_allclose((a, b), (5 * np.cos(np.pi / 6), 5 * np.sin(np.pi / 6)))
    np.testing.assert_array_equal(hsad.open_cube(tmp_path).values, cube.values)


def test_aviris_ng_of_2014_has_432_bands(tmp_path):
    path = aviris.write_ng(tmp_path)
    cube = hsad.open_cube(path)
    assert (cube.attrs["product"], cube.shape) == ("AVIRIS-NG L2", (ROWS, COLS, 432))
    assert invalid(cube) == row(0)
    inside = ((cube.wavelength >= 1350) & (cube.wavelength <= 1440)) | (
        (cube.wavelength >= 1800) & (cube.wavelength <= 1960)
    )
    np.testing.assert_array_equal(cube.good_wavelength, ~inside)
    np.testing.assert_array_equal(hsad.open_cube(tmp_path / f"{path.name}.hdr").values, cube.values)


def test_real_aviris_ng(data):
    import spectral

    name = "ang20150422t163638_corr_v1e_img_4000-4010_550-560"
    cube = hsad.open_cube(data / f"envi/aviris-ng/{name}.hdr")
    image = spectral.open_image(str(data / f"envi/aviris-ng/{name}.hdr"))
    assert cube.attrs["reader"] == "AVIRIS"
    np.testing.assert_array_equal(cube.values, image.open_memmap())
    np.testing.assert_allclose(cube.wavelength, image.bands.centers)
    np.testing.assert_array_equal(cube.good_wavelength, np.asarray(image.metadata["bbl"], float) > 0)
    with rasterio.open(data / f"envi/aviris-ng/{name}.img") as dataset:
        np.testing.assert_allclose(tuple(geo_grid(cube).transform), tuple(dataset.transform))


def test_gains_that_do_not_fit_are_named(tmp_path):
    path = aviris.write_classic(tmp_path)
    (tmp_path / "f970619t01p02r02.gain").write_text("300\n")
    with pytest.raises(SceneError, match=r"f970619t01p02r02\.gain: 1 divisors for 4 bands"):
        hsad.open_cube(path)


# --- Hyperion


def test_hyperion(tmp_path):
    metadata = single_files.write_hyperion(tmp_path)
    cube = hsad.open_cube(metadata)
    assert cube.band_name.values.tolist() == ["B001", "B008", "B077", "B057", "B070", "B224"]
    assert cube.good_wavelength.values.tolist() == [False, True, True, True, False, True]
    # USGS: B008 426.82, B057 925.41, B077 912.45, B224 2395.50 nm.
    np.testing.assert_allclose(wavelengths()[[7, 56, 76, 223]], [426.82, 925.41, 912.45, 2395.50], atol=0.03)
    # Ten times the number of the band, and a hundred a row, by 40 in the VNIR and by 80 in the SWIR.
    np.testing.assert_allclose(
        cube.values[1, 1] * cube.gain.values, [110 / 40, 180 / 40, 870 / 80, 670 / 40, 800 / 40, 2340 / 80]
    )
    assert invalid(cube) == {(0, 0)}
    assert any("236 of 242 bands are missing" in remark for remark in cube.attrs["warnings"])
    for path in (tmp_path, tmp_path / f"{single_files.HYPERION}_B057_L1T.TIF"):
        np.testing.assert_array_equal(hsad.open_cube(path).values, cube.values)


def test_calibrated_bands_of_hyperion(tmp_path):
    single_files.write_hyperion(tmp_path, range(1, 243))
    assert int(hsad.open_cube(tmp_path).good_wavelength.sum()) == 198


def test_hyperion_bands_must_fit(tmp_path):
    single_files.write_hyperion(tmp_path)
    name = f"{single_files.HYPERION}_B057_L1T.TIF"
    dlr.write_tiff(tmp_path / name, np.ones((3, 3, 1), "i2"), crs="EPSG:32633", transform=dlr.TRANSFORM)
    with pytest.raises(SceneError, match=r"images of different sizes \(3×3, 5×4\)"):
        hsad.open_cube(tmp_path)
    dlr.write_tiff(tmp_path / name, np.ones((ROWS, COLS, 1), "i2"), crs="EPSG:32634", transform=dlr.TRANSFORM)
    with pytest.raises(SceneError, match="it does not lie where"):
        hsad.open_cube(tmp_path)


# --- Wyvern


@pytest.mark.parametrize("level", ["L1B", "L2A"])
def test_wyvern(tmp_path, level):
    path = single_files.write_wyvern(tmp_path, level)
    cube = hsad.open_cube(path)
    assert cube.attrs["product"] == f"Wyvern {level}"
    assert cube.wavelength.values.tolist() == [503, 650, 799]
    assert cube.fwhm.values.tolist() == [16, 16, 16]
    factor = 1e-4 if level == "L2A" else 1
    np.testing.assert_allclose(spectra(cube)[0][3, 1], factor * np.array([1310, 1311, 1312]))
    assert invalid(cube) == ({(0, 0)} if level == "L2A" else set())
    for again in (tmp_path, path.with_suffix(".json")):
        np.testing.assert_array_equal(hsad.open_cube(again).values, cube.values)


# --- all of them


BUILDERS = {
    "enmap": dlr.write_enmap,
    "desis": dlr.write_desis,
    "classic": aviris.write_classic,
    "hyperion": single_files.write_hyperion,
    "wyvern": single_files.write_wyvern,
}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_windows_and_recipes(build, tmp_path):
    cube = hsad.open_cube(build(tmp_path))
    raster = pickle.loads(pickle.dumps(raster_of(cube)))  # noqa: S301  our own
    np.testing.assert_array_equal(raster.read(slice(1, 4), slice(2, 4)), cube.values[1:4, 2:4])
    assert np.isfinite(hsad.detect(cube, "rx", covariance="ridge")).any()


@pytest.mark.parametrize("build", [dlr.write_enmap, dlr.write_desis])
def test_only_files_of_the_products_folder_are_read(build, tmp_path):
    inside, outside = tmp_path / "product", tmp_path / "elsewhere"
    inside.mkdir(), outside.mkdir()
    image = build(inside)
    metadata = next(path for path in inside.iterdir() if path.suffix.lower() == ".xml")
    layer = next(path for path in inside.iterdir() if "CLOUD" in path.name or "QUALITY-2" in path.name)
    shutil.move(layer, outside / layer.name)
    # Names of files in the metadata are not followed.
    text = metadata.read_text()
    end = text.rindex("</")
    metadata.write_text(f"{text[:end]}<fileName>../elsewhere/{layer.name}</fileName>{text[end:]}")
    assert "cloud" not in flag_names(hsad.open_cube(image))
