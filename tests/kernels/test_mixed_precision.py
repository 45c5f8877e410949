"""CRD and local RX factored in single precision: right where it is used, and left to double where it would not be."""

import fast
import naive
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from hsad.kernels.compiled import compiled
from hsad.kernels.ring.choose import takes_single
from hsad.kernels.ring.dual.factor import SINGLE_PANEL, factor
from hsad.kernels.ring.dual.mixed_crd import mixed_patch
from hsad.kernels.ring.dual.mixed_rx import mixed_rx_patch
from hsad.kernels.ring.dual.patches import part_of, patches
from hsad.kernels.ring.task import CRD, KERNELS, RX, Task
from hsad.kernels.ring.window import REFLECT, SHIFT, TRUNCATE, Window

WINDOW = {"outer": 9, "inner": 3}
BANDS = 90  # the systems of a ring of 72 pixels are the smaller ones


@pytest.fixture(autouse=True)
def one_blas_thread():
    with threadpool_limits(1, "blas"):
        yield


def make_scene(kind):
    """Scenes that are ever harder on single precision."""
    random = np.random.default_rng(3)
    endmembers = random.normal(size=(4, BANDS)).cumsum(axis=1) * 0.1 + 1
    mixed = random.random((13, 12, 4)) @ endmembers
    noise = random.normal(size=mixed.shape)
    if kind == "plain":
        return mixed + 0.01 * noise
    if kind == "duplicates":  # of atoms, of the pixel among its atoms, and a flat corner
        scene = mixed + 0.01 * noise
        scene[4:8] = scene[4, :3].repeat(4, axis=0)
        scene[9:, 8:] = scene[9, 8]
        return scene
    if kind == "noiseless":  # of rank four
        return mixed
    if kind == "dynamic":  # brightness over twelve orders of magnitude
        return (mixed + 0.01 * noise) * 10.0 ** random.uniform(-6, 6, (13, 12, 1))
    if kind == "offset":  # all contrast in the last digits of single precision
        return 1e4 + mixed * 1e-3 + 1e-5 * noise
    scene = mixed + 0.01 * noise
    scene[6, 5] = 0.0  # "zero": an atom, and a pixel, of no length
    return scene


def score_mixed(scene, lam, **kernel):
    """Return scores in mixed precision, and which pixels it leaves."""
    window, task = Window(9, 3, SHIFT), Task(CRD, lam, distance=True, **kernel)
    valid, core = np.ones(scene.shape[:2], bool), tuple(slice(0, size) for size in scene.shape[:2])
    scores, left = np.full(valid.shape, np.nan), valid.copy()
    for patch in patches(scene, valid, valid, core, window, task):
        here = part_of(core, patch)
        mixed_patch(patch, valid, valid[here], window, task, scores[here], left[here])
    assert np.array_equal(np.isnan(scores), left)
    return scores, left


@pytest.mark.parametrize("lam", [1.0, 1e-3, 1e-7, 1e-12])
@pytest.mark.parametrize("kind", ["plain", "duplicates", "noiseless", "dynamic", "offset", "zero"])
def test_what_is_kept_and_what_falls_back_equals_the_formula(kind, lam):
    scene = make_scene(kind)
    valid = np.ones(scene.shape[:2], bool)
    wanted = np.random.default_rng(5).random(valid.shape) < 0.25
    wanted[6, 5] = True
    expected = naive.crd(scene, valid, lam=lam, **WINDOW, wanted=wanted)[wanted]
    kept, left = score_mixed(scene, lam)
    # A residual that all but vanishes beside the pixel has no digits in either.
    lengths = np.linalg.norm(scene, axis=2)[wanted]
    done = ~left[wanted]
    close = np.abs(kept[wanted] - expected) <= 1e-7 * expected + 1e-12 * lengths
    assert close[done].all()
    found = fast.crd(scene, valid, tuple(slice(0, size) for size in valid.shape), lam=lam, **WINDOW)[wanted]
    # Normal equations in double precision lose what is below some √ε of the length of the pixel.
    assert np.all(np.abs(found - expected) <= 1e-6 * expected + 1e-7 * lengths)


@pytest.mark.parametrize("kernel", ["rbf", "polynomial"])
@pytest.mark.parametrize("kind", ["plain", "duplicates", "noiseless"])
@pytest.mark.parametrize("lam", [1e-3, 1e-5])
def test_kernels(kind, kernel, lam):
    scene = make_scene(kind) / 2
    valid = np.ones(scene.shape[:2], bool)
    wanted = np.random.default_rng(5).random(valid.shape) < 0.2
    expected = naive.kernel_crd(scene, valid, kernel=kernel, lam=lam, gamma=0.5, **WINDOW, wanted=wanted)[wanted]
    kept, left = score_mixed(scene, lam, kernel=KERNELS.index(kernel), gamma=0.5)
    # k(y, y) - 2αᵀk + αᵀKα cancels.
    lengths = np.sqrt((0.5 * np.sum(scene**2, axis=2) + 1) ** 3 if kernel == "polynomial" else np.ones(valid.shape))
    limits = (1e-7 * expected + 1e-6 * lengths[wanted])[~left[wanted]]
    assert np.all(np.abs(kept[wanted] - expected)[~left[wanted]] <= limits)
    assert not left.any() or kind != "plain" or lam < 1e-3


def test_ordinary_spectra_are_done_in_single_precision_and_the_worst_are_not():
    assert not score_mixed(make_scene("plain"), 1e-3)[1].any()
    assert score_mixed(make_scene("noiseless"), 1e-12)[1].all()


def score_mixed_rx(scene, ridge, border=SHIFT):
    """Return local RX in mixed precision, and which pixels it leaves."""
    window, task = Window(9, 3, border), Task(RX, ridge, center=True)
    valid, core = np.ones(scene.shape[:2], bool), tuple(slice(0, size) for size in scene.shape[:2])
    scores, left = np.full(valid.shape, np.nan), valid.copy()
    for patch in patches(scene, valid, valid, core, window, task):
        here = part_of(core, patch)
        mixed_rx_patch(patch, valid, valid[here], window, task, scores[here], left[here])
    assert np.array_equal(np.isnan(scores), left)
    return scores, left


@pytest.mark.parametrize("ridge", [1.0, 1e-2, 1e-3])
@pytest.mark.parametrize("kind", ["plain", "duplicates", "noiseless", "offset", "zero"])
def test_local_rx_in_mixed_precision_equals_the_formula(kind, ridge):
    scene = make_scene(kind)
    valid = np.ones(scene.shape[:2], bool)
    expected = naive.local_rx(scene, valid, ridge=ridge, **WINDOW)
    kept, left = score_mixed_rx(scene, ridge)
    # The offset takes eight digits from the scene itself.
    np.testing.assert_allclose(kept[~left], expected[~left], rtol=1e-6 if kind == "offset" else 1e-7)
    assert not left.any() or kind == "duplicates"


@pytest.mark.parametrize(("border", "name"), [(TRUNCATE, "truncate"), (REFLECT, "reflect")])
def test_local_rx_in_mixed_precision_near_edges(border, name):
    scene = make_scene("plain")
    expected = naive.local_rx(scene, np.ones(scene.shape[:2], bool), border=name, **WINDOW)
    kept, left = score_mixed_rx(scene, 1e-2, border)
    assert not left.any()
    np.testing.assert_allclose(kept, expected, rtol=1e-7)


def test_a_tiny_ridge_is_left_to_double_precision():
    assert takes_single(Task(RX, 1e-3, center=True))
    assert not takes_single(Task(RX, 1e-4, center=True))


@pytest.mark.parametrize("order", [16, 48, 64, 112])
def test_single_factor(order):
    random = np.random.default_rng(order)
    half = random.normal(size=(order, order + 9))
    matrix = half @ half.T
    columns, places, at = [], {}, 0
    for top in range(0, order, SINGLE_PANEL):
        height = min(SINGLE_PANEL, order - top)
        for column in range(top + height):
            places[top, column] = slice(at, at + height)
            columns.append(matrix[top : top + height, column])
            at += height
    packed, inverse = np.concatenate(columns).astype(np.float32), np.empty(order, np.float32)
    compiled(factor.py_func)(packed, order, np.zeros(order, np.float32), packed, inverse)
    lower = np.zeros((order, order))
    for (top, column), place in places.items():
        lower[top : top + SINGLE_PANEL, column] = packed[place]
    expected = np.linalg.cholesky(matrix)
    np.testing.assert_allclose(np.tril(lower), expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(inverse, 1 / np.diag(expected), rtol=1e-4)


@pytest.mark.parametrize("scale", [2.0**-200, 2.0**-70, 2.0**60, 2.0**200])
def test_numbers_that_single_precision_does_not_hold_fall_back(scale):
    scene = make_scene("plain")
    kept, left = score_mixed(scale * scene, 1e-3)
    whole, _ = score_mixed(scene, 1e-3)
    np.testing.assert_allclose(kept[~left], scale * whole[~left], rtol=1e-6)
    assert left.all() or 2.0**-100 < scale < 2.0**100
    core = tuple(slice(0, size) for size in left.shape)
    found = fast.crd(scale * scene, np.ones(left.shape, bool), core, lam=1e-3, **WINDOW)
    np.testing.assert_allclose(found, scale * whole, rtol=1e-6)
