"""The bench of change: what it measures, and how it says it."""

import numpy as np

from hsad.bench.changes.cases import REGISTRATIONS, PairCase, split_pairs
from hsad.bench.changes.measure import CONTROL, run_changes
from hsad.bench.known import KnownScene, as_cube
from hsad.synthetic import make_pair


def pair(registration):
    made = make_pair(60, 70, 16, 1, new_sizes=(9,), gone_sizes=(9,), kept_sizes=(9,), fills=(1.0,))
    return PairCase("small", "synthetic", registration, made.before, made.after, made.truth.values.astype(float))


def test_every_method_and_the_control_are_measured_on_every_pair(monkeypatch):
    monkeypatch.setattr("hsad.bench.changes.measure.synthetic_pairs", lambda seed: map(pair, REGISTRATIONS))
    found = run_changes(None)
    methods = ("chronochrome", "covariance-equalisation", "hyperbolic", CONTROL)
    assert {row.method for row in found.outcomes} == set(methods)
    assert len(found.outcomes) == 3 * len(REGISTRATIONS) * len(methods)
    assert all(0.9 < row.auc <= 1 for row in found.outcomes)
    lines = found.table().splitlines()
    assert lines[2] == "| method | synthetic, 0 pixels | synthetic, 0.3 pixels | synthetic, 0.7 pixels |"
    assert len(lines) == 4 + len(methods)
    assert run_changes(None, only="hyperbolic").to_dict()["outcomes"][0]["method"] == "hyperbolic"


def test_a_scene_that_is_split_changes_by_its_implants_only_and_each_date_has_its_own_noise():
    random = np.random.default_rng(0)
    spectra = random.normal(size=(60, 70, 3)) @ random.normal(size=(3, 40)) + 50 + random.normal(size=(60, 70, 40))
    truth = np.zeros((60, 70))
    truth[30:33, 30:33] = 1
    cases = list(split_pairs(KnownScene("made", "native", as_cube(spectra), truth, {}), seed=0))
    assert [case.registration for case in cases] == list(REGISTRATIONS)
    for case in cases:
        assert len(case.further) == 5
        assert {1.0, 7.0} <= set(np.unique(case.truth))
        assert not case.truth[30:33, 30:33].any()  # the object of the scene is on both dates
        noise = np.corrcoef(case.before[:10, :10].ravel(), case.after[:10, :10].ravel())[0, 1]
        assert noise < 0.999
