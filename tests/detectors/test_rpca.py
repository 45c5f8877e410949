"""Robust PCA against the inexact ALM with a full SVD, and against what theory promises."""

import contextlib
import dataclasses
import gc
import itertools
import json
import os
import sys
import tempfile
import warnings
import weakref
from pathlib import Path

import numpy as np
import processes
import pytest
import rasterio
import xarray as xr
from real_scenes import auc, scene_and_truth
from scipy.ndimage import gaussian_filter

import hsad
from hsad.bench import formulas
from hsad.detectors.low_rank import rpca, state
from hsad.detectors.low_rank.band_rpca import BandRPCA
from hsad.detectors.low_rank.rpca import RPCA
from hsad.detectors.low_rank.state import Room
from hsad.engine.resume import Journal
from hsad.engine.run import Engine, _Scan
from hsad.engine.source import source_of
from hsad.errors import ConvergenceWarning, DataError, ParameterError
from hsad.kernels.low_rank import pursuit
from hsad.kernels.low_rank.matrix_pursuit import sparse_part
from hsad.kernels.low_rank.patch_grid import patch_starts
from hsad.scene.cube import check_cube


def inexact_alm(X, lam, tolerance=1e-7):
    """L and S of the method as published, with a full SVD an iteration."""
    L, S, _ = formulas.inexact_alm(X, lam, tolerance)
    assert np.linalg.norm(X - L - S) < tolerance * np.linalg.norm(X)
    return L, S


def objective(L, S, lam):
    return np.linalg.svd(L, compute_uv=False).sum() + lam * np.abs(S).sum()


def low_rank_and_sparse(shape, rank, share, seed=0):
    random = np.random.default_rng(seed)
    L = random.normal(size=(shape[0], rank)) @ random.normal(size=(rank, shape[1]))
    return L, np.where(random.random(shape) < share, random.uniform(-10, 10, shape), 0.0)


def a_scene(rows=80, cols=75, bands=9, seed=0):
    random = np.random.default_rng(seed)
    mixed = random.random((rows, cols, 3)) @ random.random((3, bands))
    scene = mixed + 0.01 * random.normal(size=(rows, cols, bands))
    scene[rows // 2, cols // 3] += random.random(bands)
    return scene


@pytest.mark.parametrize("shape", [(300, 20), (40, 150), (60, 60)])
def test_the_decomposition_is_that_of_the_method_with_a_full_svd(shape):
    X = np.random.default_rng(0).normal(size=shape) @ np.diag(0.8 ** np.arange(shape[1])) + 2
    lam = 1 / np.sqrt(max(shape))
    L, S = inexact_alm(X, lam)
    sparse, residual = sparse_part(X, lam, 1e-7, 200)
    assert residual < 1e-7
    assert objective(X - sparse, sparse, lam) <= objective(L, S, lam) * (1 + 1e-6)
    np.testing.assert_allclose(sparse, S, atol=1e-5 * np.abs(X).max())


@pytest.mark.parametrize("shape, rank, share", [((120, 120), 5, 0.05), ((600, 80), 3, 0.05), ((90, 300), 4, 0.1)])
def test_exact_recovery_where_theory_promises_it(shape, rank, share):
    L, S = low_rank_and_sparse(shape, rank, share)
    sparse, _ = sparse_part(L + S, 1 / np.sqrt(max(shape)), 1e-9, 200)
    assert np.linalg.norm(sparse - S) < 1e-6 * np.linalg.norm(S)
    assert np.array_equal(np.abs(sparse) > 1e-3, np.abs(S) > 1e-3)


def test_a_scene_in_leaves_is_decomposed_as_one_matrix():
    scene = a_scene()
    X = scene.reshape(-1, scene.shape[2])
    _, S = inexact_alm(X, 1 / np.sqrt(len(X)))
    for measure, expected in {
        "l2": np.linalg.norm(S, axis=1),
        "l1": np.abs(S).sum(axis=1),
        "rx": np.einsum("ij,jk,ik->i", S - S.mean(0), np.linalg.inv(np.cov(S.T, bias=True)), S - S.mean(0)),
    }.items():
        scores = hsad.detect(scene, RPCA(score=measure), workers=2)
        np.testing.assert_allclose(scores.ravel(), expected, rtol=1e-3, atol=1e-5 * expected.max())
        assert np.unravel_index(scores.argmax(), scores.shape) == (40, 25)


def test_the_report_is_true():
    scene = a_scene()
    X = scene.reshape(-1, scene.shape[2])
    lam = 0.02
    L, S = inexact_alm(X, lam)
    summary = hsad.learn(scene, RPCA(lam=lam)).background.summary()
    assert summary["converged"]
    assert summary["residual"] < 1e-7
    assert summary["lam"] == lam
    assert summary["objective"] == pytest.approx(objective(L, S, lam), rel=1e-5)
    assert summary["objective"] <= objective(L, S, lam) * (1 + 1e-7)
    assert summary["rank"] == np.linalg.matrix_rank(L, tol=1e-6 * np.linalg.norm(L, 2))
    assert summary["nonzero"] == pytest.approx(np.mean(S != 0), abs=1e-3)
    assert 20 <= summary["iterations"] <= 60


def test_several_scenes_are_one_matrix():
    scenes = [a_scene(30, 40, seed=1), a_scene(50, 35, seed=2)]
    X = np.concatenate([scene.reshape(-1, scene.shape[2]) for scene in scenes])
    lam = 1 / np.sqrt(len(X))
    learned = hsad.learn(scenes, RPCA())
    L, S = inexact_alm(X, lam)
    assert learned.background.summary()["objective"] == pytest.approx(objective(L, S, lam), rel=1e-5)
    scores = hsad.score(scenes[1], learned)
    expected = np.linalg.norm(S[30 * 40 :], axis=1)
    np.testing.assert_allclose(scores.ravel(), expected, rtol=1e-3, atol=1e-5 * expected.max())


def test_states_that_are_lost_or_on_disk_give_the_same_bits(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # no other process leaves its states here
    scene = a_scene(bands=5)
    expected = hsad.detect(scene, RPCA(), workers=1)
    with monkeypatch.context() as patch:
        patch.setattr(rpca._State, "follows", lambda *_: False)
        assert np.array_equal(hsad.detect(scene, RPCA(), workers=1), expected)
    with monkeypatch.context() as patch:
        patch.setattr(state, "_free_memory", lambda: 0)
        assert np.array_equal(hsad.detect(scene, RPCA(), workers=2), expected)
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_arrays_on_disk_come_back_whatever_was_written_and_dropped_between(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    random, known = np.random.default_rng(0), {}
    shapes = [(0, 3), (4, 3), (5, 7), (64, 64, 3)]
    for number in range(200):
        array = random.normal(size=shapes[number % 4]).astype([np.float64, np.float32][number % 2])
        known[int(random.integers(20))] = array, state.store(array, "disk")
    for array, stored in known.values():
        assert stored.load().dtype == array.dtype
        assert np.array_equal(stored.load(), array)
    (scratch,) = {stored._scratch for _, stored in known.values()}
    assert scratch._size < 30 * 64 * 64 * 3 * 8  # places are used again
    scratch = weakref.ref(scratch)
    known.clear()
    del stored
    gc.collect()
    assert scratch() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_killed_run_leaves_no_state_in_the_folder_for_temporary_files(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    scene = processes.write_scene(tmp_path, rows=200, cols=200, bands=80)  # a state of 13 MB

    def on_disk():
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{process.pid}/fd").iterdir():
                if str(link.readlink()).startswith(str(folder)) and link.stat().st_size > 10**6:
                    return True
        return False

    arguments = ("detect", scene, "-m", "rpca", "--memory", "225MB", "--tolerance", "1e-14")
    environment = {**os.environ, "TMPDIR": str(folder)}
    with processes.running(*arguments, "-o", tmp_path / "s.tif", env=environment) as process:
        processes.wait_for(on_disk, process)
        process.kill()
        process.wait()
    assert not list(folder.iterdir())


@pytest.mark.parametrize("shape", [(300, 60), (1000, 7)])
def test_rows_that_catch_up_have_the_same_bits(shape):
    """Through all steps at once, as after an interruption, or one a pass."""
    x = sum(low_rank_and_sparse(shape, 3, 0.05)) + 0.01 * np.random.default_rng(1).normal(size=shape)
    one_by_one, taken = np.zeros(shape, np.float32), []

    def advance_all(steps):
        taken.append(steps)
        return pursuit.advance(x, one_by_one, steps[-1:])

    pursuit.iterate(pursuit.Extent.of(x), 1 / np.sqrt(max(shape)), 1e-7, 200, advance_all)
    at_once = np.zeros(shape, np.float32)
    pursuit.advance(x, at_once, taken[-1])
    assert len(taken[-1]) > 20
    assert at_once.tobytes() == one_by_one.tobytes()


def test_a_state_larger_than_what_may_be_kept_goes_to_disk(monkeypatch):
    scene = a_scene(bands=5)
    size = 4 * scene.size
    expected = hsad.detect(scene, RPCA(), workers=1)
    places = set()

    def store(array, place):
        places.add(place)
        return state.store(array, place)

    monkeypatch.setattr(rpca, "store", store)
    for kept, place in ((size - 1, "disk"), (size, "memory"), (3 * size, "memory")):
        places.clear()
        monkeypatch.setattr(_Scan, "memory", property(lambda _, kept=kept: kept))
        assert np.array_equal(hsad.detect(scene, RPCA(), workers=1, tile=64), expected)
        assert places == {place}


def test_a_state_of_another_learning_is_not_used():
    steps = [rpca.Step(np.eye(3)[:, :rank], np.full(rank, 0.5), 0.7, 0.1) for rank in (0, 1, 2)]
    known = rpca._State(2, steps[1], state.store(np.zeros((4, 3)), "memory"))
    assert known.follows(steps)
    assert not known.follows(steps[:1])
    assert not known.follows([steps[0], dataclasses.replace(steps[1], threshold=0.2), steps[2]])
    assert not known.follows([steps[0], steps[2]])


def test_where_a_state_goes():
    here, there = Room({"a": (10_000, 5_000)}), Room({"b": (10_000, 40_000)})
    plenty = 10**12
    assert here.place(5_000, plenty, "it") == "memory"
    assert (here + here).place(4_501, plenty, "it") == "memory"
    assert (here + there).place(10_000, plenty, "it") == "memory"
    assert (here + there).place(20_000, plenty, "it") == "disk"
    assert (here + there).place(10_000, 9_999, "it") == "disk"
    for room, most in (((8, 5), plenty), ((100, 5), 4 * 10**9)):
        with pytest.raises(
            DataError, match=r"it needs 9\.0 GB, with 4\.0 GB of memory and 5\.0 GB of disk free .*TMPDIR"
        ):
            Room({"a": (room[0] * 10**9, room[1] * 10**9)}).place(9 * 10**9, most, "it")
    assert 10**7 < state._free_memory() < 10**15


def test_too_large_a_scene_is_refused_before_the_start(monkeypatch):
    monkeypatch.setattr(Room, "here", lambda: Room({"a": (1000, 1000)}))
    with pytest.raises(DataError, match="rpca of 6000 pixels of 9 bands needs"):
        hsad.detect(a_scene(), RPCA())


def test_a_run_that_goes_on_asks_its_own_machine_for_room(monkeypatch, tmp_path):
    source = source_of(check_cube(a_scene(30, 40)))
    with Journal(tmp_path / "unfinished", {}) as journal:
        first = Engine().learn(RPCA(), [source], journal)
        recalled = Engine().learn(RPCA(), [source], journal)
        assert recalled.summary() == first.summary()
        monkeypatch.setattr(Room, "here", lambda: Room({"another": (1000, 1000)}))
        with pytest.raises(DataError, match="rpca of 1200 pixels of 9 bands needs"):
            Engine().learn(RPCA(), [source], journal)


def test_a_background_keeps_its_steps(tmp_path):
    scene = a_scene(30, 40)
    learned = hsad.learn(scene, RPCA(score="rx"))
    learned.save(tmp_path / "rpca.npz")
    loaded = hsad.Learned.load(tmp_path / "rpca.npz")
    for step, expected in zip(loaded.background.steps, learned.background.steps, strict=True):
        assert np.array_equal(step.vectors, expected.vectors)
        assert np.array_equal(step.factors, expected.factors)
        assert (step.ratio, step.threshold) == (expected.ratio, expected.threshold)


def test_not_converged_is_said():
    with pytest.warns(ConvergenceWarning, match=r"rpca stopped after max_iterations = 5 with a residual of \d"):
        learned = hsad.learn(a_scene(), RPCA(max_iterations=5))
    summary = learned.background.summary()
    assert not summary["converged"]
    assert summary["iterations"] == 5
    assert summary["residual"] > 1e-7


def test_the_tags_of_the_scores_tell_whether_it_converged(tmp_path):
    for iterations, converged in ((200, True), (5, False)):
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            cube = xr.DataArray(a_scene(), dims=("y", "x", "band"))
            scores = hsad.detect(cube, RPCA(max_iterations=iterations))
            path = hsad.write_scores(scores, tmp_path / "scores.tif", overwrite=True)
            with rasterio.open(path) as raster:
                told = json.loads(raster.tags()["HSAD_BACKGROUND"])
        assert told["converged"] is converged
        assert {"iterations", "residual", "objective", "rank", "nonzero", "lam"} <= set(told)


@pytest.mark.parametrize("detector", [RPCA(), BandRPCA()])
@pytest.mark.parametrize("value, message", [(0.0, "constant"), (7.5, "constant"), (np.nan, "no valid pixel")])
def test_constant_and_empty_scenes(detector, value, message):
    with pytest.raises(DataError, match=message):
        hsad.detect(np.full((20, 20, 3), value), detector)


def test_scenes_and_weights_that_leave_nothing():
    with pytest.raises(DataError, match="at least 2 bands: the scene has 1"):
        hsad.detect(a_scene()[..., :1], RPCA())
    with pytest.raises(ParameterError, match="lam 1e-06 is so small that the low-rank part is empty"):
        hsad.detect(a_scene(), RPCA(lam=1e-6))
    with pytest.raises(DataError, match=r"lam 0\.99 leaves no sparse part: choose a smaller lam"):
        hsad.detect(a_scene(), RPCA(lam=0.99))


@pytest.mark.parametrize("cls", [RPCA, BandRPCA])
@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"lam": 0.0}, "lam must be above 0 and below 1, not 0.0"),
        ({"lam": 1.0}, "lam must be above 0 and below 1, not 1.0"),
        ({"tolerance": 0.0}, "tolerance must be above 0 and below 1, not 0.0"),
        ({"score": "linf"}, "score: 'linf' is not one of l2, l1"),
    ],
)
def test_bad_parameters(cls, parameters, message):
    with pytest.raises(ParameterError, match=message):
        cls(**parameters)


def test_patches_larger_than_half_a_window_are_refused():
    with pytest.raises(ParameterError, match=r"patch must be at most half of window \(20\), not 11"):
        BandRPCA(window=20, patch=11)


@pytest.mark.parametrize("measure, expected", [("rx", 0.8474), ("l2", 0.9359), ("l1", 0.9301)])
def test_published_numbers(data, measure, expected):
    cube, truth = scene_and_truth(data, "abu-airport-2")
    scores = hsad.detect(cube, RPCA(score=measure))
    assert auc(scores, truth) == pytest.approx(expected, abs=0.002)


def test_a_scene_no_larger_than_a_window_is_decomposed_band_by_band():
    scene = a_scene(30, 25, bands=3)
    S = np.stack([inexact_alm(band, 1 / np.sqrt(30))[1] for band in np.moveaxis(scene, 2, 0)], axis=2)
    for measure, order in (("l2", 2), ("l1", 1)):
        expected = np.linalg.norm(S, axis=2, ord=order)
        scores = hsad.detect(scene, BandRPCA(score=measure))
        np.testing.assert_allclose(scores, expected, atol=1e-5 * expected.max())


def test_the_patch_matrix_of_a_band_is_decomposed_and_merged_by_the_median():
    image = a_scene(26, 23, bands=1)
    rows, cols = patch_starts(26, 6, 3), patch_starts(23, 6, 3)
    places = list(itertools.product(rows, cols))
    columns = np.stack([image[r : r + 6, c : c + 6, 0].ravel() for r, c in places], axis=1)
    _, S = inexact_alm(columns, 1 / np.sqrt(26), tolerance=1e-9)
    covering = [[[] for _ in range(23)] for _ in range(26)]
    for (row, col), column in zip(places, S.T, strict=True):
        for i, value in enumerate(column):
            covering[row + i // 6][col + i % 6].append(value)
    expected = np.abs([[np.median(values) for values in line] for line in covering])
    scores = hsad.detect(image, BandRPCA(patch=6))
    np.testing.assert_allclose(scores, expected, atol=1e-4 * expected.max())


def windows(size, side, overlap):
    """Start and stop of the windows along an axis, evenly spaced, and the weight of each position."""
    steps = int(np.ceil((size - side) / (side - overlap)))
    for step in range(steps + 1):
        exact = step * (size - side) / steps
        start, stop = int(np.floor(exact + 1e-9)), int(np.ceil(exact + side - 1e-9))
        inside = np.minimum(np.arange(start, stop) - start, stop - 1 - np.arange(start, stop)) + 0.5
        yield start, stop, np.sin(np.pi / 2 * np.minimum(1, inside / overlap)) ** 2


def test_windows_are_blended_so_that_seams_do_not_show():
    random = np.random.default_rng(0)
    scene = 1 + gaussian_filter(random.normal(size=(70, 120, 2)), (3, 3, 0)) + 2e-4 * random.normal(size=(70, 120, 2))
    blended, total, abutting = np.zeros(scene.shape), np.zeros((70, 120, 1)), np.zeros(scene.shape)
    edges = {"blended": set(), "abutting": set()}
    for top, bottom, row_weights in windows(70, 32, 8):
        for left, right, col_weights in windows(120, 32, 8):
            window = scene[top:bottom, left:right]
            lam = 1 / np.sqrt(max(window.shape[:2]))
            S = np.stack([sparse_part(band, lam, 1e-7, 200)[0] for band in np.moveaxis(window, 2, 0)], axis=2)
            weight = np.outer(row_weights, col_weights)[..., None]
            blended[top:bottom, left:right] += weight * S
            total[top:bottom, left:right] += weight
            abutting[top:bottom, left:right] = S
            edges["blended"] |= {left, right} - {0, 120}
            edges["abutting"] |= {left} - {0}
    expected = np.linalg.norm(blended / total, axis=2)
    scores = hsad.detect(scene, BandRPCA(window=32))
    np.testing.assert_allclose(scores, expected, atol=1e-5 * expected.max())

    def step_at_edges(values, name):
        """Mean difference of neighbours across the edges of windows, against that elsewhere."""
        steps = np.abs(np.diff(values, axis=1)).mean(axis=0)
        at_edge = np.isin(np.arange(1, 120), sorted(edges[name]))
        return steps[at_edge].mean() / steps[~at_edge].mean()

    assert step_at_edges(scores, "blended") == pytest.approx(1, abs=0.2)
    assert step_at_edges(np.linalg.norm(abutting, axis=2), "abutting") > 2
