"""Thresholds: against scipy, scikit-image, closed formulas and simulated backgrounds."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from rasterio.crs import CRS
from scipy import ndimage, stats
from skimage.filters import threshold_otsu

import hsad
from hsad.anomalies.choose import ThresholdOptions, choose_threshold
from hsad.anomalies.headline import headline
from hsad.anomalies.null.clean import CleanNull
from hsad.anomalies.null.posterior import Posterior
from hsad.anomalies.null.prior import bank_methods, prior_for
from hsad.anomalies.null.tail import Tail, peaks_of
from hsad.anomalies.origin import origin_sentence
from hsad.anomalies.scoremap import ScoreMap
from hsad.changes.change import change_methods
from hsad.detectors import describe_detector, make_detector
from hsad.errors import DataError, ParameterError
from hsad.scene.grid import GeoGrid

METHODS = ("auto", "rx", "crd", "lrx")


def scores_of(method, rows=120, cols=100, seed=0, **attrs):
    """A map whose background is smooth noise, with the attributes of a method's scores."""
    values = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(rows, cols)), 1.0)
    values /= values.std()
    values = np.exp(0.45 * values) - 1 if method == "auto" else np.exp(values * 3 / 8 + 4)
    _, parameters = describe_detector(make_detector(method))
    return xr.DataArray(
        values, dims=("y", "x"), attrs={"method": method, "parameters": json.dumps({**parameters, **attrs})}
    )


def naive_peaks(scores):
    found = []
    for row, col in np.ndindex(scores.shape):
        around = scores[max(0, row - 3) : row + 4, max(0, col - 3) : col + 4]
        if np.isfinite(scores[row, col]) and scores[row, col] == np.nanmax(around):
            ties = [p for p in found if max(abs(p[0] - row), abs(p[1] - col)) <= 3]
            if not any(scores[p] == scores[row, col] for p in ties):
                found.append((row, col))
    return found


def test_peaks_are_highest_around_and_ties_count_once():
    scores = np.round(np.random.default_rng(1).normal(size=(40, 30)), 1)
    scores[5:9, 5:12] = np.nan
    scores[20:22, 20:22] = 9.0
    assert sorted(zip(*np.nonzero(peaks_of(scores)), strict=True)) == sorted(naive_peaks(scores))


def test_the_tail_is_the_same_in_strips(monkeypatch):
    scores = ScoreMap.of(scores_of("auto"))
    whole = Tail.of(scores)
    monkeypatch.setattr("hsad.anomalies.scoremap._STRIP_PIXELS", 700)
    strips = Tail.of(scores)
    assert strips.count == whole.count == 12000
    np.testing.assert_array_equal(strips.peaks, whole.peaks)
    np.testing.assert_array_equal(strips.sample, whole.sample)
    np.testing.assert_array_equal(strips.quadrants, whole.quadrants)


def test_percentile_and_otsu_are_those_of_others():
    values = np.random.default_rng(2).gamma(2.0, size=(90, 80))
    values[10:20, 10:20] += 12
    chosen = choose_threshold(values, ThresholdOptions(rule="percentile", pfa=0.01))
    assert chosen.value == pytest.approx(np.quantile(values, 0.99))
    assert choose_threshold(values, ThresholdOptions(rule="otsu")).value == pytest.approx(threshold_otsu(values))


def test_gpd_meets_its_rate_on_a_pure_tail():
    values = np.random.default_rng(3).exponential(size=(300, 300))
    chosen = choose_threshold(values, ThresholdOptions(rule="gpd", pfa=1e-3))
    assert chosen.value == pytest.approx(-np.log(1e-3), abs=0.3)
    assert float(chosen.null.p_value(chosen.value)) == pytest.approx(1e-3)
    assert "conservative" in chosen.sentence


@pytest.mark.long
def test_chi2_and_f_are_the_laws_of_gaussian_background():
    rng = np.random.default_rng(4)
    scene = rng.normal(size=(100, 100, 8))
    scores = hsad.detect(xr.DataArray(scene, dims=("y", "x", "band")), "rx")
    chosen = choose_threshold(scores, ThresholdOptions(rule="chi2", pfa=1e-2))
    assert chosen.value == pytest.approx(stats.chi2.isf(1e-2, 8))
    assert np.mean(scores.values >= chosen.value) == pytest.approx(1e-2, abs=3e-3)
    local = hsad.detect(xr.DataArray(scene, dims=("y", "x", "band")), "lrx", outer=11, inner=5, covariance="pinv")
    given = choose_threshold(local, ThresholdOptions(rule="f", pfa=1e-2, degrees_of_freedom=8))
    s, d = 121 - 25, 8
    assert given.value == pytest.approx(d * (s**2 - 1) / (s * (s - d)) * stats.f.isf(1e-2, d, s - d))
    assert np.mean(local.values >= given.value) == pytest.approx(1e-2, abs=3e-3)


@pytest.mark.parametrize("method", METHODS)
def test_every_detector_of_the_bank_gives_a_threshold_that_its_rate_returns(method):
    null = Posterior(prior_for(method), Tail.of(ScoreMap.of(scores_of(method))))
    for rate in (30.0, 10.0, 3.0, 1.0, 0.1):
        assert float(null.rate(null.threshold(rate))) == pytest.approx(rate, rel=1e-6)
    values = np.linspace(null.threshold(150), null.threshold(0.01), 50)
    for curve in (null.rate(values), null.p_value(values), null.p_false(values)):
        assert (np.diff(curve) <= 0).all()
    assert ((null.p_false(values) >= 0) & (null.p_false(values) <= 1)).all()
    # Below the first knot the scene's own peaks count.
    assert float(null.rate(null.threshold(120.0))) == pytest.approx(120, abs=1 / null.tail.units)


def test_the_bank_is_affine_and_scale_free():
    auto, rx = scores_of("auto"), scores_of("rx")
    shifted = auto + 3.5
    shifted.attrs = auto.attrs
    assert choose_threshold(shifted).value == pytest.approx(choose_threshold(auto).value + 3.5)
    scaled = rx * 20
    scaled.attrs = rx.attrs
    assert choose_threshold(scaled).value == pytest.approx(20 * choose_threshold(rx).value)
    found, same = (choose_threshold(scores).p_false(Tail.of(ScoreMap.of(scores)).peaks) for scores in (rx, scaled))
    np.testing.assert_allclose(found, same, rtol=1e-9)


def test_the_bank_says_where_it_comes_from():
    assert set(bank_methods()) == {*METHODS, *change_methods()}
    for method in bank_methods():
        table = prior_for(method)
        assert len({source["ground"] for source in table.sources}) >= 8
        assert all(source["origin"] for source in table.sources)
        assert sum(source["weight"] for source in table.sources) == pytest.approx(1, abs=0.01)
        current = describe_detector(make_detector(method))[1]
        assert json.loads(json.dumps(current)) == json.loads(json.dumps(table.parameters)), (
            "recompute: hsad bench --calibrate"
        )


def test_what_speaks_against_a_number_is_said():
    chosen = choose_threshold(scores_of("auto", smooth=2.0))
    assert not chosen.trusted
    assert "smooth=2.0" in chosen.sentence
    assert "Do not trust" in chosen.sentence
    few = choose_threshold(scores_of("auto", rows=30, cols=30), ThresholdOptions(false_objects=1))
    assert any("900 pixels are few" in str(doubt) for doubt in few.doubts)
    assert any("less than one false anomaly" in str(doubt) for doubt in few.doubts)
    heavy = scores_of("auto")
    heavy.values = 4 * heavy.values
    assert any("spread more" in str(doubt) for doubt in choose_threshold(heavy).doubts)
    crowded = scores_of("auto")
    knots = prior_for("auto").knots
    crowded.values[2:60:7, 2:50:7] = np.median(crowded.values) + (knots[0] + knots[1]) / 2
    assert any("crowd" in str(doubt) for doubt in choose_threshold(crowded).doubts)


@pytest.mark.parametrize("crs, size", [("EPSG:32633", 30.0), ("EPSG:4326", 0.0004)])
def test_a_scene_of_coarse_pixels_has_its_list_and_says_what_spaceborne_scenes_did(crs, size):
    scores = scores_of("auto", rows=200, cols=200)
    scores.values[20:190:40, 20:190:40] = 9 + np.arange(25).reshape(5, 5) / 5
    unknown = choose_threshold(scores)

    def seen(size):
        grid = GeoGrid(200, 200, CRS.from_user_input(crs), Affine(size, 0, 15, 0, -size, 50))
        return choose_threshold(grid.attach(scores.copy()))

    coarse, fine = seen(size), seen(size / 10)
    assert fine.to_dict() == unknown.to_dict()
    peaks = [peak for peak in unknown.tail.peaks if peak >= unknown.value]
    assert len(peaks) >= 25
    least = prior_for("auto").coarse.least
    np.testing.assert_allclose(coarse.p_false(peaks), np.maximum(unknown.p_false(peaks), least))
    assert coarse.expected_false == pytest.approx(sum(max(p, least) for p in unknown.p_false(peaks)))
    assert (coarse.value, coarse.trusted, unknown.trusted) == (unknown.value, False, True)
    assert re.search(r"the pixels are 3\d m wide", coarse.sentence)


def test_a_scene_with_fewer_peaks_than_background_alone_has_states_an_upper_bound():
    scores = scores_of("auto", rows=200, cols=200)
    knot = np.median(scores.values) + prior_for("auto").knots[2]
    scores.values[5::20, 5::20] = knot + 0.5  # 25 per 10⁴ pixels
    assert not choose_threshold(scores).at_most
    calm = scores.copy()
    calm.values = np.where(calm.values >= knot, knot - 1e-6 * calm.values, calm.values)
    assert choose_threshold(calm).at_most


def test_a_threshold_says_as_data_where_it_comes_from():
    given = choose_threshold(scores_of("auto"), ThresholdOptions(threshold=5.0)).origin
    assert (given.choice, given.background, given.scenes) == (
        "given",
        "bank",
        len({source["name"] for source in prior_for("auto").sources}),
    )
    by_pixels = choose_threshold(scores_of("auto").values, ThresholdOptions(rule="gpd"))
    assert (by_pixels.origin.choice, by_pixels.origin.accepted) == ("share of background pixels", 1e-3)
    options = ThresholdOptions(false_objects=10.0)
    told = json.loads(json.dumps(choose_threshold(scores_of("rx", smooth=2.0), options).to_dict()))
    assert (told["origin"]["accepted"], told["origin"]["per"]) == (10.0, 1e4)
    assert "accepts 10 false anomalies per 10,000 pixels" in told["sentence"]
    # Seven places of the benchmark scenes (three of these show Pavia, two one airport), Jasper Ridge and Potsdam.
    assert "on 120 scenes of 9 places and of made ground (rx)" in told["sentence"]
    del told["origin"]["places"]  # as in a list of an earlier version
    assert "on 120 scenes (rx)" in origin_sentence(told)
    assert told["sentence"].endswith(f"Do not trust this answer here: {'; '.join(told['doubts'])}.")


def test_a_clean_region_counts_its_own_peaks():
    scores = scores_of("auto", rows=200, cols=200)
    objects = np.zeros(scores.shape, dtype=bool)
    objects[120:180:8, 20:180:8] = True
    scores.values[objects] = 9 + np.random.default_rng(5).normal(size=objects.sum())
    clean = np.zeros(scores.shape, dtype=bool)
    clean[:110] = True
    chosen = choose_threshold(scores, ThresholdOptions(false_objects=10), clean)
    assert chosen.rule == "clean-region"
    region = Tail.of(ScoreMap.of(scores), clean)
    assert region.count == 110 * 200
    assert region.reached(chosen.value) == pytest.approx(22, abs=4)
    assert float(CleanNull(region, chosen.null.tail).rate(chosen.value)) == pytest.approx(10, rel=1e-6)
    # A region of n peaks says of no score that less than one of n + 1 reach it.
    assert chosen.p_value(np.array([50.0])) == pytest.approx(1 / (len(region.peaks) + 1))
    assert chosen.p_value(region.peaks[39:40]) == pytest.approx(40 / len(region.peaks))
    named = hsad.threshold(scores, clean_region="0:110,0:200", false_objects=10)
    assert named.attrs["threshold"] == pytest.approx(chosen.value)
    with pytest.raises(DataError, match="too few"):
        choose_threshold(scores, None, np.arange(40000).reshape(200, 200) < 9)


def test_fdr_keeps_the_mean_probability_of_the_list_below_the_share():
    scores = scores_of("auto", rows=200, cols=200)
    scores.values[20:180:16, 20:180:16] = 6 + 4 * np.random.default_rng(6).random((10, 10))
    chosen = choose_threshold(scores, ThresholdOptions(fdr=0.2))
    peaks = chosen.null.tail.peaks
    p = chosen.p_false(peaks)
    longest = max(n for n in range(1, len(p) + 1) if p[:n].mean() <= 0.2)
    assert chosen.value == peaks[longest - 1]
    assert 95 <= longest <= 140
    with pytest.raises(DataError, match="nothing stands out enough"):
        choose_threshold(scores_of("auto"), ThresholdOptions(fdr=1e-6))


def test_a_clean_region_has_local_shares_of_background():
    """Among peaks of which half are background, each is so with one half; Benjamini and Hochberg bound the list."""
    scores = scores_of("auto", rows=200, cols=200)
    scores.values[110:] = np.maximum(scores.values[110:], -9)
    scores.values[120:196:7, 4:196:7] = 6 + 4 * np.random.default_rng(6).random((11, 28))
    clean = np.zeros(scores.shape, dtype=bool)
    clean[:110] = True
    chosen = choose_threshold(scores, None, clean)
    assert chosen.rule == "clean-region"
    tail = chosen.null.tail
    p = chosen.p_false(tail.peaks)
    assert (np.diff(p) >= 0).all()
    assert ((p >= 0) & (p <= 1)).all()
    assert tail.reached(chosen.value) == (p <= 0.5).sum()
    assert 308 <= tail.reached(chosen.value) <= 330
    # The sum of local shares is what the clean region says of the whole list, as far as no share exceeds 1.
    assert p[:308].sum() == pytest.approx(float(chosen.null.expected(tail.peaks[307])), abs=0.5)


def test_a_given_threshold_is_taken_and_counted():
    scores = scores_of("auto")
    chosen = choose_threshold(scores, ThresholdOptions(threshold=1.0))
    assert (chosen.value, chosen.rule) == (1.0, "given")
    listed = naive_peaks(scores.values)
    above = [scores.values[place] for place in listed if scores.values[place] >= 1.0]
    assert chosen.expected_false == pytest.approx(float(chosen.p_false(np.array(above)).sum()))
    assert chosen.expected_false <= len(above)
    plain = choose_threshold(scores.values, ThresholdOptions(threshold=5.0))
    assert plain.expected_false is None
    assert np.isnan(plain.p_value(np.array([5.0]))).all()


def test_the_headline_counts_what_is_listed_and_the_rows_add_up_to_it():
    scores = scores_of("auto")
    scores.values[10:60:10, 50] = 30.0
    found = hsad.polygons(scores)
    assert headline(found).startswith(f"{len(found)} anomalies: ")
    assert found.threshold["expected_false"] == pytest.approx(found.columns["p_false"].sum())
    np.testing.assert_allclose(found.columns["expected_false"], np.cumsum(found.columns["p_false"]))
    by_pixels = hsad.polygons(scores, rule="percentile", pfa=1e-3)
    assert headline(by_pixels).endswith(f"at most {min(len(by_pixels), 12)} of them false by the rule percentile")


def test_what_lies_below_the_list_is_offered_as_candidates():
    scores = scores_of("auto")
    scores.values[10:60:10, 50] = 30.0
    found = hsad.polygons(scores)
    assert 5 <= len(found) < 20
    below = found.candidates
    assert 10 < len(below) <= 50
    assert list(below.columns["id"]) == list(range(len(found) + 1, len(found) + len(below) + 1))
    assert below.columns["score_max"].max() < found.threshold["threshold"] <= found.columns["score_max"].min()
    assert all(grade is None for grade in below.columns["grade"])
    values = np.where(scores.values >= found.threshold["threshold"], -np.inf, scores.values)
    row, col = np.unravel_index(np.argmax(values), values.shape)
    highest = below.columns["score_max"][0]
    assert highest <= values[row, col]  # a pixel beside an anomaly is part of it
    assert hsad.polygons(scores, false_objects=10).candidates is None
    calm = hsad.polygons(xr.DataArray(np.full((60, 60), 1.0), dims=("y", "x"), attrs={"method": "auto"}))
    assert headline(calm).startswith("nothing stands out")


@pytest.mark.parametrize("shift", [0.0, -60.0])
def test_a_detector_that_the_bank_knows_nothing_of_is_judged_roughly(shift):
    """By logarithms where scores are above 0, by the scores themselves where they are not."""
    scores = scores_of("rx")
    scores.values[10:60:10, 50] = 200 * scores.values.max()
    scores = (scores + shift).assign_attrs(method="srd", parameters="{}")
    chosen = choose_threshold(scores)
    assert (chosen.rule, chosen.rough, chosen.trusted) == ("list", True, True)
    assert "with srd was not measured" in chosen.sentence
    assert 5 <= chosen.tail.reached(chosen.value) < 30
    # The unit of the scores does not matter.
    assert choose_threshold((7 * scores).assign_attrs(scores.attrs)).value == pytest.approx(7 * chosen.value)
    with pytest.raises(ParameterError, match="rule bank: knows nothing of srd"):
        choose_threshold(scores, ThresholdOptions(rule="bank"))
    assert not choose_threshold(scores_of("rx")).rough


@pytest.mark.parametrize(
    "options, message",
    [
        ({"rule": "best"}, "rule: 'best' is not one of list, bank, gpd"),
        ({"pfa": 2}, "pfa must be below 1, not 2"),
        ({"pfa": 0}, "pfa must be above 0"),
        ({"false_objects": -1}, "false_objects must be above 0"),
        ({"false_objects": 2000}, "more than one in ten pixels"),
        ({"threshold": float("nan")}, "threshold must be a number"),
        ({"speed": 3}, "threshold has no option 'speed'"),
        ({"rule": "chi2"}, "about the squared distances of rx and lrx, not about auto"),
        ({"clean_region": "0:5"}, "0:5"),
        ({"clean_region": "0:5,0:5", "rule": "gpd"}, "a clean region counts anomalies"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ParameterError, match=message):
        hsad.threshold(scores_of("auto"), **options)


def test_maps_that_hold_nothing_are_refused():
    with pytest.raises(DataError, match="no pixel has a score"):
        hsad.threshold(np.full((20, 20), np.nan))
    with pytest.raises(ParameterError, match="must be a map"):
        hsad.threshold(np.zeros((3, 4, 5)))
