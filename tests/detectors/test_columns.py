"""Statistics by groups of columns: the stated formula, tiles, carrying, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

import hsad
from hsad.detectors.block import Block, InMemory, Scene
from hsad.engine.resume import Journal
from hsad.errors import ParameterError, SceneWarning


def striped(rows=90, cols=70, bands=5, seed=0):
    random = np.random.default_rng(seed)
    cube = random.normal(size=(rows, cols, bands)) @ random.normal(size=(bands, bands)) + 10
    cube *= 1 + 0.1 * random.normal(size=(1, cols, bands))
    cube[20, 30] += 4
    cube[5:9, 33] = np.nan
    cube[:, 40] = np.nan  # a dead column
    return cube


def naive_responses(cube, columns):
    """Return the response of each column by the formula of `ByColumns`, group by group, ``(cols, bands)``."""
    valid = np.isfinite(cube).all(axis=2)
    group = np.arange(cube.shape[1]) // columns
    numbers = range(group.max() + 1)
    pixels = [cube[:, group == number][valid[:, group == number]] for number in numbers]
    responses = []
    for number in numbers:
        n = len(pixels[number])
        if not n:
            responses.append(np.ones(cube.shape[2]))
            continue
        # scipy's Gaussian ends at four standard deviations.
        near = [(other, np.exp(-((other - number) ** 2) / 2)) for other in numbers if abs(other - number) <= 4]
        total = sum(weight * pixels[other].sum(axis=0) for other, weight in near)
        neighbours = total / sum(weight * len(pixels[other]) for other, weight in near)
        share = n / (n + 5)
        responses.append(1 + share * (pixels[number].mean(axis=0) / neighbours - 1))
    return np.array(responses)[group]


def naive_moments(cube, columns):
    """Return the divided spectra, and mean and covariance of the valid ones."""
    even = cube / naive_responses(cube, columns)
    pixels = even[np.isfinite(even).all(axis=2)]
    return even, pixels.mean(axis=0), np.cov(pixels.T, ddof=0)


@pytest.mark.parametrize("columns", [1, 3, 64])
def test_rx_by_columns_is_the_distance_by_the_stated_formula(columns):
    cube = striped()
    scores = hsad.detect(cube, "rx", columns=columns)
    even, mean, covariance = naive_moments(cube, columns)
    offset = even - mean
    expected = np.einsum("rci,ij,rcj->rc", offset, np.linalg.inv(covariance), offset)
    np.testing.assert_allclose(scores, expected, rtol=2e-6)
    assert np.isnan(scores[:, 40]).all()
    # The same by the moments of the group: r·mean, diag(r)·covariance·diag(r).
    response = naive_responses(cube, columns)[30]
    own = np.linalg.inv(response[:, None] * covariance * response)
    own_offset = cube[20, 30] - response * mean
    assert own_offset @ own @ own_offset == pytest.approx(scores[20, 30], rel=2e-6)


@pytest.mark.parametrize("method", ["mf", "ace"])
def test_target_detectors_by_columns_use_the_divided_spectra(method):
    cube, columns = striped(), 4
    target = cube[20, 30]
    scores = hsad.detect(cube, method, target=("20,30",), columns=columns, ridge=1e-9)
    even, mean, covariance = naive_moments(cube, columns)
    inverse = np.linalg.inv(covariance)
    offset, wanted = even - mean, target - mean
    along = offset @ inverse @ wanted
    expected = along / (wanted @ inverse @ wanted)
    if method == "ace":
        length = np.einsum("rci,ij,rcj->rc", offset, inverse, offset)
        cosine = along / np.sqrt((wanted @ inverse @ wanted) * length)
        expected = cosine * np.abs(cosine)
    np.testing.assert_allclose(scores, expected, rtol=2e-5, atol=1e-6)


def test_stripes_of_gain_leave_the_scores_where_columns_differ_in_nothing_else():
    random = np.random.default_rng(2)
    plain = 10 + random.normal(size=(400, 60, 4)) @ random.normal(size=(4, 4))
    plain[200, 30] += 6
    gains = 1 + 0.2 * random.normal(size=(1, 60, 4))
    wanted = hsad.detect(plain, "rx")
    before = np.abs(hsad.detect(plain * gains, "rx") / wanted - 1).mean()
    after = np.abs(hsad.detect(plain * gains, "rx", columns=1) / wanted - 1).mean()
    assert after < 0.75 * before


def test_one_group_is_plain_rx():
    cube = striped()
    np.testing.assert_allclose(hsad.detect(cube, "rx", columns=70), hsad.detect(cube, "rx"), rtol=1e-6)


@pytest.mark.parametrize(("method", "options"), [("rx", {}), ("mf", {"target": ("20,30",)})])
def test_tiles_threads_and_a_saved_background_give_the_same_scores(method, options, tmp_path):
    cube = striped(150, 140)
    whole = hsad.detect(cube, method, columns=3, workers=1, **options)
    np.testing.assert_array_equal(hsad.detect(cube, method, columns=3, workers=2, tile=64, **options), whole)
    learned = hsad.learn(cube, method, columns=3, **options)
    learned.save(tmp_path / "background")
    np.testing.assert_array_equal(hsad.score(cube, tmp_path / "background"), whole)
    np.testing.assert_array_equal(hsad.score(cube[:80], learned), whole[:80])


@pytest.mark.long
@pytest.mark.cluster
@pytest.mark.parametrize("method", ["rx", "mf", "ace", "cem"])
def test_a_cluster_gives_the_scores_by_columns_of_one_process(method, cluster):
    cube, options = striped(150, 140), {} if method == "rx" else {"target": ("20,30",)}
    whole = hsad.detect(cube, method, columns=3, workers=1, **options)
    far = hsad.detect(cube, method, columns=3, scheduler=cluster, tile=64, **options)
    np.testing.assert_array_equal(far, whole)


@pytest.mark.parametrize("method", ["rx", "mf", "ace", "cem"])
def test_a_run_by_columns_that_ended_early_is_continued_to_the_same_scores(method, tmp_path, monkeypatch):
    np.save(tmp_path / "scene.npy", striped(150, 140))
    options = {"columns": 3, "tile": 64, "workers": 1, **({} if method == "rx" else {"target": ("20,30",)})}
    keep, kept = Journal.keep, []

    def ends_early(journal, tile):
        if len(kept) == 2:
            raise KeyboardInterrupt
        kept.append(tile)
        keep(journal, tile)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "keep", ends_early)
        with pytest.raises(KeyboardInterrupt):
            hsad.detect_to_file(tmp_path / "scene.npy", tmp_path / "scores.tif", method, **options)
    outcome = hsad.detect_to_file(tmp_path / "scene.npy", tmp_path / "scores.tif", method, **options)
    assert outcome.continued == sum(tile.scores.size for tile in kept)
    expected = hsad.detect(tmp_path / "scene.npy", method, **options)
    np.testing.assert_array_equal(hsad.open_cube(tmp_path / "scores.tif").values[..., 0], expected.values)


def test_a_background_by_columns_is_refused_for_a_scene_of_another_width():
    cube = striped()
    for learned in (hsad.learn(cube, "rx", columns=2), hsad.learn(cube, "rx", columns=2, pca=3)):
        with pytest.raises(
            ParameterError, match="learned on 70 columns, the scene has 60: the responses of detector columns hold"
        ):
            hsad.score(cube[:, :60], learned)
    with pytest.raises(ParameterError, match="scenes of 70 and 60 columns have not the same detector columns"):
        hsad.learn([cube, cube[:, :60]], "rx", columns=2)


@pytest.mark.parametrize(("method", "options"), [("rx", {}), ("mf", {"target": ("20,30",)})])
def test_accounts_sum_to_the_score_by_the_pixels_columns(method, options):
    cube = striped()
    learned = hsad.learn(cube, method, columns=4, **options)
    valid = np.isfinite(cube).all(axis=2)
    window = InMemory(np.nan_to_num(cube), valid)
    for row, col in ((20, 31), (7, 2)):
        block = Block(window, (slice(row, row + 1), slice(col, col + 1)), (0, 0), Scene(0, *valid.shape))
        reason = learned.detector.account(block, learned.background)
        assert reason.contributions.sum() == pytest.approx(hsad.score(cube, learned)[row, col], rel=1e-6)


def test_lines_by_columns_have_the_background_of_the_first_lines():
    cube = striped()
    learned = hsad.learn(cube, "rx", columns=4)
    scan = hsad.LineScan(bands=5, samples=70, background=learned)
    np.testing.assert_array_equal(scan.push(cube), hsad.score(cube, learned))
    scan = hsad.LineScan("rx", bands=5, samples=70, columns=4, first_lines=60)
    np.testing.assert_array_equal(scan.push(cube), hsad.score(cube, hsad.learn(cube[:60], "rx", columns=4)))


def test_a_width_below_zero_is_refused():
    with pytest.raises(ParameterError, match="columns must be at least 0, not -1"):
        hsad.detect(striped(), "rx", columns=-1)


def test_trimming_goes_on_the_divided_spectra():
    cube = striped()
    even, _, _ = naive_moments(cube, 2)
    found = hsad.detect(cube, "rx", columns=2, trim=0.01)
    np.testing.assert_allclose(found, hsad.detect(even, "rx", trim=0.01), rtol=1e-5)


def test_a_scene_on_a_map_is_warned_about():
    cube = hsad.make_scene(rows=40, cols=50, bands=8, target_sizes=(1,), seed=1).cube
    with pytest.warns(SceneWarning, match="its columns are those of the sensor only if it was never rectified"):
        hsad.detect(cube, "rx", columns=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SceneWarning)
        hsad.detect(xr.DataArray(striped(), dims=("y", "x", "band")), "rx", columns=5)
        hsad.detect(cube, "rx")
