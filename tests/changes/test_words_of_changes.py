"""The column ``change``: what a list of changes says of each of them."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
import xarray as xr

import hsad
from hsad.anomalies.vectors import read_anomalies, read_candidates
from hsad.cli import run

SIZES = {"new_sizes": (9, 16), "gone_sizes": (9, 16), "kept_sizes": (9,), "fills": (1.0,)}


@pytest.fixture(scope="module")
def pair():
    return hsad.make_pair(80, 90, 24, seed=3, **SIZES)


@pytest.fixture(scope="module")
def files(pair, tmp_path_factory):
    """Return the folder of two dates, and the raster of their change with its parts."""
    folder = tmp_path_factory.mktemp("dates")
    hsad.write_cube(pair.before, folder / "before.hdr")
    hsad.write_cube(pair.after, folder / "after.hdr")
    hsad.change_to_file(folder / "before.hdr", folder / "after.hdr", folder / "change.tif", parts=True, workers=1)
    return folder


def truth_of(pair, record):
    """Return what the truth says around the highest pixel of a record."""
    number = pair.truth.values[record["row"], record["col"]]
    return {True: "appeared", False: "disappeared"}[1 <= number <= len(pair.new)] if number else None


@pytest.mark.parametrize("method", ["covariance-equalisation", "chronochrome", "hyperbolic"])
def test_what_came_appeared_and_what_went_disappeared(pair, method):
    scores = hsad.change(pair.before, pair.after, method, parts=True, workers=1)
    records = hsad.polygons(scores, threshold=float(np.sort(scores.values.ravel())[-40])).records()
    said = [(record["change"], truth_of(pair, record)) for record in records if truth_of(pair, record)]
    assert len(said) >= 4
    assert {true for _, true in said} == {"appeared", "disappeared"}
    assert all(word == true for word, true in said)


def test_the_answer_says_that_pairs_were_measured(files, hsad_run):
    status, out, _ = hsad_run("threshold", files / "change.tif", "-o", files / "answer.gpkg", "--json")
    assert status == 0
    threshold = json.loads(out)
    assert "was measured on pairs of dates of 9 places and of made ground (covariance-equalisation)" in str(threshold)


@pytest.mark.parametrize("factor", [1.0, 7.0])
def test_a_part_that_is_twice_the_other_decides(factor):
    """Each part counts over its median: dates with more bands have larger ones."""
    scores = np.zeros((40, 50))
    scores[[5, 5, 25], [5, 25, 5]] = 3, 2, 1
    new, gone = np.ones((40, 50)), np.ones((40, 50))
    new[[5, 5, 25], [5, 25, 5]] = 8, 8.2, 3
    gone[[5, 5, 25], [5, 25, 5]] = 4.1, 4, 9
    parts = {"after given before": (("y", "x"), new), "before given after": (("y", "x"), factor * gone)}
    found = hsad.polygons(xr.DataArray(scores, dims=("y", "x"), coords=parts), threshold=0.5)
    assert found.columns["change"].tolist() == ["altered", "appeared", "disappeared"]


def test_a_change_without_parts_has_an_empty_column_and_other_lists_have_none(pair, files, tmp_path):
    hsad.change_to_file(files / "before.hdr", files / "after.hdr", tmp_path / "plain.tif", workers=1)
    found = hsad.polygons(tmp_path / "plain.tif", threshold=60.0)
    assert len(found) > 0
    assert set(found.columns["change"]) == {None}
    assert "change" not in hsad.polygons(np.eye(40), threshold=0.5).columns
    assert "change" not in hsad.polygons(hsad.detect(pair.after, "rx", workers=1)).columns


@pytest.mark.parametrize("name", ["list.gpkg", "list.geojson", "list.json", "list.csv"])
def test_every_format_of_a_list_has_the_words(files, tmp_path, name):
    expected = hsad.polygons(files / "change.tif").columns["change"].tolist()
    assert {"appeared", "disappeared"} <= set(expected)
    assert run(["threshold", str(files / "change.tif"), "-o", str(tmp_path / name), "-q"]) == 0
    if name.endswith(".csv"):
        with (tmp_path / name).open(newline="", encoding="utf-8") as file:
            words = [row["change"] for row in csv.DictReader(file)]
    elif name.endswith(".gpkg"):
        words = [record["change"] for record in read_anomalies(tmp_path / name)]
        assert {record["change"] for record in read_candidates(tmp_path / name)} <= {*expected, "altered"}
    else:
        features = json.loads((tmp_path / name).read_text())["features"]
        words = [feature["properties"]["change"] for feature in features]
    assert words == expected


def test_the_page_of_a_change_holds_the_words(files, tmp_path):
    page = tmp_path / "changes.html"
    assert run(["report", str(files / "after.hdr"), str(files / "change.tif"), "-o", str(page), "-q"]) == 0
    expected = hsad.polygons(files / "change.tif").columns["change"].tolist()
    data = json.loads(re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page.read_text(), re.DOTALL)[1])
    assert data["anomalies"]["change"][: len(expected)] == expected


def test_the_list_of_a_change_is_measured_and_the_bands_of_the_dates_are_no_reason_for_doubt(pair):
    for method in ("covariance-equalisation", "chronochrome", "hyperbolic"):
        found = hsad.polygons(hsad.change(pair.before, pair.after, method, workers=1)).threshold
        assert not found["rough"]
        assert not any("default parameters" in doubt for doubt in found["doubts"])
    other = hsad.polygons(hsad.change(pair.before, pair.after, shift=0, workers=1)).threshold
    assert any("shift=0" in doubt for doubt in other["doubts"])
