"""Absorption features, against continuum removal written out."""

from __future__ import annotations

import numpy as np
import pytest

from hsad.explanation.absorption import FEATURES, absorptions, sentence_of

WAVELENGTH = np.arange(450.0, 2500.0, 10.0)


@pytest.fixture(scope="module")
def around():
    rng = np.random.default_rng(0)
    slope = 0.2 + 0.1 * (WAVELENGTH - 450) / 2000
    return slope * rng.normal(1, 0.05, (60, 1)) + 0.001 * rng.normal(size=(60, len(WAVELENGTH)))


def dip(at, depth, width=18.0):
    return 1 - depth * np.exp(-(((WAVELENGTH - at) / width) ** 2))


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: f"{feature.low:.0f}")
def test_a_feature_is_seen_with_the_depth_of_its_continuum(feature, around):
    middle = (feature.low + feature.high) / 2
    width = (feature.shoulders[1] - feature.shoulders[0]) / 8
    spectrum = around[0] * dip(middle, 0.12, width)
    found = absorptions(spectrum, around[1:], WAVELENGTH)
    assert feature.cause in {seen.feature.cause for seen in found}
    seen = next(seen for seen in found if seen.feature.cause == feature.cause)
    left, right = (int(np.argmin(np.abs(WAVELENGTH - end))) for end in feature.shoulders)
    continuum = np.interp(WAVELENGTH, WAVELENGTH[[left, right]], spectrum[[left, right]])
    between = slice(left, right + 1)
    assert seen.depth == pytest.approx((1 - spectrum / continuum)[between].max(), abs=1e-12)
    assert feature.low <= seen.wavelength <= feature.high


def test_what_the_pixels_around_have_too_is_no_feature(around):
    clay = dip(2205, 0.12)
    assert absorptions(around[0] * clay, around[1:] * clay, WAVELENGTH) == ()
    assert absorptions(around[0], around[1:], WAVELENGTH) == ()
    assert absorptions(around[0] * dip(2205, 0.01), around[1:], WAVELENGTH) == ()


def test_the_order_of_bands_does_not_matter(around):
    order = np.random.default_rng(1).permutation(len(WAVELENGTH))
    spectrum = around[0] * dip(2335, 0.1)
    (seen,) = absorptions(spectrum[order], around[1:, order], WAVELENGTH[order])
    assert (seen.feature.cause, round(seen.wavelength, -1)) == ("carbonate", 2340)
    assert seen.to_dict()["doi"] == "10.1029/JB095iB08p12653"
    assert sentence_of([seen]).startswith("It absorbs at 2.3")


def test_without_wavelengths_or_surroundings_nothing_is_said(around):
    spectrum = around[0] * dip(2205, 0.1)
    assert absorptions(spectrum, around[1:], None) == ()
    assert absorptions(spectrum, around[:3], WAVELENGTH) == ()
    visible = WAVELENGTH < 1000
    assert absorptions(spectrum[visible], around[1:, visible], WAVELENGTH[visible]) == ()
