"""Wavelengths and widths as files give them: units that are meant, lists that are none."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.io

import hsad
from hsad.errors import ParameterError
from hsad.readers.bands import band_table, described_bands


@pytest.mark.parametrize(
    "units, values, nanometers, remarked",
    [
        ("Nanometers", [400, 2500], [400, 2500], False),
        ("nanometre", [400, 2500], [400, 2500], False),
        ("Micrometers", [0.4, 2.5], [400, 2500], False),
        ("µm", [0.4, 2.5], [400, 2500], False),
        ("\u03bcm", [0.4, 2.5], [400, 2500], False),  # the Greek letter, not the micro sign
        ("microns", [8, 12], [8000, 12000], False),
        ("Angstroms", [4000, 25000], [400, 2500], False),
        ("Wavenumber", [25000, 4000], [400, 2500], False),
        ("GHz", [749481.145, 119916.9832], [400, 2500], False),
        ("Unknown", [0.4, 2.5], [400, 2500], True),
        (None, [400, 2500], [400, 2500], True),
        ("nm", [0.4, 2.5], [400, 2500], True),
        ("Micrometers", [400, 2500], [400, 2500], True),
    ],
)
def test_units(units, values, nanometers, remarked):
    table = band_table(2, wavelength=[str(value) for value in values], units=units)
    np.testing.assert_allclose(table.wavelength, nanometers, rtol=1e-9)
    assert bool(table.remarks) == remarked


def test_width_of_a_wavenumber_band():
    # A band from 9995 to 10005 cm⁻¹ spans 1e7/9995 - 1e7/10005 nm.
    table = band_table(1, wavelength=[10000], fwhm=[10], units="cm-1")
    np.testing.assert_allclose(table.fwhm, 1e7 / 9995 - 1e7 / 10005, rtol=1e-6)


@pytest.mark.parametrize(
    "wavelength, remark",
    [
        (["400", "x", "600"], "not all numbers"),
        ([0, 0, 600], "wavelength 0 of band 1 is not positive"),
        ([400, float("nan"), -1], "wavelength nan of band 2"),
        ([1, 2, 3], "band numbers"),
        ([400, 500], "2 wavelengths for 3 bands"),
    ],
)
def test_lists_that_are_no_wavelengths_are_dropped_with_a_remark(wavelength, remark):
    table = band_table(3, wavelength=wavelength, fwhm=[1, 1, 1], units=None)
    assert table.wavelength is None
    assert table.fwhm is None
    assert remark in table.remarks[0]


def test_descending_wavelengths_are_in_order():
    assert band_table(3, wavelength=[700, 600, 500], units="nm").remarks == []


@pytest.mark.parametrize("odd", ["nan", "0", "-1", "N/A", "inf", "None"])
def test_a_single_band_without_a_wavelength_takes_the_mean_of_its_neighbours(odd):
    table = band_table(5, wavelength=["400", "410", odd, "430", "440"], units="nm")
    np.testing.assert_allclose(table.wavelength, [400, 410, 420, 430, 440])
    assert re.search("band 3.*interpolated", table.remarks[0])
    ends = band_table(5, wavelength=[odd, "410", "420", "430", odd], units="nm")
    np.testing.assert_allclose(ends.wavelength, [400, 410, 420, 430, 440])


def test_numbers_with_their_own_units_and_quotes_are_wavelengths():
    assert band_table(2, wavelength=["420.5 nm", "0.43 µm"]).wavelength.tolist() == [420.5, 430.0]
    assert band_table(2, wavelength=["0.4205 Micrometers", "0.43 um"], units="nm").wavelength.tolist() == [420.5, 430.0]
    assert band_table(2, wavelength=["'420.5'", '"430"'], units="nm").wavelength.tolist() == [420.5, 430.0]
    assert band_table(2, wavelength=["420 parsecs", "430 parsecs"]).remarks == [
        "the wavelengths are not all numbers: they are ignored"
    ]


@pytest.mark.parametrize(
    "names, nanometers",
    [
        (["Band 1 (420.0 Nanometers)", "Band 2 (430.0 Nanometers)"], [420, 430]),
        (["Band 1 (420.25)", "Band 2 (430.5)"], [420.25, 430.5]),
        (["Band 1 (0.42)", "Band 2 (0.43)"], [420, 430]),
        (["422.16 (423.84)", "464.59 (466.29)"], [422.16, 464.59]),
        (["420.00 nm", "430.00 nm"], [420, 430]),
        (["Resize (B1 @ 0.42 µm: x.img)", "Resize (B2 @ 0.43 µm: x.img)"], [420, 430]),
        (["420.5", "430.5"], [420.5, 430.5]),
        (["1", "2"], None),
        (["Band 1", "Band 2"], None),
        (["PCA Band 1 (12)", "PCA Band 2 (3)"], None),
        (["Band 1 (1)", "Band 2 (2)"], None),
        (["Band 1 (420.0 nm)", "elevation"], None),
    ],
)
def test_names_of_bands_may_hold_their_wavelengths(names, nanometers):
    found = described_bands(names)
    if nanometers is None:
        assert found is None
    else:
        values, units = found
        np.testing.assert_allclose(band_table(2, wavelength=values, units=units).wavelength, nanometers)


def test_wavelengths_in_two_units_and_widths_in_another_are_understood():
    table = band_table(4, wavelength=[420, 800, 1.2, 2.4], fwhm=[0.005, 0.006, 0.01, 0.01], units="Nanometers")
    np.testing.assert_allclose(table.wavelength, [420, 800, 1200, 2400])
    np.testing.assert_allclose(table.fwhm, [5, 6, 10, 10])
    assert "those below 100 are taken as µm" in table.remarks[0]
    assert "fwhm values cannot be nm" in table.remarks[1]
    assert band_table(2, wavelength=[0.4, 0.5], fwhm=[5, 6], units="µm").fwhm.tolist() == [5, 6]
    assert band_table(2, wavelength=[400, 401], fwhm=[0.3, 0.3], units="nm").fwhm.tolist() == [0.3, 0.3]


NANOMETERS = np.linspace(400, 1000, 4)


@pytest.mark.parametrize(
    "name, content",
    [
        ("list.txt", "400\n600\n800\n1000\n"),
        ("row.txt", "0.4 0.6 0.8 1.0"),
        ("counted.csv", "1,400\n2,600\n3,800\n4,1000\n"),
        ("titled.csv", "band,fwhm,wavelength (µm)\n1,0.01,0.4\n2,0.01,0.6\n3,0.01,0.8\n4,0.01,1.0\n"),
        ("european.csv", "Band;Wellenlänge nm\n1;400,0\n2;600,0\n3;800,0\n4;1000,0\n"),
        ("remarks.txt", "# made by a camera\n\n400 # blue\n600\n800\n1000\n"),
        ("other.hdr", "ENVI\nwavelength units = Micrometers\nwavelength = {0.4, 0.6, 0.8, 1.0}\n"),
        ("vector.npy", None),
        ("arrays.mat:bands.lambda_um", None),
        ("arrays.mat", None),
    ],
)
def test_stated_wavelengths_come_from_every_kind_of_list(tmp_path, name, content):
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, NANOMETERS.astype("f4"))
    elif content is None:
        scipy.io.savemat(tmp_path / "arrays.mat", {"bands": {"lambda_um": NANOMETERS / 1000}, "n": 4})
    else:
        path.write_text(content, encoding="utf-8")
    np.save(tmp_path / "unused.npy", 0)
    scipy.io.savemat(tmp_path / "scene.mat", {"data": np.ones((5, 6, 4))})
    cube = hsad.open_cube(tmp_path / "scene.mat", wavelengths=path)
    np.testing.assert_allclose(cube.coords["wavelength"], NANOMETERS, rtol=1e-6)
    np.testing.assert_allclose(hsad.open_cube(tmp_path / "scene.mat", wavelengths=NANOMETERS).wavelength, NANOMETERS)


def test_stated_widths_come_along_and_replace_those_of_the_file(tmp_path):
    scipy.io.savemat(tmp_path / "scene.mat", {"data": np.ones((5, 6, 4)), "wavelength": NANOMETERS / 2})
    (tmp_path / "bands.csv").write_text("wavelength_nm,fwhm_nm\n400,5\n600,6\n800,7\n1000,8\n")
    cube = hsad.open_cube(tmp_path / "scene.mat", wavelengths=tmp_path / "bands.csv")
    assert cube.wavelength.values.tolist() == [400, 600, 800, 1000]
    assert cube.fwhm.values.tolist() == [5, 6, 7, 8]
    assert any("replace those of the file" in remark for remark in cube.attrs["warnings"])


@pytest.mark.parametrize(
    "content, message",
    [
        ("400\n600\n", "2 numbers for a scene of 4 bands"),
        ("400\nblue\n800\n1000\n", "'blue' is no line of numbers"),
        ("", "holds no numbers"),
        ("1\n2\n3\n4\n", "band numbers"),
        ("ENVI\nsamples = 4\n", "no 'wavelength'"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_by_name(tmp_path, content, message):
    scipy.io.savemat(tmp_path / "scene.mat", {"data": np.ones((5, 6, 4))})
    (tmp_path / "bands.txt").write_text(content)
    with pytest.raises(ParameterError, match=rf"bands\.txt: .*{message}"):
        hsad.open_cube(tmp_path / "scene.mat", wavelengths=tmp_path / "bands.txt")
