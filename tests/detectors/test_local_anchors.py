"""Published numbers of local detectors, reproduced on the real scenes they were published for."""

import fast
import numpy as np
import pytest
from real_scenes import auc, scene_and_truth
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def one_blas_thread():
    with threadpool_limits(1, "blas"):
        yield


def score(detector, cube, **parameters):
    core = (slice(0, cube.shape[0]), slice(0, cube.shape[1]))
    return detector(cube, np.ones(cube.shape[:2], bool), core, **parameters)


@pytest.mark.parametrize(
    "name, outer, inner, expected",
    [pytest.param("abu-airport-2", 17, 15, 0.9802, marks=pytest.mark.long), ("abu-airport-4", 19, 15, 0.9849)],
)
def test_distance_weighted_crd(data, name, outer, inner, expected):
    cube, truth = scene_and_truth(data, name)
    scores = score(fast.crd, cube / cube.max(), outer=outer, inner=inner, lam=1e-3)
    assert auc(scores, truth) == pytest.approx(expected, abs=5e-4)


@pytest.mark.long
@pytest.mark.parametrize(
    "name, outer, inner, expected", [("abu-airport-2", 17, 15, 0.9681), ("abu-airport-4", 19, 15, 0.9445)]
)
def test_crd_as_published_with_a_truncated_pseudo_inverse(data, name, outer, inner, expected):
    cube, truth = scene_and_truth(data, name)
    scores = score(fast.crd, cube, outer=outer, inner=inner, lam=1e-6, solver="truncated", border="reflect")
    assert auc(scores, truth) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    "covariance, expected", [pytest.param("pinv", 0.9821, marks=pytest.mark.long), ("ridge", 0.9861)]
)
def test_local_rx(data, covariance, expected):
    cube, truth = scene_and_truth(data, "abu-airport-2")
    scores = score(fast.local_rx, cube, outer=19, inner=15, covariance=covariance, ridge=1e-2, border="reflect")
    assert auc(scores, truth) == pytest.approx(expected, abs=5e-4)
