"""Results in notebooks: a line in the terminal, a picture and a short table in a cell, figures shown once."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import hsad
from hsad.anomalies.headline import headline
from hsad.products import write_envi


@pytest.fixture(scope="module")
def made():
    return hsad.make_scene(rows=60, cols=70, bands=20, seed=4, target_sizes=[4] * 3, fills=[1.0], heading=0)


@pytest.fixture(scope="module")
def found(made):
    scores = hsad.detect(made.cube, "rx")
    return hsad.polygons(scores, scene=made.cube, threshold=float(np.nanquantile(scores, 0.97)))


def pictures(html):
    return [
        Image.open(io.BytesIO(base64.b64decode(text)))
        for text in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    ]


def test_a_list_is_one_line_in_the_terminal_and_ten_rows_with_a_picture_in_a_cell(found):
    assert len(found) > 10
    assert repr(found) == f"<{headline(found)}>"
    html = found._repr_html_()
    assert html.count("<tr>") == 11
    assert f"and {len(found) - 10} more" in html
    (picture,) = pictures(html)
    assert max(picture.size) == 900
    assert np.asarray(picture).std() > 10
    assert len(html) < 400_000
    first = found.records()[0]
    assert first["reason"] in html
    assert re.search(rf'<td class="n">{first["score_max"]:.4g}</td>', html)


def test_texts_of_a_list_are_escaped_and_a_list_without_a_scene_shows_its_scores():
    scores = np.zeros((20, 20))
    scores[3, 4] = 9
    alone = hsad.polygons(scores, threshold=5.0)
    alone = alone.with_columns(note=np.array(["x"], dtype=object), **{"class": np.array(["<b>&"], dtype=object)})
    html = alone._repr_html_()
    assert len(pictures(html)) == 1
    assert pictures(replace(alone, seen=None)._repr_html_()) == []
    assert "&lt;b&gt;&amp;" in html
    assert "<b>&" not in html
    assert "<table>" not in hsad.polygons(scores, threshold=50.0)._repr_html_()


def test_a_list_becomes_a_table(found):
    table = found.to_dataframe()
    assert isinstance(table, pd.DataFrame)
    assert list(table["id"]) == list(range(1, len(found) + 1))
    np.testing.assert_array_equal(table["score_max"], found.columns["score_max"])
    assert all(one.equals(other) for one, other in zip(table["geometry"], found.outline, strict=True))


def test_a_list_becomes_a_geodataframe_where_geopandas_is_there(found):
    geopandas = pytest.importorskip("geopandas")
    table = found.to_dataframe()
    assert isinstance(table, geopandas.GeoDataFrame)
    assert table.crs == found.grid.crs
    assert table.geometry.area.iloc[0] == pytest.approx(found.columns["n_pixels"][0] * found.grid.pixel_area)


def test_an_explanation_shows_its_sentence_and_its_figure(made, found):
    row, col = int(found.columns["row"][0]), int(found.columns["col"][0])
    why = hsad.explain(made.cube, "auto", row, col)
    assert repr(why) == f"<{why.sentence}>"
    assert "\n" not in repr(why)
    html = why._repr_html_()
    assert html.count(why.because) == 1
    assert len(pictures(html)) == 1
    for number in (why.score, *why.reason.evidence.values()):
        assert f'<td class="n">{number:.4g}</td>' in html


def test_what_is_like_an_object_is_one_line_too(made, found):
    alike = hsad.find(made.cube, like=(int(found.columns["row"][0]), int(found.columns["col"][0])))
    assert repr(alike) == f"<{alike.threshold['sentence'].removesuffix('.')}>"
    assert alike._repr_html_().count("<tr>") == (min(10, len(alike)) + 1 if len(alike) else 0)


def test_figures_show_themselves_once(made):
    formatters = pytest.importorskip("IPython.core.formatters")
    figure = hsad.plot.plot_scores(hsad.detect(made.cube, "rx"))
    data, _ = formatters.DisplayFormatter().format(figure)
    assert Image.open(io.BytesIO(data["image/png"])).size[0] > 300
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []  # a backend that shows what pyplot knows has nothing to show


def test_a_survey_shows_its_answer(made, tmp_path):
    write_envi(made.cube, tmp_path / "scene.hdr")
    result = hsad.survey(tmp_path / "scene.hdr", tmp_path / "out", "rx", decide={"false_objects": 30})
    assert repr(result) == f"<{result['headline']}; files in {tmp_path / 'out'}>"
    html = result._repr_html_()
    assert len(pictures(html)) == 1
    assert html.count("<tr>") == min(10, result["count"]) + 1
    assert len(result.to_dataframe()) == result["count"]
    (tmp_path / "out" / "quicklook.png").unlink()
    assert pictures(result._repr_html_()) == []


def test_a_survey_of_many_has_a_row_for_each_scene(made, tmp_path):
    for name in ("one", "two"):
        write_envi(made.cube, tmp_path / f"{name}.hdr")
    (tmp_path / "bad.hdr").write_text("ENVI\n")
    (tmp_path / "bad.img").write_bytes(b"")
    scenes = [tmp_path / f"{name}.hdr" for name in ("one", "two", "bad")]
    results = hsad.survey(scenes, tmp_path / "out", "rx", at_once=1)
    assert re.fullmatch(r"<3 scenes, \d+ anomal(y|ies), 1 failed>", repr(results))
    assert results._repr_html_().count("<tr>") == 4
    assert list(results.to_dataframe()["state"]) == ["done", "done", "failed"]
