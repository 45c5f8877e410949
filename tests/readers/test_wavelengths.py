"""Wavelengths and widths as files give them: units that are meant, lists that are none."""

from __future__ import annotations

import numpy as np
import pytest

from hsad.readers.bands import band_table


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
        ([400, 0, 600], "wavelength 0 of band 2 is not positive"),
        ([400, float("nan"), 600], "wavelength nan of band 2"),
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
