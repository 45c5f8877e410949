"""ENVI headers in the spellings of many programs: wavelengths, hemispheres, rotations, times, fills."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from granules.envi import header_text, write

import hsad
from hsad.errors import SceneError
from hsad.readers.envi.times import iso_time
from hsad.scene.grid import geo_grid

WAVES = [420.5, 510.25, 640.0, 955.75]
NM = {"wavelength_units": "Nanometers"}


def joined(form, separator=", "):
    return separator.join(form.format(wave) for wave in WAVES)


@pytest.mark.parametrize(
    "keys",
    [
        {**NM, "wavelength": "[420.50  510.25\n 640.00\n  955.75]"},
        {**NM, "wavelength": f"[{joined('{:.2f}')}]"},
        {**NM, "wavelength": joined("{:.2f}")},
        {**NM, "wavelength": f"{{{joined('{:.2f}')}, }}"},
        {**NM, "wavelength": "{" + joined("{:.2f}", "; ").replace(".", ",") + "}"},
        {**NM, "wavelength": "{" + joined("{:.2f}").replace(".", ",").replace(",,", ",") + "}"},
        {"wavelength": f"{{{joined('{:.2f} nm')}}}"},
        {"wavelength": "{0.4205 µm, 0.51025 µm, 640 nm, 0.95575 µm}"},
        {**NM, "wavelength": "{" + joined('"{:.2f}"') + "}"},
        {**NM, "center_wavelength": f"{{{joined('{:.2f}')}}}"},
        {**NM, "Center_Wavelengths": f"{{{joined('{:.2f}')}}}"},
        {**NM, "band_centers": f"{{{joined('{:.2f}')}}}"},
        {"wavelength_(nm)": f"{{{joined('{:.2f}')}}}"},
        {"wavelength_unts": "Nanometers", "wavelength": f"{{{joined('{:.2f}')}}}"},
        {"band_names": f"{{{joined('Band 1 ({:.2f} Nanometers)')}}}"},
        {"band_names": f"{{{joined('band ({:.2f})')}}}"},
        {"band_names": "{\n420.50 (421),\n510.25 (511),\n640.00 (641),\n955.75 (956)}"},
    ],
)
def test_wavelengths_are_found_in_every_spelling(tmp_path, keys):
    cube = hsad.open_cube(write(tmp_path, np.ones((3, 2, 4), "i2"), **keys))
    np.testing.assert_allclose(cube.wavelength, WAVES)


def test_wavelengths_that_are_dropped_are_remarked_on(tmp_path):
    cube = hsad.open_cube(write(tmp_path, np.ones((3, 2, 4), "i2"), wavelength="[400 500]"))
    assert "wavelength" not in cube.coords
    assert cube.attrs["warnings"] == ["the file gives 2 wavelengths for 4 bands: they are ignored"]


def test_an_open_square_bracket_does_not_swallow_the_keys_after_it(tmp_path):
    cube = hsad.open_cube(write(tmp_path, np.ones((3, 2, 4), "i2"), description="[a", wavelength="{1, 2, 3, 4}", **NM))
    assert cube.attrs["description"] == "[a"
    assert any("cannot be" in remark or "band numbers" in remark for remark in cube.attrs["warnings"])


def test_flags_in_words_and_one_width_for_all_bands(tmp_path):
    keys = {"bbl": "{True, False, true, FALSE}", "fwhm": "5.5", "wavelength": f"{{{joined('{}')}}}", **NM}
    cube = hsad.open_cube(write(tmp_path, np.ones((3, 2, 4), "i2"), **keys))
    assert cube.good_wavelength.values.tolist() == [True, False, True, False]
    assert cube.fwhm.values.tolist() == [5.5] * 4


def test_a_header_in_utf_16_and_one_in_latin_1_are_read(tmp_path):
    for encoding in ("utf-16", "latin-1"):
        path = write(tmp_path, np.ones((3, 2, 4), "i2"), description="{Größe}")
        path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
        assert hsad.open_cube(path).attrs["description"] == "Größe"


def test_a_header_of_300_megabytes_is_refused_before_it_is_read(tmp_path):
    path = write(tmp_path, np.ones((3, 2, 4), "i2"))
    with path.open("r+b") as file:
        file.truncate(300 * 2**20)
    with pytest.raises(SceneError, match="314572800 bytes are too many for a header"):
        hsad.open_cube(path)


UTM = "{{UTM, 1, 1, 441357.25, {north}, 2, 2, {zone}, {letter}, WGS-84, {more}}}"


@pytest.mark.parametrize(
    "letter, north, south",
    [
        *((letter, 6100000, True) for letter in "CDEFGHJKLM"),
        *((letter, 4855944, False) for letter in "NPQRTUVWX"),
        ("S", 4000000, False),
        ("S", 6100000, True),
        ("h", 6100000, True),
        ("South", 6100000, True),
        ("southern hemisphere", 6100000, True),
        ("north", 4855944, False),
    ],
)
def test_the_letter_of_a_latitude_band_tells_the_hemisphere(tmp_path, letter, north, south):
    for zone, written in (("15", letter), ("15" + letter[:1], "")):
        if written == "" and len(letter) > 1:
            continue
        info = UTM.format(north=north, zone=zone, letter=written, more="units=Meters").replace(", ,", ",")
        cube = hsad.open_cube(write(tmp_path, np.ones((3, 2, 4), "i2"), map_info=info))
        assert cube.rio.crs.to_epsg() == (32715 if south else 32615)


def test_a_field_that_names_no_hemisphere_is_remarked_on(tmp_path):
    info = "{UTM, 1, 1, 441357.25, 4855944, 2, 2, 15, WGS-84, units=Meters}"
    cube = hsad.open_cube(write(tmp_path, np.ones((3, 2, 4), "i2"), map_info=info))
    assert any("'WGS-84' in place of North or South" in remark for remark in cube.attrs["warnings"])


@pytest.mark.parametrize("rotation", ["rotation  12.5", "rotation=12.5", "rotation = 12.5", "Rotation: 12.5"])
def test_a_rotation_counts_in_every_spelling(tmp_path, rotation):
    known = UTM.format(north=4855944, zone=15, letter="North", more="units=Meters, rotation=12.5")
    write(tmp_path, np.ones((3, 2, 4), "i2"), map_info=known)
    with rasterio.open(tmp_path / "scene.img") as dataset:
        expected = dataset.transform
    info = UTM.format(north=4855944, zone=15, letter="T", more=f"units  meters, {rotation}")
    cube = hsad.open_cube(write(tmp_path, np.ones((3, 2, 4), "i2"), map_info=info))
    np.testing.assert_allclose(tuple(geo_grid(cube).transform), tuple(expected))
    assert abs(expected.b) > 0.1


@pytest.mark.parametrize(
    "text, iso",
    [
        ("2021-05-30T10:14:45Z", "2021-05-30T10:14:45Z"),
        ("2021-05-30T10:14:45.500", "2021-05-30T10:14:45.500000Z"),
        ("2021-05-30T12:14:45+02:00", "2021-05-30T10:14:45Z"),
        ("2021-05-30 10:14:45 UTC", "2021-05-30T10:14:45Z"),
        ("2021/05/30 10:14:45", "2021-05-30T10:14:45Z"),
        ("30-May-2021 10:14:45", "2021-05-30T10:14:45Z"),
        ("Sun May 30 10:14:45 2021", "2021-05-30T10:14:45Z"),
        ("20210530", "2021-05-30T00:00:00Z"),
        ("05/06/2021", None),
        ("noon", None),
        ("", None),
    ],
)
def test_the_time_of_acquisition_is_given_in_iso_8601(tmp_path, text, iso):
    assert iso_time(text) == iso
    cube = hsad.open_cube(write(tmp_path, np.ones((3, 2, 4), "i2"), acquisition_time=text))
    assert cube.attrs.get("acquired") == iso


@pytest.mark.parametrize("dtype", ["i2", "f4"])
@pytest.mark.parametrize("rounding", [np.rint, np.trunc])
def test_a_fill_that_was_multiplied_with_smoothing_factors_is_missing_data(tmp_path, dtype, rounding):
    factors = np.array([1.0, 0.98765, 1.012345, 1.1])
    values = np.random.default_rng(3).integers(100, 900, (9, 8, 4)).astype(dtype)
    fill = np.float32(-9999) * factors.astype("f4") if dtype == "f4" else rounding(-9999 * factors)
    values[2:4, 1:3] = fill.astype(dtype)
    keys = {"data_ignore_value": -9999, "smoothing_factors": "{" + ", ".join(map(str, factors)) + "}"}
    path = write(tmp_path, values, **keys)
    invalid = np.zeros((9, 8), bool)
    invalid[2:4, 1:3] = True
    scores = hsad.detect(path, "rx", workers=1)
    np.testing.assert_array_equal(np.isnan(scores), invalid)
    known = np.where(invalid[..., None], np.nan, values.astype("f8"))
    np.testing.assert_array_equal(scores, hsad.detect(known, "rx", workers=1))


def test_a_header_text_without_the_word_envi_is_refused_by_what_it_is(tmp_path):
    (tmp_path / "scene.hdr").write_text(header_text((3, 2, 4)).replace("ENVI", "SPECTRA"))
    with pytest.raises(SceneError, match=r"scene\.hdr: no ENVI header"):
        hsad.open_cube(tmp_path / "scene.hdr")
    (tmp_path / "photo.hdr").write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 2 +X 2\n" + bytes(16))
    with pytest.raises(SceneError, match=r"photo\.hdr: a picture"):
        hsad.open_cube(tmp_path / "photo.hdr")


def test_a_smoothed_line_of_aviris_classic_that_was_cut_off_keeps_its_fill_and_its_whole_lines(tmp_path):
    factors = np.array([1.0, 0.98765, 1.012345, 1.1])
    values = np.random.default_rng(3).integers(100, 900, (9, 8, 4)).astype("i2")
    values[2:4, 1:3] = np.rint(-9999 * factors)
    keys = {"data_ignore_value": -9999, "smoothing_factors": "{" + ", ".join(map(str, factors)) + "}", **NM}
    keys["wavelength"] = f"{{{joined('{}')}}}"
    write(tmp_path, values, name="f130612t01p00r05_rfl_v1", suffix="", interleave="bip", **keys)
    path = tmp_path / "f130612t01p00r05_rfl_v1"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SceneError, match="--partial"):
        hsad.open_cube(path)
    cube = hsad.open_cube(path, partial=True)
    assert (cube.shape, cube.attrs["reader"]) == ((8, 8, 4), "AVIRIS")
    np.testing.assert_array_equal(np.isnan(cube).all("band"), (values < 0).all(axis=2)[:8])
    assert cube.attrs["acquired"].startswith("2013-06-12")
