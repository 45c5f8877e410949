"""What of a score comes from each band, against the formulas written out; and what the default detector says."""

from __future__ import annotations

import inspect
import re

import naive
import numpy as np
import pytest

import hsad
from hsad.detectors import DETECTORS, Detector, make_detector
from hsad.detectors.account import Reason
from hsad.detectors.block import Block, InMemory, Scene
from hsad.detectors.probe import Scale
from hsad.explanation.explain import explainer

#: A corner, an edge, a pixel beside invalid ones, one with a twin in its ring, and one in the middle.
PLACES = [(0, 0), (11, 17), (5, 6), (6, 9), (7, 4)]


@pytest.fixture(scope="module", params=[4, 20], ids="{} bands".format)
def scene(request):
    """Return spectra and validity; one pixel has a twin in its ring, but for the last digits."""
    random = np.random.default_rng(3)
    bands = request.param
    spectra = random.random((12, 18, 3)) @ random.normal(size=(3, bands)).cumsum(axis=1) + 4
    spectra += 0.1 * random.normal(size=spectra.shape)
    spectra[6, 12] = spectra[6, 9] * (1 + 1e-9)
    valid = np.ones((12, 18), dtype=bool)
    valid[5, 7] = valid[2:5, 5] = False
    return spectra, valid


def block_at(spectra, valid, place):
    core = tuple(slice(at, at + 1) for at in place)
    return Block(InMemory(spectra, valid), core, (0, 0), Scene(0, *valid.shape))


def ring_of(spectra, valid, place, detector):
    members = naive.ring(valid, *place, detector.outer, detector.inner, detector.border)
    return spectra[place], spectra[members].T


def by_band_of_crd(y, X, detector, *, objective):
    """The minimiser of the paper's objective by least squares, and what of its value comes from each band."""
    d, s = X.shape
    if detector.center:
        y, X = y - X.mean(axis=1), X - X.mean(axis=1, keepdims=True)
    if detector.normalize:
        y, X = y / np.linalg.norm(y), X / np.linalg.norm(X, axis=0)
    by_band = (y[:, None] - X) ** 2 if detector.weights == "distance" else np.full((d, s), 1 / d)
    gamma2 = np.maximum(by_band.sum(axis=0), 1e-10 * (y @ y) * (detector.weights == "distance"))
    ones = np.ones((int(detector.sum_to_one), s))
    seen_y, seen_X = np.append(y, ones[:, 0]), np.vstack([X, ones])
    if detector.solver == "truncated":
        values, vectors = np.linalg.eigh(X.T @ X + detector.lam * np.diag(gamma2))
        kept = np.searchsorted(np.cumsum(values[::-1]), 0.9999 * values.sum()) + 1
        leading = vectors[:, ::-1][:, :kept]
        alpha = leading @ ((leading.T @ (X.T @ y)) / values[::-1][:kept])
    else:
        stacked = np.vstack([seen_X / np.sqrt(gamma2), np.sqrt(detector.lam) * np.eye(s)])
        alpha = np.linalg.lstsq(stacked, np.append(seen_y, np.zeros(s)), rcond=None)[0] / np.sqrt(gamma2)
    parts = (y - X @ alpha) ** 2
    if objective:
        parts = parts + detector.lam * (by_band * (gamma2 / by_band.sum(axis=0))) @ alpha**2
        parts = parts + detector.sum_to_one * (1 - alpha.sum()) ** 2 / d
    return parts / np.sqrt(parts.sum())


@pytest.mark.parametrize("border", ["shift", "truncate", "reflect"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"score": "objective"},
        {"weights": "none"},
        {"weights": "none", "score": "objective"},
        {"sum_to_one": True, "score": "objective"},
        {"center": True, "score": "objective"},
        {"normalize": True},
        {"normalize": True, "sum_to_one": True, "score": "objective"},
        {"solver": "truncated", "weights": "none", "lam": 0.1},
    ],
    ids=str,
)
def test_the_account_of_crd_is_the_formula(scene, border, options):
    spectra, valid = scene
    detector = hsad.CRD(outer=9, inner=3, border=border, **options)
    for place in PLACES:
        reason = detector.account(block_at(spectra, valid, place), Scale(1.0))
        score = float(detector.score(block_at(spectra, valid, place), Scale(1.0))[0, 0])
        assert reason.contributions.sum() == pytest.approx(score, rel=1e-9)
        if place == (6, 9) and "weights" not in options:
            continue  # a twin is free of charge: what is left of the pixel is rounding
        expected = by_band_of_crd(
            *ring_of(spectra, valid, place, detector), detector, objective=options.get("score") == "objective"
        )
        np.testing.assert_allclose(reason.contributions, expected, rtol=1e-4, atol=1e-6 * expected.max())
        np.testing.assert_allclose(reason.reconstruction + reason.residual, spectra[place], rtol=1e-12)


@pytest.mark.parametrize("factor", [1.0, 1e-4])
def test_the_account_of_crd_has_the_units_of_the_spectra(scene, factor):
    spectra, valid = scene
    detector = hsad.CRD(outer=9, inner=3, weights="none")
    here = detector.account(block_at(spectra, valid, (7, 4)), Scale(1.0))
    scaled = detector.account(block_at(spectra / factor, valid, (7, 4)), Scale(factor))
    np.testing.assert_allclose(scaled.contributions * factor, here.contributions, rtol=1e-6)
    np.testing.assert_allclose(scaled.residual * factor, here.residual, rtol=1e-6)


@pytest.mark.parametrize("border", ["shift", "truncate", "reflect"])
@pytest.mark.parametrize("covariance", ["ridge", "pinv", "ledoit-wolf", "oas"])
def test_the_account_of_local_rx_is_the_formula(scene, border, covariance):
    spectra, valid = scene
    detector = hsad.LocalRX(outer=9, inner=3, border=border, covariance=covariance)
    for place in PLACES:
        reason = detector.account(block_at(spectra, valid, place), None)
        score = float(detector.score(block_at(spectra, valid, place), None)[0, 0])
        assert reason.contributions.sum() == pytest.approx(score, rel=1e-9)
        y, X = ring_of(spectra, valid, place, detector)
        z, Z = y - X.mean(axis=1), X - X.mean(axis=1, keepdims=True)
        C = Z @ Z.T / X.shape[1]
        level = np.trace(C) / len(C) * np.eye(len(C))
        if covariance == "ridge":
            C = C + 1e-2 * level
        elif covariance != "pinv":
            delta = naive.shrinkage(Z, C, covariance)
            C = (1 - delta) * C + delta * level
        expected = z * (np.linalg.pinv(C, rcond=1e-12, hermitian=True) @ z)
        np.testing.assert_allclose(reason.contributions, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def test_a_ring_of_equal_pixels_has_an_account(scene):
    spectra, valid = scene
    flat = np.broadcast_to(spectra[0, 0], spectra.shape).copy()
    flat[6, 9] = spectra[7, 4]
    for place in ((3, 3), (6, 9)):
        for covariance in ("ridge", "pinv", "oas"):
            detector = hsad.LocalRX(outer=9, inner=7, covariance=covariance)
            score = float(detector.score(block_at(flat, valid, place), None)[0, 0])
            total = detector.account(block_at(flat, valid, place), None).contributions.sum()
            assert total == pytest.approx(score, rel=1e-9)


@pytest.mark.parametrize("solver", ["omp", "ista", "fista"])
def test_the_account_of_a_sparse_representation_is_its_residual(scene, solver):
    spectra, valid = scene
    detector = make_detector("srd", outer=9, inner=3, solver=solver, atoms=2)
    for place in PLACES:
        reason = detector.account(block_at(spectra, valid, place), Scale(1.0))
        score = float(detector.score(block_at(spectra, valid, place), Scale(1.0))[0, 0])
        np.testing.assert_allclose(reason.contributions * score, reason.residual**2, rtol=1e-9)
        # What is taken away lies in the span of the ring.
        _, X = ring_of(spectra, valid, place, detector)
        assert np.linalg.matrix_rank(X) == np.linalg.matrix_rank(np.column_stack([X, reason.reconstruction]))
        assert reason.contributions.sum() == pytest.approx(score, rel=1e-9)


def test_a_pixel_without_a_score_has_a_reason(scene):
    spectra, valid = scene
    alone = np.zeros_like(valid)
    alone[6, 9] = True
    for method, background in (("lrx", None), ("crd", Scale(1.0)), ("srd", Scale(1.0))):
        reason = make_detector(method, outer=9, inner=3).account(block_at(spectra, alone, (6, 9)), background)
        assert reason.contributions is None
        assert "too few valid pixels" in reason.sentence


def test_the_linear_kernel_has_the_account_of_crd(scene):
    spectra, valid = scene
    block = block_at(spectra, valid, (7, 4))
    linear = make_detector("kcrd", outer=9, inner=3, kernel="linear")
    from hsad.detectors.ring.collaborative import KernelScale

    np.testing.assert_allclose(
        linear.account(block, KernelScale(1.0, 1.0)).contributions,
        hsad.CRD(outer=9, inner=3).account(block, Scale(1.0)).contributions,
        rtol=1e-6,
    )


def test_a_detector_of_another_package_explains_itself():
    from sketches import MeanDistance

    class Explained(MeanDistance):
        def account(self, block, background):
            difference = block.pixel - background.mean
            return Reason("far from the mean", difference**2 / np.linalg.norm(difference))

    cube = np.random.default_rng(0).normal(size=(20, 20, 5))
    why = hsad.explain(cube, Explained(), 3, 4)
    assert why.reason.contributions.sum() == pytest.approx(why.score)
    assert "Far from the mean." in why.sentence
    assert "gives no account by band" in hsad.explain(cube, MeanDistance(), 3, 4).sentence


def numbers_in(sentence):
    """Return the numbers that the sentence compares, and the terms of the local one."""
    compared = {name: float(value) for name, value in re.findall(r"(local|global|region) (-?\d+\.\d+) \(", sentence)}
    signed = re.findall(r"([-+]?) ?(-?\d+\.\d+) (spectral|spatial|clutter)", sentence)
    return compared, {name: float(f"{sign}{value}") for sign, value, name in signed}


def check_auto(cube, places, **options):
    """Explain many pixels; return which number was the largest of each."""
    largest = []
    with explainer(cube, "auto", options) as ready:
        for row, col in places:
            why = ready.at(int(row), int(col))
            compared, terms = numbers_in(why.reason.sentence)
            assert list(compared.values()) == sorted(compared.values(), reverse=True)
            first = next(iter(compared))
            assert compared[first] == pytest.approx(why.score, abs=0.0051)
            assert why.reason.evidence[first] == max(why.reason.evidence.values()) == pytest.approx(why.score)
            assert sum(terms.values()) == pytest.approx(compared["local"], abs=1e-9)
            wanted = {"global": {"the whole scene"}, "region": {"the whole scene"}}.get(first, set())
            if first == "local":  # terms that are printed alike leave open which is larger
                wanted |= {"its neighbours"} if terms["spatial"] >= terms["spectral"] else set()
                wanted |= {"the ring around it"} if terms["spectral"] >= terms["spatial"] else set()
            assert why.reason.unlike in (wanted if why.score > 0 else {""})
            if why.reason.contributions is not None:
                assert why.reason.contributions.sum() == pytest.approx(why.score)
            largest.append(first)
    return largest


@pytest.mark.parametrize("options", [{}, {"scene_weight": 0.0}, {"flatten": 0.0, "spatial_weight": 2.0}], ids=str)
def test_the_numbers_are_printed_the_largest_first_and_the_terms_add_up(options):
    cube = hsad.make_scene(rows=60, cols=64, bands=20, seed=5, target_sizes=[1, 3, 9], heading=0).cube
    array = cube.values[..., cube.good_wavelength.values].astype(np.float64)
    scores = hsad.detect(array, "auto", **options)
    highest = np.argsort(-np.nan_to_num(scores, nan=-np.inf), axis=None)[:40]
    others = np.random.default_rng(0).permutation(scores.size)[:40]
    places = [np.unravel_index(at, scores.shape) for at in (*highest, *others)]
    largest = check_auto(array, places, **options)
    assert set(largest) == {"local"} if options.get("scene_weight") == 0 else len(set(largest)) == 3


@pytest.mark.long
def test_the_numbers_are_printed_the_largest_first_on_a_real_scene(data):
    from real_scenes import scene_and_truth

    cube, truth = scene_and_truth(data, "abu-airport-2")
    places = [*np.argwhere(truth)[::3], *np.random.default_rng(0).integers(0, 100, size=(30, 2))]
    check_auto(cube, places)


def test_auto_names_the_band_that_is_unlike_the_surroundings():
    cube = np.random.default_rng(1).normal(size=(60, 60, 8)) * 0.1 + 5
    cube[30, 30, 5] += 3
    why = hsad.explain(cube, "auto", 30, 30)
    assert why.reason.contributions.argmax() == 5
    assert why.reason.contributions[5] > 0.9 * why.score
    assert why.because.startswith("Brighter than its surroundings in band 6 (")
    assert re.search(r"Half of the score comes from 1 of 8 bands: in band 6 \((9\d|100) %\)", why.sentence)
    cube[30, 30, 5] -= 6
    assert hsad.explain(cube, "auto", 30, 30).because.startswith("Darker than its surroundings in band 6 (")


@pytest.mark.parametrize("method", list(DETECTORS))
def test_help_names_every_parameter(method):
    cls = DETECTORS[method]
    signature, text = inspect.signature(cls), inspect.getdoc(cls)
    for p in cls.parameters():
        assert signature.parameters[p.name].default == p.default
        assert f"{p.name} : " in text
        # Options of the command line are parameters of Python.
        assert re.sub("--", "", p.help)[1:] in text.replace("`", "")
        wanted = getattr(p.check, "wanted", None)
        assert wanted is None or f"({wanted})" in text
    assert not {p.kind for p in signature.parameters.values()} & {inspect.Parameter.VAR_POSITIONAL}


def test_parameters_are_called_as_users_call_them():
    assert hsad.CRD(outer=15, score="objective") == make_detector("crd", score="objective")
    assert hsad.RPCA(score="l1").measure == "l1"
    with pytest.raises(TypeError, match="unexpected keyword argument 'scor'"):
        hsad.CRD(scor="objective")
    assert issubclass(hsad.CRD, Detector)
    assert type(Detector).__name__ == "ABCMeta"


@pytest.mark.parametrize("options", [{}, {"flatten": 0.0}], ids=str)
def test_an_account_is_the_same_whether_one_pixel_is_explained_or_many(options):
    cube = np.random.default_rng(3).normal(size=(70, 80, 20))
    cube[35, 41] += 3
    places = [(0, 0), (35, 41), (69, 79), (12, 70)]
    with explainer(cube, "auto", options, pixels=len(places)) as many, explainer(cube, "auto", options) as alone:
        assert (many.whole is None, alone.whole is None) == (False, True)
        for row, col in places:
            found, expected = many.at(row, col), alone.at(row, col)
            assert (found.score, found.reason.sentence) == (expected.score, expected.reason.sentence)
            np.testing.assert_array_equal(found.reason.contributions, expected.reason.contributions)
            np.testing.assert_array_equal(found.spectrum, expected.spectrum)
