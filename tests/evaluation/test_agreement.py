"""How far score maps agree: against scipy's rank correlation, naive counts, and maps whose difference is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from hsad.errors import DataError
from hsad.evaluation.agreement import disagreements, rank_correlation, rarities


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_correlation_is_that_of_scipy_over_the_pixels_that_all_maps_score(seed, steps):
    random = np.random.default_rng(seed)
    maps = [np.round(random.normal(size=(12, 15)) * steps) for _ in range(3)]  # with ties
    for number, values in enumerate(maps):
        values[number, 2 * number] = np.nan
    common = np.isfinite(maps).all(axis=0)
    expected = spearmanr(np.array([values[common] for values in maps]), axis=1).statistic
    np.testing.assert_allclose(rank_correlation(maps), expected, atol=1e-12)


def test_a_map_of_equal_scores_has_no_correlation():
    found = rank_correlation([np.arange(6.0).reshape(2, 3), np.zeros((2, 3))])
    assert found[0, 0] == 1
    assert np.isnan([found[0, 1], found[1, 0], found[1, 1]]).all()
    with pytest.raises(DataError, match="fewer than two pixels"):
        rank_correlation([np.array([[1.0, np.nan]]), np.array([[np.nan, 1.0]])])


def test_a_rarity_counts_the_pixels_with_a_score_as_high():
    random = np.random.default_rng(0)
    scores = random.integers(0, 20, size=(9, 11)).astype(float)
    scores[3, 4] = np.nan
    known = [value for value in scores.ravel() if not math.isnan(value)]
    found = rarities(scores)
    for place, value in np.ndenumerate(scores):
        if math.isnan(value):
            assert math.isnan(found[place])
        else:
            assert found[place] == pytest.approx(math.log10(len(known) / sum(other >= value for other in known)))


def test_the_strongest_disagreement_is_the_pixel_that_only_one_map_ranks_high():
    random = np.random.default_rng(1)
    one = random.normal(size=(40, 50))
    other = one.copy()
    one[10, 20], other[10, 20] = 99, -99  # first of one, last of the other
    one[30, 5], other[30, 5] = -50, 60
    found = disagreements([one, other], number=2)
    assert {(spot.row, spot.col): spot.ranks for spot in found} == {(10, 20): (1, 2000), (30, 5): (2000, 1)}


def test_disagreements_lie_apart_and_maps_that_agree_have_none():
    random = np.random.default_rng(2)
    one, other = random.normal(size=(2, 60, 60))
    places = [(spot.row, spot.col) for spot in disagreements([one, other], number=10, apart=15)]
    assert len(places) == 10
    for number, first in enumerate(places):
        for second in places[:number]:
            assert max(abs(first[0] - second[0]), abs(first[1] - second[1])) >= 15
    assert disagreements([one, 2 * one + 1]) == []
