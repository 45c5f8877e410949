"""Evaluation against scikit-learn, numerical integration and counting by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

import hsad
from hsad.errors import DataError, ParameterError
from hsad.evaluation import evaluate, roc_curve


@st.composite
def maps(draw, *, low=-8, high=8):
    """Return scores with many ties and some missing, and a truth that has both kinds of scored pixels."""
    shape = draw(st.tuples(st.integers(2, 12), st.integers(2, 12)))
    scores = draw(hnp.arrays(np.int64, shape, elements=st.integers(low, high))) / 4
    scores[draw(hnp.arrays(bool, shape, elements=st.integers(0, 9).map(lambda i: i == 0)))] = np.nan
    truth = draw(hnp.arrays(np.int32, shape, elements=st.sampled_from([0, 0, 0, 1, 7])))
    scored = ~np.isnan(scores)
    assume((truth[scored] != 0).any() and (truth[scored] == 0).any())
    return scores, truth


@given(maps())
def test_auc_and_average_precision_are_those_of_scikit_learn(pair):
    scores, truth = pair
    scored = ~np.isnan(scores)
    y, s = truth[scored] != 0, scores[scored]
    result = evaluate(scores, truth)
    assert result["auc"] == pytest.approx(metrics.roc_auc_score(y, s), abs=1e-12)
    assert result["average_precision"] == pytest.approx(metrics.average_precision_score(y, s), abs=1e-12)
    assert result["pixels"] == y.size
    assert result["positives"] == y.sum()
    curve = roc_curve(scores, truth)
    alarms, detections, thresholds = metrics.roc_curve(y, s, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_alarm_rate, alarms, atol=1e-12)
    np.testing.assert_allclose(curve.detection_rate, detections, atol=1e-12)
    np.testing.assert_array_equal(curve.thresholds, thresholds)
    assert curve.auc == result["auc"]


@given(maps())
def test_auc_is_the_chance_that_an_anomalous_pixel_scores_higher(pair):
    scores, truth = pair
    positive, negative = scores[truth != 0], scores[truth == 0]
    a, b = positive[~np.isnan(positive)][:, None], negative[~np.isnan(negative)]
    assert evaluate(scores, truth)["auc"] == pytest.approx(np.mean((a > b) + 0.5 * (a == b)), abs=1e-12)


@given(maps())
def test_3d_roc_is_the_integral_over_the_threshold(pair):
    scores, truth = pair
    result = evaluate(scores, truth)
    low, high = np.nanmin(scores), np.nanmax(scores)
    assume(high > low)
    s = (scores - low) / (high - low)
    # The rates are steps at multiples of 1/(4·span): midpoints of a grid that divides them are exact.
    cells = round(4 * (high - low)) * 3
    tau = (np.arange(cells) + 0.5) / cells
    known = ~np.isnan(s)
    detected = np.mean([(s[known & (truth != 0)] >= t).mean() for t in tau])
    alarms = np.mean([(s[known & (truth == 0)] >= t).mean() for t in tau])
    assert result["auc_d_tau"] == pytest.approx(detected, abs=1e-12)
    assert result["auc_f_tau"] == pytest.approx(alarms, abs=1e-12)
    auc = result["auc"]
    assert result["auc_td"] == pytest.approx(auc + detected)
    assert result["auc_bs"] == pytest.approx(auc - alarms)
    assert result["auc_tdbs"] == pytest.approx(detected - alarms, abs=1e-12)
    assert result["auc_odp"] == pytest.approx(detected + 1 - alarms)
    assert result["auc_oa"] == pytest.approx(auc + detected - alarms)
    assert result["snpr"] == (pytest.approx(detected / alarms) if alarms else math.inf)


@given(maps(), st.floats(0, 0.9))
def test_threshold_keeps_the_stated_false_alarm_rate_as_closely_as_ties_allow(pair, rate):
    scores, truth = pair
    result = evaluate(scores, truth, false_alarm_rate=rate)
    background = scores[(truth == 0) & ~np.isnan(scores)]
    threshold = result["threshold"]
    assert np.mean(background > threshold) <= rate + 1e-8
    # At any lower threshold the background pixels that sit at this one are false alarms as well.
    assert np.mean(background >= threshold) > rate - 1e-8
    assert result["false_alarm_rate"] == rate


def test_objects_are_connected_by_corners_and_found_by_one_pixel():
    truth = np.zeros((20, 30), dtype=int)
    truth[1, 1] = truth[2, 2] = truth[3, 3] = 1  # one object, by corners
    truth[1, 10] = 2
    truth[5, 10:13] = 3
    truth[15:18, 5:8] = 4
    scores = np.zeros(truth.shape)
    scores[truth == 0] = np.linspace(0, 1, (truth == 0).sum())
    scores[3, 3] = 9
    scores[1, 10] = 1  # as high as the highest background pixel: not above it
    scores[5, 12] = 1.5
    result = evaluate(scores, truth, false_alarm_rate=0)
    assert result["threshold"] == 1
    assert result["objects"] == 4
    assert result["objects_found"] == 2
    assert evaluate(scores, truth, false_alarm_rate=0.01)["objects_found"] == 3


def test_pixels_without_a_score_leave_but_do_not_cut_objects():
    truth = np.zeros((5, 9), dtype=int)
    truth[2, 2:7] = 1
    truth[0, 8] = 1
    scores = np.zeros(truth.shape)
    scores[truth == 1] = 1.0
    scores[2, 4] = np.nan
    scores[0, 8] = np.nan  # an object without any score
    result = evaluate(scores, truth)
    assert (result["pixels"], result["positives"]) == (43, 4)
    assert result["objects"] == result["objects_found"] == 1
    unknown = np.where(truth == 1, 1.0, 0.0)
    unknown[4] = np.nan
    assert evaluate(scores, unknown)["pixels"] == 34


def test_constant_scores_say_nothing():
    result = evaluate(np.full((4, 4), 3.0), np.eye(4))
    assert result["auc"] == 0.5
    assert result["average_precision"] == 0.25
    assert result["auc_d_tau"] == result["auc_f_tau"] == 0
    assert math.isnan(result["snpr"])
    assert result["objects_found"] == 0


def test_arrays_of_xarray_are_matched_by_their_dimensions():
    rng = np.random.default_rng(0)
    scores, truth = rng.normal(size=(6, 9)), rng.random((6, 9)) < 0.2
    expected = evaluate(scores, truth)
    turned = xr.DataArray(truth, dims=("y", "x")).transpose("x", "y")
    assert evaluate(xr.DataArray(scores, dims=("y", "x")), turned) == expected
    assert evaluate(scores.tolist(), truth.astype(np.uint8)) == expected


@pytest.mark.parametrize(
    "scores, truth, error, message",
    [
        (
            np.zeros((3, 4)),
            np.zeros((4, 3)),
            DataError,
            r"truth has \(4, 3\) pixels, the scores have \(3, 4\)",
        ),
        (np.zeros((3, 3)), np.zeros((3, 3)), DataError, "no pixel with a score is anomalous"),
        (np.zeros((3, 3)), np.ones((3, 3)), DataError, "no pixel with a score is background"),
        (np.full((3, 3), np.nan), np.eye(3), DataError, "no pixel with a score is anomalous"),
        (np.full((3, 3), np.inf), np.eye(3), DataError, "scores: 9 pixels are infinite"),
        (
            np.zeros((3, 3, 1)),
            np.eye(3),
            ParameterError,
            r"scores: an array of 2 dimensions .* not of 3",
        ),
        (np.zeros((3, 3)), np.full((3, 3), "a"), ParameterError, "truth: real numbers are needed, not <U1"),
    ],
)
def test_what_cannot_be_evaluated_is_named(scores, truth, error, message):
    with pytest.raises(error, match=message):
        evaluate(scores, truth)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_out_of_range_is_named(rate):
    with pytest.raises(ParameterError, match="false_alarm_rate must be at least 0 and below 1"):
        evaluate(np.zeros((3, 3)), np.eye(3), false_alarm_rate=rate)


def test_scores_and_truths_may_be_files(tmp_path):
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    scores, truth = rng.normal(size=(20, 30)).astype(np.float32), rng.random((20, 30)) < 0.1
    savemat(tmp_path / "scene.mat", {"map": truth.astype(np.uint8), "data": rng.random((20, 30, 4))})
    np.save(tmp_path / "truth.npy", truth)
    hsad.write_scores(scores, tmp_path / "scores.tif")
    expected = hsad.evaluate(scores, truth)
    for path in (f"{tmp_path}/scene.mat:map", tmp_path / "truth.npy", str(tmp_path / "truth.npy")):
        assert dict(hsad.evaluate(scores, path)) == dict(expected)
        assert dict(hsad.evaluate(tmp_path / "scores.tif", path)) == dict(expected)
        np.testing.assert_array_equal(hsad.open_mask(path, scores), truth)
    assert hsad.evaluate_objects(scores, tmp_path / "truth.npy") == hsad.evaluate_objects(scores, truth)
    assert dict(hsad.confidence_intervals(scores, tmp_path / "truth.npy", draws=20)) == dict(
        hsad.confidence_intervals(scores, truth, draws=20)
    )
    with pytest.raises(hsad.HsadError, match=r"truth\.npy: 20×30 pixels for a scene of 5×5"):
        hsad.evaluate(np.eye(5), tmp_path / "truth.npy")
    with pytest.raises(hsad.HsadError, match=r"none\.tif: no such file"):
        hsad.evaluate(tmp_path / "none.tif", truth)
    with pytest.raises(hsad.HsadError, match="not an array of 1 dimensions"):
        hsad.open_mask(tmp_path / "truth.npy", np.zeros(4))
