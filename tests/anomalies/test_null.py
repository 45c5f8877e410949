"""The null: against the definition written down naively, and on scenes that are drawn from a known law."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

from hsad.anomalies.grades import grade_of
from hsad.anomalies.null.model import OBJECTS, SHAPES, log_rate, shape_densities
from hsad.anomalies.null.posterior import Posterior, calibrated
from hsad.anomalies.null.prior import Coarse, Prior, prior_for, rough_prior
from hsad.anomalies.null.shares import false_interval
from hsad.anomalies.null.tail import Tail

KNOTS = np.array([1.0, 2.0, 3.0])
MEAN = np.log([60.0, 1.2, 1.0, 1.1])
UNCALIBRATED = (0.0, 1.0, 0.0)


def prior_of(sd, temper=0.4, many_objects=0.5, calibration=UNCALIBRATED):
    """Return a prior whose mean does not depend on the scene, with these standard deviations."""
    return Prior(
        "auto", {}, False, False, np.array([60.0, 18, 7]), KNOTS, np.zeros(3), np.ones(3),
        np.vstack([MEAN, np.zeros((3, 4))]),
        np.diag(np.square(sd)), temper, 0.5, many_objects, calibration, (),
    )  # fmt: skip


def tail_of(heights, count=10_000):
    """Return a tail whose median is 0 and whose peaks are these, largest first."""
    heights = np.sort(np.asarray(heights, dtype=float))[::-1]
    return Tail(count, np.linspace(-1, 1, 1001), heights, (np.arange(len(heights)) % 4).astype(np.uint8))


def drawn(rng, theta, units, objects=()):
    """Return heights of background peaks by inverting the rate, and heights of objects beside them."""
    number = rng.poisson(units * np.exp(theta[0]))
    level = theta[0] + np.log(rng.random(number))  # ln of a rate that is uniform below the first knot's
    fallen = np.concatenate([[0], np.cumsum(np.exp(theta[1:-1]) * np.diff(KNOTS))])
    piece = np.searchsorted(fallen, theta[0] - level, side="right") - 1
    heights = KNOTS[piece] + (theta[0] - level - fallen[piece]) / np.exp(theta[1:])[piece]
    return np.concatenate([heights, objects])


def naive_rate(theta, height):
    """Return ln Λ and its fall at one height, walking from knot to knot."""
    level = theta[0]
    for number, slope in enumerate(np.exp(theta[1:])):
        end = KNOTS[number + 1] if number + 1 < len(KNOTS) else np.inf
        if height < end:
            return level - slope * (height - KNOTS[number]), slope
        level -= slope * (end - KNOTS[number])
    raise AssertionError


def naive_density(shape, above, span):
    kind, spans = shape
    if kind == "flat":
        return 1 / (1 + (above / (spans * span)) ** 4) / (spans * span * np.pi / 2**1.5)
    return stats.expon(scale=spans * span).pdf(above)


def test_the_rate_is_piecewise_log_linear():
    rng = np.random.default_rng(0)
    theta, heights = MEAN + rng.normal(size=(5, 4)), np.array([1.0, 1.3, 2.0, 2.9, 3.0, 7.5])
    level, slope = log_rate(theta, KNOTS, heights)
    for row, column in np.ndindex(level.shape):
        expected = naive_rate(theta[row], heights[column])
        assert (level[row, column], slope[row, column]) == pytest.approx(expected)


def test_the_shapes_of_objects_are_densities():
    for number, shape in enumerate(SHAPES):
        total, _ = integrate.quad(lambda y, n=number: shape_densities(np.array([y]), 1.7)[n, 0], 0, np.inf)
        assert total == pytest.approx(1, abs=1e-6)
        assert shape_densities(np.array([0.8]), 1.7)[number, 0] == pytest.approx(naive_density(shape, 0.8, 1.7))


@pytest.mark.parametrize("temper", [0.1, 0.4])
def test_the_posterior_is_that_of_a_sum_over_a_grid(temper):
    """Two parameters vary, the others are nearly fixed; every grid point, shape and number of objects is summed up."""
    prior = prior_of((0.4, 0.3, 1e-4, 1e-4), temper)
    heights = np.sort(drawn(np.random.default_rng(1), MEAN, 1.5, [3.5, 4.0, 6.0]))[::-1]
    found = Posterior(prior, tail_of(heights, 15_000))
    span, units = 2.0, 1.5
    above = heights - KNOTS[0]
    density = [[naive_density(shape, y, span) for y in above] for shape in SHAPES]
    total, share, rate = 0.0, np.zeros(len(heights)), 0.0
    for first in np.linspace(-3, 3, 15):
        for second in np.linspace(-3, 3, 15):
            theta = MEAN + np.array([0.4 * first, 0.3 * second, 0, 0])
            levels, slopes = np.transpose([naive_rate(theta, x) for x in heights])
            background = np.exp(levels) * slopes
            bound = 0.5 * sum(
                stats.poisson.logcdf((heights >= knot).sum(), units * np.exp(naive_rate(theta, knot)[0]))
                for knot in KNOTS[1:]
            )
            for shape in density:
                for count in OBJECTS:
                    both = background + count * np.array(shape)
                    likelihood = np.log(both).sum() - units * (np.exp(theta[0]) + count)
                    weight = np.exp(
                        temper * likelihood + bound - (first**2 + second**2) / 2 + 0.5 * np.log(count) + 40 * temper
                    )
                    total += weight
                    share += weight * background / both
                    rate += weight * np.exp(naive_rate(theta, 3.0)[0])
    expected = np.maximum.accumulate(share / total)
    np.testing.assert_allclose(found.p_false(heights), expected, atol=0.03)
    assert float(found.rate(3.0)) == pytest.approx(rate / total, rel=0.05)


def test_many_peaks_in_bins_give_the_probabilities_of_single_ones(monkeypatch):
    rng = np.random.default_rng(2)
    heights = drawn(rng, MEAN, 8.0, 2 + 4 * rng.random(40))
    binned = Posterior(prior_of((0.3, 0.2, 0.2, 0.2)), tail_of(heights, 80_000))
    monkeypatch.setattr("hsad.anomalies.null.posterior._BINS", 10_000)
    single = Posterior(prior_of((0.3, 0.2, 0.2, 0.2)), tail_of(heights, 80_000))
    values = np.linspace(1, 8, 60)
    np.testing.assert_allclose(binned.p_false(values), single.p_false(values), atol=0.01)


@pytest.mark.parametrize("top", [4.0, 9.0, 1e6])
def test_probabilities_fall_with_the_score_and_lie_between_0_and_1(top):
    heights = drawn(np.random.default_rng(3), MEAN, 1.0, [3.8, top])
    found = Posterior(prior_of((0.3, 0.2, 0.2, 0.2), calibration=(0.3, 1.4, 0.02)), tail_of(heights))
    values = np.concatenate([np.linspace(-2, 12, 300), [100.0, 1e5, 1e7]])
    probabilities = found.p_false(values)
    assert (np.diff(probabilities) <= 1e-12).all()
    assert ((probabilities >= 0.02 - 1e-12) & (probabilities <= 1)).all()
    assert (np.diff(found.rate(values)) <= 0).all()
    listed = heights[heights >= found.list_threshold()]
    assert (found.p_false(listed) <= 0.5 + 1e-9).all()
    below = heights[heights < found.list_threshold() * (1 - 1e-9)]
    assert (found.p_false(below) >= 0.5 - 1e-9).all()
    assert np.isnan(found.p_false(np.array([np.nan]))).all()


def test_what_is_stated_is_delivered_by_scenes_of_the_law():
    rng = np.random.default_rng(4)
    sd = np.array([0.25, 0.15, 0.2, 0.2])
    prior = prior_of(sd, temper=1.0)
    false, stated, wrong, expected = 0.0, 0.0, 0.0, 0.0
    for _ in range(40):
        objects = KNOTS[0] + 8 * rng.random(rng.poisson(5))
        background = drawn(rng, MEAN + sd * rng.normal(size=4), 2.0)
        found = Posterior(prior, tail_of(np.concatenate([background, objects]), 20_000))
        every = np.concatenate([background, objects])
        listed = every >= found.list_threshold()
        stated += found.p_false(every[listed]).sum()
        false += (background >= found.list_threshold()).sum()
        expected += 3 * 2.0
        wrong += (background >= found.threshold(3.0)).sum()
    assert wrong / expected == pytest.approx(1, abs=0.2)
    assert false / stated == pytest.approx(1, abs=0.3)


def test_the_heights_of_a_logarithmic_prior_do_not_depend_on_the_unit():
    rng = np.random.default_rng(5)
    values = np.exp(rng.normal(size=4000))
    peaks = np.sort(values)[::-1][:200]
    prior = replace(prior_of((0.3, 0.2, 0.2, 0.2)), log=True)
    plain = Posterior(prior, Tail(4000, np.sort(values), peaks, np.zeros(200, np.uint8)))
    other = Posterior(prior, Tail(4000, np.sort(50 * values), 50 * peaks, np.zeros(200, np.uint8)))
    np.testing.assert_allclose(other.p_false(50 * peaks), plain.p_false(peaks), rtol=1e-9)
    assert other.threshold(5.0) == pytest.approx(50 * plain.threshold(5.0))


def test_the_calibration_is_monotone_and_leaves_out_what_it_does_not_change():
    raw = np.linspace(0, 1, 101)
    for calibration in ((0.3, 1.35, 0.009), (-2.0, 0.4, 0.2)):
        assert (np.diff(calibrated(raw, calibration)) >= 0).all()
        assert calibrated(raw, calibration).min() >= calibration[2]
    np.testing.assert_allclose(calibrated(raw[1:-1], UNCALIBRATED), raw[1:-1])
    assert calibrated(np.array([0.5]), (1.0, 1.0, 0.1))[0] == pytest.approx(0.1 + 0.9 / (1 + np.exp(-1)))


def test_coarse_pixels_have_a_least_probability_and_the_same_list():
    heights = drawn(np.random.default_rng(8), MEAN, 1.0, [3.8, 5.0, 9.0])
    prior, values = prior_of((0.3, 0.2, 0.2, 0.2)), np.linspace(-2, 12, 400)
    coarse = replace(prior, coarse=Coarse(0.42, 1.5))
    plain = Posterior(prior, tail_of(heights))
    assert plain.p_false(values).min() < 0.3
    for side in (np.nan, 3.0, 19.9):
        found = Posterior(coarse, tail_of(heights), side)
        np.testing.assert_array_equal(found.p_false(values), plain.p_false(values))
        assert found.doubts({}) == plain.doubts({})
    for side in (20.0, 30.0):
        found = Posterior(coarse, tail_of(heights), side)
        expected = [max(p, 0.42) for p in plain.p_false(values)]
        assert found.p_false(values).tolist() == expected
        assert found.list_threshold() == plain.list_threshold()
        assert np.isnan(found.p_false(np.nan))
        assert [doubt.kind for doubt in found.doubts({})] == ["coarse pixels", *(d.kind for d in plain.doubts({}))]
    assert Prior.from_dict(coarse.to_dict()).coarse == coarse.coarse
    np.testing.assert_array_equal(Posterior(prior, tail_of(heights), 30.0).p_false(values), plain.p_false(values))


def test_a_null_can_be_sent_to_another_process():
    found = Posterior(prior_for("auto"), tail_of(drawn(np.random.default_rng(6), MEAN, 1.0)))
    again = pickle.loads(pickle.dumps(found))  # noqa: S301  written here
    np.testing.assert_array_equal(again.p_false(np.arange(9.0)), found.p_false(np.arange(9.0)))


def test_grades_hold_probabilities_up_to_their_number():
    p = [0.0, 0.1, 0.1001, 0.3, 0.5, 0.5001, np.nan]
    named = ["almost certain", "almost certain", "likely", "likely", "possible", None, None]
    assert grade_of(p).tolist() == named


@pytest.mark.parametrize("mean", [0.3, 2.0, 9.5])
def test_the_interval_holds_nine_of_ten_numbers_of_its_law(mean):
    """A negative binomial law of shape 1: a gamma law of means around the stated one, each with its Poisson law."""
    low, high = false_interval(mean, 10_000)
    rng = np.random.default_rng(7)
    numbers = rng.poisson(rng.exponential(mean, 200_000))
    assert (numbers <= high).mean() >= 0.95 - 0.002  # 4 standard errors
    assert (numbers <= high - 1).mean() < 0.95 + 0.002
    assert (numbers < low).mean() <= 0.05 + 0.002
    assert false_interval(mean, 1)[1] <= 1


def test_maps_with_scores_of_0_or_below_take_the_rough_prior_without_logarithms():
    assert rough_prior(tail_of([2.0])).log is False
    assert rough_prior(Tail(9, np.arange(1.0, 10.0), np.array([9.0]), np.zeros(1, np.uint8))).log is True
