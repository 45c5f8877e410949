"""Cells of pixels that share a factorization, and the band of inner products, against the papers' formulas."""

import fast
import naive
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from hsad.kernels.compiled import compiled
from hsad.kernels.ring import score
from hsad.kernels.ring.choose import can_share, cell_side
from hsad.kernels.ring.dual.patches import patches, product
from hsad.kernels.ring.task import CRD, RX, Task
from hsad.kernels.ring.window import REFLECT, SHIFT, Window

BANDS = 40
WHOLE = np.s_[0:26, 0:25]


@pytest.fixture(autouse=True)
def systems_of_the_ring(monkeypatch):
    """Solve in the space of the ring, whatever the cost model says."""
    monkeypatch.setattr(score, "primal_allowed", lambda task: False)
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture
def scene():
    rng = np.random.default_rng(5)
    endmembers = rng.normal(size=(5, BANDS)).cumsum(axis=1) * 0.1 + 1
    scene = rng.random((26, 25, 5)) @ endmembers + 0.02 * rng.normal(size=(26, 25, BANDS))
    scene[9] = scene[10]
    return scene / np.abs(scene).max()


def everywhere():
    return np.ones((26, 25), bool)


def at_the_rim():
    """Invalid pixels in the middle of a cell, on the outer rim of its rings, and a whole corner."""
    valid = everywhere()
    valid[13, 13] = valid[8, 12] = valid[17, 20] = False
    valid[:5, :9] = False
    return valid


def scattered():
    return np.random.default_rng(6).random((26, 25)) > 0.3


@pytest.mark.parametrize("valid", [everywhere(), at_the_rim(), scattered()], ids=["all", "rim", "scattered"])
@pytest.mark.parametrize("window", [(9, 5), (7, 3), (5, 1)], ids=str)
@pytest.mark.parametrize("border", ["shift", "truncate"])
def test_plain_crd(scene, window, border, valid):
    outer, inner = window
    found = fast.crd(scene, valid, WHOLE, outer=outer, inner=inner, weights="none", border=border)
    slow = naive.crd(scene, valid, outer=outer, inner=inner, weights="none", border=border)
    np.testing.assert_allclose(found, slow, rtol=1e-8, atol=1e-10 * np.nanmax(slow))


@pytest.mark.parametrize(
    "parameters",
    [
        {"lam": 1e-8},
        {"lam": 1e-12},
        {"lam": 10.0},
        {"sum_to_one": True},
        {"score": "objective", "sum_to_one": True},
    ],
    ids=str,
)
def test_parameters_of_plain_crd(scene, parameters):
    window = {"outer": 9, "inner": 5, "weights": "none"}
    ring_weights = np.random.default_rng(7).uniform(0.3, 1, (26, 25))
    found = fast.crd(scene, at_the_rim(), WHOLE, ring_weights=ring_weights, **window, **parameters)
    slow = naive.crd(scene, at_the_rim(), ring_weights=ring_weights, **window, **parameters)
    np.testing.assert_allclose(found, slow, rtol=1e-6, atol=1e-9 * np.nanmax(slow))


@pytest.mark.parametrize("kernel", ["rbf", "polynomial"])
def test_plain_kernel_crd(scene, kernel):
    window = {"outer": 9, "inner": 5, "weights": "none", "kernel": kernel}
    found = fast.kernel_crd(scene, at_the_rim(), WHOLE, **window)
    slow = naive.kernel_crd(scene, at_the_rim(), **window)
    np.testing.assert_allclose(found, slow, rtol=1e-6, atol=1e-9 * np.nanmax(slow))


def test_only_equal_penalties_are_shared():
    window = Window(9, 5, SHIFT)
    assert can_share(Task(CRD, 1e-3), window)
    assert not can_share(Task(CRD, 1e-3, distance=True), window)
    assert not can_share(Task(CRD, 1e-3, center=True), window)
    assert not can_share(Task(RX, 1e-3), window)
    assert not can_share(Task(CRD, 1e-3), window._replace(border=REFLECT))


def test_pixels_of_a_cell_are_not_in_each_others_rings():
    assert [cell_side(Window(15, inner, SHIFT)) for inner in (1, 3, 5, 13)] == [1, 2, 3, 3]


@pytest.mark.parametrize("side", [1, 3])
def test_the_band_holds_the_products_of_the_rings(scene, side):
    """While the patches walk down a strip, rows of products take the place of others."""
    window, valid = Window(9, 5, SHIFT), at_the_rim()
    clean = np.where(valid[..., None], scene, 0.0)
    seen = np.zeros((26, 25), int)
    product_of = compiled(product.py_func)
    for patch in patches(scene, valid, valid, WHOLE, window, Task(CRD, 1e-3), side=side):
        row, col = patch.rows[1] - 1, patch.cols[0]
        seen[slice(*patch.rows), slice(*patch.cols)] += 1
        members = np.argwhere((abs(np.arange(26) - row) <= 4)[:, None] & (abs(np.arange(25) - col) <= 4))
        numbers = (members - patch.origin) @ [patch.width, 1]
        for i in (0, len(members) // 2, len(members) - 1):
            found = [product_of(patch, numbers[i], number) for number in numbers]
            np.testing.assert_allclose(found, clean[tuple(members.T)] @ clean[tuple(members[i])], rtol=1e-12)
    assert np.all(seen[valid] == 1)
