"""The learned detectors beyond the contract: training, what they tell, bad input."""

from __future__ import annotations

import builtins
import dataclasses
import logging

import numpy as np
import pytest
from learned import LEARNED, dates_of_one_place
from real_scenes import auc, scene_and_truth
from strategies import a_scene

import hsad
from hsad.detectors.deep.implants import Implants, rare_pixels
from hsad.errors import DataError, HsadWarning, MissingExtraError, ParameterError, SceneError

torch = pytest.importorskip("torch")


def test_training_depends_on_the_seed_and_not_on_threads():
    scene = a_scene(rows=40, cols=40)
    parameters = {"steps": 3, "outer": 7, "inner": 3, "layers": 2}
    first = hsad.learn(scene, "unrolled-rpca", **parameters)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if before > 1 else 2)
        again = hsad.learn(scene, "unrolled-rpca", **parameters)
        # The limit of one thread while it learns was lifted.
        assert torch.get_num_threads() == (1 if before > 1 else 2)
    finally:
        torch.set_num_threads(before)
    other = hsad.learn(scene, "unrolled-rpca", seed=1, **parameters)
    assert first.digest() == again.digest() != other.digest()


def test_the_random_numbers_of_others_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    hsad.learn(a_scene(rows=20, cols=20), "deep-rx", steps=1)
    assert torch.equal(torch.rand(3), expected)


def test_thresholds_and_matrix_can_be_read():
    scene = a_scene(rows=40, cols=40)
    learned = hsad.learn(scene, "unrolled-rpca", steps=4, outer=7, inner=3, layers=2)
    start, trained = learned.background.members
    assert np.allclose(start.thresholds, 3)
    assert np.allclose(start.matrix, 0.5 * np.eye(len(start.matrix)))
    assert not np.allclose(trained.thresholds, 3)
    told = learned.background.summary()
    assert told["thresholds_1"] == pytest.approx(list(trained.thresholds), abs=1e-4)
    assert told["W_norm_1"] == pytest.approx(np.linalg.norm(trained.matrix))
    assert told["checksum"] == learned.background.images.checksum
    assert "thresholds_1" in learned.summary()


@pytest.mark.parametrize("training", ["cutpaste", "reconstruction"])
@pytest.mark.parametrize("patch", [0, 4])
def test_every_training_changes_what_it_should(training, patch):
    scene = a_scene(rows=40, cols=40)
    parameters = {"outer": 7, "inner": 3, "patch": patch, "layers": 2, "rank": 2}
    begun = hsad.learn(scene, "unrolled-rpca", training="none", **parameters)
    learned = hsad.learn(scene, "unrolled-rpca", training=training, steps=3, **parameters)
    weights = learned.background.members[-1].weights
    for name in ("theta", "W"):
        assert not np.array_equal(weights[name], begun.background.members[0].weights[name])


def test_training_shows_progress(caplog):
    seen = []

    def progress(iterable, *, total, desc):
        seen.append((desc, total))
        return iterable

    hsad.learn(a_scene(rows=20, cols=20), "rpcanet", steps=2, stages=1, progress=progress)
    assert ("training rpcanet", 2) in seen
    with caplog.at_level(logging.INFO, logger="hsad"):
        hsad.learn(a_scene(rows=20, cols=20), "rpcanet", steps=2, stages=1, progress="log")
    assert "training rpcanet: 2 of 2 steps" in caplog.text


def test_noise_as_input_is_for_the_scene_it_was_fitted_to():
    scene = a_scene(rows=40, cols=44)
    learned = hsad.learn(scene, "autoencoder", steps=4, channels=4)
    assert learned.background.given == "noise"
    assert np.array_equal(
        hsad.score(scene, learned), hsad.detect(scene, "autoencoder", steps=4, channels=4), equal_nan=True
    )
    with pytest.raises(ParameterError, match="scores only the scene that it was learned from; learn with input scene"):
        hsad.score(a_scene(seed=1, rows=40, cols=44), learned)
    large = a_scene(rows=40, cols=150)
    assert hsad.learn(large, "autoencoder", steps=2, channels=4).background.given == "scene"
    with pytest.raises(ParameterError, match="input: noise needs one scene of at most 128 x 128 pixels"):
        hsad.learn(large, "autoencoder", steps=2, channels=4, input="noise")


def test_a_bank_of_the_own_scene_keeps_its_distance():
    scene = a_scene(rows=60, cols=60, bands=4)
    scene[40:43, 20:23] = scene[40, 20] = 20.0 * np.array([1, -1, 1, -1])  # an object: its pixels resemble each other
    apart = hsad.detect(scene, "patchcore", bank=4000, rare=0.0, smooth=0)
    beside = hsad.detect(scene, "patchcore", bank=4000, rare=0.0, smooth=0, apart=-1)
    assert beside[41, 21] == pytest.approx(0, abs=1e-6)
    assert apart[41, 21] > np.nanquantile(apart, 0.99)
    # References of another place are nobody's own.
    learned = hsad.learn(a_scene(seed=3, rows=64, cols=60, bands=4), "patchcore", bank=4000, rare=0.0, smooth=0)
    any_place = dataclasses.replace(learned, detector=dataclasses.replace(learned.detector, apart=-1))
    np.testing.assert_allclose(hsad.score(scene, learned), hsad.score(scene, any_place), rtol=1e-5)


@pytest.mark.parametrize("method", LEARNED)
def test_without_torch_one_line_says_what_to_install(method, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "torch" or name.startswith("torch."):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    message = rf"{method} needs torch, which is not installed: pip install -e '\.\[deep\]' in a clone"
    with pytest.raises(MissingExtraError, match=message):
        hsad.detect(a_scene(rows=30, cols=30), method)


@pytest.mark.parametrize("method", [method for method in LEARNED if method != "padim"])
def test_bad_scenes_end_in_one_line(method):
    few = a_scene(rows=30, cols=30)
    few[3:] = few[:, 20:] = np.nan
    with pytest.raises(DataError, match=rf"{method} needs at least 64 valid pixels to learn from: there are \d+"):
        hsad.detect(few, method)
    with pytest.raises(DataError, match="all valid pixels are equal"):
        hsad.detect(np.full((30, 30, 4), 7.0), method)


@pytest.mark.parametrize("method", LEARNED)
def test_a_damaged_model_ends_in_one_line(method, tmp_path):
    quick = {"unrolled-rpca": {"training": "none"}, "rpcanet": {"steps": 0}, "deep-rx": {"features": "random"}}
    quick["autoencoder"] = {"steps": 2, "input": "scene"}
    dates, new = dates_of_one_place()
    learned = hsad.learn(dates, method, **quick.get(method, {}))
    path = tmp_path / "model.npz"
    learned.save(path)
    assert np.isfinite(hsad.score(new, path)).all()
    with pytest.raises(ParameterError, match="learned on 8 bands, the scene has 7"):
        hsad.score(new[..., 1:], path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(SceneError, match=r"model\.npz: not a background that hsad saved"):
        hsad.score(new, path)


def test_a_model_that_was_changed_is_refused(tmp_path):
    learned = hsad.learn(a_scene(rows=30, cols=30), "unrolled-rpca", training="none")
    path = tmp_path / "model.npz"
    learned.save(path)
    with np.load(path) as opened:
        arrays = dict(opened)
    name = next(name for name in arrays if name.endswith(".theta") or ".weights.0" in name)
    np.savez(path, **{**arrays, name: arrays[name] * np.nan})
    with pytest.raises(SceneError, match=r"model\.npz: damaged: the background is not the one"):
        hsad.score(a_scene(), path)


def test_implants_are_where_they_are_said_to_be():
    random = np.random.default_rng(0)
    images = random.normal(size=(3, 80, 90)).astype(np.float32)
    valid = np.ones((80, 90), dtype=bool)
    valid[:, :5] = False
    rare = rare_pixels(images, valid, 0.02)
    assert 0.02 * 80 * 85 <= rare.sum() <= 0.02 * 80 * 85 * 5 + 10
    example = Implants(count=6, side=64).draw(random, images, valid, rare)
    assert example.images.shape == (3, 64, 64)
    changed = np.abs(example.change).max(axis=0) > 0
    assert not (example.target.astype(bool) & ~changed).any()
    assert 6 <= example.target.sum() <= 6 * 100
    # A fringe of little abundance is neither object nor background.
    fringe = changed & (example.target == 0)
    assert (example.weight[fringe] == 0).all()
    assert (example.weight[example.target == 1] >= 0).all()


def test_thresholds_and_matrix_are_drawn(tmp_path):
    from hsad.plot import plot_layers

    random = np.random.default_rng(0)
    thetas, matrices = [np.full(3, 3.0), random.random(3)], [0.5 * np.eye(4), random.random((4, 4))]
    figure = plot_layers(thetas, matrices, ["start", "trained"], tmp_path / "layers.png")
    assert [line.get_ydata().tolist() for line in figure.axes[0].lines] == [theta.tolist() for theta in thetas]
    np.testing.assert_allclose(figure.axes[2].images[0].get_array(), matrices[1] - 0.5 * np.eye(4))
    assert (tmp_path / "layers.png").stat().st_size > 5000


@pytest.mark.long
@pytest.mark.parametrize(
    ("method", "parameters", "least"),
    [
        ("unrolled-rpca", {}, 0.97),
        ("unrolled-rpca", {"training": "none"}, 0.96),
        ("patchcore", {}, 0.96),
        ("deep-rx", {"features": "random"}, 0.96),
        ("autoencoder", {}, 0.96),
        ("rpcanet", {}, 0.955),
    ],
)
def test_benchmark_scenes(method, parameters, least, data):
    """The mean of two scenes on which global RX has .8404 and .9692."""
    areas = []
    for name in ("abu-airport-2", "abu-urban-5"):
        scene, truth = scene_and_truth(data, name)
        areas.append(auc(hsad.detect(scene, method, **parameters), truth))
    assert np.mean(areas) > least


@pytest.mark.parametrize("value", [1e8, 1e15, -1e20, 1e30])
def test_one_value_far_beyond_the_others_is_scored_or_refused_in_one_line(value):
    cube = np.random.default_rng(0).normal(size=(40, 45, 6)) + 5
    cube[20, 20, 2] = value
    try:
        scores = hsad.detect(cube, "deep-rx", steps=2)
    except DataError as error:
        assert str(error).startswith("deep-rx: all but a few pixels have the same features")  # noqa: PT017
        assert abs(value) > 1e10
    else:
        assert np.isfinite(scores).all()
        assert scores.argmax() == 20 * 45 + 20


def test_patchcore_says_which_pixels_its_small_scene_leaves_without_a_score():
    cube = np.random.default_rng(0).normal(size=(9, 9, 4))
    with pytest.warns(HsadWarning, match=r"patchcore gives 49 pixels no score: .* within 7 pixels .* smaller apart"):
        scores = hsad.detect(cube, "patchcore", rare=0.0)
    assert np.isnan(scores).sum() == 49
    assert np.isfinite(hsad.detect(cube, "patchcore", rare=0.0, apart=3)).all()
    with pytest.warns(HsadWarning, match="patchcore gives 49 pixels no score"):
        hsad.detect(cube, "patchcore", rare=0.0, pool=3, workers=2)
    # References of the same size are other scenes: no pixel of theirs is too near.
    assert np.isfinite(hsad.detect(cube + 0.01, "patchcore", rare=0.0, references=[cube])).all()
