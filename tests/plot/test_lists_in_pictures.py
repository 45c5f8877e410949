"""Pictures of a list of anomalies: where colours start, what ticks say, and that rings lie around their places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.image import imread
from rasterio.crs import CRS

import hsad
from hsad.anomalies.headline import headline
from hsad.plot import plot_anomalies, plot_scores
from hsad.products.palette import BELOW_PALETTE, FOUND_COLOR, FURTHER_COLOR, LISTED_PALETTE
from hsad.scene.cube import GeoGrid

PLACES = [(12, 40), (30, 8), (52, 50)]
GRADES = ("almost certain", "likely", "possible")


def listed(heights=(9.0, 7.0, 5.0), grid=None):
    """A map of background below 3 with three bright places, and the list of what is at least 4."""
    values = np.random.default_rng(0).uniform(0, 3, (60, 70))
    for (row, col), height in zip(PLACES, heights, strict=True):
        values[row, col] = height
    scores = xr.DataArray(values, dims=("y", "x"))
    if grid is not None:
        scores = grid.attach(scores)
    found = hsad.polygons(scores, threshold=4.0)
    assert found.columns["row"].tolist() == [row for row, _ in PLACES]
    return scores, found.with_columns(grade=np.array(GRADES, dtype=object))


def pixel_reader(figure, axes, path):
    """Return the function from a point of the map's coordinates to the colour of the file at this point."""
    picture = imread(path)

    def color(x, y):
        left, low = axes.transData.transform((x, y)) * picture.shape[1] / figure.bbox.width
        return picture[int(picture.shape[0] - low), int(left), :3]

    return color


def test_the_colour_bar_starts_at_the_list_and_ends_at_the_highest_score():
    scores, found = listed()
    figure = plot_scores(scores, anomalies=found)
    image = figure.axes[0].images[-1]
    assert (image.norm.vmin, image.norm.vmax) == (4.0, 9.0)
    bar = figure.axes[-1]
    assert bar.get_ylim() == (4.0, 9.0)
    labels = [tick.get_text() for tick in bar.get_yticklabels()]
    assert labels[0] == "4: the list starts"
    assert labels[1:] == ["5", "6", "7", "8", "9"]


def test_the_bar_of_the_default_list_says_what_a_score_means():
    scores, found = listed()
    found.threshold.update(rule="list", grade_scores={"possible": 4.0, "likely": 7.0, "almost certain": 9.0})
    bar = plot_scores(scores, anomalies=found).axes[-1]
    ticks = dict(zip(bar.get_yticks(), bar.get_yticklabels(), strict=True))
    words = {score: label.get_text() for score, label in ticks.items() if "background" in label.get_text()}
    assert words == {
        4.0: "4: possible\n(5 in 10 are background)",
        7.0: "7: likely\n(3 in 10 are background)",
        9.0: "9: almost certain\n(1 in 10 is background)",
    }


def test_a_list_of_few_very_high_scores_is_logarithmic_with_plain_numbers():
    scores, found = listed((40000.0, 90.0, 40.0))
    figure = plot_scores(scores, anomalies=found)
    assert isinstance(figure.axes[0].images[-1].norm, LogNorm)
    labels = [tick.get_text() for tick in figure.axes[-1].get_yticklabels()]
    assert "10,000" in labels
    assert not [label for label in labels if "e" in label.split(":")[0] or "^" in label]


def test_background_is_dark_grey_and_what_is_listed_is_coloured(tmp_path):
    scores, found = listed()
    figure = plot_scores(scores, tmp_path / "map.png", anomalies=found)
    color = pixel_reader(figure, figure.axes[0], tmp_path / "map.png")
    for row, col in PLACES:
        assert np.ptp(color(col + 0.5, row + 0.5)) > 0.3
    brightest = max(to_rgb(BELOW_PALETTE[1]))
    for row, col in ((5, 5), (25, 30), (44, 20), (55, 10)):
        assert color(col + 0.5, row + 0.5).max() <= brightest + 0.01
    dark, low = (np.array(to_rgb(name)) for name in (BELOW_PALETTE[1], LISTED_PALETTE[0]))
    assert np.abs(dark - low).max() > 0.25  # the lowest of a list differs from background


ROTATED = GeoGrid(60, 70, CRS.from_epsg(32633), Affine(4.5, 2.0, 500000.0, 2.0, -4.5, 4e6))
DEGREES = GeoGrid(60, 70, CRS.from_epsg(4326), Affine(0.01, 0, 11, 0, -0.01, 60.0))


@pytest.mark.parametrize("grid", [None, ROTATED, DEGREES], ids=["pixels", "rotated", "degrees"])
def test_a_cyan_ring_and_a_number_lie_around_every_anomaly_in_both_pictures(tmp_path, grid):
    scores, found = listed(grid=grid)
    figure = plot_scores(scores, tmp_path / "map.png", anomalies=found, background=np.full((60, 70, 3), 0.5))
    for panel in figure.axes[:2]:
        color = pixel_reader(figure, panel, tmp_path / "map.png")
        written = [text.get_text() for text in panel.texts]
        assert {"1", "2", "3"} <= set(written)
        for row, col in PLACES:
            angles, reach = np.linspace(0, 2 * np.pi, 24), np.linspace(0, 4, 80)
            pixels = [
                [(col + 0.5 + r * np.cos(angle), row + 0.5 + r * np.sin(angle)) for r in reach] for angle in angles
            ]
            rays = [[color(*point) for point in (grid.to_map(ray) if grid else ray)] for ray in pixels]
            cyan = np.abs(np.array(rays) - np.array(to_rgb(FOUND_COLOR))).max(axis=2) < 0.2
            assert cyan[:, reach > 1].any(axis=1).sum() > 6  # dashed and dotted rings have gaps
            assert not cyan[:, reach < 1].any()  # the anomaly itself is not covered


def test_rings_of_lists_with_grades_differ_in_line_style():
    scores, found = listed()
    figure = plot_scores(scores, anomalies=found)
    styles = {str(ring.get_linestyle()) for ring in figure.axes[0].collections}
    assert len(styles) == 3
    assert "solid: almost certain, dashed: likely, dotted: possible" in figure.get_supxlabel()


def test_an_empty_list_has_a_dark_picture(tmp_path):
    scores = xr.DataArray(np.random.default_rng(0).uniform(0, 3, (60, 70)), dims=("y", "x"))
    found = hsad.polygons(scores, threshold=4.0)
    figure = plot_scores(scores, tmp_path / "map.png", anomalies=found, title="nothing stands out")
    assert figure.axes[-1].get_ylim()[0] == 4.0
    assert figure.get_suptitle() == "nothing stands out"
    color = pixel_reader(figure, figure.axes[0], tmp_path / "map.png")
    assert max(color(col + 0.5, row + 0.5).max() for row in range(60) for col in range(45, 70)) < 0.25


def test_numbers_of_neighbours_do_not_cover_each_other():
    values = np.random.default_rng(0).uniform(0, 3, (100, 100))
    values[10:90:8, 10:90:8] = np.linspace(5, 9, 100).reshape(10, 10)
    found = hsad.polygons(values, threshold=4.0)
    figure = plot_scores(values, anomalies=found)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text().isdigit()]
    assert len(boxes) == 60  # of 100: more would cover each other
    shared = [(a, b) for k, a in enumerate(boxes) for b in boxes[:k] if a.shrunk(0.7, 0.7).overlaps(b.shrunk(0.7, 0.7))]
    assert shared == []
    assert "the 60 highest of 100 are numbered" in figure.get_supxlabel()


def test_where_every_score_has_the_better_grade_the_bar_starts_with_that():
    scores, found = listed()
    found.threshold.update(grade_scores={"possible": 4.0, "likely": 4.0, "almost certain": None})
    labels = [tick.get_text() for tick in plot_scores(scores, anomalies=found).axes[-1].get_yticklabels()]
    assert labels[0] == "4: likely\n(3 in 10 are background)"
    assert not any("possible" in label or "certain" in label for label in labels)


def test_the_figure_of_anomalies_has_their_outlines_and_the_headline():
    scores, found = listed()
    figure = plot_anomalies(scores, found)
    assert figure.get_suptitle() == headline(found)
    corners = {tuple(point) for line in figure.axes[0].lines for point in line.get_xydata()}
    for row, col in PLACES:
        assert {(col, row), (col + 1, row), (col, row + 1), (col + 1, row + 1)} <= corners


def test_where_nothing_stands_out_the_highest_candidates_have_grey_rings():
    scores, found = listed()
    none = hsad.polygons(scores, threshold=10.0)
    figure = plot_scores(scores, anomalies=replace(none, candidates=found), background=np.zeros((60, 70, 3)))
    for panel in figure.axes[:2]:
        assert {"1", "2", "3"} <= {text.get_text() for text in panel.texts}
        for ring in panel.collections:
            np.testing.assert_allclose(ring.get_edgecolor()[0, :3], to_rgb(FURTHER_COLOR))
    assert "the highest scores, no better than background" in figure.get_supxlabel()
