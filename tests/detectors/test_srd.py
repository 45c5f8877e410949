"""Sparse representation against greedy and gradient loops written from the definitions, and scikit-learn."""

import warnings

import naive
import numpy as np
import pytest
from scipy.io import loadmat
from sklearn.linear_model import Lasso, orthogonal_mp

import hsad
from hsad.bench import formulas
from hsad.detectors.block import Block, InMemory, Scene
from hsad.detectors.probe import Scale
from hsad.detectors.ring.sparse import SRD
from hsad.errors import DataError, ParameterError
from hsad.kernels.compiled import as_kernel
from hsad.kernels.ring import lasso as lasso_steps


def a_scene(rows=12, cols=14, bands=20, seed=0):
    random = np.random.default_rng(seed)
    spectra = random.normal(size=(rows, cols, bands)) @ random.normal(size=(bands, bands)) + 3
    return spectra, random.random((rows, cols)) > 0.05


def kernel(spectra, valid, **parameters):
    core = (slice(0, spectra.shape[0]), slice(0, spectra.shape[1]))
    block = Block(InMemory(np.where(valid[..., None], spectra, 0.0), valid), core, (0, 0), Scene(0, *valid.shape))
    return SRD(**parameters).score(block, Scale(1.0))


@pytest.mark.parametrize("border", ["shift", "truncate", "reflect"])
@pytest.mark.parametrize("atoms", [1, 3, 6])
def test_matching_pursuit(border, atoms):
    spectra, valid = a_scene()
    expected = naive.over_rings(spectra, valid, 7, 3, border, lambda y, X, _: formulas.matching_pursuit(y, X, atoms))
    scores = kernel(spectra, valid, outer=7, inner=3, atoms=atoms, border=border)
    # Mirrored, a pixel can stand in its own ring: nothing is left of it but rounding.
    np.testing.assert_allclose(scores, expected, rtol=1e-8, atol=1e-10)


def test_matching_pursuit_agrees_with_scikit_learn():
    spectra, valid = a_scene()

    def reference(y, X, _):
        unit = X / np.linalg.norm(X, axis=0)
        return np.linalg.norm(y - unit @ orthogonal_mp(unit, y, n_nonzero_coefs=4))

    expected = naive.over_rings(spectra, valid, 7, 3, "shift", reference)
    np.testing.assert_allclose(kernel(spectra, valid, outer=7, inner=3, atoms=4), expected, rtol=1e-8)


def test_matching_pursuit_agrees_with_scikit_learn_on_a_real_scene(data):
    spectra = loadmat(data / "scenes" / "abu-airport-2.mat")["data"].astype(float)[:30, 20:50]
    valid = np.ones(spectra.shape[:2], bool)
    scores = kernel(spectra, valid, outer=15, inner=7)
    for row, col in [(0, 0), (3, 28), (11, 12), (15, 15), (29, 7)]:
        X = spectra[naive.ring(valid, row, col, 15, 7, "shift")].T
        unit = X / np.linalg.norm(X, axis=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # duplicates in the ring: scikit-learn stops and says so
            weights = orthogonal_mp(unit, spectra[row, col], n_nonzero_coefs=5)
        expected = np.linalg.norm(spectra[row, col] - unit @ weights)
        assert scores[row, col] == pytest.approx(expected, rel=1e-6)


def test_with_all_atoms_matching_pursuit_is_least_squares():
    spectra, valid = a_scene(bands=30)
    expected = naive.over_rings(
        spectra, valid, 5, 3, "truncate", lambda y, X, _: np.linalg.norm(y - X @ np.linalg.lstsq(X, y, rcond=None)[0])
    )
    scores = kernel(spectra, valid, outer=5, inner=3, atoms=1000, border="truncate")
    np.testing.assert_allclose(scores, expected, rtol=1e-7)


def test_more_atoms_leave_less():
    spectra, valid = a_scene()
    scores = [kernel(spectra, valid, outer=7, inner=3, atoms=atoms) for atoms in range(1, 8)]
    for more, fewer in zip(scores[1:], scores[:-1], strict=True):
        assert np.all(more[valid] <= fewer[valid] * (1 + 1e-12))


def sparse_spectra(seed, rows=11, cols=12, bands=40):
    """Blocks of bands that only some pixels have: the longest atom is orthogonal to those with the most in common."""
    random = np.random.default_rng(seed)
    spectra = np.zeros((rows, cols, bands))
    kinds = random.choice(5, size=(rows, cols), p=[0.6, 0.1, 0.1, 0.1, 0.1])
    for kind in range(5):
        there = kinds == kind
        part = np.s_[8 * kind : 8 * kind + 8]
        spectra[there, part] = (1.0 if kind == 0 else 2.0) * random.uniform(0.9, 1.1, (there.sum(), 8))
    return spectra


KINDS_OF_SPECTRA = {
    "dense": lambda seed: np.random.default_rng(seed).normal(size=(11, 12, 40)) + 3,
    "of both signs": lambda seed: np.random.default_rng(seed).normal(size=(11, 12, 40)),
    "sparse": sparse_spectra,
    "sparse, of both signs": lambda seed: (
        sparse_spectra(seed) * np.random.default_rng(seed).choice([-1, 1], (11, 12, 1))
    ),
    "one band each": lambda seed: np.eye(40)[np.random.default_rng(seed).integers(0, 40, (11, 12))],
}


# Eigenvalues of the other kind lie so close to each other that the length of a step is right to its margin only.
@pytest.mark.parametrize("kind", sorted({*KINDS_OF_SPECTRA} - {"of both signs"}))
@pytest.mark.parametrize("solver", ["ista", "fista"])
def test_steps_are_short_enough_whatever_the_spectra(kind, solver):
    spectra = KINDS_OF_SPECTRA[kind](1)
    valid = np.ones(spectra.shape[:2], bool)

    def reference(y, X, _):
        return formulas.lasso(y, X, 0.05, 100, accelerated=solver == "fista")

    expected = naive.over_rings(spectra, valid, 7, 1, "shift", reference)
    scores = kernel(spectra, valid, outer=7, inner=1, solver=solver, lam=0.05)
    np.testing.assert_allclose(scores, expected, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS_OF_SPECTRA)
@pytest.mark.parametrize("underestimated", [pytest.param(1, marks=pytest.mark.long), 1e-3])
def test_the_objective_never_rises_and_comes_as_near_as_theory_says(kind, underestimated):
    """Also where the power method fails: its eigenvalue is `underestimated` then, and the steps find out."""
    X = KINDS_OF_SPECTRA[kind](2).reshape(-1, 40)[:48].T
    y, lam = X[:, 0] + KINDS_OF_SPECTRA[kind](3)[5, 5], 0.05
    gram, b = X.T @ X, X.T @ y
    largest = np.linalg.eigvalsh(gram)[-1]
    lasso = Lasso(alpha=lam / len(y), fit_intercept=False, tol=1e-12, max_iter=100_000).fit(X, y)

    def objective(alpha):
        return 0.5 * np.sum((y - X @ alpha) ** 2) + lam * np.abs(alpha).sum()

    places = [(row, col) for col in range(0, 48, 8) for row in range(col, 48, 8)]
    tiles = np.concatenate([gram[row : row + 8, col : col + 8].T.ravel() for row, col in places])
    descend, eigenvalue, start = (as_kernel(f) for f in (lasso_steps._descend, lasso_steps._largest_eigenvalue,
                                                         lasso_steps._start_anywhere))  # fmt: skip
    for accelerated in (False, True):
        found = [objective(np.zeros(48))]
        for iterations in range(1, 40):
            work = lasso_steps._Descent(b, *np.zeros((6, 48)))
            start(tiles, 48, work.shrunk)
            lipschitz = underestimated * 1.01 * eigenvalue(tiles, 48, work.shrunk, work.of_shrunk)
            while not descend(tiles, 48, lam, iterations, accelerated, lipschitz, work):
                lipschitz = 1.01 * max(lipschitz, eigenvalue(tiles, 48, work.shrunk, work.of_shrunk))
            assert lipschitz <= 1.011 * largest
            found.append(objective(work.alpha))
        rises = np.diff(found) / found[0]
        bound = objective(lasso.coef_) + 2 * lipschitz * np.sum(lasso.coef_**2) / (1 + np.arange(40)) ** 2
        if accelerated:
            assert np.all(found[1:] <= bound[1:] * (1 + 1e-9))  # their theorem 4.4
        else:
            assert rises.max() < 1e-12


@pytest.mark.parametrize("solver", ["ista", "fista"])
@pytest.mark.parametrize("iterations", [1, 2, 30])
def test_proximal_steps(solver, iterations):
    spectra, valid = a_scene()

    def reference(y, X, _):
        alpha = formulas.lasso_weights(y, X, 0.05, iterations, accelerated=solver == "fista")
        return np.linalg.norm(y - X @ alpha)

    expected = naive.over_rings(spectra, valid, 7, 3, "shift", reference)
    scores = kernel(spectra, valid, outer=7, inner=3, solver=solver, lam=0.05, iterations=iterations)
    # The largest eigenvalue is found to six digits.
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_the_accelerated_steps_reach_a_lower_objective():
    spectra, valid = a_scene()
    for row, col in [(2, 3), (6, 6), (9, 12)]:
        y, X = spectra[row, col], spectra[naive.ring(valid, row, col, 7, 3, "shift")].T
        objective = {}
        for accelerated in (False, True):
            alpha = formulas.lasso_weights(y, X, 0.01, 100, accelerated=accelerated)
            objective[accelerated] = 0.5 * np.sum((y - X @ alpha) ** 2) + 0.01 * np.abs(alpha).sum()
        assert objective[True] <= objective[False]


def test_the_solvers_converge_to_the_same_minimum():
    spectra, valid = a_scene(bands=40)
    common = {"outer": 5, "inner": 3, "lam": 0.1}
    ista, fista = (kernel(spectra, valid, solver=s, iterations=5000, **common) for s in ("ista", "fista"))
    np.testing.assert_allclose(ista, fista, rtol=1e-5)


def test_a_pixel_that_its_ring_holds_scores_zero_and_dependent_atoms_do_no_harm():
    random = np.random.default_rng(1)
    spectra = np.repeat(random.normal(size=(9, 3, 12)), 3, axis=1)  # every spectrum three times
    valid = np.ones(spectra.shape[:2], bool)
    scores = kernel(spectra, valid, outer=7, inner=1, atoms=50)
    assert np.abs(scores).max() < 1e-6 * np.linalg.norm(spectra, axis=2).mean()


@pytest.mark.parametrize("solver", ["omp", "fista"])
def test_black_pixels_and_black_rings_have_scores(solver):
    spectra, valid = a_scene()
    spectra[:, 7:] = 0.0
    scores = kernel(spectra, valid, outer=5, inner=3, solver=solver)
    assert np.array_equal(np.isnan(scores), ~valid)
    assert np.all(scores[:, 7:][valid[:, 7:]] == 0)


def test_it_finds_what_differs_in_shape():
    spectra = 0.1 * np.random.default_rng(0).normal(size=(40, 50, 1)) * np.linspace(1, 2, 12) + 10
    spectra += 0.01 * np.random.default_rng(1).normal(size=spectra.shape)
    spectra[20, 30, ::2] *= 1.2
    for solver in ("omp", "ista", "fista"):
        scores = hsad.detect(spectra, SRD(solver=solver, atoms=2, lam=0.01))
        assert np.unravel_index(scores.argmax(), scores.shape) == (20, 30)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"atoms": 0}, "atoms must be at least 1, not 0"),
        ({"lam": 0}, "lam must be above 0, not 0"),
        ({"iterations": 0}, "iterations must be at least 1, not 0"),
        ({"solver": "lasso"}, "solver: 'lasso' is not one of omp, ista, fista"),
        ({"inner": 15}, "inner must be smaller than outer"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ParameterError, match=message):
        SRD(**parameters)


@pytest.mark.parametrize(
    "scene, message",
    [
        (np.full((20, 20, 3), 2.0), "the scene is constant"),
        (np.full((20, 20, 3), np.nan), "no valid pixel"),
        (np.arange(400.0).reshape(20, 20, 1), "srd needs at least 2 bands"),
    ],
)
def test_scenes_in_which_there_is_nothing_to_explain(scene, message):
    with pytest.raises(DataError, match=message):
        hsad.detect(scene, "srd")
