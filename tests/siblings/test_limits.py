"""What would have been missed: closed forms against a search, implants against what was implanted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binomtest

import hsad
from hsad.anomalies.choose import choose_threshold
from hsad.anomalies.options import ThresholdOptions
from hsad.errors import OutputError, ParameterError
from hsad.siblings.implanted import Clean, Implanted
from hsad.siblings.limits import SmallestFill, fill_for_cosine, fill_for_distance, fill_for_filter, share_found
from hsad.siblings.missed import Missed, Point
from hsad.siblings.trials import _point
from hsad.synthetic.implants import material_ratios


@pytest.fixture(scope="module")
def white():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 9)), 12 * rng.normal(size=9)


def smallest(score, level):
    """Return the first fill at which a rising score reaches a level, by a search."""
    if score(0.0) >= level:
        return 0.0
    return brentq(lambda fill: score(fill) - level, 0.0, 1.0) if score(1.0) >= level else np.inf


@pytest.mark.parametrize("cosine", [0.2, 0.5, 0.9])
def test_the_fill_for_a_cosine_is_where_the_cosine_is_reached(white, cosine):
    pixels, query = white

    def score(pixel):
        return lambda fill: (
            (mixed := pixel + fill * (query - pixel)) @ query / (np.linalg.norm(mixed) * np.linalg.norm(query))
        )

    expected = [smallest(score(pixel), cosine) for pixel in pixels]
    np.testing.assert_allclose(fill_for_cosine(pixels, query, cosine), expected, atol=1e-9)


@pytest.mark.parametrize("level", [20.0, 300.0, 1e4])
def test_the_fill_for_a_distance_is_where_the_distance_is_reached(white, level):
    pixels, query = white
    expected = [smallest(lambda f, z=pixel: ((z + f * (query - z)) ** 2).sum(), level) for pixel in pixels]
    np.testing.assert_allclose(fill_for_distance(pixels, query, level), expected, atol=1e-9)


@pytest.mark.parametrize("level", [0.3, 0.95, 1.2])
def test_the_fill_for_a_filter_is_where_its_score_is_reached(white, level):
    pixels, query = white
    own = pixels @ query / (query @ query)
    expected = [smallest(lambda f, m=m: m + f * (1 - m), level) for m in own]
    np.testing.assert_allclose(fill_for_filter(own, level), expected, atol=1e-9)


@pytest.fixture(scope="module")
def scene():
    return hsad.make_scene(90, 100, 40, seed=5, target_sizes=[], heading=0).cube


def spectrum_of(scene, number=1):
    good = scene.good_wavelength.values.astype(bool)
    gain = scene.gain.values[good] if "gain" in scene.coords else 1.0
    mean = (scene.values[..., good].astype(np.float64) * gain).reshape(-1, good.sum()).mean(axis=0)
    ratio = material_ratios(60)[number]
    return np.interp(np.linspace(0, 1, len(mean)), np.linspace(0, 1, len(ratio)), ratio) * mean


@pytest.mark.parametrize("method", ["ace", "mf", "rx"])
def test_pixels_with_a_little_more_than_the_limit_are_found(scene, method):
    """Each of 60 pixels gets an object of .8, then of 1.25 times its limit. Noise lets a few go the other way."""
    from hsad.detectors.moments import moments_of
    from hsad.engine.run import Engine
    from hsad.engine.source import source_of

    spectrum = spectrum_of(scene)
    options = {} if method == "rx" else {"target": [("object", tuple(spectrum))]}
    scores = hsad.detect(scene, method, **options)
    level = float(np.nanquantile(scores.values, 0.999))
    fills = hsad.detect(scene, SmallestFill(of=method, level=level, spectrum=tuple(spectrum))).values
    assert (fills[scores.values >= level] == 0).all()
    source = source_of(scene)
    clean = Clean.of(Engine().scan(source, moments_of))
    rng = np.random.default_rng(1)
    places = rng.permutation(np.argwhere((fills > 0) & (fills < 0.7)))[:60]
    background = hsad.learn(scene, method, **options)
    shares = []
    for factor in (0.8, 1.25):
        row, col = places.T
        window = slice(0, scene.sizes["y"]), slice(0, scene.sizes["x"])
        own = source.spectra(source.read(*window), *window)[0][row, col]
        added = np.concatenate(
            [clean.added(own[[n]], spectrum, factor * fills[row[n], col[n]], np.ones(1)) for n in range(len(row))]
        )
        with_objects = scene.astype(np.float64).copy()
        good = np.flatnonzero(scene.good_wavelength.values)
        gain = scene.gain.values[good] if "gain" in scene.coords else 1.0
        for n, (r, c) in enumerate(places):
            with_objects[r, c, good] = with_objects.values[r, c, good] + added[n] / gain
        found = hsad.score(with_objects, background).values[row, col] >= level
        shares.append(found.mean())
    assert shares[0] < 0.35
    assert shares[1] > 0.85


def test_implants_change_their_pixels_only(scene):
    from hsad.engine.source import source_of

    inner = source_of(scene)
    row, col = np.array([3, 50]), np.array([7, 99])
    source = Implanted(inner, row, col, np.full((2, len(inner.bands)), 5.0))
    window = slice(2, 60), slice(0, 100)
    before, _ = inner.spectra(inner.read(*window), *window)
    after, _ = source.spectra(source.read(*window), *window)
    changed = np.zeros(before.shape[:2], dtype=bool)
    changed[row - 2, col] = True
    np.testing.assert_allclose(after[changed], before[changed] + 5)
    np.testing.assert_array_equal(after[~changed], before[~changed])
    assert source.shape == inner.shape


def test_an_added_object_is_a_mixture_that_keeps_its_noise():
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(50, 30)))[0]
    clean = Clean(rng.normal(size=50), directions)
    pixels, spectrum, bright = rng.normal(size=(4, 50)), rng.normal(size=50), rng.normal(1, 0.1, 4)
    smooth = clean.mean + (pixels - clean.mean) @ directions @ directions.T
    expected = 0.7 * smooth + 0.3 * bright[:, None] * spectrum + (pixels - smooth)
    np.testing.assert_allclose(pixels + clean.added(pixels, spectrum, 0.3, bright), expected)


def test_limits_have_a_raster_and_a_sentence(scene, tmp_path):
    from hsad.products import write_envi

    write_envi(scene, tmp_path / "scene.hdr")
    found = hsad.limits(tmp_path / "scene.hdr", "ace", target=(20, 30), raster=tmp_path / "fills.tif")
    scores = hsad.detect(tmp_path / "scene.hdr", "ace", target=(20, 30))
    level = choose_threshold(scores).value
    assert found.threshold == pytest.approx(level)
    written = hsad.open_cube(tmp_path / "fills.tif")[..., 0].values
    np.testing.assert_array_equal(written, found.fills)
    wanted = np.sort(written[~np.isnan(written)])
    assert found.smallest_fill(1) == pytest.approx(wanted[int(np.ceil(0.9 * (len(wanted) - 1)))])
    assert "like pixel 20,30 that covers at least" in found.sentence
    shares = {point.fill: point.found for point in found.points}
    assert shares[1.0] == 1
    assert shares[0.1] == pytest.approx((wanted <= 0.1).mean())
    with pytest.raises(OutputError, match=r"fills\.tif exists"):
        hsad.limits(tmp_path / "scene.hdr", "ace", target=(20, 30), raster=tmp_path / "fills.tif")


def test_implanted_objects_are_counted(scene):
    options = {"fills": [0.02, 1.0], "sizes": [4], "objects": 8, "target": [("paint", spectrum_of(scene))]}
    decide = ThresholdOptions(pfa=2e-3)  # a list that does not depend on what other scenes do
    found = hsad.limits(scene, "rx", decide=decide, **options)
    faint, whole = found.of_size(4)
    assert (faint.objects, whole.objects) == (8, 8)
    assert faint.found <= 0.5 <= whole.found
    assert whole.low < whole.found <= whole.high <= 1
    again = hsad.limits(scene, "rx", decide=decide, **options)
    assert [p.found for p in found.of_size(4)] == [p.found for p in again.of_size(4)]


def test_the_smallest_fill_is_one_from_which_on_the_share_is_reached():
    points = tuple(Point(f, 4, s, s, s, 9) for f, s in ((0.1, 0.95), (0.2, 0.5), (0.4, 0.4), (0.72, 0.9), (0.8, 1.0)))
    found = Missed("auto", "", points, 3.0)
    assert found.smallest_fill(4) == 0.72
    assert found.sentence == (
        "An object of an unusual material that covers at least 72 % of each of 4 pixels would have been found in 90 % "
        "of the scene."
    )
    missed = Missed("auto", "A.gpkg:3", points[1:3], 3.0)
    assert missed.smallest_fill(4) is None
    assert "like A.gpkg:3 that fills each of 4 pixels would have been missed in more than 10 %" in missed.sentence
    assert share_found(np.array([0.1, 0.3, np.inf]), np.array([0.0, 0.1, 1.0])).tolist() == [0, 1 / 3, 2 / 3]


@pytest.mark.parametrize(
    "options, says",
    [
        ({"fills": [0.0]}, r"fills: 0\.0 is not above 0 and at most 1"),
        ({"sizes": [0]}, r"sizes: 0\.0 is not above"),
        ({"sizes": [1.5]}, r"sizes: 1\.5 is not a whole number of pixels"),
        ({"fills": []}, "fills: there is none"),
        ({"objects": 0}, "objects must be a whole number of at least 1"),
        ({"method": "ace"}, "target: ace needs one: ROW,COL"),
        ({"raster": "x.tif"}, "limits: rx has no closed form here"),
        ({"target": [(1, 2), (3, 4)]}, "target: 2 are named, and limits can be computed for one only"),
    ],
)
def test_wrong_options_are_one_line(scene, options, says):
    with pytest.raises(ParameterError, match=says):
        hsad.limits(scene, **{"method": "rx", **options})


def test_the_command_prints_a_table_and_draws_a_figure(scene, tmp_path, capsys):
    import json

    from hsad.cli import run
    from hsad.products import write_envi

    write_envi(scene, tmp_path / "scene.hdr")
    command = ["limits", str(tmp_path / "scene.hdr"), "-m", "ace", "--target", "20,30", "-o", str(tmp_path / "f.png")]
    assert run([*command, "--fills", ".33,.125"]) == 0
    told = capsys.readouterr().out
    assert [line.split()[0] for line in told.splitlines()[1:3]] == ["12.5", "33"]
    assert "of a pixel would have been found in 90 % of the scene" in told
    assert "fill" in told.splitlines()[0]
    assert (tmp_path / "f.png").stat().st_size > 10_000
    assert run([*command, "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["closed_form"] is True


def test_the_interval_of_a_share_is_wilsons_and_holds_the_share():
    for objects in range(1, 200, 3):
        for found in {0, objects // 3, objects}:
            point = _point(0.5, 1, found, objects)
            known = binomtest(found, objects).proportion_ci(0.9, "wilson")
            assert (point.low, point.high) == pytest.approx((known.low, known.high), abs=2e-4)
            assert point.low <= point.found <= point.high
