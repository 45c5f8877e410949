"""Systems of the bands, whatever the cost model would choose, against the papers' formulas as plain loops."""

import fast
import naive
import numpy as np
import pytest

from hsad.kernels.ring.one_ring import has_enough
from hsad.kernels.ring.primal.score import score_primal
from hsad.kernels.ring.task import CRD, RX, Task
from hsad.kernels.ring.window import BORDERS, Window

ROWS, COLS = 16, 21  # three vectors of pixels, the last one not full
NO_WEIGHTS = np.empty((0, 0))


def make_scene(bands, rows=ROWS, cols=COLS, seed=0):
    rng = np.random.default_rng(seed)
    spectra = rng.random((rows, cols, 3)) @ rng.normal(size=(3, bands)) + 0.1 * rng.normal(size=(rows, cols, bands))
    spectra[3] = spectra[4]
    spectra[:, 2] = spectra[:, 4]
    return spectra


def make_mask(rows=ROWS, cols=COLS):
    valid = np.random.default_rng(1).random((rows, cols)) > 0.2
    valid[:5, :4] = False
    return valid


def primal(spectra, valid, outer, inner, border, task, ring_weights=NO_WEIGHTS):
    window = Window(outer, inner, BORDERS.index(border))
    core = 0, valid.shape[0], 0, valid.shape[1]
    scores, shares = np.empty(valid.shape), np.empty(valid.shape)
    score_primal(spectra, valid, ring_weights, core, window, task, scores, shares)
    wanted = has_enough(valid, core, outer, inner, window.border)
    assert (shares[wanted] > 0).all()
    assert (shares[wanted] <= 1).all()
    return np.where(wanted, scores, np.nan)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("bands", [1, 4, 10, 31])
class TestEveryOrder:
    def test_local_rx(self, bands, border):
        scene, valid = make_scene(bands), make_mask()
        scores = primal(scene, valid, 7, 3, border, Task(RX, 1e-2))
        expected = naive.local_rx(scene, valid, outer=7, inner=3, border=border)
        np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-12 * np.nanmax(expected))

    def test_plain_crd(self, bands, border):
        scene, valid = make_scene(bands), make_mask()
        scores = primal(scene, valid, 7, 3, border, Task(CRD, 1e-1))
        expected = naive.crd(scene, valid, outer=7, inner=3, border=border, weights="none", lam=1e-1)
        np.testing.assert_allclose(scores, expected, rtol=1e-8, atol=1e-12 * np.nanmax(expected))

    def test_weighted_crd(self, bands, border):
        scene, valid = make_scene(bands), make_mask()
        weights = np.random.default_rng(2).uniform(0.3, 1, valid.shape)
        task = Task(CRD, 1e-1, distance=True, sum_to_one=True, softening=1e-3)
        scores = primal(scene, valid, 7, 3, border, task, weights)
        expected = naive.crd(
            scene,
            valid,
            outer=7,
            inner=3,
            border=border,
            lam=1e-1,
            sum_to_one=True,
            softening=1e-3,
            ring_weights=weights,
        )
        np.testing.assert_allclose(scores, expected, rtol=1e-7, atol=1e-9 * np.nanmax(expected))


@pytest.mark.parametrize("window", [(3, 1), (5, 1), (5, 3), (13, 11), (15, 5)], ids="{0[0]},{0[1]}".format)
@pytest.mark.parametrize("shape", [(ROWS, COLS), (9, 30), (30, 6)], ids="{0[0]}x{0[1]}".format)
def test_windows_that_slide(window, shape):
    """Also windows wider or higher than the scene, where the outer window does not slide at all."""
    outer, inner = window
    scene, valid = make_scene(6, *shape), make_mask(*shape)
    for border in BORDERS:
        scores = primal(scene, valid, outer, inner, border, Task(RX, 1e-2))
        expected = naive.local_rx(scene, valid, outer=outer, inner=inner, border=border)
        np.testing.assert_allclose(scores, expected, rtol=1e-8)


@pytest.mark.parametrize("detector", ["local_rx", "crd"])
def test_sums_that_a_bright_pixel_has_passed_through_are_not_trusted(detector):
    """Its products leave the sums as they came, but take the last digits of everything else with them."""
    scene, valid = make_scene(8), np.ones((ROWS, COLS), bool)
    scene[5, 10] *= 1e6
    parameters = {} if detector == "local_rx" else {"weights": "none"}
    whole = slice(0, ROWS), slice(0, COLS)
    scores = getattr(fast, detector)(scene, valid, whole, outer=5, inner=3, **parameters)
    expected = getattr(naive, detector)(scene, valid, outer=5, inner=3, **parameters)
    np.testing.assert_allclose(scores[9:], expected[9:], rtol=1e-6)


def test_a_constant_band_and_a_constant_scene():
    scene, valid = make_scene(10), make_mask()
    scene[:, :, 3] = 2.0
    scores = primal(scene, valid, 7, 3, "shift", Task(RX, 1e-2))
    np.testing.assert_allclose(scores, naive.local_rx(scene, valid, outer=7, inner=3), rtol=1e-9)
    flat = np.full_like(scene, 0.5)
    assert np.array_equal(primal(flat, valid, 7, 3, "shift", Task(RX, 1e-2))[valid], np.zeros(valid.sum()))


@pytest.mark.parametrize("border", ["shift", "truncate", "reflect"])
@pytest.mark.parametrize("rows", [(0, 1), (0, 2), (6, 8), (7, 9), (8, 9)])
def test_cores_of_few_rows_at_the_edges_see_their_whole_rings(border, rows):
    # A shifted ring reaches further to one side than half its window: beyond the surroundings of such a core.
    spectra = np.random.default_rng(3).normal(size=(9, 14, 3)) + 5
    valid = np.ones((9, 14), bool)
    core = (slice(*rows), slice(3, 14))
    for weights in ("distance", "none"):
        own = {"outer": 7, "inner": 3, "border": border, "weights": weights}
        expected = naive.crd(spectra, valid, **own)[core]
        # A mirrored ring holds the pixel itself: its residual is 0 but for rounding.
        np.testing.assert_allclose(fast.crd(spectra, valid, core, **own), expected, rtol=1e-7, atol=1e-9)
