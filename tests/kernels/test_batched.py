"""The batched kernels of rings, on torch's CPU device, against the compiled ones and the papers' formulas."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import fast
import naive
import numpy as np
import pytest
from scipy.linalg import cholesky, solve_triangular
from threadpoolctl import threadpool_limits

import hsad
from hsad.errors import MissingExtraError, ParameterError
from hsad.kernels.ring.one_ring import ring_pixels
from hsad.kernels.ring.torch import score as batched
from hsad.kernels.ring.window import BORDERS, Window

torch = pytest.importorskip("torch")

from hsad.kernels.ring.torch.factor import back_substitute, factor, forward_substitute  # noqa: E402  after the skip
from hsad.kernels.ring.torch.rings import axis, rings  # noqa: E402  likewise

WINDOW = {"outer": 9, "inner": 3}
ROWS, COLS = 12, 11


pytestmark = pytest.mark.usefixtures("cuda_on_cpu")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1, "blas"):
        yield
    torch.set_num_threads(threads)


def make_scene(bands, rows=ROWS, cols=COLS):
    """Mixtures of four smooth spectra, of order 1, with duplicates of a pixel and of a row."""
    rng = np.random.default_rng(0)
    endmembers = rng.normal(size=(4, bands)).cumsum(axis=1) * 0.1 + 1
    scene = rng.random((rows, cols, 4)) @ endmembers + 0.01 * rng.normal(size=(rows, cols, bands))
    scene[4, 4] = scene[4, 9]
    scene[5] = scene[6]
    return scene / np.abs(scene).max()


def make_mask(rows=ROWS, cols=COLS):
    valid = np.random.default_rng(1).random((rows, cols)) > 0.2
    valid[:5, :4] = False
    return valid


def whole(spectra):
    return slice(0, spectra.shape[0]), slice(0, spectra.shape[1])


def assert_agree(found, expected, rtol=1e-6, atol=1e-9):
    """Agreement to `rtol`, and to `atol` of the largest score where a residual all but vanishes."""
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.isfinite(found).any()
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol * np.nanmax(expected))


def compare(detector, scene, valid, rtol=1e-6, atol=1e-9, **parameters):
    found = detector(scene, valid, whole(scene), device="cuda", **WINDOW, **parameters)
    assert_agree(found, detector(scene, valid, whole(scene), **WINDOW, **parameters), rtol, atol)


# A ring of 72 pixels: s > d and s < d.
@pytest.fixture(params=[3, pytest.param(20, marks=pytest.mark.long), 90], ids="{} bands".format)
def scene(request):
    return make_scene(request.param)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("border", BORDERS)
class TestBorders:
    def valid(self, masked):
        return make_mask() if masked else np.ones((ROWS, COLS), bool)

    @pytest.mark.parametrize("weights", ["distance", "none"])
    def test_crd(self, scene, border, masked, weights):
        compare(fast.crd, scene, self.valid(masked), border=border, weights=weights)

    def test_objective(self, scene, border, masked):
        compare(fast.crd, scene, self.valid(masked), border=border, score="objective")

    @pytest.mark.parametrize("covariance", ["ridge", "ledoit-wolf", "oas"])
    def test_local_rx(self, scene, border, masked, covariance):
        compare(fast.local_rx, scene, self.valid(masked), rtol=1e-8, border=border, covariance=covariance)

    def test_kernel_crd(self, scene, border, masked):
        # ``k(y, y) + αᵀKα - 2αᵀk`` cancels to the square root of rounding where y is its own atom.
        compare(fast.kernel_crd, scene, self.valid(masked), atol=1e-6, border=border, gamma=2.0)


@pytest.mark.parametrize(
    "parameters", [*fast.CRD_PARAMETERS, {"solver": "truncated", "center": True, "border": "reflect"}], ids=str
)
def test_every_parameter_of_crd(scene, parameters):
    compare(fast.crd, scene, make_mask(), **parameters)


@pytest.mark.parametrize("weights", ["distance", "none"])
def test_ring_weights(scene, weights):
    ring_weights = np.random.default_rng(2).uniform(0.3, 1, (ROWS, COLS))
    compare(fast.crd, scene, make_mask(), ring_weights=ring_weights, weights=weights, softening=1e-6)


@pytest.mark.parametrize(
    "method, parameters",
    [
        ("lrx", {"covariance": "oas"}),
        ("crd", {"weights": "none"}),
        ("crd", {"border": "truncate", "pca": 5}),
        ("kcrd", {"kernel": "polynomial"}),
    ],
    ids=str,
)
def test_detectors_with_a_device(method, parameters):
    """From the parameter to the scores, in tiles and threads: the order-one scale and γ are those of the processor."""
    scene = 1000 * make_scene(12, 40, 70)
    scene[20:25, 30:32] = np.nan
    found = hsad.detect(scene, method, device="cuda", workers=2, tile=64, **WINDOW, **parameters)
    expected = hsad.detect(scene, method, workers=1, **WINDOW, **parameters)
    assert_agree(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("border", BORDERS)
def test_pseudo_inverse(scene, border):
    # Squared condition numbers of 1e9 and more decide the last digits of a pseudo-inverse.
    compare(fast.local_rx, scene, make_mask(), rtol=1e-5, covariance="pinv", border=border)


@pytest.mark.parametrize("weights", ["distance", "none"])
@pytest.mark.parametrize("kernel", ["linear", "polynomial", "rbf"])
def test_every_kernel(scene, kernel, weights):
    compare(fast.kernel_crd, scene, make_mask(), atol=1e-6, kernel=kernel, weights=weights, gamma=0.5)


@pytest.mark.parametrize("bands", [20, 50, 90])
def test_against_the_formulas(bands):
    scene, valid = make_scene(bands), make_mask()
    for name, parameters in [
        ("crd", {}),
        ("crd", {"weights": "none", "lam": 1e-8}),
        ("crd", {"center": True, "score": "objective"}),
        ("local_rx", {}),
        ("kernel_crd", {"gamma": 2.0}),
    ]:
        found = getattr(fast, name)(scene, valid, whole(scene), device="cuda", **WINDOW, **parameters)
        assert_agree(found, getattr(naive, name)(scene, valid, **WINDOW, **parameters))


@pytest.mark.parametrize("bands", [20, 90])
def test_little_memory_means_more_chunks(bands, monkeypatch):
    scene, valid = make_scene(bands, 25, 23), make_mask(25, 23)
    core = slice(4, 21), slice(0, 17)
    expected = [fast.crd(scene, valid, core, **WINDOW), fast.local_rx(scene, valid, core, **WINDOW)]
    for memory in (2**20, 2**24):
        monkeypatch.setattr(batched, "_CPU_MEMORY", memory)
        assert_agree(fast.crd(scene, valid, core, device="cuda", **WINDOW), expected[0])
        assert_agree(fast.local_rx(scene, valid, core, device="cuda", **WINDOW), expected[1])


@pytest.mark.parametrize("core", [np.s_[5:6, 4:5], np.s_[3:9, 4:7], np.s_[0:12, 10:11]])
def test_cores_of_any_size(scene, core):
    for detector in (fast.crd, fast.local_rx):
        found = detector(scene, np.ones((ROWS, COLS), bool), core, device="cuda", **WINDOW)
        assert_agree(found, detector(scene, np.ones((ROWS, COLS), bool), core, **WINDOW))


@pytest.mark.parametrize("bands", [20, 90])
def test_what_invalid_pixels_hold_does_not_matter(bands):
    scene, valid = make_scene(bands), make_mask()
    odd = np.where(valid[:, :, None], scene, np.nan)
    odd[0, 0, 0] = np.inf
    odd.flags.writeable = False
    for detector in (fast.crd, fast.local_rx, fast.kernel_crd):
        scores = detector(scene, valid, whole(scene), device="cuda", **WINDOW)
        assert np.array_equal(detector(odd, valid, whole(odd), device="cuda", **WINDOW), scores, equal_nan=True)


def test_no_valid_pixel():
    scene = make_scene(3)
    scores = fast.crd(scene, np.zeros((ROWS, COLS), bool), whole(scene), device="cuda", **WINDOW)
    assert np.isnan(scores).all()


@pytest.mark.parametrize("bands", [3, 90])
@pytest.mark.parametrize("value", [0.5, 0.1])
def test_constant_scenes(bands, value):
    flat, valid = np.full((ROWS, COLS, bands), value), np.ones((ROWS, COLS), bool)
    rx = fast.local_rx(flat, valid, whole(flat), device="cuda", **WINDOW)
    assert np.array_equal(rx, np.zeros((ROWS, COLS)))
    assert np.all(fast.crd(flat, valid, whole(flat), device="cuda", **WINDOW) < 1e-6)


@pytest.mark.parametrize("border", BORDERS)
def test_a_scene_smaller_than_the_window(border):
    scene, valid = make_scene(12, 7, 11), np.ones((7, 11), bool)
    compare(fast.local_rx, scene, valid, rtol=1e-8, border=border)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("shape", [(12, 11), (7, 20), (3, 4)])
def test_rings_are_those_of_the_compiled_kernels(border, shape):
    window = Window(9, 3, BORDERS.index(border))
    valid = np.random.default_rng(3).random(shape) > 0.2
    rows, cols = (part.ravel() for part in np.indices(shape))
    tables = [[torch.from_numpy(part) for part in axis(slice(0, size), size, window)] for size in shape]
    own = torch.from_numpy(rows * shape[1] + cols)
    found = rings(tuple(tables), torch.from_numpy(valid), torch.from_numpy(rows), torch.from_numpy(cols), own)
    expected = np.empty(81, np.int64)
    for pixel, (row, col) in enumerate(zip(rows, cols, strict=True)):
        count = ring_pixels(valid, row, col, *window, expected)
        assert found.counts[pixel] == count
        assert np.array_equal(found.atoms[pixel, :count], expected[:count])
        assert np.all(found.atoms[pixel, count:].numpy() == row * shape[1] + col)


@pytest.mark.parametrize("order", [1, 7, 16, 17, 48, 100])
def test_factorization_against_lapack(order):
    rng = np.random.default_rng(order)
    square = rng.normal(size=(3, order, order + 3))
    matrices = square @ square.transpose(0, 2, 1) + 0.1 * np.eye(order)
    right = rng.normal(size=(3, order))
    factored = factor(torch.from_numpy(np.concatenate([matrices, right[:, None]], axis=1)))
    forward = forward_substitute(factored, torch.from_numpy(right))
    for k in range(3):
        lower = cholesky(matrices[k], lower=True)
        expected = solve_triangular(lower, right[k], lower=True)
        np.testing.assert_allclose(forward[k], expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(factored.lower[k, order], expected, rtol=1e-9, atol=1e-12)
        solution = back_substitute(factored, forward)[k]
        np.testing.assert_allclose(solution, np.linalg.solve(matrices[k], right[k]), rtol=1e-8, atol=1e-12)
        share = np.min(np.diag(lower) ** 2 / np.diag(matrices[k]))
        assert factored.share[k].item() == pytest.approx(share, rel=1e-9)


def test_dependent_columns_are_dropped():
    vectors = np.random.default_rng(0).normal(size=(1, 20, 30))
    vectors[:, 18] = vectors[:, 3]
    gram = vectors @ vectors.transpose(0, 2, 1)
    right = gram[:, :, 3] + gram[:, :, 7]
    factored = factor(torch.from_numpy(np.concatenate([gram, right[:, None]], axis=1)))
    expected = np.zeros(20)
    expected[[3, 7]] = 1.0
    assert factored.share[0] == 0
    np.testing.assert_allclose(back_substitute(factored, factored.lower[:, 20])[0], expected, atol=1e-10)


@pytest.mark.parametrize("detector", [fast.crd, fast.kernel_crd, fast.local_rx])
@pytest.mark.parametrize("device", ["cuda:77", "gpu", "meta"])
def test_devices_that_are_not_there(detector, device):
    with pytest.raises(ParameterError, match=f"^device: '{device}' is not one of .*: cpu"):
        detector(make_scene(3), np.ones((ROWS, COLS), bool), np.s_[0:1, 0:1], device=device, **WINDOW)


def test_torch_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install -e '\.\[deep\]' in a clone"):
        fast.crd(make_scene(3), np.ones((ROWS, COLS), bool), np.s_[0:1, 0:1], device="cuda", **WINDOW)


@pytest.mark.parametrize("bands", [3, 90])
def test_memory_that_another_program_takes(bands, monkeypatch):
    scene, valid = make_scene(bands), make_mask()
    expected = fast.crd(scene, valid, whole(scene), **WINDOW)
    real, lengths = batched._Block._score_chunk, []

    def scarce(self, chunk, scores, *, primal):
        lengths.append(len(chunk.rows))
        if lengths[-1] > most:
            raise torch.OutOfMemoryError
        real(self, chunk, scores, primal=primal)

    monkeypatch.setattr(batched._Block, "_score_chunk", scarce)
    most = 20
    assert_agree(fast.crd(scene, valid, whole(scene), device="cuda", **WINDOW), expected)
    assert lengths[0] > most >= lengths[-1]
    most = 0
    with pytest.raises(ParameterError, match="device: cpu has no memory left for a single ring"):
        fast.crd(scene, valid, whole(scene), device="cuda", **WINDOW)


def test_threads_take_turns_on_a_device(monkeypatch):
    scene, valid = make_scene(3), make_mask()
    real, inside, most = batched._Block.score, [], []

    def counted(self, wanted, scores, *, primal):
        inside.append(self)
        most.append(len(inside))
        time.sleep(0.01)
        real(self, wanted, scores, primal=primal)
        inside.remove(self)

    monkeypatch.setattr(batched._Block, "score", counted)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fast.crd(scene, valid, whole(scene), device="cuda", **WINDOW), range(4)))
    assert max(most) == 1
    assert len(most) >= 4
    assert all(np.array_equal(scores, found[0], equal_nan=True) for scores in found)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("bands", [20, 90])
def test_a_gpu_gives_the_same(bands):
    scene, valid = make_scene(bands), make_mask()
    for detector in (fast.crd, fast.local_rx, fast.kernel_crd):
        found = detector(scene, valid, whole(scene), device="cuda:0", **WINDOW)
        assert_agree(found, detector(scene, valid, whole(scene), device="cuda", **WINDOW))
