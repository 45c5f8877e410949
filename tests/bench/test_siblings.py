"""The bench of the search for siblings: its cases, its figures by hand, its table on other draws."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from scipy import ndimage

import hsad
from hsad.bench.known import KnownScene, as_cube
from hsad.bench.siblings import measure
from hsad.bench.siblings.cases import FILLS, NUMBERS, near, sibling_cases
from hsad.bench.siblings.measure import Outcome, SiblingAccuracy, run_siblings
from hsad.bench.suite import GROUNDS


@pytest.fixture(scope="module")
def grounds():
    """Return small scenes with the names of the benchmark scenes, one object in each."""
    made = []
    for seed, name in enumerate(GROUNDS):
        random = np.random.default_rng(seed)
        mixture = ndimage.gaussian_filter(random.random((60, 60, 3)), (2, 2, 0))
        spectra = 40 + mixture @ random.normal(size=(3, 40)).cumsum(axis=1) + 0.3 * random.normal(size=(60, 60, 40))
        truth = np.zeros((60, 60))
        truth[5:7, 5:8] = 1
        spectra[5:7, 5:8] += 5 * np.sin(np.arange(40))
        made.append(KnownScene(name, "native", as_cube(spectra), truth, {}))
    return made


def test_cases_are_the_same_every_time_and_another_seed_has_others(grounds):
    first, again, other = ([*islice(sibling_cases(grounds, [seed]), 4)] for seed in (7, 7, 8))
    for case, same, another in zip(first, again, other, strict=True):
        assert np.array_equal(case.cube, same.cube)
        assert not np.array_equal(case.cube, another.cube)
        assert (case.ground, case.source, case.number) == (another.ground, another.source, another.number)
        assert case.query.any()
        assert not (case.query & (case.label > 0)).any()
        assert not (case.ignored & (case.label > 0)).any()
        numbers = [len(case.siblings(fill)) for fill in range(len(FILLS))]
        assert all(got <= asked for got, asked in zip(numbers, NUMBERS[case.number], strict=True))
        assert sum(numbers) >= 0.6 * case.number  # some have no room in so small a scene
    with pytest.raises(hsad.HsadError, match="there is no airport-2"):
        next(sibling_cases(grounds[1:], [7]))


def test_near_is_two_pixels_around():
    mask = np.zeros((9, 9), dtype=bool)
    mask[4, 4] = True
    assert near(mask).sum() == 25


def test_figures_by_hand():
    def row(number, wrong, right, found, share=0.1, ground="a"):
        return Outcome(ground, "other", 7, number, share, wrong, right, found, NUMBERS[number], wrong > 3)

    rows = (row(0, 2, 0, (0, 0, 0)), row(0, 0, 0, (0, 0, 0)), row(3, 1, 3, (0, 1, 1)), row(30, 0, 20, (5, 9, 10)))
    rows += tuple(row(3, 5, 1, (0, 0, 1), share, "b") for share in (0.05, 0.2, 0.5))
    report = SiblingAccuracy((7,), rows)
    assert report.delivered(0.1) == pytest.approx((1 + 0 + 0.25 + 0) / 4)
    assert report.delivered(0.1, 0) == pytest.approx(0.5)
    assert report.recall(0.1, 3) == pytest.approx((0, 1, 1))
    assert report.recall(0.1, 30) == pytest.approx((0.5, 0.9, 1))
    assert np.isnan(report.recall(0.1, 0)).all()
    table = SiblingAccuracy((7, 8), tuple(row(n, 1, 1, NUMBERS[n], s) for n in NUMBERS for s in measure.SHARES)).table()
    assert "seeds 7-8" in table
    assert "| 0.1 | all | 4 | 0.500 | 0.500 | 1 | 1.00 | 1.00 | 1.00 | 0.00 |" in table
    assert "| 1 | a | other | 7 | 3 | 3 |" in table


def test_a_run_lists_what_was_implanted(grounds, monkeypatch, hsad_run, tmp_path):
    monkeypatch.setattr(measure, "benchmark_scenes", lambda _: grounds)
    monkeypatch.setattr(measure, "sibling_cases", lambda scenes, seeds: islice(sibling_cases(scenes, seeds), 4))
    report = run_siblings(tmp_path, seeds=1, draw=7)
    assert len(report.outcomes) == 4 * len(measure.SHARES)
    for row in report.outcomes:
        assert all(0 <= found <= siblings for found, siblings in zip(row.found, row.siblings, strict=True))
        assert row.right or not any(row.found)
    status, out, _ = hsad_run("bench", "--accuracy", "--siblings", "--data", tmp_path, "--draw", "7", "-q")
    assert status == 0
    assert out.strip() == report.table()
    for options, message in (
        (["--siblings"], "--siblings does not go with speed, but with --accuracy"),
        (["--accuracy", "--siblings", "--suite", "--data", tmp_path], "it takes no --suite"),
        (["--accuracy", "--siblings", "--data", ""], "needs the folder of benchmark scenes"),
    ):
        status, _, err = hsad_run("bench", *options)
        assert (status, err.count("\n")) == (1, 1)
        assert message in err


@pytest.mark.long
def test_the_table_on_draws_that_nothing_was_chosen_on(data):
    report = run_siblings(data, seeds=1, draw=7)
    # Of three seeds together: .022, .044, .104, .238, with a standard error of .025 for one.
    for share, delivered in zip(measure.SHARES, (0.022, 0.044, 0.104, 0.238), strict=True):
        assert report.delivered(share) == pytest.approx(delivered, abs=0.06)
        assert report.delivered(share) < share
    assert report.recall(0.1, 30) == pytest.approx((0.74, 0.90, 0.95), abs=0.08)
