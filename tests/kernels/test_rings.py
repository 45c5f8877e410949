"""Local RX, CRD and kernel CRD against the papers' formulas as plain loops, for every parameter and border."""

import fast
import naive
import numpy as np
import pytest
from scipy.linalg import cholesky
from sklearn.covariance import ledoit_wolf, oas
from threadpoolctl import threadpool_limits

import hsad
from hsad.kernels.compiled import compiled
from hsad.kernels.ring.choose import dual_cost, primal_cost
from hsad.kernels.ring.dual import factor
from hsad.kernels.ring.task import CRD, Task
from hsad.kernels.ring.window import BORDERS, Window

WINDOW = {"outer": 9, "inner": 3}
# A ring of 72 pixels: systems of bands, and of ring pixels, s > d and s < d. With 20 bands the path is that with 3.
BANDS = [3, pytest.param(20, marks=pytest.mark.long), 90]


@pytest.fixture(autouse=True)
def one_blas_thread():
    with threadpool_limits(1, "blas"):
        yield


def make_scene(bands, rows=14, cols=13, seed=0):
    """Mixtures of four smooth spectra, of order 1, with duplicates of a pixel and of a row."""
    rng = np.random.default_rng(seed)
    endmembers = rng.normal(size=(4, bands)).cumsum(axis=1) * 0.1 + 1
    scene = rng.random((rows, cols, 4)) @ endmembers + 0.01 * rng.normal(size=(rows, cols, bands))
    scene[4, 4] = scene[4, 9]
    scene[5] = scene[6]
    return scene / np.abs(scene).max()


def make_mask(rows=14, cols=13, seed=1):
    valid = np.random.default_rng(seed).random((rows, cols)) > 0.2
    valid[:6, :5] = False
    return valid


def whole(spectra):
    return slice(0, spectra.shape[0]), slice(0, spectra.shape[1])


def compare(detector, reference, scene, valid, rtol=1e-6, atol=1e-9, **parameters):
    """Agreement to `rtol`, and to `atol` of the largest score where a residual all but vanishes."""
    found = detector(scene, valid, whole(scene), **WINDOW, **parameters)
    slow = reference(scene, valid, **WINDOW, **parameters)
    assert np.array_equal(np.isnan(found), np.isnan(slow))
    assert np.isfinite(found).any()
    np.testing.assert_allclose(found, slow, rtol=rtol, atol=atol * np.nanmax(slow))


@pytest.fixture(params=BANDS, ids="{} bands".format)
def scene(request):
    return make_scene(request.param)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("border", BORDERS)
class TestBorders:
    def valid(self, masked):
        return make_mask() if masked else np.ones((14, 13), bool)

    def test_crd(self, scene, border, masked):
        compare(fast.crd, naive.crd, scene, self.valid(masked), border=border)

    def test_plain_crd(self, scene, border, masked):
        compare(fast.crd, naive.crd, scene, self.valid(masked), rtol=1e-8, border=border, weights="none")

    def test_objective(self, scene, border, masked):
        compare(fast.crd, naive.crd, scene, self.valid(masked), rtol=1e-9, border=border, score="objective")

    def test_local_rx(self, scene, border, masked):
        compare(fast.local_rx, naive.local_rx, scene, self.valid(masked), rtol=1e-9, border=border)

    def test_kernel_crd(self, scene, border, masked):
        # ``k(y, y) + αᵀKα - 2αᵀk`` cancels to the square root of rounding where y is its own atom.
        compare(fast.kernel_crd, naive.kernel_crd, scene, self.valid(masked), atol=1e-6, border=border, gamma=2.0)


@pytest.mark.parametrize("parameters", fast.CRD_PARAMETERS, ids=str)
def test_every_parameter_of_crd(scene, parameters):
    compare(fast.crd, naive.crd, scene, make_mask(), **parameters)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("weights", ["distance", "none"])
def test_ring_weights(scene, weights, border):
    ring_weights = np.random.default_rng(2).uniform(0.3, 1, (14, 13))
    compare(
        fast.crd,
        naive.crd,
        scene,
        make_mask(),
        ring_weights=ring_weights,
        weights=weights,
        border=border,
        softening=1e-6,
    )


@pytest.mark.parametrize("covariance", ["pinv", "ledoit-wolf", "oas"])
@pytest.mark.parametrize("border", BORDERS)
def test_every_covariance_of_local_rx(scene, covariance, border):
    # Squared condition numbers of 1e9 and more decide the last digits of a pseudo-inverse.
    rtol = 1e-5 if covariance == "pinv" else 1e-8
    compare(fast.local_rx, naive.local_rx, scene, make_mask(), rtol, covariance=covariance, border=border)


@pytest.mark.parametrize("ridge", [1e-6, 1.0])
def test_ridges(scene, ridge):
    compare(fast.local_rx, naive.local_rx, scene, make_mask(), ridge=ridge)


@pytest.mark.parametrize("weights", ["distance", "none"])
@pytest.mark.parametrize("kernel", ["polynomial", "rbf"])
@pytest.mark.parametrize("bands", [20, 60])
def test_every_kernel(kernel, weights, bands):
    scene = make_scene(bands)
    compare(fast.kernel_crd, naive.kernel_crd, scene, make_mask(), kernel=kernel, weights=weights, gamma=0.5)


def test_linear_kernel_is_crd(scene):
    valid = make_mask()
    assert np.array_equal(
        fast.kernel_crd(scene, valid, whole(scene), kernel="linear", **WINDOW),
        fast.crd(scene, valid, whole(scene), **WINDOW),
        equal_nan=True,
    )


@pytest.mark.parametrize("rule, library", [("ledoit-wolf", ledoit_wolf), ("oas", oas)])
@pytest.mark.parametrize("bands", [20, 90])
def test_shrinkage_is_that_of_scikit_learn(rule, library, bands):
    scene = make_scene(bands)
    members = naive.ring(np.ones((14, 13), bool), 7, 6, 9, 3, "shift")
    ring = scene[members]
    covariance, _ = library(ring)
    z = scene[7, 6] - ring.mean(axis=0)
    scores = fast.local_rx(scene, np.ones((14, 13), bool), whole(scene), covariance=rule, **WINDOW)
    assert scores[7, 6] == pytest.approx(z @ np.linalg.solve(covariance, z), rel=1e-9)


def test_objective_of_centred_crd_is_local_rx(scene):
    """``zᵀ(C + εI)⁻¹z = (‖r‖² + λ‖α‖²)/ε`` with λ = sε: the two detectors are one problem."""
    valid = np.ones((14, 13), bool)
    pixel = np.s_[7:8, 6:7]
    ring = scene[naive.ring(valid, 7, 6, 9, 3, "shift")]
    epsilon = 1e-2 * ring.var(axis=0).sum() / ring.shape[1]
    rx = fast.local_rx(scene, valid, pixel, ridge=1e-2, **WINDOW)
    crd = fast.crd(scene, valid, pixel, lam=72 * epsilon, weights="none", center=True, score="objective", **WINDOW)
    assert rx[0, 0] == pytest.approx(crd[0, 0] ** 2 / epsilon, rel=1e-9)


def test_distance_weighted_crd_scales_with_the_data(scene):
    valid = make_mask()
    once = fast.crd(scene, valid, whole(scene), **WINDOW)
    twice = fast.crd(4096.0 * scene, valid, whole(scene), **WINDOW)
    np.testing.assert_allclose(twice, 4096.0 * once, rtol=1e-6, atol=1e-6)


def test_pinv_local_rx_is_affine_invariant_with_full_rank():
    scene, valid = make_scene(6), np.ones((14, 13), bool)
    transform = np.random.default_rng(3).normal(size=(6, 6))
    np.testing.assert_allclose(
        fast.local_rx(scene @ transform + 5.0, valid, whole(scene), covariance="pinv", **WINDOW),
        fast.local_rx(scene, valid, whole(scene), covariance="pinv", **WINDOW),
        rtol=1e-6,
    )


@pytest.mark.parametrize("bands", [20, 90])
def test_a_core_is_scored_as_the_whole_scene_is(bands):
    scene, valid = make_scene(bands, 30, 28), make_mask(30, 28)
    for kernel in (fast.crd, fast.local_rx, fast.kernel_crd):
        scores = kernel(scene, valid, whole(scene), **WINDOW)
        # Rows 10-19 with their surroundings, cut from the scene as the engine cuts leaves.
        part = kernel(scene[6:24, :17].copy(), valid[6:24, :17].copy(), (slice(4, 14), slice(0, 13)), **WINDOW)
        np.testing.assert_allclose(part, scores[10:20, :13], rtol=1e-7, atol=1e-10 * np.nanmax(scores))


def test_constant_bands_and_constant_scenes(scene):
    scene[:, :, 1] = 0.5
    valid = np.ones((14, 13), bool)
    compare(fast.crd, naive.crd, scene, valid)
    compare(fast.local_rx, naive.local_rx, scene, valid)
    flat = np.full_like(scene, 0.5)
    assert np.array_equal(fast.local_rx(flat, valid, whole(flat), **WINDOW), np.zeros((14, 13)))
    assert np.all(fast.crd(flat, valid, whole(flat), **WINDOW) < 1e-6)


def test_a_scene_smaller_than_the_window():
    scene = make_scene(12, 7, 11)
    valid = np.ones((7, 11), bool)
    for border in BORDERS:
        found = fast.local_rx(scene, valid, whole(scene), border=border, **WINDOW)
        slow = naive.local_rx(scene, valid, border=border, **WINDOW)
        np.testing.assert_allclose(found, slow, rtol=1e-8)


@pytest.mark.parametrize("order", [1, 7, 8, 24, 25, 33, 72, 100])
def test_packed_factorization_against_lapack(order):
    rng = np.random.default_rng(order)
    square = rng.normal(size=(order, order + 3))
    matrix = square @ square.T + 0.1 * np.eye(order)
    size, places = -(-order // 8) * 8, []
    for top in range(0, size, 24):  # panels of 24 rows, column after column
        height, start = min(24, size - top), len(places)
        columns = [(row, column) for column in range(top + height) for row in range(top, top + height)]
        places += [(row, column, start + at) for at, (row, column) in enumerate(columns)]
    packed = np.zeros(len(places))
    for row, column, at in places:
        inside = max(row, column) < order
        packed[at] = matrix[row, column] if inside else float(row == column)
    lower, inverse = np.zeros_like(packed), np.zeros(size)
    compiled(factor.factor.py_func)(packed, size, np.zeros(size), lower, inverse)
    expected = cholesky(matrix, lower=True)
    got = np.zeros((size, size))
    for row, column, at in places:
        got[row, column] = lower[at]
    np.testing.assert_allclose(got[:order, :order], expected, rtol=1e-10, atol=1e-12 * expected.max())
    x = np.zeros(size)
    x[:order] = b = rng.normal(size=order)
    compiled(factor.back_substitute.py_func)(lower, size, size, inverse, x, np.empty(64))
    np.testing.assert_allclose(x[:order], np.linalg.solve(expected.T, b), rtol=1e-9)


def test_few_bands_are_solved_by_bands_and_many_by_ring_pixels():
    window, task = Window(15, 7, 0), Task(CRD, 1e-3, distance=True)
    assert primal_cost(10, window, task, weighted=False) < dual_cost(10, window, task)
    assert primal_cost(400, window, task, weighted=False) > dual_cost(400, window, task)


@pytest.mark.parametrize(
    "method, parameters",
    [
        ("rx", {"trim": 0.01}),
        ("lrx", {}),
        ("crd", {"normalize": True}),
        ("crd", {"center": True}),
        pytest.param(
            *("crd", {"normalize": True, "center": True}),
            marks=pytest.mark.filterwarnings("ignore:center and normalize:hsad.HsadWarning"),
        ),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_pixel_of_1e30_has_a_finite_score_and_costs_others_no_digits(method, parameters, dtype):
    spectra = (np.random.default_rng(0).normal(size=(22, 23, 12)) + 5).astype(dtype)
    windows = {} if method == "rx" else {"outer": 7, "inner": 3}
    without = hsad.detect(spectra, method, workers=1, **windows, **parameters)
    spectra[10, 11] = 1e30
    scores = hsad.detect(spectra, method, workers=1, **windows, **parameters)
    assert np.all(np.isfinite(scores))
    if method != "rx":
        far = np.maximum(*np.abs(np.indices(scores.shape) - np.array([10, 11])[:, None, None])) > 6
        np.testing.assert_allclose(scores[far], without[far], rtol=1e-5)
