"""Tests of the contract that every detector fulfils, whatever its method."""

from __future__ import annotations

import dataclasses
import functools
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import learned
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from strategies import a_scene, scenes

import hsad
from hsad.detectors import DETECTORS, describe_detector, make_detector, read_parameters
from hsad.explanation.explain import explainer

#: Every method, with parameters that suit scenes of a few bands and a few dozen pixels.
VARIANTS = {
    "auto": ("auto", {"outer": 7, "inner": 3, "areas": (4, 9), "clutter": 5}),
    "auto-recipe": ("auto", {"outer": 9, "inner": 3, "areas": (6,), "smooth": 0, "flatten": 0, "border": "truncate"}),
    "auto-pca": ("auto", {"outer": 7, "inner": 3, "areas": (5,), "pca": 3}),
    "rx": ("rx", {"covariance": "ridge"}),
    "rx-trim": ("rx", {"covariance": "oas", "trim": 0.05}),
    "rx-ledoit-wolf": ("rx", {"covariance": "ledoit-wolf"}),
    "rx-pca": ("rx", {"covariance": "ridge", "pca": 3}),
    "lrx": ("lrx", {"outer": 7, "inner": 3}),
    "lrx-truncate": ("lrx", {"outer": 9, "inner": 5, "border": "truncate", "covariance": "oas"}),
    "crd": ("crd", {"outer": 7, "inner": 3}),
    "crd-plain": ("crd", {"outer": 9, "inner": 3, "weights": "none", "center": True, "border": "truncate"}),
    "crd-sum-to-one": ("crd", {"outer": 7, "inner": 5, "sum_to_one": True, "score": "objective"}),
    # Gamma is set: the learned one comes from a sample of pixels, which is another sample in a mirrored scene.
    "kcrd": ("kcrd", {"outer": 7, "inner": 3, "gamma": 2.0}),
    "kcrd-polynomial": ("kcrd", {"outer": 7, "inner": 3, "kernel": "polynomial", "weights": "none", "gamma": 1.0}),
    "srd": ("srd", {"outer": 7, "inner": 3, "atoms": 1}),
    "srd-fista": ("srd", {"outer": 7, "inner": 3, "solver": "fista", "border": "truncate", "lam": 0.3}),
    "rpca": ("rpca", {}),
    "rpca-l1": ("rpca", {"score": "l1", "lam": 0.02}),
    "rpca-rx": ("rpca", {"score": "rx"}),
    "rpca-bands": ("rpca-bands", {"window": 16, "tolerance": 0.05}),
    "rpca-bands-patch": ("rpca-bands", {"window": 20, "patch": 6, "score": "l1", "tolerance": 0.05}),
    "low-rank": ("low-rank", {}),
    "low-rank-pca": ("low-rank", {"rank": 2, "patch": 5, "stride": 2, "center": True, "pca": 3}),
    # Trained for a step or two: the contract does not depend on how well they detect.
    "unrolled-rpca": ("unrolled-rpca", {"outer": 7, "inner": 3, "layers": 2, "components": 4, "steps": 2}),
    "unrolled-rpca-start": ("unrolled-rpca", {"outer": 7, "inner": 3, "training": "none"}),
    "unrolled-rpca-patch": ("unrolled-rpca", {"patch": 4, "rank": 2, "layers": 3, "steps": 2}),
    "deep-rx": ("deep-rx", {"steps": 2}),
    "deep-rx-random": ("deep-rx", {"features": "random", "components": 3}),
    "patchcore": ("patchcore", {"bank": 200, "apart": 2}),
    "autoencoder": ("autoencoder", {"input": "scene", "channels": 4, "steps": 6}),
    "rpcanet": ("rpcanet", {"stages": 2, "channels": 4, "steps": 2}),
    "lrx-pca": ("lrx", {"outer": 7, "inner": 1, "pca": 3}),
    "ace": ("ace", {"target": a_scene()[35, 45]}),
    "ace-pixel": ("ace", {"target": (35, 45)}),
    "ace-pixel-pca": ("ace", {"target": (35, 45), "pca": 3}),
    "mf": ("mf", {"target": a_scene()[35, 45]}),
    "mf-pixel": ("mf", {"target": (35, 45)}),
    "cem": ("cem", {"target": a_scene()[35, 45]}),
    "cem-pixel": ("cem", {"target": (35, 45)}),
    # Of five bands the first two are the first date, and three the second.
    "chronochrome": ("chronochrome", {"before_bands": 2}),
    "covariance-equalisation": ("covariance-equalisation", {"before_bands": 2, "shift": 2}),
    "hyperbolic": ("hyperbolic", {"before_bands": 2, "shift": 1}),
    "hyperbolic-gaussian": ("hyperbolic", {"before_bands": 2, "shift": 0, "tails": "gaussian", "shrink": 0}),
    "sam": ("sam", {"target": a_scene()[35, 45]}),
    "sam-pixel": ("sam", {"target": (35, 45)}),
}

#: Methods that learn from a random sample: a turned scene gives another sample, and many examples take long.
TRAINED = ("unrolled-rpca", "deep-rx", "autoencoder", "rpcanet", "patchcore")

#: Methods that look for a target: a spectrum in the units of the scene, or one of its pixels.
TARGETS = ("ace", "mf", "cem", "sam")

#: Methods that compare two dates, which are the first and the last bands of the scene.
CHANGE = ("chronochrome", "covariance-equalisation", "hyperbolic")

#: Methods whose score does not change when the spectra are multiplied by a factor; others' grow with it.
SCALE_FREE = ("auto", "rx", "lrx", "kcrd", *CHANGE, *TARGETS, *TRAINED)

#: Tests that are not for every variant.
ONLY = {
    "test_tiled_equals_whole": lambda variant: not variant.startswith(TRAINED),
    "test_tiled_equals_whole_with_what_was_trained": lambda variant: variant.startswith(TRAINED),
    "test_turning_or_mirroring_the_scene_turns_or_mirrors_the_scores": lambda variant: (
        (not variant.startswith(TRAINED) or variant.endswith("-start")) and "-pixel" not in variant
    ),
    # A spectrum has its units and its bands; a pixel is the one of the scene that is learned from.
    "test_scaling": lambda variant: variant not in TARGETS,
    "test_the_order_of_bands_does_not_matter": lambda variant: not variant.startswith((*TARGETS, *CHANGE)),
    # The anomaly of the scene is on both dates: no change.
    "test_an_anomaly_stands_out": lambda variant: not variant.startswith(CHANGE),
    "test_a_saved_background_scores_alike": lambda variant: "-pixel" not in variant,
    "test_a_detector_is_shared_by_threads": lambda variant: "-pixel" not in variant,
}

fixed_scene = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def pytest_generate_tests(metafunc):
    """Run every test with an argument `variant` for all variants, or for the detectors of the option --detector."""
    if "variant" in metafunc.fixturenames:
        fits = ONLY.get(metafunc.function.__name__, lambda _: True)
        every = metafunc.config.getoption("--detector") or list(VARIANTS)
        metafunc.parametrize(
            "variant", [learned.param(variant, method_of(variant)) for variant in every if fits(variant)]
        )


def method_of(variant):
    return VARIANTS[variant][0] if variant in VARIANTS else variant.split()[0]


def detector(variant):
    if variant in VARIANTS:
        method, parameters = VARIANTS[variant]
    else:
        method, *texts = variant.split()
        parameters = read_parameters(method, dict(text.split("=") for text in texts))
    return make_detector(method, **parameters)


@functools.cache
def scores_of(variant):
    """Return the scores of `a_scene()` by one thread, which many tests compare others with."""
    scores = hsad.detect(a_scene(), detector(variant), workers=1)
    scores.flags.writeable = False
    return scores


def small_leaf(variant):
    """Return the detector with leaves of 8 pixels, so that small scenes have many: smaller than its window."""
    original = detector(variant)
    inner = original.unwrapped
    cls = dataclasses.dataclass(frozen=True)(
        type(type(inner).__name__, (type(inner),), {"leaf": 8, "__annotations__": {}})
    )
    small = cls(**{p.field: getattr(inner, p.field) for p in inner.parameters()})
    return small if inner is original else dataclasses.replace(original, detector=small)


def test_every_method_is_under_contract():
    # padim needs a stack of scenes: test_deep_detectors.py
    own = {method for method in DETECTORS if DETECTORS.package(method) is None} - {"padim"}
    assert {method for method, _ in VARIANTS.values()} >= own


@given(scene=scenes())
def test_tiled_equals_whole(variant, scene):
    small = small_leaf(variant)
    try:
        whole = hsad.detect(scene, small, workers=1, tile=10**6)
    except hsad.HsadError as error:
        with pytest.raises(type(error)):
            hsad.detect(scene, small, workers=1, tile=8)
        return
    for tile in (8, 16):
        assert np.array_equal(hsad.detect(scene, small, workers=1, tile=tile), whole, equal_nan=True)
    # The usual leaf is another order of summation: equal up to rounding.
    usual = hsad.detect(scene, detector(variant), workers=1)
    np.testing.assert_allclose(usual, whole, rtol=2e-5, atol=1e-5 * np.nanmax(whole))


def test_tiled_equals_whole_with_what_was_trained(variant):
    scene = a_scene(rows=22, cols=29)
    small = small_leaf(variant)
    learned = hsad.learn(scene, small, workers=1)
    whole = hsad.score(scene, learned, workers=1, tile=10**6)
    assert np.array_equal(hsad.score(scene, learned, workers=1, tile=16), whole, equal_nan=True)
    assert np.array_equal(hsad.detect(scene, small, workers=3, tile=8), whole, equal_nan=True)
    # The same model on the usual leaf: networks compute in float32, and sum in another order on other blocks.
    usual = hsad.score(scene, dataclasses.replace(learned, detector=detector(variant)), workers=1)
    np.testing.assert_allclose(usual, whole, rtol=3e-4, atol=1e-4 * np.nanmax(whole))


def test_threads_give_the_same_bits(variant):
    scene = a_scene(rows=100, cols=110)  # four leaves for three threads
    one = hsad.detect(scene, detector(variant), workers=1)
    assert np.array_equal(hsad.detect(scene, detector(variant), workers=3, tile=64), one, equal_nan=True)


@pytest.mark.long
@pytest.mark.faults
@pytest.mark.cluster
def test_the_processes_of_a_cluster_give_the_same_bits(cluster):
    scene = a_scene(rows=70, cols=80)
    for variant in VARIANTS:
        if learned.is_missing(method_of(variant)):
            continue
        one = hsad.detect(scene, detector(variant), workers=1)
        far = hsad.detect(scene, detector(variant), scheduler=cluster, tile=64)
        assert np.array_equal(far, one, equal_nan=True), variant


def test_a_lazy_result_is_the_same_and_computes_nothing_early(variant, monkeypatch):
    scene, expected = a_scene(), scores_of(variant)
    cls = type(detector(variant).unwrapped)
    with monkeypatch.context() as patch:
        for name in ("learn", "score"):
            patch.setattr(cls, name, lambda *_: pytest.fail("computed early"))
        lazy = hsad.detect(scene, detector(variant), compute=False)
    assert np.array_equal(lazy.compute(scheduler="threads"), expected, equal_nan=True)


def test_invalid_pixels_score_nan_and_touch_nothing_else(variant):
    scene, expected = a_scene(), scores_of(variant)
    invalid = np.isnan(scene).any(axis=2)
    assert np.array_equal(np.isnan(expected), invalid)
    # A mask, nodata in one band only, or infinity mark the same pixels: the same scores.
    filled = np.where(invalid[..., None], 1e6, scene)
    assert np.array_equal(hsad.detect(filled, detector(variant), mask=~invalid, workers=1), expected, equal_nan=True)
    one_band = filled.copy()
    one_band[invalid, -1] = np.inf
    assert np.array_equal(hsad.detect(one_band, detector(variant), workers=1), expected, equal_nan=True)


def test_scaling(variant):
    scene = 1000 * a_scene()  # not of order one: some detectors then look for a scale of their own
    expected = hsad.detect(scene, detector(variant), workers=1)
    for factor in (1 / 64, 3.7):
        scores = hsad.detect(scene * factor, detector(variant), workers=1)
        power = 0 if variant.startswith((*SCALE_FREE, "rpca-rx")) else 1
        if variant not in VARIANTS:  # of a detector of another package it is known only that all scores grow alike
            power = np.log(np.nanmax(scores) / np.nanmax(expected)) / np.log(factor)
        scaled = expected * factor**power
        # A score near zero is what is left of larger numbers: rpca keeps them in single precision.
        np.testing.assert_allclose(scores, scaled, rtol=1e-4, atol=1e-8 * np.nanmax(scaled))


def test_turning_or_mirroring_the_scene_turns_or_mirrors_the_scores(variant):
    scene, expected = a_scene(), scores_of(variant)
    for move in (lambda a: a[::-1], lambda a: a[:, ::-1], lambda a: a.swapaxes(0, 1)):
        scores = hsad.detect(np.ascontiguousarray(move(scene)), detector(variant), workers=1)
        np.testing.assert_allclose(scores, move(expected), rtol=1e-4)


def test_the_order_of_bands_does_not_matter(variant):
    reverse = a_scene()[..., ::-1].copy()
    np.testing.assert_allclose(hsad.detect(reverse, detector(variant), workers=1), scores_of(variant), rtol=1e-4)


def test_the_input_is_not_modified(variant):
    scene = a_scene(rows=60, cols=60)  # one leaf of float64: the block could be the user's array itself
    before = scene.copy()
    hsad.detect(scene, detector(variant), workers=1)
    assert np.array_equal(scene, before, equal_nan=True)


def test_an_account_by_band_sums_to_the_score(variant):
    scene = a_scene()
    scene[20, 22] = scene[20, 26]  # a twin in its ring
    places = [(35, 45), (0, 0), (69, 89), (20, 22), tuple(np.argwhere(np.isnan(scene[1:-1, 1:-1, 0]))[3] + [1, 2])]
    scores = hsad.detect(scene, detector(variant), workers=1)
    with explainer(scene, detector(variant), {}) as ready:
        for place in [place for place in places if not np.isnan(scores[place])]:
            why = ready.at(*map(int, place))
            contributions = why.reason.contributions
            assert why.score == pytest.approx(scores[place], rel=2e-6)
            if contributions is not None:
                assert contributions.shape == (scene.shape[2],)
                assert contributions.sum() == pytest.approx(why.score, rel=1e-9)
            if why.reason.reconstruction is not None:
                made = why.reason.reconstruction + why.reason.residual
                np.testing.assert_allclose(made, scene[place], rtol=1e-9)
            if not has_bands(variant, why):
                assert contributions is None
                assert "no account by band" in why.sentence or why.reason.evidence or why.reason.layers
            else:
                assert contributions is not None, why.sentence


def has_bands(variant, why):
    """Tell whether a detector's score has parts by band: not where bands are mixed nonlinearly before it is formed."""
    if variant not in VARIANTS:
        return why.reason.contributions is not None  # not known of a detector of another package
    if variant.startswith("auto"):  # spatial evidence is no matter of bands, nor is a pixel like most of the scene
        return why.score > 0 and why.reason.unlike != "its neighbours"
    return not variant.startswith(("kcrd", "unrolled-rpca", "deep-rx"))


def test_an_anomaly_stands_out(variant):
    scores = scores_of(variant)
    assert np.unravel_index(np.nanargmax(scores), scores.shape) == (35, 45)


def test_a_detector_pickles_prints_and_can_be_made_again(variant):
    original = detector(variant)
    assert pickle.loads(pickle.dumps(original)) == original  # noqa: S301
    method, parameters = describe_detector(original)
    assert make_detector(method, **parameters) == original
    assert all(repr(value) in repr(original) for value in parameters.values())
    if "pca" not in parameters:
        assert type(original)(**parameters) == original


def test_a_saved_background_scores_alike(variant, tmp_path):
    scene = a_scene()
    learned = hsad.learn(scene, detector(variant))
    learned.save(tmp_path / "background.npz")
    assert np.array_equal(hsad.score(scene, tmp_path / "background.npz"), scores_of(variant), equal_nan=True)
    other = a_scene(seed=1)
    assert np.array_equal(
        hsad.score(other, learned), hsad.detect(other, detector(variant), references=[scene]), equal_nan=True
    )


def test_a_detector_is_shared_by_threads(variant, monkeypatch):
    shared = detector(variant)
    pieces = [a_scene(seed, rows=30, cols=40 + seed) for seed in range(4)]
    expected = [hsad.detect(piece, detector(variant), workers=1) for piece in pieces]
    for step in ("learn", "score"):
        monkeypatch.setattr(type(shared), step, all_at_once(getattr(type(shared), step), len(pieces)))
    with ThreadPoolExecutor(len(pieces)) as pool:
        scores = pool.map(lambda piece: hsad.detect(piece, shared, workers=1), pieces)
        for got, wanted in zip(scores, expected, strict=True):
            assert np.array_equal(got, wanted, equal_nan=True)


def all_at_once(step, threads):
    """Return the step, whose first call in each of `threads` threads waits until all of them have called it."""
    barrier, here = threading.Barrier(threads, timeout=120), threading.local()

    def together(*arguments):
        if not hasattr(here, "been"):
            here.been = True
            barrier.wait()
        return step(*arguments)

    return together
