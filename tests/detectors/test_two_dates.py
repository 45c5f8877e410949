"""Detectors of change against their formulas, written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import hsad
from hsad.errors import DataError, ParameterError

METHODS = ("chronochrome", "covariance-equalisation", "hyperbolic")


def two_dates(rows=30, cols=34, before=5, after=7, seed=0):
    """Return correlated spectra of two dates, ``(rows, cols, before)`` and ``(rows, cols, after)``."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, cols, before)) @ random.normal(size=(before, before)) + 3
    y = x @ random.normal(size=(before, after)) + 0.5 * random.standard_t(5, size=(rows, cols, after)) + 7
    return x, y


def squared_distances(spectra):
    """Return ξ of ``(n, d)`` spectra, and the inverse covariance."""
    centred = spectra - spectra.mean(axis=0)
    inverse = np.linalg.inv(centred.T @ centred / len(centred))
    return np.einsum("ij,jk,ik->i", centred, inverse, centred)


def change(x, y, method, **parameters):
    return hsad.change(x, y, method, shift=0, shrink=0, workers=1, **parameters)


def test_chronochrome_is_the_distance_from_the_regression():
    x, y = two_dates()
    u, v = x.reshape(-1, 5), y.reshape(-1, 7)
    design = np.column_stack([np.ones(len(u)), u])
    residual = v - design @ np.linalg.lstsq(design, v, rcond=None)[0]
    expected = squared_distances(residual)
    np.testing.assert_allclose(change(x, y, "chronochrome", direction="new").ravel(), expected, rtol=1e-5)
    np.testing.assert_allclose(change(y, x, "chronochrome", direction="gone").ravel(), expected, rtol=1e-5)


def test_chronochrome_of_both_directions_is_the_larger_one():
    x, y = two_dates(before=6, after=6)
    new, gone = (change(x, y, "chronochrome", direction=direction) for direction in ("new", "gone"))
    np.testing.assert_allclose(change(x, y, "chronochrome"), np.maximum(new, gone), rtol=1e-6)
    # Of 5 and 7 bands the mean scores are 7 and 5; both directions get the mean of the two.
    x, y = two_dates()
    new, gone = (change(x, y, "chronochrome", direction=direction) for direction in ("new", "gone"))
    assert (new.mean(), gone.mean()) == pytest.approx((7, 5), rel=1e-5)
    np.testing.assert_allclose(change(x, y, "chronochrome"), np.maximum(new * 6 / 7, gone * 6 / 5), rtol=1e-5)


def test_covariance_equalisation_is_the_distance_between_whitened_dates():
    x, y = two_dates(before=6, after=6)
    u, v = (date.reshape(-1, 6) - date.mean(axis=(0, 1)) for date in (x, y))

    def root(centred):
        values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
        return vectors @ np.diag(values**-0.5) @ vectors.T

    u, v = u @ root(u), v @ root(v)
    left, _, right = np.linalg.svd(u.T @ v / len(u))
    expected = squared_distances(v - u @ left @ right)
    np.testing.assert_allclose(change(x, y, "covariance-equalisation").ravel(), expected, rtol=1e-4)


def test_hyperbolic_change_is_the_distance_of_the_pair_beyond_those_of_each_date():
    x, y = two_dates()
    u, v = x.reshape(-1, 5), y.reshape(-1, 7)
    pair, first, second = (squared_distances(spectra) for spectra in (np.hstack([u, v]), u, v))
    expected = pair - first - second
    np.testing.assert_allclose(change(x, y, "hyperbolic", tails="gaussian").ravel(), expected, rtol=1e-5, atol=1e-4)
    # Elliptically contoured: the logarithm of densities of t distributions, up to a constant.
    ratio = np.mean(pair**1.5) / np.mean(pair**0.5)
    free = 2 + ratio / (ratio - 13)

    def log_density(square, d):
        return -0.5 * (d + free) * np.log1p(square / (free - 2))

    expected = -2 * (log_density(pair, 12) - log_density(first, 5) - log_density(second, 7))
    np.testing.assert_allclose(change(x, y, "hyperbolic").ravel(), expected, rtol=1e-5, atol=1e-4)


def test_the_contours_of_elliptical_tails_are_those_of_a_multivariate_t():
    x, y = two_dates(before=2, after=2)
    learned = hsad.learn(np.dstack([x, y]), "hyperbolic", before_bands=2, shrink=0)
    free = learned.background.tails + 2
    spectra = np.dstack([x, y]).reshape(-1, 4)
    covariance = np.cov(spectra.T, bias=True)

    def log_density(part):
        shape = covariance[part, part] * (free - 2) / free  # the covariance of a t distribution is shape · ν/(ν − 2)
        return stats.multivariate_t(spectra.mean(axis=0)[part], shape, df=free).logpdf(spectra[:, part])

    ratio = log_density(slice(None)) - log_density(slice(2)) - log_density(slice(2, None))
    scores = change(x, y, "hyperbolic").ravel()
    np.testing.assert_allclose(scores - scores[0], -2 * (ratio - ratio[0]), atol=2e-4)


def moved(image, down, right):
    """Return an image whose pixel is the one at an offset of another; NaN beyond the edge."""
    wide = np.pad(image, ((1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    rows, cols = image.shape[:2]
    return wide[1 + down : 1 + down + rows, 1 + right : 1 + right + cols]


@pytest.mark.parametrize("method", METHODS)
def test_a_shift_takes_the_smallest_score_around_each_pixel(method):
    x, y = two_dates(rows=9, cols=11, before=4, after=4)
    for row, col in ((2, 3), (8, 0)):
        x[row, col] = y[row, col] = np.nan
    directions = ({"direction": "gone"}, {"direction": "new"}) if method == "chronochrome" else ({}, {})
    steps = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    held = []
    for second, direction in enumerate(directions):
        # The background of the dates as they are scores pairs of shifted dates, without any shift of its own.
        learned = hsad.learn(np.dstack([x, y]), method, before_bands=4, shift=0, shrink=0, **direction)
        pairs = [(moved(x, *step), y) if second else (x, moved(y, *step)) for step in steps]
        scores = [hsad.score(np.dstack(pair), learned, workers=1) for pair in pairs]
        held.append(np.nanmin(np.where(np.isnan(x[..., 0]), np.inf, scores), axis=0))
    expected = np.where(np.isnan(x[..., 0]), np.nan, np.maximum(*held))
    found = hsad.detect(np.dstack([x, y]), method, before_bands=4, shift=1, shrink=0, workers=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_gain_and_offset_of_a_band_on_either_date_change_nothing(method):
    x, y = two_dates()
    random = np.random.default_rng(1)
    expected = hsad.change(x, y, method, shrink=1e-2, workers=1)
    bright = x * random.uniform(0.2, 5, size=5) + random.normal(size=5)
    hazy = y * random.uniform(0.2, 5, size=7) + 100 * random.normal(size=7)
    np.testing.assert_allclose(
        hsad.change(bright, hazy, method, shrink=1e-2, workers=1), expected, rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_dates_and_of_their_bands_does_not_matter(method):
    x, y = two_dates()
    expected = hsad.change(x, y, method, shift=1, workers=1)
    np.testing.assert_allclose(
        hsad.change(y[..., ::-1], x[..., ::-1], method, shift=1, workers=1), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("method", METHODS)
def test_what_is_new_or_gone_stands_out_and_what_stays_does_not(method):
    x, y = two_dates(before=6, after=6)
    odd = 8.0 * (-1) ** np.arange(6)
    y[10, 12] = x[20, 22] = odd
    x[5, 30] = y[5, 30] = odd  # on both dates
    for shift in (0, 1):
        scores = hsad.change(x, y, method, shift=shift, shrink=1e-6, parts=True, workers=1)
        order = np.argsort(scores[..., 0], axis=None)[::-1]
        assert set(order[:2]) == {10 * 34 + 12, 20 * 34 + 22}
        new, gone = scores[10, 12, 1:], scores[20, 22, 1:]
        assert new[0] > new[1]
        assert gone[0] < gone[1]


@pytest.mark.parametrize("method", METHODS)
def test_a_displaced_date_scores_less_with_a_shift(method):
    from scipy import ndimage

    ground = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=(40, 44, 6)), (1.5, 1.5, 0))
    noise = np.random.default_rng(4).normal(size=(2, 40, 43, 6)) * 1e-3
    x, y = ground[:, :-1] + noise[0], ground[:, 1:] + noise[1]  # one column apart
    x[20, 20] += 1
    # The relation of the dates comes from the dates where they lie on each other.
    learned = {
        shift: hsad.learn(
            np.dstack([ground[:, :-1] + noise[1], ground[:, :-1] + noise[0]]), method, before_bands=6, shift=shift
        )
        for shift in (0, 1)
    }
    still, moved_too = (hsad.score(np.dstack([x, y]), learned[shift], workers=1) for shift in (0, 1))
    inside = np.s_[2:-2, 2:-2]
    assert np.median(moved_too[inside]) < 0.05 * np.median(still[inside])
    assert np.unravel_index(np.nanargmax(moved_too[inside]), moved_too[inside].shape) == (18, 18)


def test_equal_dates_have_no_change_and_constant_ones_are_refused():
    x, _ = two_dates()
    assert np.abs(hsad.change(x, x, "chronochrome", shrink=1e-6, workers=1)).max() < 0.01
    with pytest.raises(DataError, match="the second date is constant: every valid pixel has the same spectrum"):
        hsad.change(x, np.ones_like(x), "hyperbolic", workers=1)


def test_one_scene_is_no_pair():
    x, _ = two_dates()
    with pytest.raises(ParameterError, match="before_bands must lie within 1-4 for a cube of 5 bands, not 0: this"):
        hsad.detect(x, "hyperbolic")
    with pytest.raises(ParameterError, match="pca: components of two dates together mix them"):
        hsad.detect(x, "hyperbolic", before_bands=2, pca=3)
