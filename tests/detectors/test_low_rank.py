"""Rank-k backgrounds of patches against a loop over patches with a full SVD."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hsad
from hsad.detectors.low_rank.patches import LowRank
from hsad.errors import DataError, ParameterError
from hsad.kernels.low_rank.median_merge import merge_by_median
from hsad.kernels.low_rank.patch_grid import patch_starts


def naive_residual(scene, starts, patch, rank, *, center):
    """Norm over the bands of the image less the median of its rank-k patches."""
    rows, cols, bands = scene.shape
    residual = np.empty_like(scene)
    for band in range(bands):
        image = scene[..., band]
        places = [(row, col) for row in starts[0] for col in starts[1]]
        columns = np.stack([image[r : r + patch, c : c + patch].ravel() for r, c in places], axis=1)
        means = columns.mean(axis=0) if center else 0.0
        U, s, Vt = np.linalg.svd(columns - means, full_matrices=False)
        low = (U[:, :rank] * s[:rank]) @ Vt[:rank] + means
        covering = [[[] for _ in range(cols)] for _ in range(rows)]
        for (row, col), column in zip(places, low.T, strict=True):
            for i, value in enumerate(column):
                covering[row + i // patch][col + i % patch].append(value)
        residual[..., band] = image - [[np.median(values) for values in line] for line in covering]
    return np.linalg.norm(residual, axis=2)


@pytest.mark.parametrize(
    "rank, patch, stride, center", [(1, 8, 4, False), (3, 5, 2, False), (3, 5, 2, True), (2, 6, 6, True)]
)
def test_against_a_loop_over_patches(rank, patch, stride, center):
    scene = np.random.default_rng(rank).normal(size=(66, 71, 3)) + 4
    starts = [patch_starts(size, patch, stride) for size in scene.shape[:2]]
    expected = naive_residual(scene, starts, patch, rank, center=center)
    scores = hsad.detect(scene, LowRank(rank=rank, patch=patch, stride=stride, center=center), workers=1)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


@given(size=st.integers(2, 200), patch=st.integers(2, 30), stride=st.integers(1, 30))
def test_patches_cover_everything_and_are_mirror_images(size, patch, stride):
    if stride > patch or patch > size:
        return
    starts = patch_starts(size, patch, stride)
    assert starts[0] == 0
    assert starts[-1] == size - patch
    assert np.all(np.diff(starts) <= stride)
    assert np.array_equal(size - patch - starts[::-1], starts)
    # No more than the fewest possible and one or two in the middle.
    assert len(starts) <= -(-(size - patch) // stride) + 2


def test_patches_lie_at_whole_strides_where_that_fits():
    assert patch_starts(20, 8, 4).tolist() == [0, 4, 8, 12]
    assert patch_starts(8, 8, 4).tolist() == [0]


def test_the_median_of_an_even_number_is_between_the_middle_two():
    stack = np.array([[[1.0]], [[5.0]], [[2.0]], [[9.0]]])  # four patches of one pixel and band, at the same place
    numbers, here = np.arange(4).reshape(2, 2), np.zeros(2, dtype=np.int64)
    assert merge_by_median(stack, numbers, here, here, 1, (1, 1))[0, 0, 0] == 3.5
    numbers[1, 1] = -1
    assert merge_by_median(stack, numbers, here, here, 1, (1, 1))[0, 0, 0] == 2.0


def test_a_scene_of_that_rank_leaves_nothing():
    texture = np.random.default_rng(0).normal(size=(8, 8))
    brightness = np.random.default_rng(1).random((6, 7, 1))
    scene = np.kron(np.ones((6, 7)), texture)[..., None] * np.kron(brightness, np.ones((8, 8, 1)))
    scores = hsad.detect(scene, LowRank(rank=1, patch=8, stride=8))
    assert scores.max() < 1e-6
    assert hsad.detect(scene, LowRank(rank=1, patch=8, stride=4)).max() > 0.1


def test_the_background_says_how_much_it_explains():
    scene = np.random.default_rng(0).normal(size=(40, 40, 2))
    columns = [
        np.stack([scene[r : r + 4, c : c + 4, b].ravel() for r in range(0, 40, 4) for c in range(0, 40, 4)])
        for b in range(2)
    ]
    squares = np.array([np.linalg.svd(c, compute_uv=False) ** 2 for c in columns])
    learned = hsad.learn(scene, LowRank(rank=3, patch=4, stride=4))
    summary = learned.background.summary()
    assert summary["patches"] == 100
    assert summary["explained"] == pytest.approx(squares[:, :3].sum() / squares.sum())


def test_a_mostly_invalid_corner_is_scored():
    scene = np.random.default_rng(0).normal(size=(40, 40, 2)) + 5
    expected = hsad.detect(scene, LowRank())
    scene[:20, :20] = np.nan
    scene[0, 0] = 5.0
    scores = hsad.detect(scene, LowRank())
    assert np.isfinite(scores[0, 0])
    assert np.isnan(scores[:20, :20]).sum() == 399
    # Far from the hole only the basis changed, and little.
    np.testing.assert_allclose(scores[28:, 28:], expected[28:, 28:], atol=0.1 * expected.mean())


def test_a_scene_of_one_patch_and_less():
    scene = np.random.default_rng(0).normal(size=(9, 12, 2))
    assert np.isfinite(hsad.detect(scene, LowRank())).all()
    with pytest.raises(DataError, match="1 patches have no background of rank 1: choose a lower rank"):
        hsad.detect(scene[:8, :8], LowRank())
    with pytest.raises(DataError, match="a window of 8 pixels is larger than the scene of 7 x 12"):
        hsad.detect(scene[:7], LowRank())


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"rank": 0}, "rank must be at least 1, not 0"),
        ({"rank": 64}, r"rank must be below the dimension of a patch \(64\), not 64"),
        ({"rank": 63, "center": True}, r"rank must be below the dimension of a patch \(63\), not 63"),
        ({"stride": 9}, r"stride must be at most patch \(8\), not 9"),
        ({"patch": 1}, "patch must be at least 2, not 1"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ParameterError, match=message):
        LowRank(**parameters)


@pytest.mark.parametrize("value, message", [(3.0, "the scene is constant"), (np.nan, "no valid pixel")])
def test_constant_and_empty_scenes(value, message):
    with pytest.raises(DataError, match=message):
        hsad.detect(np.full((20, 20, 3), value), LowRank())
