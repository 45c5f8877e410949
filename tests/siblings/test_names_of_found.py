"""Names from a spectral library, against the formula written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh

from hsad.errors import DataError
from hsad.explanation.names import GAINS, MISMATCH, Hint, Namer, Naming
from hsad.kernels.summaries import Moments
from hsad.readers.libraries.library import Library

WAVELENGTH = np.linspace(450.0, 2400.0, 40)


@pytest.fixture(scope="module")
def ground():
    rng = np.random.default_rng(3)
    shapes = 0.25 + 0.1 * np.sin(WAVELENGTH / np.array([[300.0], [500.0], [900.0]]))
    shares = rng.dirichlet([2, 2, 2], 3000)
    return shares @ shapes * rng.normal(1, 0.1, (3000, 1)) + 0.004 * rng.normal(size=(3000, 40))


@pytest.fixture(scope="module")
def library():
    rng = np.random.default_rng(4)
    centres = rng.uniform(500, 2300, (12, 1))
    spectra = 0.3 + 0.2 * np.tanh((WAVELENGTH - centres) / 300) - 0.1 * np.exp(-(((WAVELENGTH - centres) / 80) ** 2))
    names = tuple(f"s{number}" for number in range(12))
    return Library(names, WAVELENGTH, spectra, tuple("clay" if n < 6 else "paint" for n in range(12)), "made")


def test_cosines_are_the_formula(ground, library):
    spectrum, ring = 0.6 * ground[0] + 0.4 * library.spectra[7], ground[1:200]
    found = Namer.of(library, WAVELENGTH, None, Moments.of(ground)).name(spectrum, ring, pixels=4)
    values, vectors = eigh(np.cov(ground.T, bias=True) + np.diag((MISMATCH * ground.mean(axis=0)) ** 2))
    inverse = vectors @ np.diag(1 / np.maximum(values, 0.1 * np.median(values))) @ vectors.T
    background = ring.mean(axis=0)
    left = spectrum - background

    def cosine(other):
        away = other - background
        return left @ inverse @ away / np.sqrt((left @ inverse @ left) * (away @ inverse @ away))

    plain = np.array([max(cosine(gain * other) for gain in GAINS) for other in library.spectra])
    spread = np.mean([(pixel - background) @ inverse @ (pixel - background) for pixel in ring])
    signal = 1 - spread * (1 / 4 + 1 / len(ring)) / (left @ inverse @ left)
    order = np.argsort(-plain)[:3]
    assert [hint.name for hint in found.nearest] == [library.names[i] for i in order]
    assert found.nearest[0].name == "s7"
    assert found.signal == pytest.approx(signal)
    expected = np.minimum(1, plain[order] / np.sqrt(signal))
    np.testing.assert_allclose([hint.cosine for hint in found.nearest], expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 100.0, 10_000.0])
def test_the_scale_of_reflectance_does_not_change_a_name(ground, library, scale):
    namer = Namer.of(library, WAVELENGTH, None, Moments.of(scale * ground))
    found = namer.name(scale * (0.5 * ground[0] + 0.5 * library.spectra[2]), scale * ground[1:200])
    assert found.nearest[0].name == "s2"
    assert found.word == "clay"
    plain = Namer.of(library, WAVELENGTH, None, Moments.of(ground))
    same = plain.name(0.5 * ground[0] + 0.5 * library.spectra[2], ground[1:200])
    assert [hint.cosine for hint in found.nearest] == pytest.approx([hint.cosine for hint in same.nearest])


def test_radiance_is_told_by_its_units_or_its_fall_with_wavelength(ground, library):
    sunlight = 1 / (np.expm1(14388.0 / (WAVELENGTH / 1000 * 5778)) * (WAVELENGTH / 1000) ** 5)
    radiance = ground * sunlight / sunlight.max() * 80
    for scene, units in ((radiance, ""), (ground * 80, "W/m²/sr/µm")):
        namer = Namer.of(library, WAVELENGTH, None, Moments.of(scene), units)
        assert "ratio of the mean spectra" in namer.units
    assert Namer.of(library, WAVELENGTH, None, Moments.of(ground)).units == "reflectance"


def test_background_has_no_name(ground, library):
    namer = Namer.of(library, WAVELENGTH, None, Moments.of(ground))
    unknown = [namer.name(ground[i], np.delete(ground[:300], i, axis=0)).word == "unknown" for i in range(100)]
    assert np.mean(unknown) > 0.9
    assert namer.name(ground[0], ground[:0]).phrase == "unknown"


def test_spectra_and_bands_that_do_not_meet_are_left_out(ground, library):
    short = np.where(WAVELENGTH < 2000, library.spectra, np.nan)
    short[3, 5] = np.nan
    half = Library(library.names, WAVELENGTH, short, (), "half")
    namer = Namer.of(half, WAVELENGTH, None, Moments.of(ground))
    assert "s3" not in namer.names
    assert len(namer.names) == 11
    assert len(namer.bands) == (WAVELENGTH < 2000).sum()
    with pytest.raises(DataError, match=r"library half: .* share 0 bands with the scene; 5 are needed"):
        Namer.of(half, WAVELENGTH + 9000, None, Moments.of(ground))


def test_names_are_said_with_their_evidence():
    hints = (Hint("a", "bare soil", 0.97), Hint("b", "bare soil", 0.95), Hint("c", "paint", 0.9))
    assert Naming(hints, 0.9).phrase == "most like bare soil, 2 of 3"
    assert Naming(hints, 0.9).sentence == (
        "Most like bare soil, 2 of 3; nearest spectra (cosine): a (0.97), b (0.95), c (0.90)"
    )
    assert Naming(hints, 0.1).sentence.startswith("Unknown: it differs too little")
    assert Naming((Hint("a", "", 0.7),), 0.9).sentence == (
        "Unknown: no spectrum of the library is near enough; the nearest, a, has cosine 0.70 and a name needs 0.9"
    )
