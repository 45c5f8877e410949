"""The default detector against its recipe written out, its promises, and the areas under the curve it was chosen by."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from naive import opening_by_thresholds, ring
from real_scenes import truth_of
from scipy.io import savemat
from scipy.ndimage import gaussian_filter
from strategies import scenes

import hsad
import hsad.detection
from hsad.detectors.auto import Auto
from hsad.detectors.block import Block, InMemory, Scene
from hsad.engine.run import Engine
from hsad.engine.runners.local import Threads
from hsad.engine.source import source_of
from hsad.errors import DataError, ParameterError
from hsad.scene.cube import check_cube

SMALL = {"outer": 9, "inner": 3, "areas": (4, 9), "smooth": 0.6, "components": 3, "clutter": 7}

#: The method as it was first published: without the local level of clutter and the scene as a whole.
RECIPE = {"lam": 1e-3, "areas": (25, 50, 100), "smooth": 1, "spatial_weight": 0.5, "flatten": 0, "scene_weight": 0}


@dataclasses.dataclass(frozen=True)
class SmallLeaf(Auto):
    """Leaves of 8 pixels, so that small scenes have many: all of them smaller than the halo."""

    leaf = 8


def recipe(scene, valid, medians, *, components, outer, inner, lam, areas, smooth, spatial_weight, flatten, clutter):
    """The first two kinds of evidence as they are described, on a whole scene: float64, loops and library calls.

    `medians` are those of t and s that were learned, which differ a little from the true ones: these come back too.
    """
    pixels = scene[valid]
    centred = pixels - pixels.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(pixels))
    principal = (scene - pixels.mean(axis=0)) @ vectors[:, ::-1][:, :5] / np.sqrt(values[-1])
    logs = []
    for area in areas:
        total = np.zeros(valid.shape)
        for k in range(principal.shape[2]):
            q = np.where(valid, np.rint(5000 * principal[..., k]), 0).astype(np.int64)
            removed = [q - opening_by_thresholds(q, valid, area), -opening_by_thresholds(-q, valid, area) - q]
            total += (np.maximum(*removed) / 5000) ** 2
        logs.append(np.log(total + 1e-6))
    t = np.where(valid, np.exp(np.mean(logs, axis=0)), 0.0)
    if smooth:
        t = gaussian_filter(t, smooth) / np.maximum(gaussian_filter(valid.astype(float), smooth), 1e-30)
    weight = 1 / (1 + t / medians[0])
    y = scene @ np.linalg.eigh(pixels.T @ pixels)[1][:, ::-1][:, :components]
    y /= np.sqrt(np.mean(np.sum(y[valid] ** 2, axis=1)))
    s = np.full(valid.shape, np.nan)
    for row, col in np.argwhere(valid):
        members = ring(valid, row, col, outer, inner, "shift")
        if members is not None:
            x = y[members]
            w = weight[members] / (np.sum((x - y[row, col]) ** 2, axis=1) + 1e-6)
            ridge = lam / 2 * np.eye(x.shape[1])  # the median of the weights is a half
            s[row, col] = np.sqrt(ridge[0, 0] * y[row, col] @ np.linalg.solve((x.T * w) @ x + ridge, y[row, col]))
    spatial, spectral = (np.log(part / unit + 0.1) for part, unit in zip((t, s), medians, strict=True))
    fused = np.where(valid, spectral + spatial_weight * spatial, np.nan)
    upper = windows(np.rint(fused * 64) / 64, clutter // 2, lambda v: np.sort(v)[int(np.ceil(0.75 * v.size)) - 1])
    level = windows(upper, (clutter // 2 | 1) // 2, np.mean)
    return fused - flatten * level, spectral, spatial, (np.median(t[valid]), np.nanmedian(s[valid]))


def weighted_gaussian(values, weight, ridge, rest=None, left=0):
    """Squared distances of all pixels and their mean under the Gaussian, by the textbook; valid ones first."""
    of_valid, everywhere = values
    centre = np.average(of_valid, axis=0, weights=weight)
    covariance = np.atleast_2d(np.cov(of_valid.T, aweights=weight, ddof=0))
    inverse = np.linalg.inv(covariance + ridge * np.eye(len(centre)))
    squared = [np.einsum("...k,kl,...l->...", part - centre, inverse, part - centre) for part in (of_valid, everywhere)]
    freedom = np.trace(covariance @ inverse)
    if left:
        one = np.average(rest[0], weights=weight) / left
        squared = [part + remainder / (one + ridge) for part, remainder in zip(squared, rest, strict=True)]
        freedom += left * one / (one + ridge)
    return squared, freedom


def distances_from_the_scene(scene, valid):
    """Squared distances of pixels and patches from the coarse Gaussians and from the fine one, by the textbook."""
    pixels = scene[valid]
    variance = pixels.var(axis=0).mean()
    vectors = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)[2][:60].T
    z = (scene - pixels.mean(axis=0)) @ vectors
    length = ((scene - pixels.mean(axis=0)) ** 2).sum(axis=2)
    share = gaussian_filter(valid.astype(float), 1)[..., None]
    patches = gaussian_filter(np.where(valid[..., None], z, 0), (1, 1, 0)) / np.maximum(share, 1e-30)
    bands = scene.shape[2]
    weights = []
    for values, left in ((z[..., :20], max(bands - 20, 0)), (patches[..., :20], 0)):
        rest = length - (values**2).sum(axis=2)
        weight = np.ones(valid.sum())
        for ridge in (0.3 * variance, 0.1 * variance, 0.03 * variance):
            squared, freedom = weighted_gaussian((values[valid], values), weight, ridge, (rest[valid], rest), left)
            weight = 1 / (1 + (squared[0] / freedom) ** 2)
        weights.append(weight)
        yield squared[1]
    rest = length - (z**2).sum(axis=2)
    pairs = [(values[valid], values) for values in (z, patches)]
    weight, ridge, left = weights[0] * weights[1], 3e-4 * variance, max(bands - 60, 0)
    yield weighted_gaussian(pairs[0], weight, ridge, (rest[valid], rest), left)[0][1]
    centre = np.average(pairs[0][0], axis=0, weights=weight)
    covariance = np.atleast_2d(np.cov(pairs[0][0].T, aweights=weight, ddof=0))
    inverse = np.linalg.inv(covariance + ridge * np.eye(len(centre)))
    yield np.einsum("ijk,kl,ijl->ij", patches - centre, inverse, patches - centre)


def windows(values, radius, function):
    """The function of the numbers in the square around each place."""
    out = np.full(values.shape, np.nan)
    for row, col in np.ndindex(values.shape):
        near = values[max(0, row - radius) : row + radius + 1, max(0, col - radius) : col + radius + 1]
        if np.isfinite(near).any():
            out[row, col] = function(near[np.isfinite(near)])
    return out


def a_scene(seed=0, rows=30, cols=34, bands=6, invalid=0.05):
    random = np.random.default_rng(seed)
    smooth = gaussian_filter(random.normal(size=(rows, cols, bands)), (1, 1, 0))
    scene = smooth @ random.normal(size=(bands, bands)) + 5
    scene[random.random((rows, cols)) < invalid] = np.nan
    return scene


@pytest.mark.parametrize(
    ("invalid", "bands"), [pytest.param(0, 6, marks=pytest.mark.long), (0.1, 6), (0.05, 26), (0.02, 66)]
)
def test_equals_the_recipe(invalid, bands):
    scene = a_scene(invalid=invalid, bands=bands)
    valid = np.isfinite(scene[..., 0])
    parameters = {**SMALL, "lam": 1e-3, "spatial_weight": 0.4, "flatten": 0.3}
    evidence = hsad.learn(scene, Auto(**parameters)).background
    medians = evidence.spatial_median, evidence.spectral_median
    expected, spectral, spatial, true_medians = recipe(np.nan_to_num(scene), valid, medians, **parameters)
    np.testing.assert_allclose(medians, true_medians, rtol=0.01)
    without = hsad.detect(scene, Auto(**parameters, scene_weight=0), workers=1)
    np.testing.assert_allclose(without, np.where(valid, expected, np.nan), rtol=1e-4, atol=2e-4)
    unlike = []
    for squared, learned in zip(
        distances_from_the_scene(np.nan_to_num(scene), valid), evidence.distances.all, strict=True
    ):
        logs = np.where(valid, np.log(squared), np.nan)
        np.testing.assert_allclose((learned.median, learned.high), np.nanquantile(logs, (0.5, 0.9)), atol=0.02)
        unlike.append((logs - learned.median) / (learned.high - learned.median))
    coarsely, finely = (
        0.8 * (values - 0.3 * windows(medians_of(values, 3), 1, np.mean))
        for values in (sum(unlike[:2]) / 2, sum(unlike[2:]) / 2)
    )
    globally = 1.15 * finely
    region = 1.75 * np.maximum(coarsely, globally) - spectral - 1
    detector = Auto(**parameters, scene_weight=0.8)
    found = hsad.detect(scene, detector, workers=1)
    together = np.where(valid, np.stack([expected, globally, region]), np.nan)
    np.testing.assert_allclose(found, together.max(axis=0), rtol=1e-4, atol=1e-3)
    whole = tuple(slice(0, n) for n in valid.shape)
    block = Block(InMemory(np.nan_to_num(scene), valid), whole, (0, 0), Scene(0, *valid.shape))
    parts = detector.parts(block, evidence)
    layers = np.stack([spectral, spatial, globally, region], axis=-1)
    np.testing.assert_allclose(parts[valid][:, :4], layers[valid], rtol=1e-4, atol=1e-3)
    ordered = np.sort(together[:, valid], axis=0)
    clear = ordered[-1] - ordered[-2] > 0.01
    number = np.where(together[0] == together.max(axis=0), np.where(0.4 * spatial > spectral, 2, 1), 0)
    number = np.where(number > 0, number, np.nan_to_num(together, nan=-9).argmax(axis=0) + 2)
    assert np.array_equal(parts[valid][clear, 4], number[valid][clear])
    assert len(set(number[valid])) > 2


def medians_of(values, radius):
    """The lower median, to 1/64, of the numbers in the square around each place."""
    return windows(np.rint(values * 64) / 64, radius, lambda v: np.sort(v)[(v.size + 1) // 2 - 1])


@settings(max_examples=10)
@given(scene=scenes(min_side=12, min_bands=2))
def test_tiled_equals_whole_although_a_leaf_is_smaller_than_the_reach(scene):
    detector = SmallLeaf(**SMALL)
    assert detector.halo > detector.leaf
    try:
        whole = hsad.detect(scene, detector, workers=1, tile=10**6)
    except hsad.HsadError as error:
        with pytest.raises(type(error)):
            hsad.detect(scene, detector, workers=1, tile=8)
        return
    for tile in (1, 16):
        assert np.array_equal(hsad.detect(scene, detector, workers=1, tile=tile), whole, equal_nan=True)
    usual = hsad.detect(scene, Auto(**SMALL), workers=1)
    # Where rounding decides between two steps of the quantisation, a pixel and its surroundings may differ a little.
    close = np.isclose(usual, whole, rtol=1e-4, atol=1e-4, equal_nan=True)
    assert close.mean() > 0.98
    assert np.nanmax(np.abs(usual - whole), initial=0) < 0.1


def test_what_was_kept_between_the_passes_is_only_a_cache():
    scene = a_scene(rows=70, cols=90)
    detector = SmallLeaf(**SMALL)
    kept = hsad.detect(scene, detector, workers=1)
    learned = hsad.learn(scene, detector)
    assert np.array_equal(hsad.score(scene, learned), kept, equal_nan=True)
    assert np.array_equal(hsad.detect(scene, detector, workers=3, tile=16), kept, equal_nan=True)


def test_a_sample_of_a_large_scene_is_the_same_in_every_tile(monkeypatch):
    monkeypatch.setattr("hsad.detectors.auto._SAMPLE", 500)
    scene = a_scene(rows=50, cols=60)
    whole = hsad.detect(scene, SmallLeaf(**SMALL), workers=1, tile=10**6)
    assert np.array_equal(hsad.detect(scene, SmallLeaf(**SMALL), workers=1, tile=8), whole, equal_nan=True)
    monkeypatch.undo()
    exact = hsad.detect(scene, SmallLeaf(**SMALL), workers=1)
    assert 0 < np.nanmean(np.abs(exact - whole)) < 0.1


def test_an_object_larger_than_the_ring_is_seen_against_the_whole_scene():
    scene = a_scene(rows=60, cols=60, invalid=0, bands=12)
    scene[20:34, 20:34] += np.where(np.arange(12) % 2, 4.0, -4.0)
    truth = np.zeros((60, 60))
    truth[20:34, 20:34] = 1
    scores = hsad.detect(scene, Auto(**SMALL), parts=True)
    assert hsad.evaluate(scores[..., 0], truth)["auc"] > 0.98
    assert hsad.evaluate(hsad.detect(scene, Auto(**SMALL, scene_weight=0)), truth)["auc"] < 0.9
    assert np.mean(scores[22:32, 22:32, 5] > 2) > 0.9


def test_a_scene_smaller_than_the_reach_is_scored_but_not_one_smaller_than_the_window():
    scene = a_scene(rows=26, cols=30, invalid=0)
    assert Auto(**RECIPE).halo == 12 + 4 + 99
    assert Auto(flatten=0.5, clutter=31, smooth=0.7, areas=(100,)).halo == 15 + 7 + 12 + 3 + 99
    scores = hsad.detect(scene, Auto())
    assert np.isfinite(scores).all()
    with pytest.raises(DataError, match="window of 25 pixels is larger than the scene of 24 x 30"):
        hsad.detect(scene[:24], Auto())


def test_constant_bands_change_nothing():
    scene = a_scene()
    constant = np.full((*scene.shape[:2], 2), 1234.5)
    expected = hsad.detect(scene, Auto(**SMALL), workers=1)
    np.testing.assert_allclose(
        hsad.detect(np.concatenate([constant, scene], axis=2), Auto(**SMALL), workers=1), expected, atol=1e-4
    )
    with pytest.raises(DataError, match="all valid pixels are equal"):
        hsad.detect(constant, Auto(**SMALL))


def test_a_small_object_raises_both_evidences_and_a_wedge_of_nodata_neither():
    scene = a_scene(rows=40, cols=46, invalid=0)
    scene[20:22, 30:32] += 8
    distance = np.add.outer(np.arange(40), np.arange(46))
    scene[distance < 20] = np.nan
    scores = hsad.detect(scene, Auto(**SMALL))
    row, col = np.unravel_index(np.nanargmax(scores), scores.shape)
    assert 20 <= row < 22
    assert 30 <= col < 32
    along = np.isfinite(scores) & (distance < 22)
    assert np.median(scores[along]) < np.nanquantile(scores, 0.8)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_parts_come_with_the_score_where_they_are_asked_for(tmp_path):
    made = hsad.make_scene(60, 64, 12, target_sizes=(4,), fills=(1.0,), contrasts=(1.0,))
    detector = Auto(flatten=0)
    plain = hsad.detect(made.cube, detector)
    assert "spectral" not in plain.coords
    scores = hsad.detect(made.cube, detector, parts=True)
    assert np.array_equal(scores, plain, equal_nan=True)
    fused = scores.coords["spectral"] + detector.spatial_weight * scores.coords["spatial"]
    kinds = np.stack([fused, scores.coords["global"], scores.coords["region"]])
    np.testing.assert_allclose(kinds.max(axis=0), scores, rtol=1e-5, atol=1e-5)
    assert np.array_equal(scores.coords["evidence"] > 2, kinds.argmax(axis=0) > 0)
    array = np.where(made.cube.values == -9999, np.nan, made.cube.values)[..., made.cube.good_wavelength.values]
    layers = hsad.detect(array, detector, parts=True)
    assert layers.shape == (60, 64, 6)
    np.testing.assert_allclose(layers[..., 1], scores.coords["spectral"], rtol=1e-3, atol=1e-3)
    savemat(tmp_path / "scene.mat", {"data": np.nan_to_num(array, nan=100.0)})
    hsad.detect_to_file(tmp_path / "scene.mat", tmp_path / "scores.tif", detector, parts=True)
    with rasterio.open(tmp_path / "scores.tif") as raster:
        assert raster.descriptions == ("score", "spectral", "spatial", "global", "region", "evidence")
        score, spectral, spatial, *of_scene, number = raster.read()
    kinds = np.stack([spectral + detector.spatial_weight * spatial, *of_scene])
    np.testing.assert_allclose(score, kinds.max(axis=0), rtol=1e-5, atol=1e-5)
    assert set(np.unique(number)) <= {1, 2, 3, 4}
    with pytest.raises(ParameterError, match="parts: rx has none"):
        hsad.detect(array, "rx", parts=True)
    with pytest.raises(ParameterError, match="parts: compute=False gives none"):
        hsad.detect(array, detector, parts=True, compute=False)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"areas": "25,50.5"}, "areas: '25,50.5' is not a list of whole numbers such as 1,2,3"),
        ({"areas": ()}, r"areas: \(\) is not a list of whole numbers"),
        ({"areas": (1, 25)}, r"areas must be at least 2 each, not \(1, 25\)"),
        ({"smooth": -1}, "smooth must be at least 0, not -1"),
        ({"components": 0}, "components must be at least 1, not 0"),
        ({"spatial_weight": "half"}, "spatial_weight: 'half' is not a number"),
        ({"inner": 25}, r"inner must be smaller than outer \(25\), not 25"),
    ],
)
def test_wrong_parameters_name_value_and_choices(parameters, message):
    with pytest.raises(ParameterError, match=message):
        Auto(**parameters)


def test_areas_are_a_list_with_commas_or_a_sequence():
    assert Auto(areas="10, 30,100") == Auto(areas=[10, 30, 100]) == Auto(areas=np.array([10, 30, 100]))
    assert Auto(areas="10").areas == (10,)


#: Areas under the curve of the recipe as it was first measured.
MEASURED = {
    "abu-airport-2": 0.9911, "abu-airport-4": 0.9937, "abu-beach-3": 1.0000, "abu-beach-4": 0.9985,
    "abu-urban-2": 0.9979, "abu-urban-4": 0.9918, "abu-urban-5": 0.9916, "sandiego-1": 0.9936,
    "pavia-lzw": 0.9994, "pavia-wu-data": 0.9993,
}  # fmt: skip


def figures(data, name, detector):
    scores = hsad.detect(data / "scenes" / f"{name}.mat", detector)
    return hsad.evaluate(np.asarray(scores), truth_of(data, name))


@pytest.mark.parametrize("name", MEASURED)
def test_areas_under_the_curve_of_the_recipe(data, name):
    assert abs(figures(data, name, Auto(**RECIPE))["auc"] - MEASURED[name]) < 5e-4


def test_the_defaults_improve_on_the_recipe(data):
    found = [figures(data, name, Auto()) for name in MEASURED]
    assert np.mean([f["auc"] for f in found]) > max(0.9959, np.mean(list(MEASURED.values())))
    assert np.mean([f["average_precision"] for f in found]) > 0.76
    assert np.mean([f["objects_found"] / f["objects"] for f in found]) > 0.8


def test_maps_are_formed_once_although_every_pass_on_a_cluster_unpickles_what_was_learned():
    spectra = np.random.default_rng(0).normal(size=(40, 40, 6)) + 5
    block = Block(InMemory(spectra, np.ones((40, 40), bool)), (slice(0, 40), slice(0, 40)), (0, 0), Scene(0, 40, 40))
    detector = Auto(outer=7, inner=3, areas=(4,))
    learned = hsad.learn(spectra, detector).background
    first = detector.score(block, pickle.loads(pickle.dumps(learned)))  # noqa: S301
    kept = {name: entry[1] for name, entry in block.cache.items()}
    assert np.array_equal(detector.score(block, pickle.loads(pickle.dumps(learned))), first)  # noqa: S301
    assert all(block.cache[name][1] is map_ for name, map_ in kept.items())
    other = hsad.learn(spectra[::-1] * 1.1, detector).background
    assert not np.array_equal(detector.score(block, other), first)


def test_a_leaf_computes_the_maps_of_its_own_pixels_and_takes_the_rest_from_its_neighbours():
    source = source_of(check_cube(np.random.default_rng(0).normal(size=(30, 35, 6)) + 5))
    detector = SmallLeaf(outer=7, inner=3, areas=(4,), clutter=7)
    engine = Engine(runner=Threads(2))
    background = engine.learn(detector, (source,))
    (caches,) = engine._caches.values()
    for (row, col), cache in caches.items():
        own = min(8, 30 - 8 * row), min(8, 35 - 8 * col)
        assert {cache[name][1].shape[:2] for name in ("spatial", "spectral", "global")} == {own}
    scored = [
        {(tile.rows.start, tile.cols.start): tile.scores for tile in each.score(detector, source, background)}
        for each in (engine, Engine(tile=8))  # the second has nothing in its caches
    ]
    whole = np.full((2, 30, 35), np.nan, np.float32)
    for number, tiles in enumerate(scored):
        for (row, col), part in tiles.items():
            whole[number, row : row + part.shape[0], col : col + part.shape[1]] = part
    assert np.array_equal(*whole)
