"""PaDiM: the dates of one place, and the pixels of a new one that are unlike them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from learned import dates_of_one_place

import hsad
from hsad.errors import DataError

pytest.importorskip("torch")


def test_padim_finds_a_change_whatever_gain_and_haze():
    dates, new = dates_of_one_place()
    scores = hsad.detect(new, "padim", references=dates, workers=1)
    assert np.unravel_index(np.nanargmax(scores), scores.shape) == (20, 30)
    brighter = hsad.detect(3 * new + 2, "padim", references=dates, workers=1)
    np.testing.assert_allclose(brighter, scores, rtol=1e-3, atol=1e-3)


def test_padim_explains_a_pixel_of_the_scene_that_it_scores():
    dates, new = dates_of_one_place()
    scores = hsad.detect(new, "padim", references=dates)
    found = hsad.explain(new, "padim", 20, 30, references=dates)
    assert found.score == pytest.approx(scores[20, 30], rel=1e-5)
    assert found.reason.contributions.sum() == pytest.approx(found.score)


def test_padim_does_not_depend_on_tiles_threads_or_processes(tmp_path):
    dates, new = dates_of_one_place()
    dates[2][5:9, 5:9] = np.nan
    new[30, 2] = np.nan

    @dataclasses.dataclass(frozen=True)
    class Small(hsad.PaDiM):
        leaf = 16

    whole = hsad.detect(new, Small(smooth=0.7), references=dates, workers=1, tile=10**6)
    assert np.array_equal(np.isnan(whole), np.isnan(new[..., 0]))
    for options in ({"tile": 16}, {"tile": 32, "workers": 3}):
        assert np.array_equal(hsad.detect(new, Small(smooth=0.7), references=dates, **options), whole, equal_nan=True)
    usual = hsad.learn(dates, hsad.PaDiM(smooth=0.7))
    np.testing.assert_allclose(hsad.score(new, usual), whole, rtol=1e-4)
    usual.save(tmp_path / "place.npz")
    assert np.array_equal(hsad.score(new, tmp_path / "place.npz"), hsad.score(new, usual), equal_nan=True)
    lazy = hsad.detect(new, hsad.PaDiM(smooth=0.7), references=dates, compute=False)
    assert np.array_equal(lazy.compute(), hsad.score(new, usual), equal_nan=True)


def test_padim_says_what_it_needs():
    dates, new = dates_of_one_place()
    with pytest.raises(DataError, match="padim needs at least 4 dates of one place as references: there is 1"):
        hsad.detect(new, "padim")
    with pytest.raises(DataError, match="there are 3"):
        hsad.detect(new, "padim", references=dates[:3])
    with pytest.raises(DataError, match="different sizes, 40 x 45 and 40 x 46"):
        hsad.detect(new, "padim", references=[*dates, dates[0][:, 1:]])
    with pytest.raises(DataError, match="40 x 45 pixels is not on the grid of its references, 40 x 46"):
        hsad.detect(new[:, 1:], "padim", references=dates)


def test_a_position_needs_four_dates():
    dates, new = dates_of_one_place()
    for date in dates[:3]:
        date[10, 10] = np.nan
    scores = hsad.detect(new, "padim", references=dates)
    assert np.argwhere(np.isnan(scores)).tolist() == [[10, 10]]
