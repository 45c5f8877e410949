"""CRD and kernel CRD as detectors: what they learn, their units, and the whole path against the formulas."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from scipy.io import loadmat
from threadpoolctl import threadpool_limits

import hsad
from hsad.errors import DataError, HsadWarning, ParameterError


def scene(seed=0, rows=24, cols=26, bands=6):
    random = np.random.default_rng(seed)
    spectra = random.random((rows, cols, 3)) @ random.random((3, bands)) + 0.02 * random.random((rows, cols, bands))
    spectra[random.random((rows, cols)) < 0.05] = np.nan
    return spectra


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"weights": "none"},
        {"sum_to_one": True, "lam": 0.1},
        {"center": True},
        {"normalize": True, "weights": "none"},
        {"score": "objective", "border": "truncate"},
        {"solver": "truncated", "border": "reflect", "lam": 1e-6},
    ],
)
def test_crd_equals_the_formula_through_the_whole_path(parameters):
    cube = scene()
    valid = ~np.isnan(cube).any(axis=2)
    expected = naive.crd(np.nan_to_num(cube), valid, outer=7, inner=3, **parameters)
    scores = hsad.detect(cube, "crd", outer=7, inner=3, **parameters)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-7 * np.nanmax(expected))


@pytest.mark.parametrize("kernel", ["rbf", "polynomial", "linear"])
@pytest.mark.parametrize("weights", ["distance", "none"])
def test_kernel_crd_equals_the_formula_through_the_whole_path(kernel, weights):
    cube = scene(1)
    valid = ~np.isnan(cube).any(axis=2)
    parameters = {"outer": 7, "inner": 3, "kernel": kernel, "weights": weights, "gamma": 0.7}
    expected = naive.kernel_crd(np.nan_to_num(cube), valid, **parameters)
    scores = hsad.detect(cube, "kcrd", **parameters)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5 * np.nanmax(expected))


def test_the_linear_kernel_is_crd():
    cube = scene(2)
    np.testing.assert_allclose(
        hsad.detect(cube, "kcrd", kernel="linear", outer=7, inner=3),
        hsad.detect(cube, "crd", outer=7, inner=3),
        rtol=1e-4,
    )


def test_spectra_far_from_order_one_are_scaled_and_the_score_is_in_their_units():
    cube = scene(3)
    large = 5000 * cube
    largest = np.nanmax(large)
    for parameters in ({"weights": "none"}, {"sum_to_one": True}):
        own = {"outer": 7, "inner": 3, **parameters}
        assert hsad.learn(cube, "crd", **own).background.factor == 1
        assert hsad.learn(large, "crd", **own).background.factor == 1 / largest
        expected = largest * hsad.detect(large / largest, "crd", **own)
        np.testing.assert_allclose(hsad.detect(large, "crd", **own), expected, rtol=1e-5)
    assert hsad.learn(large, "crd").background.factor == 1  # distance weights need no scale


def test_the_kernel_width_is_learned_once_and_recorded():
    cube = scene(4, rows=20, cols=20)
    pixels = cube[~np.isnan(cube).any(axis=2)]
    distances = [np.sum((a - b) ** 2) for i, a in enumerate(pixels) for b in pixels[:i]]
    background = hsad.learn(cube, "kcrd").background
    assert background.summary() == {"factor": 1.0, "gamma": pytest.approx(1 / (2 * np.median(distances)))}
    scores = hsad.detect(hsad.check_cube(cube), "kcrd", outer=7, inner=3)
    assert "gamma" in scores.attrs["background"]
    by_hand = hsad.detect(cube, "kcrd", outer=7, inner=3, gamma=background.gamma)
    assert np.array_equal(scores.values, by_hand, equal_nan=True)


def test_another_device_gives_the_same_or_is_refused_in_one_line():
    torch = pytest.importorskip("torch")
    cube = scene(5)
    for method in ("crd", "kcrd", "lrx"):
        own = {"outer": 7, "inner": 3, **({"gamma": 1.0} if method == "kcrd" else {})}
        if torch.cuda.is_available():
            far, near = (hsad.detect(cube, method, device=device, **own) for device in ("cuda", "cpu"))
            np.testing.assert_allclose(far, near, rtol=1e-6)
        else:
            with pytest.raises(ParameterError, match="cuda"):
                hsad.detect(cube, method, device="cuda", **own)


def test_centring_and_normalising_together_warns():
    with pytest.warns(HsadWarning, match="center and normalize together"):
        hsad.detect(scene(), "crd", outer=7, inner=3, center=True, normalize=True)


@pytest.mark.parametrize(
    ("method", "parameters", "error", "message"),
    [
        ("crd", {"lam": 0}, ParameterError, "lam must be above 0, not 0"),
        ("crd", {"weights": "distances"}, ParameterError, "'distances' is not one of distance, none"),
        ("crd", {"sum_to_one": "yes"}, ParameterError, "sum_to_one: 'yes' is not true or false"),
        ("crd", {"score": "l2"}, ParameterError, "score: 'l2' is not one of residual, objective"),
        ("kcrd", {"gamma": "median"}, ParameterError, "gamma: 'median' is not a number or auto"),
        ("kcrd", {"gamma": -1.0}, ParameterError, "gamma must be above 0, not -1.0"),
        ("kcrd", {"outer": 31}, DataError, "window of 31 pixels is larger than the scene"),
    ],
)
def test_wrong_parameters(method, parameters, error, message):
    with pytest.raises(error, match=message):
        hsad.detect(scene(), method, **parameters)


def test_a_constant_scene_has_no_kernel_width():
    with pytest.raises(DataError, match="too similar to choose the kernel's gamma"):
        hsad.detect(np.ones((20, 20, 3)), "kcrd")
    assert np.isfinite(hsad.detect(np.ones((20, 20, 3)), "kcrd", gamma=1.0)).all()
    assert np.isfinite(hsad.detect(np.ones((20, 20, 3)), "crd")).all()


@pytest.mark.parametrize("name", ["abu-airport-4", "pavia-wu-data"])
@threadpool_limits.wrap(limits=1)  # the formula's own: several BLAS threads beside other work make it wait for minutes
def test_pixels_of_real_scenes_equal_the_formulas(data, name):
    content = loadmat(data / "scenes" / f"{name}.mat")
    cube = content.get("data", content.get("PaviaCenter"))[:24, :24].astype(np.float64)
    cube /= cube.max()
    everywhere = np.ones((24, 24), dtype=bool)
    wanted = np.zeros_like(everywhere)
    wanted[[0, 3, 11, 12, 23], [0, 20, 11, 12, 23]] = True  # where the formula is evaluated: corners and inside
    for method, formula, parameters in (
        ("crd", naive.crd, {}),
        ("crd", naive.crd, {"weights": "none"}),
        ("lrx", naive.local_rx, {}),
        ("kcrd", naive.kernel_crd, {"gamma": 5.0}),
    ):
        scores = hsad.detect(cube, method, **parameters)[wanted]
        expected = formula(cube, everywhere, outer=15, inner=7, wanted=wanted, **parameters)[wanted]
        np.testing.assert_allclose(scores, expected, rtol=2e-5, err_msg=f"{method} {parameters}")
