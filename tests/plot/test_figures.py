"""Figures: that everything is on them where it belongs, and that reduction keeps anomalies."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from matplotlib.image import imread
from rasterio.crs import CRS

from hsad.errors import OutputError, ParameterError
from hsad.plot import plot_roc, plot_scores
from hsad.plot.reduction import highest
from hsad.scene.cube import GeoGrid

ROTATED = Affine(4.5, 2.0, 500000.1, 2.0, -4.5, 4e6)


@dataclass
class Curve:
    false_alarm_rate: np.ndarray
    detection_rate: np.ndarray

    @property
    def auc(self):
        return float(np.trapezoid(self.detection_rate, self.false_alarm_rate))


def some_map(rows=80, cols=60):
    scores = np.random.default_rng(0).chisquare(50, (rows, cols))
    truth = np.zeros((rows, cols), int)
    for number, (row, col) in enumerate([(10, 10), (40, 30), (70, 50)], start=1):
        truth[row : row + number, col : col + number] = number
    scores[truth > 0] += 200
    return scores, truth


def texts(figure):
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]


def test_an_anomaly_is_bright_where_it_lies(tmp_path):
    scores = np.zeros((50, 50))
    scores[5, 40] = 9.0
    figure = plot_scores(scores, tmp_path / "map.png")
    axes = figure.axes[0]
    picture = imread(tmp_path / "map.png")

    def color(row, col):
        x, y = axes.transData.transform((col + 0.5, row + 0.5))
        x, y = np.array([x, y]) * picture.shape[1] / figure.bbox.width
        return picture[int(picture.shape[0] - y), int(x), :3]

    assert color(5, 40).sum() > 2
    assert color(25, 25).sum() < 0.1
    assert color(40, 5).sum() < 0.1  # neither transposed nor flipped


@pytest.mark.parametrize("factor, name", [(1.0, "Normalize"), (100.0, "LogNorm")])
def test_weak_anomalies_show_beside_strong_ones(factor, name):
    scores, truth = some_map()
    scores[truth == 3] *= factor
    image = plot_scores(scores).axes[0].images[0]
    assert type(image.norm).__name__ == name
    weak, usual = scores[truth == 2].mean(), np.median(scores)
    assert image.norm(weak) > image.norm(usual) + 0.2


def test_scores_that_have_no_logarithm_are_low_and_not_missing():
    scores, truth = some_map()
    scores[truth == 3] *= 100
    scores[::2, ::2] = 0
    scores[1::2, ::2] -= 1000
    scores[:5, :5] = np.nan
    image = plot_scores(np.where(scores < 0, -1, scores)).axes[0].images[0]
    assert type(image.norm).__name__ == "LogNorm"
    colors = image.cmap(image.norm(image.get_array()))
    assert (colors[np.isfinite(scores) & (scores <= 0)] == image.cmap(0.0)).all()
    assert (colors[:5, :5, 3] == 0).all()  # what lies behind shows where there is no score


def test_georeferenced_maps_have_coordinates(tmp_path):
    scores, truth = some_map()
    grid = GeoGrid(80, 60, CRS.from_epsg(32633), ROTATED)
    array = grid.attach(xr.DataArray(scores, dims=("y", "x"), attrs={"method": "lrx"}))
    figure = plot_scores(array, tmp_path / "map.png", truth=truth, background=np.zeros((80, 60, 3)))
    shown = texts(figure)
    assert "Easting, m (EPSG:32633)" in shown
    assert "Northing, m" in shown
    assert "Anomaly score (lrx)" in shown
    assert "truth: 3 objects" in shown
    scene, axes = figure.axes[:2]
    corners = np.array([ROTATED.c + 4.5 * x + 2.0 * y for x in (0, 60) for y in (0, 80)])
    assert axes.get_xlim() == pytest.approx((corners.min(), corners.max()))
    assert axes.get_ylim()[0] < axes.get_ylim()[1]  # north is up
    assert axes.get_aspect() == 1
    assert scene.get_title() == "Scene"
    circles = next(c for c in axes.collections if hasattr(c, "get_offsets") and len(c.get_offsets()) == 3)
    expected = [(ROTATED.c + 4.5 * x + 2 * y, ROTATED.f + 2 * x - 4.5 * y) for x, y in [(10.5, 10.5), (31, 41)]]
    np.testing.assert_allclose(circles.get_offsets()[:2], expected)


def test_degrees_are_drawn_as_wide_as_they_are():
    scores, _ = some_map()
    grid = GeoGrid(80, 60, CRS.from_epsg(4326), Affine(0.01, 0, 11, 0, -0.01, 60.4))
    figure = plot_scores(grid.attach(xr.DataArray(scores, dims=("y", "x"))))
    assert figure.axes[0].get_aspect() == pytest.approx(2.0, rel=1e-3)  # 1 / cos 60°
    assert "Longitude, ° (EPSG:4326)" in texts(figure)


def test_reduction_keeps_single_pixels_and_ignores_nodata():
    scores = np.zeros((2000, 1901))
    scores[:, :700] = np.nan
    scores[1234, 1567] = 5
    scores[3, 699] = 7
    reduced = highest(scores, 3)
    assert reduced.shape == (667, 634)
    assert np.nanmax(reduced) == 7
    assert (reduced == 5).sum() == 1
    assert reduced[1234 // 3, 1567 // 3] == 5
    assert np.isnan(reduced[:, :200]).all()


@pytest.mark.parametrize("scores", [np.full((5, 4), np.nan), np.full((5, 4), 2.0), np.ones((1, 1))])
@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_degenerate_maps_are_drawn(tmp_path, scores, suffix):
    plot_scores(scores, tmp_path / f"map{suffix}")
    assert (tmp_path / f"map{suffix}").stat().st_size > 1000
    assert len(list(tmp_path.iterdir())) == 1


def test_roc_lists_curves_by_area(tmp_path):
    rate = np.array([0, 1e-4, 1e-2, 1.0])
    good, poor = Curve(rate, np.array([0, 0.9, 1, 1])), Curve(rate, np.array([0, 0, 0.3, 1]))
    figure = plot_roc({"poor": poor, "good": good}, tmp_path / "roc.png")
    axes = figure.axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [f"good, AUC {good.auc:.4f}", f"poor, AUC {poor.auc:.4f}", "chance, AUC 0.5000"]
    assert axes.get_xscale() == "log"
    assert axes.get_xlim() == (1e-4, 1.0)
    drawn = next(line for line in axes.lines if line.get_label().startswith("good"))
    np.testing.assert_array_equal(drawn.get_xdata(), [1e-4, 1e-4, 1e-2, 1.0])
    assert imread(tmp_path / "roc.png").shape[1] > 1000


def test_no_state_of_pyplot_is_touched():
    import subprocess

    program = (
        "import sys, numpy as np; from hsad.plot import plot_scores; "
        "plot_scores(np.eye(5)); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_what_does_not_fit_is_refused(tmp_path):
    scores, truth = some_map()
    with pytest.raises(ParameterError, match=r"truth of \(60, 80\) pixels for scores of \(80, 60\)"):
        plot_scores(scores, truth=truth.T)
    with pytest.raises(ParameterError, match="must be a map"):
        plot_scores(np.zeros((3, 4, 5)))
    with pytest.raises(ParameterError, match="at least one curve"):
        plot_roc({})
    with pytest.raises(OutputError, match=r"\.png, \.pdf, \.svg"):
        plot_scores(scores, tmp_path / "map.bmp")
