"""Spectral libraries: files, folders and packages, and spectra as the bands of a sensor see them."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from scipy.integrate import quad

from hsad.errors import MissingExtraError, ParameterError, SceneError
from hsad.readers.libraries.library import Library
from hsad.readers.libraries.weights import band_weights

ENVI_LIBRARY = """ENVI
samples = 4
lines = 2
bands = 1
header offset = 0
file type = ENVI Spectral Library
data type = 4
interleave = bsq
byte order = 0
wavelength units = Nanometers
wavelength = {400, 500, 600, 700}
spectra names = {one, two}
"""


@pytest.mark.parametrize(
    "content, says",
    [
        ("", "a column of wavelengths"),
        ("nm,a\n400,1\n", "a column of wavelengths"),
        ("nm,a\n400,1\n500\n", "line 3 has another number of columns"),
        ("nm,a\n400,1\n500,red\n", "line 3: 'red' is not a number"),
        ("nm,a,b\n400,1,\n500,2,\n", "the spectrum 'b' holds no number"),
        ("nm,a,b\n400,1,nan\n500,2,inf\n", "the spectrum 'b' holds no number"),
        ("nm,a\n,1\n500,2\n", "a wavelength is missing"),
        ("nm,a\n-400,1\n500,2\n", "a wavelength is missing or is no positive number"),
        ("nm,a\n400,1\n500," + "1" * 200_000, "field larger than field limit"),
        (b"nm,a\n400,\x001\n\xff,2", "can't decode"),
    ],
)
def test_libraries_that_cannot_be_read_are_one_line(content, says, tmp_path):
    path = tmp_path / "library.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SceneError, match=rf"library\.csv: not a readable spectral library: .*{says}") as caught:
        Library.open(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "old, new",
    [
        ("ENVI\n", "ENV\n"),
        ("samples = 4", "samples = four"),
        ("samples = 4", "samples = 400"),
        ("lines = 2", ""),
        ("data type = 4", "data type = 77"),
        ("file type = ENVI Spectral Library", "file type = ENVI Standard"),
        ("{400, 500, 600, 700}", "{400, 500}"),
        ("{400, 500, 600, 700}", "{a, b, c, d}"),
        ("wavelength = {400, 500, 600, 700}", ""),
        ("{one, two}", "{one}"),
        ("{one, two}", "{one, two"),
    ],
)
def test_envi_libraries_that_cannot_be_read_are_one_line(old, new, tmp_path):
    np.arange(8, dtype=np.float32).tofile(tmp_path / "lib.sli")
    (tmp_path / "lib.hdr").write_text(ENVI_LIBRARY)
    assert Library.open(tmp_path / "lib.sli").names == ("one", "two")
    (tmp_path / "lib.hdr").write_text(ENVI_LIBRARY.replace(old, new))
    with pytest.raises(SceneError, match=r"lib\.sli: not a readable spectral library: \S") as caught:
        Library.open(tmp_path / "lib.sli")
    assert "\n" not in str(caught.value)


def test_names_of_a_library_do_not_act_on_a_terminal(tmp_path):
    path = tmp_path / "library.csv"
    path.write_text("nm,\x1b[31mred\x1b]0;title\x07,b\n" + "".join(f"{n},1,{n}\n" for n in range(400, 500, 10)))
    found = Library.open(path)
    assert found.names == ("[31mred ]0;title", "b")
    with pytest.raises(SceneError, match="no such file"):
        Library.open(tmp_path / "none.csv")


@pytest.mark.parametrize("name", ["lib.sli", "lib.hdr"])
def test_envi_libraries_take_classes_from_the_table_beside_them(name, tmp_path):
    from spectral.io.envi import SpectralLibrary

    values = np.arange(8, dtype=np.float32).reshape(2, 4)
    sli = SpectralLibrary(values, {"spectra names": ["one", "two"], "wavelength units": "Micrometers"})
    sli.bands.centers = [0.4, 0.5, 0.6, 0.7]
    sli.save(str(tmp_path / "lib"))
    (tmp_path / "lib.csv").write_text("Class,Name\nbare soil,two\n")
    found = Library.open(tmp_path / name)
    assert found.classes == ("", "bare soil")
    np.testing.assert_allclose(found.wavelength, [400, 500, 600, 700])
    np.testing.assert_array_equal(found.spectra, values)


def test_csv_files_may_have_a_line_of_classes_and_micrometres(tmp_path):
    path = tmp_path / "library.csv"
    path.write_text("um,a,b\nclass,bare soil,\n0.5,1,3\n0.4,2,\n")
    found = Library.open(path)
    assert found.names == ("a", "b")
    assert found.classes == ("bare soil", "")
    np.testing.assert_array_equal(found.wavelength, [400, 500])
    np.testing.assert_array_equal(found.spectra, [[2, 1], [np.nan, 3]])
    path.write_text("um,a,b\nclass,bare soil\n0.5,1,3\n0.4,2,\n")
    with pytest.raises(SceneError, match="line 2 has another number of columns"):
        Library.open(path)


ECOSTRESS = """Name: Kaolinite Al2Si2O5(OH)4
Type: Mineral
Class: Silicate
Subclass: Phyllosilicate
Particle Size: Fine
Sample No.: PS-1A
Owner: JPL
Wavelength Range: VSWIR
Origin: Georgia
Description: a mineral
Measurement: Directional (10 Degree) Hemispherical Reflectance
First Column: X
Second Column: Y
X Units: Wavelength (micrometers)
Y Units: Reflectance (percentage)
First X Value: 2.5
Last X Value: 0.4
Number of X Values: 106

"""


@pytest.mark.filterwarnings("ignore:Exception ignored", "ignore:unclosed file")  # Spectral Python leaves files open
def test_folders_of_ecostress_are_what_spectral_python_reads(tmp_path):
    from spectral.database.ecostress import read_ecostress_file

    path = tmp_path / "minerals" / "mineral.silicate.phyllosilicate.fine.vswir.ps01a.jpl.beckman.spectrum.txt"
    path.parent.mkdir()
    wavelength = np.arange(2.5, 0.39, -0.02)
    path.write_text(ECOSTRESS + "".join(f" {nm:8.4f}\t{50 + 30 * np.sin(3 * nm):9.4f}\n" for nm in wavelength))
    (tmp_path / "readme.txt").write_text("Name: no spectrum\n")
    found = Library.open(tmp_path)
    assert found.names == ("Kaolinite Al2Si2O5(OH)4",)
    assert found.classes == ("kaolinite",)
    expected = read_ecostress_file(str(path))
    x, y = np.array(expected.x) * 1000, np.array(expected.y) / 100
    inside = (found.wavelength >= x[0]) & (found.wavelength <= x[-1])
    np.testing.assert_allclose(found.spectra[0][inside], np.interp(found.wavelength[inside], x, y), atol=1e-9)
    assert np.isnan(found.spectra[0][~inside]).all()


@pytest.mark.filterwarnings("ignore:Exception ignored", "ignore:unclosed file")  # Spectral Python leaves files open
def test_folders_of_usgs_splib07_are_what_spectral_python_reads(tmp_path):
    from spectral.database.usgs import SampleData, SpectrometerData

    wavelength = np.arange(0.35, 2.5005, 0.001)
    values = 0.5 + 0.2 * np.cos(4 * wavelength)
    values[1000:1010] = -1.23e34
    folder = tmp_path / "ASCIIdata_splib07a"
    (folder / "ChapterM_Minerals").mkdir(parents=True)
    (folder / "ChapterV_Vegetation").mkdir()
    head = folder / "splib07a_Wavelengths_ASD_0.35-2.5_microns_2151_ch.txt"
    head.write_text(
        "splib07a Record=2: Wavelengths ASD 0.35-2.5 microns 2151 ch\n" + "".join(f" {v}\n" for v in wavelength)
    )
    other = folder / "splib07a_Bandpass_(FWHM)_ASDFR_StandardResolution.txt"
    other.write_text("splib07a Record=3: Bandpass (FWHM) ASDFR StandardResolution\n" + " 0.003\n" * len(wavelength))
    path = folder / "ChapterM_Minerals" / "splib07a_Kaolinite_CM9_ASDFRb_AREF.txt"
    path.write_text("splib07a Record=9: Kaolinite CM9 ASDFRb AREF\n" + "".join(f" {v:.7g}\n" for v in values))
    lawn = folder / "ChapterV_Vegetation" / "splib07a_Lawn_Grass_GDS91_ASDFRa_AREF.txt"
    lawn.write_text("splib07a Record=12: Lawn_Grass GDS91 ASDFRa AREF\n" + "".join(f" {v:.7g}\n" for v in values))
    found = Library.open(folder)
    assert found.names == ("Kaolinite CM9 ASDFRb AREF", "Lawn_Grass GDS91 ASDFRa AREF")
    assert found.classes == ("kaolinite", "vegetation")
    x = np.array(SpectrometerData.read_from_file(str(head)).values) * 1000
    y = np.array(SampleData.read_from_file(str(path)).values)
    at = np.round(found.wavelength - x[0]).astype(int)  # the samples are 1 nm apart
    known = y[at] > 0
    np.testing.assert_allclose(found.spectra[0][known], y[at][known], rtol=1e-6)
    assert np.isnan(found.spectra[0][~known]).all()


def test_folders_without_spectra_are_one_line(tmp_path):
    (tmp_path / "a.txt").write_text("nothing\n")
    with pytest.raises(SceneError, match=r"not a readable spectral library: no text file of ECOSTRESS"):
        Library.open(tmp_path)


@pytest.mark.parametrize("step", [3.0, 11.0])
def test_bands_are_means_under_a_gaussian_of_their_width(step):
    sampled = np.arange(400.0, 801.0, step)
    values = np.random.default_rng(0).random(len(sampled))
    centres, widths = np.array([500.0, 633.3, 700.0]), np.array([8.0, 20.0, 0.0])
    seen = band_weights(sampled, centres, widths) @ values
    for got, centre, width in zip(seen[:2], centres[:2], widths[:2], strict=True):
        sd = width / 2.3548200450309493

        def density(nm, centre=centre, sd=sd):
            return np.exp(-(((nm - centre) / sd) ** 2) / 2)

        def part(nm):
            return density(nm) * np.interp(nm, sampled, values)

        ends = centre - 3 * sd, centre + 3 * sd
        kinks = sampled[(sampled > ends[0]) & (sampled < ends[1])]
        expected = quad(part, *ends, points=kinks)[0] / quad(density, *ends)[0]
        assert got == pytest.approx(expected, abs=2e-3)
    assert seen[2] == pytest.approx(np.interp(700.0, sampled, values))


def test_bands_outside_of_a_spectrum_have_no_number():
    spectra = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, np.nan, np.nan, 4.0]])
    library = Library(("whole", "gap"), np.array([400.0, 500.0, 600.0, 700.0]), spectra)
    seen = library.at(np.array([390.0, 400.0, 550.0, 650.0, 710.0]), np.array([10.0, 10.0, 10.0, np.nan, 10.0]))
    np.testing.assert_allclose(seen[0, 1:4], [1.0, 2.5, 3.5], atol=0.05)
    assert np.isnan(seen[0, [0, 4]]).all()
    assert np.isnan(seen[1, [0, 2, 3, 4]]).all()


def test_names_that_a_library_lacks_are_answered_by_similar_ones():
    library = Library(("red roof", "grass"), np.array([1.0, 2.0]), np.ones((2, 2)), title="l.csv")
    assert library.number_of("grass") == 1
    with pytest.raises(ParameterError, match=r"'red rof' is no spectrum of l\.csv; it has red roof"):
        library.number_of("red rof")


def test_earthlib_without_its_package_is_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"library earthlib: the package is not installed: pip install"):
        Library.open("earthlib")


def test_earthlib_has_classes_for_its_spectra():
    if importlib.util.find_spec("earthlib") is None:
        pytest.skip("the package earthlib is not installed")
    import earthlib

    expected = earthlib.full_library
    found = Library.open("earthlib")
    assert len(found.names) == len(expected.names) == 7261
    np.testing.assert_array_equal(found.spectra, expected.data)
    assert found.classes[0] == "bare soil"
    assert len(set(found.classes)) == 27


def test_the_catalogue_says_where_libraries_are_to_be_had(capsys):
    import json

    from hsad.cli import run

    assert run(["catalog", "libraries"]) == 0
    told = capsys.readouterr().out
    assert "10.5066/F7RR1WDJ" in told
    assert "https://speclib.jpl.nasa.gov" in told
    assert run(["catalog", "libraries", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {key for entry in found for key in entry} == {"name", "title", "where", "point", "license", "citation"}
