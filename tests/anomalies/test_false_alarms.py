"""Found and falsely found, on the suite of implanted targets that `hsad bench --accuracy --suite` measures on.

By default four synthetic scenes of the suite: sub-pixel, small, large and frequent targets. Long: what is implanted
into the benchmark scenes, and these themselves, where they are at hand.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

import hsad
from hsad.bench.known import benchmark_scenes
from hsad.bench.suite import suite

SIDE = np.ones((3, 3))


@functools.cache
def synthetic(name):
    """Return a synthetic case of the suite; made alone, for the others take their time."""
    from hsad.bench import suite as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SYNTHETIC", [entry for entry in module._SYNTHETIC if entry[0] == name])
        [case] = suite([], families=["synthetic"])
    return case, hsad.detect(case.cube, "auto", workers=1)


def counted(case, scores, **options):
    """Return what is stated, what is false and which objects are found: by hand, from the outlines and the truth."""
    found = hsad.polygons(scores, **options)
    left_out = ~np.isfinite(case.truth)
    objects = np.nan_to_num(case.truth) != 0
    near = ndimage.binary_dilation(objects | left_out, np.ones((5, 5)))
    false = sum(not near[r, c] for r, c in zip(found.columns["row"], found.columns["col"], strict=True))
    labels, number = ndimage.label(objects, SIDE)
    hit = np.unique(labels[(scores.values >= found.threshold["threshold"]) & objects])
    # What is near objects cannot be false: so many are stated for the rest.
    stated = found.threshold["expected_false"] * (~near).sum() / np.isfinite(scores.values).sum()
    return stated, false, len(hit), number, found.threshold


@pytest.mark.parametrize("name, least", [("faint-5", 0), ("small-6", 11), ("large-8", 2), ("frequent-9", 40)])
def test_false_objects_stay_within_what_is_stated(name, least):
    case, scores = synthetic(name)
    _, false, hit, number, threshold = counted(case, scores)
    assert threshold["rule"] == "bank"
    assert threshold["expected_false"] == pytest.approx(10 * np.isfinite(scores.values).sum() / 1e4, rel=0.01)
    assert false <= threshold["interval"][1]
    assert threshold["trusted"] == (not threshold["doubts"])
    assert least <= hit <= number
    # A stricter threshold has fewer of both.
    _, fewer, less, _, strict = counted(case, scores, false_objects=3)
    assert strict["threshold"] > threshold["threshold"]
    assert (fewer <= false, less <= hit) == (True, True)


@pytest.mark.parametrize("name", ["faint-5", "small-6", "large-8", "frequent-9"])
def test_the_default_does_not_lose_to_rx(name):
    case, scores = synthetic(name)
    truth = (case.truth > 0).ravel()
    other = hsad.detect(case.cube, "rx", workers=1).values.ravel()
    assert roc_auc_score(truth, scores.values.ravel()) > roc_auc_score(truth, other) - 0.01


@pytest.mark.long
@pytest.mark.parametrize("family", ["native", "faint", "large", "frequent"])
def test_the_stated_number_holds_on_real_grounds(family, data):
    pooled = np.zeros(2)
    within = []
    for case in suite(benchmark_scenes(data), families=[family]):
        stated, false, _, _, threshold = counted(case, hsad.detect(case.cube, "auto", workers=1))
        ratio = max(false, 0.5) / stated
        assert 1 / 5 <= ratio <= 5 or not threshold["trusted"], (case.name, stated, false)
        if threshold["trusted"]:
            pooled += stated, false
            within.append(1 / 2.3 <= ratio <= 2.3)
    assert len(within) >= 5
    assert 0.75 <= pooled[1] / pooled[0] <= 1.25
    assert np.mean(within) >= 0.6
