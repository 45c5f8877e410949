"""The detectors with a target, against the formulas written out and against Spectral Python."""

from __future__ import annotations

import json

import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given
from pyogrio.raw import write
from strategies import scenes

import hsad
from hsad.detectors.targets.given import targets_of
from hsad.products.raster import read_provenance

METHODS = ("ace", "mf", "cem", "sam")


@pytest.fixture(scope="module")
def scene():
    random = np.random.default_rng(5)
    cube = random.normal(size=(40, 50, 9)) @ random.normal(size=(9, 9)) + 20
    cube[7, 9] += 3.0 * np.arange(9)
    cube[20:22, 30:33] += np.linspace(5, -5, 9)
    return cube


def naive(method, scene, target, ridge=0.1):
    """The formulas, with the eigenvalues of the covariance written out."""
    pixels = scene.reshape(-1, scene.shape[2])
    origin = np.zeros(len(target)) if method == "cem" else pixels.mean(axis=0)
    values, vectors = np.linalg.eigh((pixels - origin).T @ (pixels - origin) / len(pixels))
    inverse = vectors @ np.diag(1 / np.maximum(values, ridge * np.median(values))) @ vectors.T
    x, t = scene - origin, target - origin
    along, length = x @ inverse @ t, np.einsum("ijk,kl,ijl->ij", x, inverse, x)
    if method == "ace":
        return np.sign(along) * along**2 / (length * (t @ inverse @ t))
    if method == "sam":
        return (scene @ target) / np.linalg.norm(scene, axis=2) / np.linalg.norm(target)
    return along / (t @ inverse @ t)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ridge", [0.1, 2.0])
def test_the_score_is_the_formula(scene, method, ridge):
    parameters = {} if method == "sam" else {"ridge": ridge}
    for target in (scene[7, 9], np.linspace(10, 30, 9)):
        scores = hsad.detect(scene, method, target=target, workers=1, **parameters)
        np.testing.assert_allclose(scores, naive(method, scene, target, ridge), rtol=1e-5, atol=1e-6)


@given(cube=scenes(min_bands=3, min_side=20))
def test_in_tiles_the_target_is_the_same_pixel(cube):
    row, col = (int(place) for place in np.argwhere(~np.isnan(cube[..., 0]))[-1])
    for method in METHODS:
        try:
            whole = hsad.detect(cube, method, target=(row, col), workers=1)
        except hsad.HsadError as error:  # one pixel is valid, or it equals the mean
            assert "target" in str(error) or "equal" in str(error)  # noqa: PT017  the message is all that is looked at
            continue
        assert whole[row, col] == pytest.approx(1.0, rel=1e-5)
        assert np.array_equal(hsad.detect(cube, method, target=cube[row, col], workers=1), whole, equal_nan=True)


def test_spectral_python_agrees_where_its_definition_is_the_same(scene):
    from spectral import ace, calc_stats, matched_filter

    # A ridge so small that no eigenvalue is raised.
    background, target = calc_stats(scene), scene[7, 9]
    ours = hsad.detect(scene, "ace", target=(7, 9), ridge=1e-9, workers=1)
    np.testing.assert_allclose(np.abs(ours), ace(scene, target, background=background), rtol=1e-6, atol=1e-6)
    ours = hsad.detect(scene, "mf", target=(7, 9), ridge=1e-9, workers=1)
    np.testing.assert_allclose(ours, matched_filter(scene, target, background), rtol=1e-6, atol=1e-6)
    from spectral import spectral_angles

    angles = np.arccos(hsad.detect(scene, "sam", target=(7, 9), workers=1).astype(np.float64))
    np.testing.assert_allclose(angles, spectral_angles(scene, target[None])[..., 0], atol=2e-3)


def test_of_several_targets_the_highest_score_counts(scene):
    both = hsad.detect(scene, "ace", target=[(7, 9), (20, 31)], workers=1)
    each = [hsad.detect(scene, "ace", target=pixel, workers=1) for pixel in ((7, 9), (20, 31))]
    assert np.array_equal(both, np.maximum(*each))
    why = hsad.explain(scene, "ace", 21, 32, target=[(7, 9), (20, 31)])
    assert "the target 20,31 is" in why.sentence
    assert "the most like it of 2 targets" in why.sentence


@pytest.mark.parametrize("method", METHODS)
def test_the_account_by_band_is_the_formula(scene, method):
    target, at = scene[20, 31], (30, 12)
    why = hsad.explain(scene, method, *at, target=(20, 31))
    pixels = scene.reshape(-1, 9)
    origin = pixels.mean(axis=0) if method in ("ace", "mf") else np.zeros(9)
    values, vectors = np.linalg.eigh((pixels - origin).T @ (pixels - origin) / len(pixels))
    inverse = vectors @ np.diag(1 / np.maximum(values, 0.1 * np.median(values))) @ vectors.T
    x, t = scene[at] - origin, target - origin
    by_band = x * t if method == "sam" else x * (inverse @ t)
    # The shares of the bands are those of the inner product in all of the formulas.
    np.testing.assert_allclose(why.reason.contributions / why.score, by_band / by_band.sum(), rtol=1e-6, atol=1e-9)


def test_a_target_has_one_form_whatever_it_was_given_as(scene):
    assert targets_of("7,9") == targets_of((7, 9)) == targets_of([(7, 9)]) == targets_of(np.array([[7, 9]]))
    spectrum = hsad.ACE(target=scene[7, 9])
    assert hsad.ACE(target=json.loads(json.dumps(spectrum.target))) == spectrum
    assert targets_of(scene[7:9, 9])[1][1] == tuple(scene[8, 9])
    for wrong in ([], "", " ", 3, [None], (1.5, 2.5), [[1, 2], [[3]]], [np.nan, 1.0, 2.0]):
        with pytest.raises(hsad.HsadError, match="target: "):
            targets_of(wrong)


def test_what_is_wrong_with_a_target_is_one_line(scene, tmp_path):
    masked = np.ones(scene.shape[:2], dtype=bool)
    masked[7, 9] = False
    library = tmp_path / "library.csv"
    library.write_text(
        "nm,grass,asphalt,roof tile\n" + "\n".join(f"{nm},{nm / 9},{nm / 8},1" for nm in range(400, 900))
    )
    placed = xr.DataArray(scene, dims=("y", "x", "band")).assign_coords(wavelength=("band", np.linspace(1e3, 2e3, 9)))
    placed.wavelength.attrs["units"] = "nm"
    cases = [
        (scene, {"target": (40, 3)}, "target: 40,3 lies outside: the scene has 40 rows and 50 columns"),
        (scene, {"target": (7, 9), "mask": masked}, r"target: 7,9: the pixel is invalid"),
        (scene, {"target": np.ones(8)}, "target: spectrum has 8 numbers for 9 used bands"),
        (scene, {"target": "somewhere"}, "target: 'somewhere' is none of ROW,COL"),
        (scene, {"target": f"{tmp_path}/no.sli:tree"}, "target: .*no.sli: no such file"),
        (scene, {"target": f"{library}:grass"}, "target: .*the scene has no wavelengths"),
        (placed, {"target": f"{library}:asphlt"}, "'asphlt' is no spectrum of library.csv; it has asphalt"),
        (
            placed,
            {"target": f"{library}:grass"},
            "csv:grass covers 0 of the 9 bands of the scene, which lie at 1000-2000",
        ),
        (scene, {}, "target: name what to look for: ROW,COL"),
        (scene, {"target": scene.reshape(-1, 9).mean(axis=0)}, "target: spectrum equals the mean of the scene"),
    ]
    for cube, options, message in cases:
        with pytest.raises(hsad.HsadError, match=message) as caught:
            hsad.detect(cube, "ace", workers=1, **options)
        assert "\n" not in str(caught.value)
    with pytest.raises(hsad.HsadError, match="target: spectrum is zero in all bands"):
        hsad.detect(scene, "sam", target=np.zeros(9), workers=1)
    with pytest.raises(hsad.HsadError, match="target: spectrum is zero in all bands"):
        hsad.detect(scene, "cem", target=np.zeros(9), workers=1)


def test_a_spectrum_of_a_library_is_seen_through_the_bands_of_the_sensor(tmp_path):
    fine = np.arange(400.0, 1001.0)
    line = 0.4 + 0.3 * np.exp(-(((fine - 700) / 12) ** 2))  # a narrow feature that wide bands smooth
    (tmp_path / "lib.csv").write_text(
        "um,line\n" + "\n".join(f"{nm / 1000},{v}" for nm, v in zip(fine, line, strict=True))
    )
    centres = np.arange(420.0, 990.0, 15.0)
    random = np.random.default_rng(0)
    cube = xr.DataArray(3000 + 40 * random.normal(size=(30, 30, len(centres))), dims=("y", "x", "band"))
    cube = cube.assign_coords(wavelength=("band", centres), fwhm=("band", np.full(len(centres), 30.0)))
    scores = hsad.detect(cube, "sam", target=f"{tmp_path}/lib.csv:line", workers=1)
    # The integral of a Gaussian of 30 nm and a Gaussian feature, in closed form.
    sigma, own = 30 / np.sqrt(8 * np.log(2)), 12 / np.sqrt(2)
    width = np.hypot(sigma, own)
    seen = 0.4 + 0.3 * own / width * np.exp(-((centres - 700) ** 2) / (2 * width**2))
    expected = cube.values @ seen / np.linalg.norm(cube.values, axis=2) / np.linalg.norm(seen)
    np.testing.assert_allclose(scores, expected, atol=3e-5)
    # Reflectance from 0 to 1 in a scene of reflectance times 10,000: the matched filter depends on the unit.
    filtered = hsad.detect(cube, "mf", target=f"{tmp_path}/lib.csv:line", workers=1)
    stated = hsad.detect(cube, "mf", target=1e4 * seen, workers=1)
    np.testing.assert_allclose(filtered, stated, atol=2e-4)


@pytest.fixture
def listed(tmp_path):
    """Return a list of three outlines in columns and rows, of two kinds, and the pixels of each kind."""
    boxes = [shapely.box(9, 7, 10, 8), shapely.box(30, 20, 33, 22), shapely.box(0, 0, 1, 1)]
    kinds = np.array(["A", "B", "A"], dtype=object)
    path = tmp_path / "list.gpkg"
    write(
        str(path), np.array(shapely.to_wkb(boxes), dtype=object), [np.array([1, 2, 3]), kinds], ["id", "kind"],
        layer="anomalies", driver="GPKG", geometry_type="Polygon", crs="EPSG:32632",
    )  # fmt: skip
    return path


def test_an_anomaly_of_a_list_and_a_kind_are_the_means_of_their_pixels(scene, listed):
    for named, spectrum in (
        ("2", scene[20:22, 30:33].mean(axis=(0, 1))),
        ("A", (scene[7, 9] + scene[0, 0]) / 2),
        ("*", (scene[7, 9] + scene[0, 0] + scene[20:22, 30:33].sum(axis=(0, 1))) / 8),
    ):
        scores = hsad.detect(scene, "ace", target=f"{listed}:{named}", workers=1)
        np.testing.assert_allclose(scores, hsad.detect(scene, "ace", target=spectrum, workers=1), rtol=1e-5, atol=1e-6)
    with pytest.raises(hsad.HsadError, match="has no anomaly 4; its ids run from 1 to 3"):
        hsad.detect(scene, "ace", target=f"{listed}:4")
    with pytest.raises(hsad.HsadError, match="has no kind 'C'; its kinds are A, B"):
        hsad.detect(scene, "ace", target=f"{listed}:C")


def test_the_command_line_takes_several_targets_and_the_raster_can_be_explained(tmp_path, hsad_run, scene):
    hsad.write_cube(xr.DataArray(scene, dims=("y", "x", "band")), tmp_path / "scene.hdr")
    output = tmp_path / "ace.tif"
    status, _, err = hsad_run(
        "detect", tmp_path / "scene.hdr", "-m", "ace", "--target", "7,9", "20,31", "-o", output, "-q"
    )
    assert (status, err) == (0, "")
    names = [name for name, _ in json.loads(read_provenance(output).parameters)["target"]]
    assert names == ["7,9", "20,31"]
    status, out, err = hsad_run("explain", tmp_path / "scene.hdr", output, "--at", "7,9")
    assert status == 0, err
    assert "Its likeness to the target 7,9 is 1.000" in out
    status, out, _ = hsad_run("methods", "ace")
    assert "--target" in out
    assert "[required]" in out
    status, _, err = hsad_run("detect", tmp_path / "scene.hdr", "-m", "ace", "-o", tmp_path / "no.tif")
    assert status == 1
    assert err == "hsad: error: target: name what to look for: ROW,COL, LIST.gpkg:ID, LIST.gpkg:KIND or LIBRARY:NAME\n"
