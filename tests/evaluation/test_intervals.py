"""Intervals and objects, against scikit-learn with sample weights and against loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

import hsad
from hsad.errors import DataError, ParameterError


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(0)
    truth = np.zeros((60, 50), dtype=int)
    for number, (row, col, size) in enumerate([(5, 5, 1), (20, 10, 3), (30, 40, 2), (50, 25, 4), (10, 35, 2)], 1):
        truth[row : row + size, col : col + size] = number
    scores = np.round(rng.normal(size=truth.shape), 1) + np.where(truth > 0, truth * 0.8, 0)
    scores[55, 5] = np.nan
    return scores, truth


def test_objects_are_what_scikit_learn_says_of_each(scene):
    scores, truth = scene
    known = np.isfinite(scores)
    background = scores[(truth == 0) & known]
    for entry in hsad.evaluate_objects(scores, truth):
        labels, _ = ndimage.label(truth, np.ones((3, 3)))
        own = scores[(labels == entry.label) & known]
        assert (entry.pixels, entry.score_max) == (own.size, own.max())
        assert entry.false_alarm_rate == pytest.approx(np.mean(background >= own.max()))
        both = np.concatenate([own, background])
        assert entry.auc == pytest.approx(roc_auc_score(np.arange(both.size) < own.size, both))


def test_the_middle_is_evaluate(scene):
    whole, intervals = hsad.evaluate(*scene), hsad.confidence_intervals(*scene, draws=50)
    assert intervals["auc"].value == pytest.approx(whole.auc)
    assert intervals["average_precision"].value == pytest.approx(whole.average_precision)
    assert intervals["objects_found"].value == pytest.approx(whole.objects_found / whole.objects)
    for interval in intervals.values():
        assert interval.low <= interval.value <= interval.high


def test_draws_are_scikit_learns_weighted_measures(scene):
    scores, truth = scene
    known = np.isfinite(scores)
    labels, number = ndimage.label(truth, np.ones((3, 3)))
    rng = np.random.default_rng(3)
    drawn = []
    for _ in range(40):
        times = rng.multinomial(number, np.full(number, 1 / number))
        weight = np.where(labels == 0, 1.0, np.append(0, times)[labels])
        arguments = {"y_true": truth[known] > 0, "y_score": scores[known], "sample_weight": weight[known]}
        drawn.append((roc_auc_score(**arguments), average_precision_score(**arguments)))
    intervals = hsad.confidence_intervals(scores, truth, draws=40, seed=3, level=0.8)
    expected = np.quantile(drawn, [0.1, 0.9], axis=0)
    for place, name in enumerate(("auc", "average_precision")):
        assert (intervals[name].low, intervals[name].high) == pytest.approx(tuple(expected[:, place]))


def test_what_has_no_interval_is_refused(scene):
    scores, truth = scene
    with pytest.raises(DataError, match="at least two objects, this truth has one"):
        hsad.confidence_intervals(scores, truth == 2)
    with pytest.raises(ParameterError, match="level must be between 0 and 1, not 2"):
        hsad.confidence_intervals(scores, truth, level=2)
    with pytest.raises(ParameterError, match="draws must be at least 1"):
        hsad.confidence_intervals(scores, truth, draws=0)


def test_figures_are_drawn(scene, tmp_path):
    import hsad.plot

    scores, truth = scene
    hsad.plot.plot_roc_3d({"a": scores, "b": -scores}, truth, tmp_path / "roc.png")
    figure = hsad.plot.plot_separability({"a": scores, "b": scores**3}, truth, tmp_path / "boxes.png")
    medians = [float(line.get_ydata()[0]) for line in figure.axes[0].lines if line.get_color() == "black"]
    assert medians[0] > medians[2]  # anomalous above background
    cube = hsad.make_scene(rows=60, cols=70, seed=2).cube
    mapped = hsad.detect(cube, "rx")
    figure = hsad.plot.plot_anomalies(mapped, hsad.polygons(mapped, false_objects=50), tmp_path / "map.png")
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert "N" in shown
    assert any(text.endswith(" m") for text in shown)
    assert all((tmp_path / f"{name}.png").stat().st_size > 10_000 for name in ("roc", "boxes", "map"))
    with pytest.raises(ParameterError, match="at least one detector"):
        hsad.plot.plot_separability({}, truth)
